import { percent } from '../base/format.ts'
import { setting } from '../base/options.ts'
import type { BenchResult, Timing } from './bench.ts'

/** What would make training faster here, as far as was measured: a sentence each. */
export function speedAdvice(result: Omit<BenchResult, 'advice'>): string[] {
  const { timings, precision, kernels } = result
  const steps = timings.filter(t => t.work === 'training step')
  const taken = steps[0]!
  const by = (p: string, k: string) => steps.find(t => t.precision === p && t.kernels === k)
  const other = by(precision === 'float32' ? 'bfloat16' : 'float32', kernels)
  return [
    ...told(
      gain(other, taken) > 1.05,
      () => `${setting('precision', other!.precision)}: ${times(gain(other, taken))} in a step here`,
    ),
    ...kernelAdvice(taken, by(precision, kernels === 'own' ? 'aten' : 'own')),
    ...coreAdvice(result),
    ...instructionAdvice(result),
    ...shapeAdvice(result, taken),
  ]
}

const gain = (other: Timing | undefined, taken: Timing) => (other?.imagesPerSecond ?? 0) / taken.imagesPerSecond
const times = (share: number) =>
  share < 1.95 ? `${percent(share - 1, 0)} faster` : `${share.toFixed(1)} times as fast`
const told = (when: boolean, line: () => string): string[] => (when ? [line()] : [])

function kernelAdvice(taken: Timing, other: Timing | undefined): string[] {
  const share = gain(other, taken)
  if (!other || share < 1.05) return []
  return [
    other.kernels === 'own'
      ? `ANNEAL_KERNELS=aten asks for libtorch's kernels; without it a step is ${times(share)}`
      : `ANNEAL_KERNELS=aten takes libtorch's kernels: ${times(share)} in a step here`,
  ]
}

function coreAdvice({ threads, cores, waited }: Omit<BenchResult, 'advice'>): string[] {
  return [
    ...told(threads < cores, () => {
      const name = process.env.ANNEAL_THREADS === undefined ? 'OMP_NUM_THREADS' : 'ANNEAL_THREADS'
      return `${name} allows ${threads} of ${cores} cores; leave it out to use them all`
    }),
    ...told(threads > cores, () => `${threads} threads share ${cores} cores; a thread a core is faster`),
    ...told(
      (waited ?? 0) > 0.05,
      () =>
        `other work is on the cores: threads waited for one in ${percent(waited!, 0)} of the time; end it, then measure again`,
    ),
  ]
}

function instructionAdvice({ device, instructionSets, precision }: Omit<BenchResult, 'advice'>): string[] {
  if (device !== 'cpu') return []
  const has = (name: string) => instructionSets.includes(name)
  if (!has('AVX-512')) return ['this processor has no AVX-512; one that has it computes twice as much at a time']
  return told(
    precision === 'float32' && !has('AVX-512 BF16') && !has('AMX'),
    () => 'this processor has no instructions for bfloat16 (AVX-512 BF16 or AMX); one that has them trains faster',
  )
}

function shapeAdvice({ size, others }: Omit<BenchResult, 'advice'>, taken: Timing): string[] {
  return others.flatMap(other => {
    const share = gain(other, taken)
    if (share < 1.05) return []
    return [
      other.size === size
        ? `${setting('batchSize', other.batch)}: ${times(share)}, with half as many steps an epoch`
        : `${setting('size', other.size)}: ${times(share)}, at some cost in accuracy; ${setting('sizes', [other.size, size])} trains on small pictures first`,
    ]
  })
}
