/** Evaluates a saved classifier on labelled pictures that it has never seen. The run's folder records each evaluation.
 *  Run: node --import tsx examples/10-evaluate.ts RUN FOLDER [TABLE] */
import { evaluateFolder } from '../src/index.ts'

const [run = 'runs/latest', folder = 'test', labels] = process.argv.slice(2)
const { report, metrics, loss, samples, before } = await evaluateFolder(run, folder, { labels })
if (report) console.log(report) // scikit-learn's classification report
console.log(metrics, `loss ${loss.toFixed(3)}, ${samples} pictures`)
if (before > 0)
  console.log(`looked at ${before} times before: if you choose a model by them, they become validation pictures`)
