/** One rank of bench/ranks.ts: trains a net on noise for some steps and prints one line of JSON.
 *  `node --import tsx bench/ranks-worker.ts '{"model": "resnet18", "size": 128, "batch": 32, "steps": 6, "gradients": "float32"}'` */
import { readEnvironment } from '../src/ranks/environment.ts'
import { joinRanks } from '../src/ranks/join.ts'
import { alone } from '../src/ranks/ranks.ts'
import { noiseNet, noiseSource } from '../src/speed/timing.ts'
import { scope, useKernels, zeros } from '../src/torch/index.ts'
import { Learner } from '../src/train/learner.ts'
import { measuredOn } from './machine.ts'

interface Asked {
  model: string
  size: number
  /** Of all ranks together. */
  batch: number
  steps: number
  gradients: 'float32' | 'bfloat16'
}

const { model, size, batch, steps, gradients } = JSON.parse(process.argv[2]!) as Asked
const untimed = 2
const classes = 10

const ranks = readEnvironment() ? await joinRanks() : alone
const share = ranks.share(new Uint32Array(batch)).samples.length
const net = await noiseNet(model, { size, batchSize: share, classes })
const source = noiseSource((steps + untimed) * batch, { size, batchSize: share, classes })
const learn = new Learner(net, {
  train: source,
  classes: Array.from({ length: classes }, (_, i) => String(i)),
  batchSize: batch,
  labelSmoothing: 0.1,
  averageSteps: 0,
  ranks,
  gradientType: gradients,
})
learn.unfreeze()
learn.bnFreeze = false
learn.dropout = false
useKernels('own')
const ms: number[] = []
let began = performance.now()
let before = ranks.work()
const afterBatch = () => {
  ms.push(performance.now() - began)
  if (ms.length === untimed) before = ranks.work()
  began = performance.now()
  return ms.length === untimed + steps ? ('stop' as const) : undefined
}
await learn.fit(1, { lr: 1e-6, schedule: 'constant', callbacks: [{ afterBatch }] })
const after = ranks.work()
const parameters = learn.optimizerTensors().size > 0 ? [...net.net.parameters()] : []
const bytes = parameters.reduce((sum, p) => sum + p.numel, 0) * (gradients === 'float32' ? 4 : 2)
const line = {
  rank: ranks.rank,
  size: ranks.size,
  ms: ms.slice(untimed),
  waitedMs: (1000 * (after.waitedSeconds - before.waitedSeconds)) / steps,
  sentBytes: (after.sentBytes - before.sentBytes) / steps,
  gradientBytes: bytes,
  aloneMs: aloneMs(bytes),
  on: measuredOn(),
}
await ranks.leave('done')
process.stdout.write(`${JSON.stringify(line)}\n`)

/** Milliseconds that the same bytes take, summed in buckets of 4 MB with nothing beside. */
function aloneMs(total: number): number {
  if (ranks.alone) return 0
  return scope(() => {
    const unit = gradients === 'float32' ? 4 : 2
    const buckets = Array.from({ length: Math.ceil(total / 2 ** 22) }, (_, i) =>
      zeros([Math.min(2 ** 22, total - i * 2 ** 22) / unit], { dtype: gradients }),
    )
    const times: number[] = []
    for (let round = 0; round < 6; round++) {
      const start = performance.now()
      for (const end of buckets.map(t => ranks.beginSum(t))) end()
      times.push(performance.now() - start)
    }
    return times.sort((a, b) => a - b)[3]!
  })
}
