/** One training step, compared with PyTorch. Both run in turn in the same run:
 *  node --import tsx bench/step.ts [--python python3] [--models tf_efficientnet_lite0,…] [--sizes 224,128] [--batch 32]
 *    [--optimizer adamw] [--rounds 5] [--steps 3] [--only bfloat16] [--name step] [--quick]
 *
 *  Both sides use random weights and pictures, 10 classes, cross-entropy with label smoothing 0.1, all threads and the
 *  same optimizer. Each round warms up for one second, and at least one step, that is not timed. Anneal runs twice:
 *  with BatchNorm statistics of the batch and no average of the weights (the same work as PyTorch), and with `kept
 *  statistics`, as the recipe trains on few pictures. Anneal keeps its memory between steps. PyTorch runs with its
 *  defaults, and in another process with memory kept (GLIBC_TUNABLES). `fastai` is PyTorch as fastai uses it: float32,
 *  NCHW. PyTorch's other settings use the fused optimizer. `--only` leaves out the parts
 *  without this word. Writes bench/results/NAME.json. */
import { parseArgs } from 'node:util'
import { machine } from '../src/setup/index.ts'
import { chosenHere } from '../src/speed/chosen.ts'
import { median, noiseNet, timeSteps } from '../src/speed/timing.ts'
import type { OptimizerName } from '../src/train/learner.ts'
import type { Network } from '../src/train/network.ts'
import { measuredOn } from './machine.ts'
import { figures, inTurn, memoryKept, Rival, ratio, writeResult } from './rival.ts'

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    models: { type: 'string', default: 'tf_efficientnet_lite0,mobilenet_v2,resnet34,resnext50_32x4d' },
    sizes: { type: 'string', default: '224,128' },
    batch: { type: 'string', default: '32' },
    optimizer: { type: 'string', default: 'adamw' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    name: { type: 'string', default: 'step' },
    quick: { type: 'boolean', default: false },
  },
})
const { quick, python } = values
const models = quick ? ['mobilenet_v2'] : values.models.split(',')
const sizes = quick ? [64] : values.sizes.split(',').map(Number)
const [batch, rounds, steps] = quick ? [4, 1, 1] : [values.batch, values.rounds, values.steps].map(Number)
const warm = quick ? 0 : 1000 // ms
const optimizer = values.optimizer as OptimizerName
const { cpu } = machine()
const precisions = cpu.amx || cpu.avx512bf16 ? (['float32', 'bfloat16'] as const) : (['float32'] as const)

/** The settings of PyTorch that are measured: fastai's and others. */
const settings = [
  ['fastai', { channels_last: false, bfloat16: false, fused: false }],
  ['channels_last', { channels_last: true, bfloat16: false, fused: true }],
  ...(precisions.length > 1
    ? ([
        ['bfloat16', { channels_last: false, bfloat16: true, fused: true }],
        ['bfloat16 channels_last', { channels_last: true, bfloat16: true, fused: true }],
      ] as const)
    : []),
] as const

function ours(net: Network, { model, size }: { model: string; size: number }) {
  const by = { size, batchSize: batch!, classes: 10, steps: steps!, warm }
  return precisions.flatMap(precision => {
    const { step } = chosenHere(model, net, { ...by, precision }) // as a run would compute
    return [false, true].map(kept => [
      `anneal ${precision}${kept ? ', kept statistics' : ''}`,
      () => timeSteps(net, { ...by, ...step, precision }, { bnFreeze: kept, optimizer, averageSteps: kept ? 20 : 0 }),
    ])
  })
}
const theirs = (rival: Rival, name: string, shape: { model: string; size: number }) =>
  settings.map(([setting, how]) => [
    `${name} ${setting}`,
    async () => (await rival.ask({ ...shape, ...how, batch, steps, warm, optimizer })).ms,
  ])

const plain = await Rival.start(python, 'step.py')
const kept = await Rival.start(python, 'step.py', { env: memoryKept })
const results: object[] = []
for (const model of models)
  for (const size of sizes) {
    process.stdout.write(`${model}, ${size} px, ms a step of ${batch}:\n`)
    const net = await noiseNet(model, { size, batchSize: batch!, classes: 10 })
    const parts = [
      ...ours(net, { model, size }),
      ...theirs(plain, 'pytorch', { model, size }),
      ...theirs(kept, 'pytorch memory kept', { model, size }),
    ].filter(([name]) => String(name).includes(values.only))
    const ms = await inTurn(rounds!, Object.fromEntries(parts))
    const best = (of: RegExp) =>
      Object.entries(ms)
        .filter(([name]) => of.test(name))
        .sort(([, a], [, b]) => median(a) - median(b))[0]!
    const same = best(/^anneal \w+$/)
    const { 'anneal float32': float32, 'pytorch fastai': fastai } = ms
    const against = (anneal: readonly number[]) => ({
      ...(fastai && { fastai: ratio(anneal, fastai) }),
      best: ratio(anneal, best(/^pytorch (?!memory)/)[1]),
      bestMemoryKept: ratio(anneal, best(/^pytorch/)[1]),
    })
    const found = {
      model,
      size,
      fastest: { anneal: same[0], pytorch: best(/^pytorch (?!memory)/)[0], memoryKept: best(/^pytorch/)[0] },
      ratios: {
        sameWork: against(same[1]),
        ...(float32 && {
          sameWorkFloat32: {
            ...against(float32),
            bestFloat32MemoryKept: ratio(float32, best(/^pytorch.* (fastai|(?<!16 )channels_last)$/)[1]),
          },
        }),
        keptStatistics: against(best(/kept statistics$/)[1]),
      },
      imagesPerSecond: Object.fromEntries(
        Object.entries(figures(ms)).map(([name, f]) => [name, Number(((1000 * batch!) / f.median).toPrecision(4))]),
      ),
      milliseconds: figures(ms),
    }
    results.push(found)
    process.stdout.write(`${JSON.stringify({ fastest: found.fastest, ratios: found.ratios })}\n`)
  }
plain.end()
kept.end()
const rival = { plain: plain.about, memoryKept: kept.about }
writeResult(
  values.name,
  { ...measuredOn(), rival, batch, optimizer, rounds, steps, warm, only: values.only, results },
  { quick },
)
