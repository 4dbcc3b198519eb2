import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { DataError, fileReason, ModelError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import { findSamples, toPlace } from '../../data/labels/list-files.ts'
import { namesTable } from '../../data/tables/formats.ts'
import type { Place, Problem, Task } from '../../data/types.ts'
import { domainOf } from '../../runs/index.ts'
import { noGrad, scope } from '../../torch/index.ts'
import type { Precision } from '../../train/network.ts'
import { targetText } from '../../train/objective.ts'
import { joinMembers, memberOutputs, type Prediction, predictionOf } from '../../train/prediction.ts'
import { type LoadedModel, loadModel, precisionOf, readCard, stemOf } from '../../train/saved-model.ts'
import { turn } from '../../train/stop.ts'
import { isPreprocessing, networkOf, readerOf } from '../domain/card.ts'
import type { TextBody } from '../net/bert.ts'
import { decodeText } from '../read/decode.ts'
import { textFiles } from '../read/text-files.ts'
import { textsOfTable } from '../read/text-table.ts'
import { tokenBatch } from '../source.ts'
import type { TextPreprocessing } from '../types.ts'

/** A text to predict: the text itself, or with a name for messages and answers. */
export type TextInput = string | { text: string; name: string }

/** How texts are predicted. */
export interface PredictTextsOptions {
  /** How many texts the net sees at once. Default: 32. */
  batchSize?: number | undefined
  /** The number type of products. Default: the one that the net was validated in, where this machine has it. */
  precision?: Precision | undefined
  signal?: AbortSignal | undefined
  /** Called with a text that can't be predicted, which is then left out; without it the error is thrown. */
  onError?: ((name: string, error: Error) => void) | undefined
}

/** A trained model of texts. */
export interface TextClassifier<T extends Task = Task> {
  readonly task: T
  readonly classes: readonly string[]
  readonly precision: Precision
  readonly preprocessing: TextPreprocessing
  predict(text: TextInput, options?: PredictTextsOptions): Promise<Prediction<T>>
  /** Predictions of many, in their order. A few hundred texts are read ahead, so that texts of like length are computed
   *  together. */
  predictAll(
    texts: Iterable<TextInput> | AsyncIterable<TextInput>,
    options?: PredictTextsOptions,
  ): AsyncGenerator<Prediction<T>>
  /** A value of the target of that name as text, with the decimals that the target has. */
  text(value: number, target: string): string
  /** Frees the memory of the net. */
  close(): void
}

/** How many texts are read ahead. */
const ahead = 512

/** Loads a model of texts: a run folder (its best weights), or the path of its weights or card. */
export function loadTextClassifier(
  run: string,
  { precision: asked, device = 'cpu' }: { precision?: Precision | undefined; device?: string | undefined } = {},
): TextClassifier {
  const kind = domainOf(readCard(`${stemOf(run)}.json`))
  if (kind !== 'texts') throw new ModelError(`${run}: is a model of ${kind}, and a model of texts is expected here.`)
  const model = loadModel<TextPreprocessing, TextBody>(run, { build: networkOf, isPreprocessing, device })
  const { card } = model
  const precision = asked ?? precisionOf(card, device)
  const { classes, task = 'single', preprocessing, scale } = card
  const predictAll = (texts: Iterable<TextInput> | AsyncIterable<TextInput>, options: PredictTextsOptions = {}) =>
    predictWith(model, texts, { precision, ...options })
  return {
    task,
    classes,
    precision,
    preprocessing,
    predictAll,
    async predict(text, options) {
      for await (const prediction of predictAll([text], options)) return prediction
      throw new DataError('the text was not predicted')
    },
    text: (value, target) => (scale ? targetText(value, classes.indexOf(target), scale) : String(value)),
    close() {
      for (const { network } of model.members) for (const [, t] of network.net.stateDict()) t.dispose()
    },
  }
}

/** Predicts texts with a saved model: see `TextClassifier.predictAll`. */
export async function* predictTexts(
  run: string,
  texts: Iterable<TextInput> | AsyncIterable<TextInput>,
  options: PredictTextsOptions & { device?: string | undefined } = {},
): AsyncGenerator<Prediction> {
  const classifier = loadTextClassifier(run, options)
  try {
    yield* classifier.predictAll(texts, options)
  } finally {
    classifier.close()
  }
}

interface Waiting {
  name: string
  index: number
  text: string
}

async function* predictWith(
  model: LoadedModel<TextPreprocessing, TextBody>,
  texts: Iterable<TextInput> | AsyncIterable<TextInput>,
  { batchSize = 32, precision, signal, onError }: PredictTextsOptions & { precision: Precision },
): AsyncGenerator<Prediction> {
  let waiting: Waiting[] = []
  let index = 0
  const answer = () => answered(model, waiting, { batchSize, precision, signal })
  for await (const input of texts) {
    const named = typeof input === 'object' && input !== null ? input : { text: input, name: `text ${index + 1}` }
    const { name, text } = named
    const fault = faultOf(text)
    if (fault) {
      const error = new DataError(`${name}: ${fault}`)
      if (!onError) throw error
      onError(name, error)
    } else waiting.push({ name, index, text })
    index++
    if (waiting.length < ahead) continue
    yield* await answer()
    waiting = []
  }
  if (waiting.length > 0) yield* await answer()
}

function faultOf(text: unknown): string | undefined {
  if (typeof text !== 'string') return `expected a text, got ${text === null ? 'null' : typeof text}.`
  return text.trim() === '' ? 'it is empty; expected a text.' : undefined
}

async function answered(
  model: LoadedModel<TextPreprocessing, TextBody>,
  waiting: readonly Waiting[],
  { batchSize, precision, signal }: { batchSize: number; precision: Precision; signal?: AbortSignal | undefined },
): Promise<Prediction[]> {
  const { card, members } = model
  const classes = card.classes.length
  // The nets of one model read a text alike.
  const read = await readerOf(card.preprocessing)
  const tokens = waiting.map(({ text }) => read(text))
  const order = Array.from(tokens.keys()).sort((a, b) => tokens[a]!.length - tokens[b]!.length || a - b)
  const out = new Array<Prediction>(waiting.length)
  for (let from = 0; from < order.length; from += batchSize) {
    await turn(signal)
    const some = order.slice(from, from + batchSize)
    const rows = noGrad(() =>
      scope(() => {
        const x = tokenBatch(some.map(i => tokens[i]!))
        const each = members.map(member => memberOutputs(member, x, { precision }))
        return joinMembers(model, each)
      }),
    )
    for (const [at, i] of some.entries()) {
      const { name, index } = waiting[i]!
      out[i] = predictionOf({ file: name, index, scores: rows.slice(at * classes, (at + 1) * classes) }, card)
    }
  }
  return out
}

/** The texts among paths of files and folders, and in tables where a column is named (or the model was trained on one):
 *  their number, what is no text, and the texts themselves, read one by one. */
export async function listTexts(
  paths: readonly string[],
  {
    column,
    trained,
    encoding,
  }: {
    column?: string | undefined
    /** The column that the model was trained on, which is taken where a table has it. */
    trained?: string | undefined
    encoding?: string | undefined
  } = {},
): Promise<{
  count: number
  problems: Problem[]
  read(onError: (name: string, error: Error) => void): Iterable<TextInput>
}> {
  const places: Place[] = []
  const rows: { name: string; text: string }[] = []
  const problems: Problem[] = []
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (!stat)
      throw new DataError(
        `${path} can not be read: it does not exist; expected a text file, a folder of text files, or a table with a column of texts. For a text itself, write it into a file.`,
      )
    if (stat.isDirectory()) {
      const root = Buffer.from(resolve(path))
      const found = findSamples(root, root, textFiles)
      for (const place of found.samples) places.push(place)
      for (const problem of found.problems) problems.push(problem)
    } else if (namesTable(path) && !textFiles.isNamed(path)) {
      const found = await textsOfTable(path, { column, trained })
      for (const row of found.rows) rows.push(row)
      for (const problem of found.problems) problems.push({ ...problem, counted: true })
    } else places.push(toPlace(Buffer.from(path)))
  }
  if (places.length + rows.length === 0) {
    const why = problems[0] ? ` (${problems[0].file}: ${problems[0].reason})` : ''
    throw new DataError(`no texts in ${paths.join(', ')}${why}; expected text files, or a table (${option('text')}).`)
  }
  function* read(onError: (name: string, error: Error) => void): Iterable<TextInput> {
    yield* rows
    for (const place of places)
      try {
        const decoded = decodeText(readFileSync(place.raw ? Buffer.from(place.raw) : place.file), encoding)
        if ('fault' in decoded) throw new DataError(decoded.fault)
        yield { text: decoded.text, name: place.file }
      } catch (error) {
        const why = error instanceof DataError ? error.message : fileReason(error)
        onError(place.file, new DataError(`${place.file}: ${why}`, { cause: error }))
      }
  }
  return { count: places.length + rows.length, problems, read }
}
