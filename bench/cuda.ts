/** One training step on a GPU, compared with PyTorch. Both run in turn in the same run:
 *  node --import tsx bench/cuda.ts [--python python3] [--model resnet50] [--size 224] [--batch 256] [--rounds 5]
 *    [--steps 10] [--device cuda] [--quick]
 *
 *  Both sides use random weights, pictures of noise on the device, 10 classes, cross-entropy with label smoothing 0.1,
 *  bfloat16 autocast, channels_last, AdamW (fused in PyTorch) and BatchNorm with the statistics of the batch. PyTorch
 *  runs in eager mode and with torch.compile in two modes. Anneal also runs on 8-bit pictures that lie on the device
 *  and are augmented there, and in float16 with loss scaling. Each round warms up for two seconds that are not timed.
 *  `--quick` runs a small net once (on the CPU if there is no GPU) and writes nothing. Writes
 *  bench/results/cuda.json. */
import { parseArgs } from 'node:util'
import { rng } from '../src/base/random.ts'
import { model as modelInfo } from '../src/models/index.ts'
import { median, noiseNet, timeSteps } from '../src/speed/timing.ts'
import { library } from '../src/torch/index.ts'
import { augmentation, keptOn } from '../src/vision/augment/index.ts'
import type { Picture } from '../src/vision/index.ts'
import { pictureSource } from '../src/vision/picture-source.ts'
import { measuredOn } from './machine.ts'
import { figures, inTurn, Rival, ratio, writeResult } from './rival.ts'

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    model: { type: 'string', default: 'resnet50' },
    size: { type: 'string', default: '224' },
    batch: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '10' },
    device: { type: 'string', default: 'cuda' },
    quick: { type: 'boolean', default: false },
  },
})
const { quick, python } = values
const hasGpu = library().cudaDevices > 0
if (!hasGpu && !quick) throw new Error('libtorch sees no CUDA device here: `npx anneal doctor` says why')
const device = hasGpu ? values.device : 'cpu'
const model = quick ? 'resnet18' : values.model
const [size, batch, rounds, steps] = (
  quick ? [64, 8, 1, 2] : [values.size, values.batch, values.rounds, values.steps].map(Number)
) as [number, number, number, number]
const warm = quick ? 0 : 2000 // ms
const classes = 10

/** Pictures of noise, stored as in the cache: a quarter larger than the input of the net. */
const side = Math.round(size * 1.25)
const noise: Picture[] = Array.from({ length: 16 }, (_, i) => {
  const random = rng(1, i)
  return { data: Uint8Array.from({ length: 3 * side * side }, () => random.integer(256)), height: side, width: side }
})
const { mean, std } = modelInfo(model)
const samples = Array.from({ length: 2 * batch }, (_, i) => ({ picture: i, labels: [i % classes] }))
const pictures = pictureSource({
  picture: keptOn(device, n => noise[n % noise.length]!),
  samples: Array.from({ length: 120 * batch }, (_, i) => samples[i % samples.length]!),
  augmentation: augmentation('side-on'),
  size,
  normalization: { mean, std },
  device,
})

const net = await noiseNet(model, { size, batchSize: Math.min(batch, 32), classes, device })
const by = { size, batchSize: batch, classes, device, kernels: 'aten', steps, warm } as const
const plain = { bnFreeze: false, averageSteps: 0 }
const rival = await Rival.start(python, 'step.py')
const theirs = (how: object) => async () =>
  (
    await rival.ask({
      model,
      size,
      batch,
      steps,
      warm,
      device,
      channels_last: true,
      bfloat16: true,
      fused: true,
      ...how,
    })
  ).ms
const ms = await inTurn(rounds, {
  anneal: () => timeSteps(net, { ...by, precision: 'bfloat16' }, plain),
  'anneal, pictures augmented': () => timeSteps(net, { ...by, precision: 'bfloat16' }, { ...plain, train: pictures }),
  ...(hasGpu ? { 'anneal float16': () => timeSteps(net, { ...by, precision: 'float16' }, plain) } : {}),
  pytorch: theirs({}),
  'pytorch compile': theirs({ compile: 'default' }),
  'pytorch compile reduce-overhead': theirs({ compile: 'reduce-overhead' }),
})
rival.end()
const compiled = [ms['pytorch compile']!, ms['pytorch compile reduce-overhead']!].sort(
  (a, b) => median(a) - median(b),
)[0]!
const ratios = {
  compiled: ratio(ms.anneal!, compiled),
  eager: ratio(ms.anneal!, ms.pytorch!),
  picturesAugmented: ratio(ms['anneal, pictures augmented']!, compiled),
}
process.stdout.write(`${JSON.stringify(ratios)}\n`)
writeResult(
  'cuda',
  {
    ...measuredOn(),
    rival: rival.about,
    device,
    model,
    size,
    batch,
    rounds,
    steps,
    warm,
    ratios,
    milliseconds: figures(ms),
  },
  { quick },
)
