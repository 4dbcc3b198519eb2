import { checkValues, type Options } from '../base/option-table.ts'
import type { Narrator, Progress } from '../domain/index.ts'
import { checkSizes, model as modelInfo } from '../models/index.ts'
import { batchThatFits } from '../recipes/prepare/batch-size.ts'
import { usualDevice } from '../recipes/prepare/device.ts'
import { choosePrecision } from '../recipes/prepare/precision.ts'
import { type Machine, machine } from '../setup/index.ts'
import { keepMemory, kernelSets, kernelsInUse, library } from '../torch/index.ts'
import type { Kernels } from '../torch/kernels.ts'
import { plansOf } from '../train/measure-kernels.ts'
import type { Network, Precision } from '../train/network.ts'
import { processorUse } from '../train/processor.ts'
import { speedAdvice } from './advice.ts'
import { benchOptions } from './options.ts'
import { median, noiseNet, type SpeedOptions, timeFrozen, timeSteps } from './timing.ts'
import type { BenchResult, Timing } from './types.ts'

/** The options of a measurement, and its callback. */
export type BenchOptions = Options<typeof benchOptions> & {
  progress?: Progress
  signal?: AbortSignal | undefined
}

const classes = 10
const rounds = 2

/** Measures the training step of the whole net and the frozen body, in turn, with own kernels and libtorch's, in
 *  float32 and, if the processor has it, in bfloat16. Weights and pictures are random. */
export async function benchmark(options: BenchOptions = {}): Promise<BenchResult> {
  keepMemory()
  const usual = benchOptions
  const { model = usual.model.usual, batchSize = usual.batchSize.usual, steps = usual.steps.usual } = options
  const { progress = () => {}, signal } = options
  const info = modelInfo(model)
  const { size = info.size } = options
  checkValues(benchOptions, { ...options, size, batchSize, steps })
  checkSizes(model, [size])
  const device = usualDevice()
  let reason = ''
  const narrator: Narrator = { once: async (_, fn) => fn(), emit() {}, choice: (_, __, why) => void (reason = why) }
  const base = { size, batchSize, classes, device, signal }
  progress('making the net', 0, 1)
  const net = await noiseNet(model, base, signal)
  const asked = { precision: options.precision }
  const { precision, by } = await choosePrecision({
    narrator,
    options: asked,
    modelName: model,
    net,
    shape: [3, size, size],
    batch: batchSize,
    device,
  })
  const measuredLayers = (type: Precision) =>
    device === 'cpu'
      ? plansOf(model, net, { inputs: [{ shape: [3, size, size] }], batch: batchSize, asked: type })
      : { layers: [], plans: {} }
  const planOf = (type: Precision) => (type === precision ? by.step.plan : measuredLayers(type).plans[type]) ?? {}
  const kernels = kernelSets().length > 0 ? kernelsInUse() : 'aten'
  const means = meansHere(options.precision ?? 'auto', { precision, kernels, device })
  const each = Math.max(1, Math.ceil(steps / rounds))

  const kinds = means.length * 2 * rounds * (each + 1) + 2 * (each + 1)
  let done = 0
  const watched = (label: string): Pick<SpeedOptions, 'steps' | 'onStep'> => ({
    steps: each,
    onStep: () => progress(label, Math.min(++done, kinds - 1), kinds),
  })
  const measured = means.map(mean => ({ ...mean, step: [] as number[], frozen: [] as number[] }))
  let peakBytes = 0
  const use: ReturnType<ReturnType<typeof processorUse>>[] = []
  for (let round = 0; round < rounds; round++)
    for (const [i, mean] of measured.entries()) {
      const plan = mean.kernels === 'own' ? planOf(mean.precision) : {}
      const how = { ...base, precision: mean.precision, kernels: mean.kernels, plan }
      const of = `${mean.precision}, ${kernelsName(mean.kernels)}`
      const end = processorUse()
      mean.step.push(...(await timeSteps(net, { ...how, ...watched(`training step, ${of}`) })))
      if (i === 0) use.push(end())
      peakBytes ||= process.resourceUsage().maxRSS * 1024
      mean.frozen.push(...(await timeFrozen(net, { ...how, ...watched(`frozen body, ${of}`) })))
    }
  const timings = measured.flatMap(({ precision, kernels, step, frozen }) => [
    timing('training step', step, { precision, kernels, batch: batchSize, size }),
    timing('frozen body', frozen, { precision, kernels, batch: batchSize, size }),
  ])
  const others: Timing[] = []
  for (const other of otherShapes(net, { model, size, batchSize, device }))
    others.push(
      timing(
        'training step',
        await timeSteps(net, {
          ...base,
          ...other,
          precision,
          kernels,
          plan: kernels === 'own' ? planOf(precision) : {},
          ...watched(`${other.batchSize} pictures of ${other.size} px`),
        }),
        { precision, kernels, batch: other.batchSize, size: other.size },
      ),
    )
  progress('', kinds, kinds)

  const frozen = timings.find(
    t => t.work === 'frozen body' && t.precision === precision && t.kernels === by.frozen.kernels,
  )
  const { cpu } = machine()
  const waits = use.flatMap(u => u.waited ?? [])
  const result: Omit<BenchResult, 'advice'> = {
    model,
    size,
    batch: batchSize,
    precision,
    reason,
    kernels,
    imagesPerSecond: timings[0]!.imagesPerSecond,
    stepMilliseconds: timings[0]!.milliseconds,
    frozenImagesPerSecond: (frozen ?? timings[1]!).imagesPerSecond,
    peakBytes,
    threads: library().threads,
    cores: cpu.cores,
    coresBusy: rounded(median(use.map(u => u.coresBusy))),
    waited: waits.length > 0 ? rounded(median(waits)) : null,
    cpu: cpu.model,
    instructionSets: instructionSets(cpu),
    libtorch: library().version,
    device,
    timings,
    others,
    ...(options.layers && { layers: measuredLayers(precision).layers }),
  }
  return { ...result, advice: speedAdvice(result) }
}

