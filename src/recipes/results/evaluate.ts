import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { plural } from '../../base/format.ts'
import { checkValues } from '../../base/option-table.ts'
import { type Report, silent } from '../../base/progress.ts'
import type { Item } from '../../data/types.ts'
import type { Domain, Narrator, Progress, ToEvaluate, Words } from '../../domain/index.ts'
import { confusionsOf } from '../../interpret/index.ts'
import { countSeen, isRun, readSeen } from '../../runs/index.ts'
import { manualSeed } from '../../torch/index.ts'
import { type Evaluation, evaluate } from '../../train/evaluate.ts'
import { argmaxRows } from '../../train/metrics/single.ts'
import {
  applyTemperature,
  type Confusion,
  classificationReport,
  classificationReportMulti,
  regressionText,
} from '../../train/metrics.ts'
import type { Body, Precision } from '../../train/network.ts'
import { labelScores } from '../../train/objective.ts'
import {
  cardObjective,
  type LoadedModel,
  loadModel,
  type ModelCard,
  precisionOf,
  together,
} from '../../train/saved-model.ts'
import { batchOption } from '../options.ts'
import { areUneven } from '../prepare/class-balance.ts'
import { checkDevice } from '../prepare/device.ts'
import { undefinedR2 } from '../prepare/targets.ts'

/** What a trained classifier does on samples that it was not trained on. */
export interface Evaluated {
  model: string
  data: string
  samples: number
  loss: number
  /** As in training: accuracy; mAP, F1 and F2 at the saved thresholds; R² and errors. */
  metrics: Record<string, number>
  /** scikit-learn's classification report as a terminal shows it, where there are classes (long names are cut); of several
   *  numbers the scores of each. */
  report?: string
  /** How often each class was taken for which, by their numbers; pairs that do not occur are left out. For one class a
   *  sample. */
  confusion?: Confusion[]
  /** The type of products. */
  precision: Precision
  /** What was found out about the samples and their labels: columns, the part that was taken. */
  choices: readonly { what: string; value: string; reason: string }[]
  /** How often this model was evaluated on these very samples before. */
  before: number
  /** How many of the samples the model's run was trained on, and validated on; absent where the run keeps no list. */
  seen?: { train: number; valid: number }
  /** What makes the figures better than they will be on new samples, in words. */
  warnings: string[]
}

/** How an evaluation computes, and who hears of it. */
export interface EvaluateModelOptions {
  batchSize?: number | undefined
  /** The type of products. Default: the one the model was validated in, where this machine has instructions for it. */
  precision?: Precision | undefined
  device?: string | undefined
  progress?: Progress
  /** Hears of a wait for another process. */
  report?: Report
  signal?: AbortSignal | undefined
}

/** Evaluates a saved model on labelled samples, with preprocessing, thresholds and temperature as they were saved. Each
 *  evaluation is noted in the run's folder: a test set that is looked at again and again tests no more. */
export async function evaluateModel<O extends object, B extends Body, P, In, E extends object>(
  domain: Domain<O, B, P, In, E>,
  run: string,
  path: string,
  {
    batchSize = 32,
    precision: asked,
    device,
    progress = () => {},
    report = silent,
    signal,
    ...options
  }: E & EvaluateModelOptions,
): Promise<Evaluated> {
  checkValues({ batchSize: batchOption(1) }, { batchSize })
  checkDevice(device)
  manualSeed(0)
  const model = loadModel<P, B>(run, { ...domain, ...(device === undefined ? {} : { device }) })
  const { card } = model
  const precision = asked ?? precisionOf(card, device)
  const found = await domain.openForEvaluation(path, card, {
    options: { ...options, ...(device === undefined ? {} : { device }) } as unknown as E,
    narrator: nobody,
    report,
    progress,
    signal,
  })
  const { data } = found
  const items = data.of('test')
  const uneven = areUneven(data.counts.map(c => c.test))
  const how = { batchSize, precision, device, uneven, signal }
  const evaluation = await outputsOf(model, found, how)
  const folder = folderOf(run)
  const before = noteEvaluation(folder, { fingerprint: data.fingerprint, metrics: evaluation.metrics })
  const list = folder === undefined ? undefined : readSeen(folder)
  const seen =
    list &&
    countSeen(
      list,
      items.map(item => found.hash(item)),
    )
  const { classes, task = 'single' } = card
  const report_ = reportOf(card, evaluation)
  return {
    model: run,
    data: resolve(path),
    samples: items.length,
    loss: evaluation.loss,
    metrics: evaluation.metrics,
    ...(report_ === undefined ? {} : { report: report_ }),
    ...(task === 'single' ? { confusion: confusionsOf(evaluation, classes.length) } : {}),
    precision,
    choices: data.choices,
    before,
    ...(seen ? { seen } : {}),
    warnings: [
      ...(task === 'regression' ? undefinedHere(classes, items, domain.words) : []),
      ...warningsOf({ samples: items.length, seen, before }, domain.words),
    ],
  }
}

