/** Regression: the net predicts numbers, here columns of a table. The Huber loss gives less weight to a few wrong
 *  numbers. Run: node --import tsx examples/06-numbers.ts FOLDER TABLE COLUMNS */
import { loadClassifier, trainFolder } from '../src/index.ts'

const [folder = 'pictures', labels = 'labels.csv', columns = 'age', out, file] = process.argv.slice(2)
const { run, metrics } = await trainFolder(folder, {
  labels,
  targets: columns.split(','),
  loss: 'huber',
  model: 'tf_efficientnet_lite0',
  size: 96,
  epochs: 1,
  out,
})
console.log(`valid R² ${metrics.r2!.toFixed(3)}, mean absolute error ${metrics.mae!.toFixed(3)}`)
if (file) console.log((await loadClassifier(run, { task: 'regression' }).predict(file)).values)
