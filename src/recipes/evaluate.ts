import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { plural } from '../base/format.ts'
import type { Report } from '../base/progress.ts'
import { type EvaluationOptions, indexForEvaluation } from '../data/index.ts'
import { confusionsOf } from '../interpret/index.ts'
import { countSeen, isRun, readSeen } from '../runs/index.ts'
import { manualSeed } from '../torch/index.ts'
import { type Evaluation, evaluate } from '../train/evaluate.ts'
import { argmaxRows } from '../train/metrics/single.ts'
import {
  applyTemperature,
  type Confusion,
  classificationReport,
  classificationReportMulti,
  regressionText,
} from '../train/metrics.ts'
import type { Precision } from '../train/network.ts'
import { labelScores } from '../train/objective.ts'
import { cardObjective, precisionOf } from '../train/saved-model.ts'
import type { Source } from '../train/source.ts'
import { checkChannelCount } from '../vision/decode/load-picture.ts'
import { joinBands, openPictures, type Pictures } from '../vision/index.ts'
import { together } from '../vision/inference/answer.ts'
import {
  decodedAs,
  type LoadedModel,
  loadModel,
  type ModelCard,
  type Preprocessing,
} from '../vision/inference/saved.ts'
import { pictureSource } from '../vision/picture-source.ts'
import { whole } from './options.ts'
import { areUneven } from './prepare/class-balance.ts'
import { checkDevice } from './prepare/device.ts'
import { undefinedR2 } from './prepare/targets.ts'
import type { Progress } from './run/context.ts'

/** What a trained classifier does on pictures that it was not trained on. */
export interface Evaluated {
  model: string
  data: string
  pictures: number
  loss: number
  /** As in training: accuracy; mAP, F1 and F2 at the saved thresholds; R² and errors. */
  metrics: Record<string, number>
  /** scikit-learn's classification report as a terminal shows it, where there are classes (long names are cut); of several
   *  numbers the scores of each. */
  report?: string
  /** How often each class was taken for which, by their numbers; pairs that do not occur are left out. For one class a
   *  picture. */
  confusion?: Confusion[]
  /** The type of products. */
  precision: Precision
  /** What was found out about the pictures and their labels: columns, the part that was taken. */
  choices: readonly { what: string; value: string; reason: string }[]
  /** How often this model was evaluated on these very pictures before. */
  before: number
  /** How many of the pictures the model's run was trained on, and validated on; absent where the run keeps no list. */
  seen?: { train: number; valid: number }
  /** What makes the figures better than they will be on new pictures, in words. */
  warnings: string[]
}

/** How pictures to evaluate on are found and read. */
export interface EvaluateFolderOptions extends Omit<EvaluationOptions, 'classes' | 'task'> {
  batchSize?: number
  /** The type of products. Default: the one the model was validated in, where this machine has instructions for it. */
  precision?: Precision
  device?: string
  progress?: Progress
  /** Hears of a wait for another process. */
  report?: Report
  signal?: AbortSignal | undefined
}

/** Evaluates a saved classifier on a folder or a table of labelled pictures, with preprocessing, thresholds and
 *  temperature as they were saved. Each evaluation is noted in the run's folder: a test set that is looked at again and
 *  again tests no more. */
