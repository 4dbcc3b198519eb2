import { percent } from '../base/format.ts'
import { setting } from '../base/options.ts'
import type { BenchResult, Timing } from './types.ts'

/** Advice to make training faster on this machine, from the measurements: one sentence each. */
export function speedAdvice(result: Omit<BenchResult, 'advice'>): string[] {
  const { timings, precision, kernels } = result
  const steps = timings.filter(t => t.work === 'training step')
  const taken = steps[0]!
  const by = (p: string, k: string) => steps.find(t => t.precision === p && t.kernels === k)
  const other = by(precision === 'float32' ? 'bfloat16' : 'float32', kernels)
  return [
    ...told(
      gain(other, taken) >= enough,
      () => `${setting('precision', other!.precision)}: ${times(gain(other, taken))} in a training step here`,
    ),
    ...kernelAdvice(taken, by(precision, kernels === 'own' ? 'aten' : 'own')),
    ...coreAdvice(result),
    ...instructionAdvice(result),
    ...shapeAdvice(result, taken),
  ]
}

/** Advice is given only for gains beyond chance: at least this factor, by the median and by the least time. */
const enough = 1.1

/** How many times as many pictures per second: the smaller ratio of the median and the least time. */
function gain(other: Timing | undefined, taken: Timing): number {
  if (!other) return 0
  const each = (t: Timing, key: 'median' | 'least') => t.milliseconds[key] / t.batch
  return Math.min(each(taken, 'median') / each(other, 'median'), each(taken, 'least') / each(other, 'least'))
}
const times = (share: number) =>
  share < 1.95 ? `${percent(share - 1, 0)} faster` : `${share.toFixed(1)} times as fast`
const told = (when: boolean, line: () => string): string[] => (when ? [line()] : [])

function kernelAdvice(taken: Timing, other: Timing | undefined): string[] {
  const share = gain(other, taken)
  if (!other || share < enough) return []
  return [
    other.kernels === 'own'
      ? `ANNEAL_KERNELS=aten asks for libtorch's kernels; without it a step is ${times(share)}`
      : `ANNEAL_KERNELS=aten selects libtorch's kernels: ${times(share)} in a training step here`,
  ]
}

function coreAdvice({ threads, cores, waited }: Omit<BenchResult, 'advice'>): string[] {
  return [
    ...told(threads < cores, () => {
      const name = process.env.ANNEAL_THREADS === undefined ? 'OMP_NUM_THREADS' : 'ANNEAL_THREADS'
      return `${name} allows ${threads} of ${cores} cores; leave it out to use them all`
    }),
    ...told(threads > cores, () => `${threads} threads share ${cores} cores; one thread per core is faster`),
    ...told(
      (waited ?? 0) > 0.05,
      () =>
        `other programs use the cores: threads waited for a core in ${percent(waited!, 0)} of the time; stop them, then measure again`,
    ),
  ]
}

function instructionAdvice({ device, instructionSets, precision }: Omit<BenchResult, 'advice'>): string[] {
  if (device !== 'cpu') return []
  const has = (name: string) => instructionSets.includes(name)
  if (has('NEON'))
    return told(
      precision === 'float32' && !has('NEON BF16'),
      () => 'this processor has no instructions for bfloat16 (Armv8.6 added them); a processor with them trains faster',
    )
  if (!has('AVX-512'))
    return ['this processor has no AVX-512; a processor with it computes twice as many numbers per instruction']
  return told(
    precision === 'float32' && !has('AVX-512 BF16') && !has('AMX'),
    () => 'this processor has no instructions for bfloat16 (AVX-512 BF16 or AMX); a processor with them trains faster',
  )
}

function shapeAdvice({ size, others }: Omit<BenchResult, 'advice'>, taken: Timing): string[] {
  return others.flatMap(other => {
    const share = gain(other, taken)
    if (share < enough) return []
    return [
      other.size === size
        ? `${setting('batchSize', other.batch)}: ${times(share)}, with half as many steps per epoch`
        : `${setting('size', other.size)}: ${times(share)}, at some cost in accuracy; ${setting('sizes', [other.size, size])} trains on small pictures first`,
    ]
  })
}
