// One rank, or the only process: a user's program with `learner`, step by step. Arguments: the folder of pictures, where the
// model is saved, and, optionally, the rank that fails after the first fit.
import { learner, loadClassifier, trainFolder } from '../../src/index.ts'

const [folder, out, fails = '', run = ''] = process.argv.slice(2) as [string, string, string?, string?]
const rank = process.env.RANK || '0'
const set = {
  // With the usual seed a unit is so near to 0 in one step that rounding decides its sign, and with it the next loss by 4e-5.
  seed: 3,
  size: 32,
  batchSize: 8,
  pretrained: false,
  precision: 'float32',
  optimizer: 'sgd',
  dropout: 0,
  syncBn: true,
} as const
const weightDecay = process.env.OTHER_DECAY && rank === '1' ? 0.02 : 0.01
const learn = await learner(folder, 'squeezenet1_1', { ...set, weightDecay })
const { suggestion, losses: found } = await learn.lrFind({ steps: 6, end: 1e-2 })
const losses: number[] = []
const callbacks = [{ afterBatch: ({ loss }: { loss: number }) => void losses.push(loss) }]
await learn.fit(1, { lr: 1e-3, cycleLen: 2, callbacks })
if (fails === rank) throw new Error(`the program of rank ${rank} has a fault`)
learn.unfreeze()
await learn.fit(1, { lr: 1e-3, factor: 3, cycleLen: 2, callbacks })
const { loss, probabilities } = await learn.validate()
const { topLosses } = await learn.interpret()
await learn.save(out)
const file = learn.data.items[0]!.file
const again = await loadClassifier(out, { task: 'single' })
const [now, saved] = [await learn.predict(file), await again.predict(file)]
let after = ''
if (run) {
  const trained = await trainFolder(
    folder,
    { ...set, model: 'squeezenet1_1', epochs: 1, lr: 1e-3, out: run },
    { report: () => {} },
  )
  after = await learn.validate().then(
    () => `validated ${trained.loss}`,
    (error: Error) => error.message,
  )
}
const probability = (p: object) => (p as { probability: number }).probability
process.stdout.write(
  `${JSON.stringify({ suggestion, found, losses, loss, probabilities: [...probabilities], top: topLosses.map(t => t.file), now: probability(now), saved: probability(saved), after })}\n`,
)
