/** Cross-validation: a run a fold, each validated on another part, and the mean of their nets as one classifier. `valid` and
 *  `seed` draw a plain split instead, `groupRegex` keeps groups together, a folder `test` stays untouched in all folds.
 *  Run: node --import tsx examples/11-folds.ts FOLDER */
import { listRuns, loadClassifier, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out] = process.argv.slice(2)
const { run, metrics } = await trainFolder(folder, {
  folds: 3,
  model: 'tf_efficientnet_lite0',
  size: 96,
  epochs: 0, // the head alone
  views: 1,
  out,
})
for (const fold of listRuns(run)) console.log(`${fold.name}: accuracy ${(100 * fold.metrics.accuracy!).toFixed(1)} %`)
console.log(`valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} % in the mean`)

const classifier = loadClassifier(run) // asks the net of every fold
console.log(classifier.classes)