/** The name of kernels in texts for people. */
export const kernelsName = (kernels: Kernels): string => (kernels === 'own' ? 'own kernels' : "libtorch's kernels")

/** The timing of a training step or a batch, from its measured times. */
function timing(work: Timing['work'], ms: number[], by: Pick<Timing, 'precision' | 'kernels' | 'batch' | 'size'>) {
  const milliseconds = { median: rounded(median(ms)), least: rounded(Math.min(...ms)) }
  return { work, ...by, imagesPerSecond: rounded((1000 * by.batch) / median(ms)), milliseconds }
}
const rounded = (v: number) => Number(v.toPrecision(4))

/** The combinations of precision and kernels to compare, the recipe's choice first. */
function meansHere(
  asked: Precision | 'auto',
  chosen: { precision: Precision; kernels: Kernels; device: string },
): { precision: Precision; kernels: Kernels }[] {
  const { cpu } = machine()
  const half = chosen.device !== 'cpu' || cpu.amx || cpu.avx512bf16 || cpu.neonBf16
  const precisions: Precision[] = asked === 'auto' ? ['float32', ...(half ? ['bfloat16' as const] : [])] : [asked]
  const all = precisions.flatMap(precision => {
    const own = chosen.device === 'cpu' && kernelSets(precision).length > 0
    return (own ? (['own', 'aten'] as const) : (['aten'] as const)).map(kernels => ({ precision, kernels }))
  })
  const { precision } = chosen
  const kernels = all.some(m => m.precision === precision && m.kernels === chosen.kernels) ? chosen.kernels : 'aten'
  const first = { precision, kernels }
  return [first, ...all.filter(m => m.precision !== precision || m.kernels !== kernels)]
}

/** Twice the batch if there is enough memory, and 128 px if pictures are larger and the net takes any size. */
function otherShapes(
  net: Network,
  { model, size, batchSize, device }: { model: string; size: number; batchSize: number; device: string },
): { size: number; batchSize: number }[] {
  const wanted = 2 * batchSize
  const fits = device === 'cpu' && batchThatFits(net, { wanted, shape: [3, size, size] }).batchSize === wanted
  return [
    ...(fits ? [{ size, batchSize: wanted }] : []),
    ...(size > 128 && modelInfo(model).sizes === 'any' ? [{ size: 128, batchSize }] : []),
  ]
}

function instructionSets({ avx2, avx512, avx512bf16, amx, neon, neonBf16 }: Machine['cpu']): string[] {
  const x86 = { AVX2: avx2, 'AVX-512': avx512, 'AVX-512 BF16': avx512bf16, AMX: amx }
  const all = { ...x86, NEON: neon, 'NEON BF16': neonBf16 }
  return Object.entries(all).flatMap(([name, has]) => (has ? [name] : []))
}
