/** Trains on a folder of pictures with the five steps, and loads the saved classifier. Run:
 *  node --import tsx examples/01-folder.ts FOLDER */
import { loadClassifier, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out] = process.argv.slice(2)
const { run, metrics } = await trainFolder(folder, {
  model: 'tf_efficientnet_lite0',
  epochs: 2,
  ...(out ? { out } : {}),
})
console.log(`valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} %`)

const classifier = loadClassifier(run)
console.log(classifier.classes)
