/** More from one training: snapshots (the mean of the predictions of the nets at the end of each cycle), SWA (the mean
 *  of their weights), test-time augmentation, and calibrated probabilities. Run:
 *  node --import tsx examples/12-after-training.ts FOLDER */
import { join } from 'node:path'
import { loadClassifier, readRun, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out] = process.argv.slice(2)
const { run } = await trainFolder(folder, {
  snapshots: true,
  swa: true,
  tta: 2, // two augmented views, and the plain one
  model: 'tf_efficientnet_lite0',
  size: 96,
  epochs: 2,
  cycleLen: 1,
  out,
})
const { events, interpret } = readRun(run)
for (const event of events) {
  if (event.type === 'choice' && /^(mean of weights|ensemble|temperature)$/.test(event.what))
    console.log(`${event.what}: ${event.value} (${event.reason})`)
  if (event.type === 'line' && event.text.startsWith('test-time')) console.log(event.text)
}
console.log('expected calibration error', interpret!.calibration!.before.ece.toFixed(3))

const ensemble = loadClassifier(join(run, 'ensemble'), { task: 'single' })
const [picture] = interpret!.topLosses
console.log(picture!.file, (await ensemble.predict(join(folder, picture!.file))).label)
