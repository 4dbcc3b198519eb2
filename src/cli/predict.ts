import { existsSync } from 'node:fs'
import { kindOfModel } from '../api/domains.ts'
import type { FilePredictor } from '../api/kinds/kind.ts'
import { OptionError } from '../base/errors.ts'
import { percent, plural } from '../base/format.ts'
import { json as jsonText } from '../base/json.ts'
import { flagOf } from '../base/options.ts'
import { setUpOnce } from '../setup/index.ts'
import { findCard } from '../tabular/run/card.ts'
import { keepMemory } from '../torch/index.ts'
import type { Prediction } from '../train/prediction.ts'
import type { PredictFlags } from './predict-table.ts'
import { flat } from './style.ts'
import { createReporter } from './terminal.ts'

/** A sample of so many bytes takes long enough that its progress is shown. */
const long = 32e6

/** `anneal predict`: a label and probabilities for each sample (a picture, say), or for each row of a table. */
export async function predict(run: string, paths: string[], flags: PredictFlags): Promise<void> {
  const { json = false, top = 1, precision, ...forTables } = flags
  if (findCard(run))
    return (await import('./predict-table.ts')).predictRowsOf(run, paths, { json, top, precision, ...forTables })
  const kind = kindOfModel(run)
  const { one, many } = kind.files.noun
  const [other] = Object.keys(forTables).filter(name => !Object.hasOwn(kind.options, name))
  if (other !== undefined)
    throw new OptionError(`${flagOf(other)} is for tables, and ${run} predicts ${many}; leave it out.`, {
      exitCode: 2,
    })
  if (!Number.isInteger(top) || top < 1) throw new OptionError(`--top: expected a whole number from 1, got ${top}`)
  if (existsSync(run)) await setUpOnce()
  keepMemory() // a process of our own, with nothing to do but this
  const predictor = await kind.predictor(run, { precision, options: forTables })
  const { count, problems, predict: predictAll } = await predictor.list(paths)
  const most = Math.min(top, predictor.classes.length)
  let failed = 0
  let done = 0
  const unusable = problems.filter(problem => problem.counted)
  const single = count === 1 && unusable.length === 0
  const onError = (_: string, error: Error) => {
    if (single) throw error
    failed++
    process.stderr.write(`anneal: ${flat(error.message)}\n`)
  }
  const reporter = createReporter({ json, out: process.stderr })
  const onRead = (name: string, bytes: number, all: number) => {
    if (all >= long)
      reporter.progress({ label: `MB of ${flat(name)}`, done: Math.floor(bytes / 1e6), total: Math.ceil(all / 1e6) })
  }
  for await (const prediction of predictAll({ onError, onRead })) {
    reporter.close()
    done++
    const line = json
      ? jsonLine(prediction, predictor)
      : `${flat(prediction.file)}  ${said(prediction, predictor, most)}`
    process.stdout.write(`${line}\n`)
    for (const note of (prediction as { notes?: readonly string[] }).notes ?? [])
      process.stderr.write(`anneal: ${flat(`${prediction.file}: ${note}`)}\n`)
  }
  for (const problem of unusable) process.stderr.write(`anneal: ${flat(`${problem.file}: ${problem.reason}`)}\n`)
  const others = problems.filter(problem => !problem.counted)
  if (others.length > 0) {
    const [first] = others
    const more = others.length > 1 ? ` and ${others.length - 1} more` : ''
    process.stderr.write(`anneal: passed over ${flat(`${first!.file}${more}: ${first!.reason}`)}\n`)
  }
  failed += unusable.length
  if (failed > 0) throw new OptionError(`${plural(failed, one, many)} of ${failed + done} could not be read`)
}

function jsonLine(prediction: Prediction, { classes, precision }: FilePredictor): string {
  const { file, scores } = prediction
  const inOrder = new Map(classes.map((name, i) => [name, scores[i]!])) // in the order of the classes
  if (prediction.task === 'regression') return jsonText({ file, values: inOrder, precision })
  const of = { probabilities: inOrder, precision }
  if (prediction.task === 'single') {
    const { label, probability } = prediction
    return jsonText({ file, label, probability, ...of })
  }
  const { labels } = prediction
  // Of the likeliest, whether it counts or not.
  const probability = Math.max(...scores)
  return jsonText({ file, label: labels.length > 0 ? labels.join(', ') : null, labels, probability, ...of })
}

/** What was predicted, for a person: the answer, or with `most` above 1 so many of the likeliest. */
function said(prediction: Prediction, predictor: FilePredictor, most: number): string {
  const { classes } = predictor
  if (prediction.task === 'regression')
    return classes.map(name => `${flat(name)} ${predictor.text(prediction.values[name]!, name)}`).join(', ')
  const { probabilities, scores } = prediction
  if (most > 1) {
    const ranked = classes
      .map((name, i): [string, number] => [name, scores[i]!])
      .sort((a, b) => b[1] - a[1])
      .slice(0, most)
    return ranked.map(([name, p]) => `${flat(name)} ${percent(p)}`).join(', ')
  }
  if (prediction.task === 'single') return `${flat(prediction.label)}  ${percent(prediction.probability)}`
  return prediction.labels.map(name => `${flat(name)} ${percent(probabilities[name]!)}`).join(', ') || 'no label'
}
