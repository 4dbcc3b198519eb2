/** Multi-label: each picture can have several labels. They come from a table (CSV, TSV, JSON lines or Parquet) that
 *  names files below the folder. Anneal recognises the columns by their content. Run:
 *  node --import tsx examples/05-labels.ts FOLDER TABLE */
import { loadClassifier, trainFolder } from '../src/index.ts'

const [folder = 'pictures', labels = 'labels.csv', out] = process.argv.slice(2)
const { run, classes, metrics, thresholds } = await trainFolder(folder, {
  labels,
  model: 'tf_efficientnet_lite0',
  size: 96,
  epochs: 1,
  thresholdFor: 'f2', // a missed label costs more than a false one
  out,
})
console.log(`valid mAP ${metrics.mAP!.toFixed(3)}, F2 ${metrics.f2!.toFixed(3)}`)
for (const [c, name] of classes.entries()) console.log(`${name} from ${thresholds![c]!.toFixed(2)}`)

const [file, ...others] = process.argv.slice(5)
const classifier = loadClassifier(run, { task: 'multi' })
for await (const { file: shown, labels } of classifier.predictAll(file ? [file, ...others] : []))
  console.log(shown, labels)
