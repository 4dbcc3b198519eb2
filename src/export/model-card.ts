import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { sha256 } from '../base/digest.ts'
import { version } from '../base/version.ts'
import { model as modelInfo } from '../models/index.ts'
import { type Card, type CardMetric, type CardValidation, cardKey, type FileCard, type NetCard } from '../onnx/index.ts'
import { interval } from '../report/charts/series.ts'
import { isRun, type PartResult, readResult, readSeen } from '../runs/index.ts'
import { type ModelCard as AnyModelCard, stemOf } from '../train/saved-model.ts'
import type { ModelCard } from '../vision/inference/saved.ts'
import { validationOf } from './validation.ts'

/** What the card says beside the saved model's own card. */
export type CardFacts = Pick<Card, 'weights'> &
  Partial<Pick<Card, 'features' | 'heat' | 'checks' | 'probe' | 'quantization'>> & { net: boolean }

/** The card of an exported model of pictures: what is known of the saved model, and of its run. */
export function exportCard(path: string, card: ModelCard, members: readonly ModelCard[], facts: CardFacts): Card {
  const { net, ...rest } = facts
  const { mode = 'rgb', channels, size, short, interpolation, mean, std } = card.preprocessing
  const licences = new Set(members.map(({ architecture }) => modelInfo(architecture).licence))
  return {
    format: 'anneal-model',
    ...netFacts(path, card, members, 'pictures'),
    input: { name: net ? 'pixels' : 'image', channels, mode, size, short, interpolation, mean, std },
    licence: [...licences].join(' AND '),
    ...rest,
  }
}

/** What the card of an exported model of nets says of the saved model and of its run. noun: how the card calls the number of
 *  validation samples. */
export function netFacts<Noun extends string>(
  path: string,
  card: AnyModelCard,
  members: readonly AnyModelCard[],
  noun: Noun,
): Omit<NetCard, 'weights' | 'quantization'> & { validation?: CardValidation & Record<Noun, number> } {
  const { task = 'single', classes, thresholds, metrics } = card
  const dir = statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path)
  const run = isRun(dir) ? dir : undefined
  const result = run === undefined ? undefined : readResult(run)
  const seen = run === undefined ? undefined : readSeen(run)
  const { loss: _, epoch: __, ...own } = metrics
  const validation = run === undefined ? undefined : validationOf(run, { task, classes }, noun)
  return {
    version: 1,
    anneal: version(),
    name: basename(resolve(run ?? stemOf(path))),
    created: new Date().toISOString(),
    task,
    classes,
    ...(task === 'multi' && { thresholds: classes.map((_, c) => thresholds?.[c] ?? 0.5) }),
    architectures: members.map(({ architecture }) => architecture),
    metrics: {
      valid: metricsOf(result ?? { metrics: own }, seen?.valid.length),
      ...(result?.test && { test: metricsOf(result.test, result.test.samples) }),
    },
    ...(validation && { validation }),
    digests: {
      weights: weightFiles(path, card).map(file => sha256(readFileSync(file))),
      ...(seen && { data: sha256(seen.train.join('\n')) }),
    },
  }
}

/** Metrics with their intervals: of a share that has none of its own, the one that follows from the number of samples. */
export function metricsOf(
  { metrics, intervals = {} }: Pick<PartResult, 'metrics' | 'intervals'>,
  samples?: number,
): Record<string, CardMetric> {
  const known = Object.entries(metrics).filter(([, value]) => Number.isFinite(value))
  return Object.fromEntries(
    known.map(([name, value]): [string, CardMetric] => {
      const own = intervals[name] ?? (name === 'accuracy' && samples ? interval(value, samples) : undefined)
      return [name, own ? { value, interval: own } : { value }]
    }),
  )
}

/** The files of the weights of a saved model: one, or those of its members. */
function weightFiles(path: string, { members }: Pick<AnyModelCard, 'members'>): string[] {
  const stem = stemOf(path)
  return (members ?? [basename(stem)]).map(name => `${dirname(stem)}/${name}.safetensors`)
}

/** The metadata of an exported file: the card, and what other tools read (ONNX's own keys). what: what it is, after its name. */
export function metadataOf(card: FileCard & { licence?: string }, what: string): Record<string, string> {
  const { name, created, anneal, task, licence } = card
  return {
    [cardKey]: JSON.stringify(card),
    description: `${name}: ${what}, trained by Anneal`,
    author: 'Anneal',
    date: created,
    version: anneal,
    task: task === 'regression' ? 'regress' : 'classify',
    model_author: 'Anneal',
    ...(licence === undefined ? {} : { license: licence, model_license: licence }),
  }
}

/** The metadata of a model of pictures, with Ultralytics' keys, as Python's `str` writes them. */
export function pictureMetadata(card: Card): Record<string, string> {
  const { input, classes, architectures } = card
  const list = classes.map((label, i) => `${i}: ${pythonText(label)}`)
  return {
    ...metadataOf(card, namesOf(architectures)),
    imgsz: `[${input.size}, ${input.size}]`,
    names: `{${list.join(', ')}}`,
    channels: String(input.channels),
    ...(input.channels === 3 && input.name === 'image'
      ? {
          'Image.BitmapPixelFormat': 'Rgb8',
          'Image.ColorSpaceGamma': 'SRGB',
          'Image.NominalPixelRange': 'NominalRange_0_255',
        }
      : {}),
  }
}

/** The names of architectures, each once. */
export const namesOf = (architectures: readonly string[]): string => [...new Set(architectures)].join(', ')

/** A text as Python's `repr` writes it, for names of any characters. */
function pythonText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replaceAll(quote, `\\${quote}`)
  return quote + escaped + quote
}