export async function evaluateFolder(
  run: string,
  dir: string,
  {
    batchSize = 32,
    precision: asked,
    device,
    progress = () => {},
    report: told,
    signal,
    ...options
  }: EvaluateFolderOptions = {},
): Promise<Evaluated> {
  whole('batchSize', batchSize, 1, 4096)
  checkDevice(device)
  manualSeed(0)
  const model = loadModel(run, device === undefined ? {} : { device })
  const { card } = model
  const { classes, task = 'single', preprocessing } = card
  const precision = asked ?? precisionOf(card, device)
  const found = await indexForEvaluation(dir, { ...options, classes, task })
  const index = preprocessing.bands ? joinBands(found, preprocessing.bands) : found
  const opened = new Map<string, Pictures>()
  const open = async (own: Preprocessing): Promise<Pictures> => {
    const { short, interpolation, mode: channels = 'rgb', range } = own
    const onProgress = (done: number, total: number) => progress('pictures', done, total)
    const pictures =
      opened.get(decodedAs(own)) ??
      (await openPictures(index, { short, interpolation, channels, range, signal, report: told, onProgress }))
    opened.set(decodedAs(own), pictures)
    for (const { file, picture } of pictures.data.items) checkChannelCount(pictures.picture(picture), file, own)
    return pictures
  }
  const { data, hash } = await open(preprocessing)
  const sourceFor = async ({ preprocessing: own }: ModelCard) => {
    const pictures = await open(own)
    return pictureSource({
      picture: n => pictures.picture(n),
      samples: data.of('test'),
      task,
      classes: classes.length,
      size: own.size,
      short: own.short,
      channels: own.channels,
      normalization: own,
      ...(device === undefined ? {} : { device }),
    })
  }
  const uneven = areUneven(data.counts.map(c => c.test))
  const evaluation = await evaluateModel(model, sourceFor, { batchSize, precision, device, uneven, signal })
  const folder = folderOf(run)
  const before = noteEvaluation(folder, { fingerprint: data.fingerprint, metrics: evaluation.metrics })
  const { thresholds } = card
  const items = data.of('test')
  const list = folder === undefined ? undefined : readSeen(folder)
  const seen =
    list &&
    countSeen(
      list,
      items.map(item => hash(item.picture)),
    )
  const report =
    task === 'single'
      ? classificationReport(argmaxRows(evaluation.probabilities, classes.length), evaluation.targets, classes, {
          zeroDivision: Number.NaN,
          terminal: true,
        })
      : task === 'multi'
        ? classificationReportMulti(evaluation.probabilities, evaluation.targets, classes, {
            zeroDivision: Number.NaN,
            ...(thresholds && { thresholds }),
            terminal: true,
          })
        : classes.length > 1
          ? regressionText(evaluation.probabilities, evaluation.targets, classes)
          : undefined
  return {
    model: run,
    data: resolve(dir),
    pictures: items.length,
    loss: evaluation.loss,
    metrics: evaluation.metrics,
    ...(report === undefined ? {} : { report }),
    ...(task === 'single' ? { confusion: confusionsOf(evaluation, classes.length) } : {}),
    precision,
    choices: index.choices ?? [],
    before,
    ...(seen ? { seen } : {}),
    warnings: [
      ...(task === 'regression' ? undefinedHere(classes, items) : []),
      ...warningsOf({ pictures: items.length, seen, before }),
    ],
  }
}

function undefinedHere(classes: readonly string[], items: Parameters<typeof undefinedR2>[2]): string[] {
  const found = undefinedR2(classes, '', items)
  return found ? [`R² of ${found.targets.map(t => `"${t}"`).join(', ')} is undefined: ${found.reason}`] : []
}

function warningsOf({
  pictures,
  seen = { train: 0, valid: 0 },
  before,
}: Pick<Evaluated, 'pictures' | 'before'> & { seen: Evaluated['seen'] | undefined }): string[] {
  const part = (count: number) => `${count} of ${plural(pictures, 'picture')} ${count === 1 ? 'was' : 'were'}`
  return [
    ...(seen.train > 0 ? [`${part(seen.train)} in this run's training part; the figures are too good`] : []),
    ...(seen.valid > 0
      ? [
          `${part(seen.valid)} in this run's validation part, by which its weights and thresholds were chosen; the figures are somewhat too good`,
        ]
      : []),
    ...(before > 0
      ? [
          `this model was evaluated on these pictures ${plural(before, 'time')} before; choices made after looking turn a test set into a validation set`,
        ]
      : []),
  ]
}

/** One net or the mean of an ensemble over pictures, each at its own normalisation and temperature, decided by the
 *  card's thresholds. */
async function evaluateModel(
  { members, card }: LoadedModel,
  sourceFor: (card: ModelCard) => Promise<Source>,
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
    const one = await evaluate(network.net, await sourceFor(own), { objective, batchSize, precision, device, signal })
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

/** Adds a line to the run's `evaluations.jsonl`; how many there are of the same pictures already. */
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
