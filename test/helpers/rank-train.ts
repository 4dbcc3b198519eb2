// One rank, or the only process: trains a small net on made inputs for 20 steps, and prints the weights and what it
// validated. CASE: a JSON of `Case`.
import { readEnvironment } from '../../src/ranks/environment.ts'
import { joinRanks } from '../../src/ranks/join.ts'
import { alone } from '../../src/ranks/ranks.ts'
import { F, fromArray, generator, manualSeed, nn, randn, type Tensor } from '../../src/torch/index.ts'
import type { Callback } from '../../src/train/callback.ts'
import { computeFeatures } from '../../src/train/features.ts'
import { Learner } from '../../src/train/learner.ts'
import { mixedSource } from '../../src/train/mixed-source.ts'
import type { Network } from '../../src/train/network.ts'
import { objective } from '../../src/train/objective.ts'
import { lrFind } from '../../src/train/rates/finder.ts'
import { tta } from '../../src/train/tta.ts'

export interface Case {
  task: 'single' | 'multi' | 'regression'
  norm?: boolean
  syncBn?: boolean
  frozenBn?: boolean
  classWeights?: number[]
  gradientType?: 'bfloat16'
  accumulate?: number
  gradClip?: number
  average?: boolean
  batchSize?: number
  count?: number
  dropout?: boolean
  /** α of MixUp and of CutMix. */
  mixup?: number
  cutmix?: number
}
export interface Trained {
  weights: number[]
  average: number[]
  losses: number[]
  loss: number
  metrics: Record<string, number>
  probabilities: number[]
  features: number[]
  tta: number[]
  found: number[]
  sent: number
}

const c = JSON.parse(process.env.CASE!) as Case
const ranks = readEnvironment() ? await joinRanks() : alone
try {
  const { task, count = 37, batchSize = 8 } = c
  const classes = ['a', 'b', 'c']
  const draws = generator(5)
  const xs = randn([count, 3, 8, 8], { generator: draws }).contiguous('channels_last')
  const target = (i: number) => (i * 7 + (i % 4)) % 3
  const targets = (samples: Uint32Array): Tensor => {
    if (task === 'single')
      return fromArray(
        BigInt64Array.from(samples, i => BigInt(target(i))),
        [samples.length],
      )
    const row = (i: number) => classes.map((_, k) => (task === 'multi' ? Number(k <= target(i)) : Math.sin(i + k)))
    const rows = Array.from(samples).flatMap(row)
    return fromArray(task === 'multi' ? Float32Array.from(rows) : Float64Array.from(rows), [samples.length, 3])
  }
  const source = {
    count,
    batch: (samples: Uint32Array) => ({
      x: xs.indexSelect(0, fromArray(BigInt64Array.from(samples, BigInt), [samples.length])),
      y: targets(samples),
    }),
  }
  const { mixup, cutmix } = c
  const mixes = mixup !== undefined || cutmix !== undefined
  manualSeed(11)
  // A bias before a BatchNorm has a gradient of 0 but for rounding, which AdamW would make large.
  const conv = nn.conv2d(3, 8, 3, { padding: 1, bias: !c.norm })
  const bn = nn.batchNorm2d(8)
  const conv2 = nn.conv2d(8, 16, 3, { padding: 1, stride: 2 })
  const linear = nn.linear(16, 3)
  for (const [i, m] of [conv, conv2, linear].entries())
    nn.init.kaimingNormal_(m.own.parameters.weight!, { generator: generator(i) })
  const drop = nn.dropout(c.dropout ? 0.5 : 0)
  const body = nn.module({ conv, bn, conv2 }, x => {
    const first = conv(x)
    return conv2((c.norm ? bn(first) : first).pipe(F.relu6)).mean([2, 3])
  })
  const head = nn.module({ drop, linear }, x => linear(drop(x)))
  const net = nn.module({ body, head }, x => head(body(x)))
  const groups = [
    { name: 'body', modules: [body] },
    { name: 'head', modules: [head] },
  ]
  const losses: number[] = []
  const every = c.accumulate ?? 1
  let number = 0
  const callback: Callback = {
    beforeStep: () => (++number % every === 0 ? undefined : 'skip step'),
    beforeZeroGrad: () => (number % every === 0 ? undefined : 'skip zero-grad'),
    afterBatch: ({ loss }) => void losses.push(loss),
  }
  const learn = new Learner(
    { net, groups },
    {
      train: mixes ? mixedSource(source, { mixup, cutmix, classes: classes.length, task, seed: 3 }) : source,
      valid: source,
      classes,
      objective: objective(task, classes),
      batchSize,
      seed: 3,
      labelSmoothing: task === 'single' ? 0.1 : 0,
      classWeights: c.classWeights,
      gradClip: c.gradClip,
      averageSteps: c.average ? 10 : 0,
      ranks,
      gradientType: c.gradientType,
      syncBn: c.syncBn,
      callbacks: [callback],
    },
  )
  learn.unfreeze()
  learn.bnFreeze = c.frozenBn ?? false
  const found = await lrFind(learn, { steps: 6 })
  number = 0
  const steps = Math.ceil(20 / learn.batches(0).length)
  await learn.fit(1, { cycleLen: steps, lr: 1e-2, schedule: 'one-cycle' })
  const evaluated = await learn.averaged(() => learn.validate())
  const numbers = (tensors: Iterable<Tensor>) =>
    Array.from(tensors, t => [...(t.detach().to('float64').data() as Float64Array)]).flat()
  const own = {
    body: Object.assign(body, { pooledFeatures: 16 }),
    features: (x: Tensor) => body(x),
    net,
  } as unknown as Network
  const features = await computeFeatures(own, source, { views: 2, batchSize: 5, ranks })
  const views = await tta(
    { net, groups },
    { plain: source, augmented: source },
    { objective: learn.options.objective, views: 1, batchSize: 5, ranks },
  )
  ranks.compareTensors('weights at the end', net.stateDict())
  const trained: Trained = {
    weights: numbers(net.stateDict().values()),
    average: numbers(learn.average?.tensors.values() ?? []),
    losses,
    loss: evaluated.loss,
    metrics: evaluated.metrics,
    probabilities: [...evaluated.probabilities],
    features: [...features],
    tta: [...views],
    found: found.losses,
    sent: ranks.work().sentBytes,
  }
  await ranks.leave('done')
  process.stdout.write(`${JSON.stringify(trained)}\n`)
} catch (error) {
  const reason = ranks.explained(error) as Error
  await ranks.leave('failed', reason.message)
  process.stderr.write(`${reason.stack}\n`)
  process.exitCode = 1
}
