/** Cross-validation: one run for each fold. Each run validates on another part. The mean of their predictions is one
 *  classifier. `groupRegex` keeps groups together. No fold trains on a folder `test`. `valid` and `seed`, without
 *  `folds`, draw a single split.
 *  Run: node --import tsx examples/11-folds.ts FOLDER */
import { listRuns, loadClassifier, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out] = process.argv.slice(2)
const { run, metrics } = await trainFolder(folder, {
  folds: 3,
  model: 'tf_efficientnet_lite0',
  size: 96,
  epochs: 0, // trains the head only
  views: 1,
  out,
})
for (const fold of listRuns(run)) console.log(`${fold.name}: accuracy ${(100 * fold.metrics.accuracy!).toFixed(1)} %`)
console.log(`valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} % in the mean`)

const classifier = loadClassifier(run) // predicts with the nets of all folds
console.log(classifier.classes)
