import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { plural } from '../../base/format.ts'
import { checkValues } from '../../base/option-table.ts'
import { type Report, silent } from '../../base/progress.ts'
import { samples } from '../../base/samples.ts'
import type { Item } from '../../data/types.ts'
import type { Domain, Narrator, Progress, ToEvaluate, Words } from '../../domain/index.ts'
import { confusionsOf } from '../../interpret/index.ts'
import { readEnvironment } from '../../ranks/environment.ts'
import type { Ranks } from '../../ranks/ranks.ts'
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
import { pooled } from '../../train/pooled.ts'
import { computingOf } from '../../train/saved-computing.ts'
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
import { inGroup, refuseOther } from '../run/over-ranks.ts'

/** The results of a trained model on samples that it was not trained on. */
export interface Evaluated {
  model: string
  data: string
  samples: number
  loss: number
  /** The metrics of training: accuracy; mAP, F1 and F2 at the saved thresholds; R² and errors. */
  metrics: Record<string, number>
  /** scikit-learn's classification report for a terminal if there are classes (long names are cut); for several
   *  regression targets the scores of each. */
  report?: string
  /** Single-label: how often each class was predicted as each other one, by class index; pairs that do not occur are
   *  left out. */
  confusion?: Confusion[]
  /** The number type of products. */
  precision: Precision
  /** Decisions about the samples and their labels: which columns and which split were used. */
  choices: readonly { what: string; value: string; reason: string }[]
  /** How often this model was evaluated on the same samples before. */
  before: number
  /** How many of the samples were in the run's training and validation splits; absent if the run keeps no list. */
  seen?: { train: number; valid: number }
  /** Reasons, in words, why the figures are better than they will be on new samples. */
  warnings: string[]
}

/** How an evaluation computes, and its callbacks. */
export interface EvaluateModelOptions {
  batchSize?: number | undefined
  /** The number type of products. Default: the one the model was validated in, where this machine has instructions for
   *  it. */
  precision?: Precision | undefined
  device?: string | undefined
  progress?: Progress
  /** Called if the evaluation waits for another process. */
  report?: Report
  signal?: AbortSignal | undefined
}

/** Evaluates a saved model on labelled samples, with its saved preprocessing, thresholds and temperature. Each
 *  evaluation is noted in the run's folder, since a test set that is used again and again is no longer a fair test. Several
 *  ranks share the samples out; each of them returns the figures of all, and the first one notes them. */
export async function evaluateModel<O extends object, B extends Body, P, In, E extends object>(
  domain: Domain<O, B, P, In, E>,
  run: string,
  path: string,
  options: E & EvaluateModelOptions,
): Promise<Evaluated> {
  const called = samples.call(domain.words)
  try {
    const { device = 'cpu', batchSize, precision, report = silent, signal } = options
    if (readEnvironment()) refuseOther(device)
    const facts = { 'the command': 'evaluate', 'the batch size': batchSize ?? 0, 'the precision': precision ?? '' }
    return await inGroup({ facts, signal, report }, (ranks, signal) =>
      evaluated(domain, run, path, { ...options, signal }, ranks),
    )
  } finally {
    samples.call(called)
  }
}

async function evaluated<O extends object, B extends Body, P, In, E extends object>(
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
  ranks: Ranks,
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
  ranks.compare(`${domain.words.many} or labels`, data.fingerprint)
  for (const { network } of model.members) ranks.compareTensors('weights', network.net.stateDict())
  const how = { batchSize, precision, device, uneven, signal, ranks }
  const evaluation = await outputsOf(model, found, how)
  const folder = folderOf(run)
  const entry = { fingerprint: data.fingerprint, metrics: evaluation.metrics }
  const before = await ranks.fromFirst('evaluations before', () => noteEvaluation(folder, entry))
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

/** Scores per class for a terminal; for several targets the scores of each. */
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
    ranks,
  }: {
    batchSize: number
    precision: Precision
    device?: string | undefined
    uneven: boolean
    signal?: AbortSignal | undefined
    ranks: Ranks
  },
): Promise<Evaluation> {
  const { classes, task = 'single', thresholds } = card
  let sum: Evaluation | undefined
  for (const { network, card: own } of members) {
    const objective = cardObjective(own)
    const source = await found.source(own)
    const how = { objective, batchSize, precision, device, computing: computingOf(own), signal, ranks }
    const rows = await evaluate(network.net, source, how)
    const { temperature = 1 } = own
    const cooled =
      temperature === 1 || task === 'regression'
        ? rows.probabilities
        : applyTemperature(rows.logits, classes.length, temperature, { task })
    const one = pooled({ ...rows, probabilities: cooled }, source, objective)
    const outputs = one.probabilities
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

/** The folder of a model's run: the folder that is named, or the one that holds its weights. */
function folderOf(model: string): string | undefined {
  if (statSync(model, { throwIfNoEntry: false })?.isDirectory()) return model
  return isRun(dirname(model)) ? dirname(model) : undefined
}

/** Adds a line to the run's `evaluations.jsonl`; returns how many lines there were for the same samples. */
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
    // A run in a read-only folder is evaluated too.
  }
  return before
}
