/** The five steps one by one: find the learning rate, train the head, unfreeze, train the whole net with discriminative
 *  learning rates. Run: node --import tsx examples/02-learner.ts FOLDER */
import { learner, loadClassifier } from '../src/index.ts'

const [folder = 'pictures', out = 'classifier'] = process.argv.slice(2)
const learn = await learner(folder, 'tf_efficientnet_lite0', { size: 128 }) // ImageNet weights, new head, frozen body

const { suggestion: lr } = await learn.lrFind({ steps: 30 })
await learn.fit(2, { lr, cycleLen: 1 }) // two cycles of one epoch, cosine annealing with warm restarts
learn.unfreeze()
await learn.fit(1, { lr: lr / 10, factor: 3, cycleLen: 2 }) // each earlier layer group: a 3 times lower learning rate

const { accuracy, loss } = await learn.validate()
console.log(`valid accuracy ${(100 * accuracy).toFixed(1)} %, loss ${loss.toFixed(3)}`)
for (const { file, actual, predicted, loss } of (await learn.interpret()).topLosses.slice(0, 3))
  console.log(file, `${actual} → ${predicted}`, loss.toFixed(2))

await learn.save(out)
const { label, probability } = await loadClassifier(out, { task: 'single' }).predict(learn.data.items[0]!.file)
console.log(label, probability.toFixed(3))