const nobody: Narrator = { once: async (_, fn) => fn(), choice() {}, emit() {} }

/** Scores by class as a terminal shows them; of several targets the scores of each. */
function reportOf(
  { classes, task = 'single', thresholds }: ModelCard,
  { probabilities, targets }: Evaluation,
): string | undefined {
  const how = { zeroDivision: Number.NaN, terminal: true }
  if (task === 'single') return classificationReport(argmaxRows(probabilities, classes.length), targets, classes, how)
  if (task === 'multi')
    return classificationReportMulti(probabilities, targets, classes, { ...how, ...(thresholds && { thresholds }) })
  return classes.length > 1 ? regressionText(probabilities, targets, classes) : undefined
}

function undefinedHere(classes: readonly string[], items: readonly Item[], words: Words): string[] {
  const found = undefinedR2(classes, '', items, words)
  return found ? [`R² of ${found.targets.map(t => `"${t}"`).join(', ')} is undefined: ${found.reason}`] : []
}

function warningsOf(
  {
    samples,
    seen = { train: 0, valid: 0 },
    before,
  }: Pick<Evaluated, 'samples' | 'before'> & { seen: Evaluated['seen'] | undefined },
  { one, many }: Words,
): string[] {
  const part = (count: number) => `${count} of ${plural(samples, one)} ${count === 1 ? 'was' : 'were'}`
  return [
    ...(seen.train > 0 ? [`${part(seen.train)} in this run's training part; the figures are too good`] : []),
    ...(seen.valid > 0
      ? [
          `${part(seen.valid)} in this run's validation part, by which its weights and thresholds were chosen; the figures are somewhat too good`,
        ]
      : []),
    ...(before > 0
      ? [
          `this model was evaluated on these ${many} ${plural(before, 'time')} before; choices made after looking turn a test set into a validation set`,
        ]
      : []),
  ]
}

/** Evaluates one net or the mean of an ensemble, each member with its own preprocessing and temperature, at the card's
 *  thresholds. */
async function outputsOf<P, B extends Body>(
  { members, card }: LoadedModel<P, B>,
  found: ToEvaluate<P>,
  {
    batchSize,
    precision,
    device = 'cpu',
    uneven,
    signal,
  }: {
    batchSize: number
    precision: Precision
    device?: string | undefined
    uneven: boolean
    signal?: AbortSignal | undefined
  },
): Promise<Evaluation> {
  const { classes, task = 'single', thresholds } = card
  let sum: Evaluation | undefined
  for (const { network, card: own } of members) {
    const objective = cardObjective(own)
    const one = await evaluate(network.net, await found.source(own), {
      objective,
      batchSize,
      precision,
      device,
      signal,
    })
    const { temperature = 1 } = own
    const outputs =
      temperature === 1 || task === 'regression'
        ? one.probabilities
        : applyTemperature(one.logits, classes.length, temperature, { task })
    if (sum) for (const [i, v] of outputs.entries()) sum.probabilities[i]! += v
    sum = sum ? { ...sum, loss: sum.loss + one.loss } : { ...one, probabilities: outputs.slice() }
  }
  const { targets, loss } = sum!
  const probabilities = together(
    card,
    sum!.probabilities.map(v => v / members.length),
  )
  const objective = cardObjective(card, { uneven })
  const metrics: Record<string, number> =
    task === 'multi'
      ? labelScores(probabilities, targets, classes.length, thresholds ?? 0.5)
      : objective.score(probabilities, targets)
  return { ...sum!, probabilities, loss: loss / members.length, metrics, score: metrics[objective.metric]! }
}

/** The folder of a model's run: the one that is named, or that its weights lie in. */
function folderOf(model: string): string | undefined {
  if (statSync(model, { throwIfNoEntry: false })?.isDirectory()) return model
  return isRun(dirname(model)) ? dirname(model) : undefined
}

/** Adds a line to the run's `evaluations.jsonl`; how many there are of the same samples already. */
function noteEvaluation(
  folder: string | undefined,
  entry: { fingerprint: string; metrics: Record<string, number> },
): number {
  if (folder === undefined) return 0
  const path = join(folder, 'evaluations.jsonl')
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  const before = lines.filter(line => line.includes(`"fingerprint":"${entry.fingerprint}"`)).length
  try {
    appendFileSync(path, `${JSON.stringify({ at: new Date().toISOString(), ...entry })}\n`)
  } catch {
    // A run that may only be read is evaluated all the same.
  }
  return before
}
