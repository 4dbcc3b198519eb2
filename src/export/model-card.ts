import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { sha256 } from '../base/digest.ts'
import { version } from '../base/version.ts'
import { model as modelInfo } from '../models/index.ts'
import { type Card, type CardMetric, cardKey } from '../onnx/index.ts'
import { interval } from '../report/charts/series.ts'
import { isRun, type PartResult, readResult, readSeen } from '../runs/index.ts'
import { stemOf } from '../train/saved-model.ts'
import type { ModelCard } from '../vision/inference/saved.ts'
import { validationOf } from './validation.ts'

/** What the card says beside the saved model's own card. */
export type CardFacts = Pick<Card, 'weights'> &
  Partial<Pick<Card, 'features' | 'heat' | 'checks' | 'probe' | 'quantization'>> & { net: boolean }

/** The card of an exported model: what is known of the saved model, and of its run. */
export function exportCard(path: string, card: ModelCard, members: readonly ModelCard[], facts: CardFacts): Card {
  const { net, ...rest } = facts
  const { task = 'single', classes, thresholds, preprocessing } = card
  const { mode = 'rgb', channels, size, short, interpolation, mean, std } = preprocessing
  const dir = statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path)
  const run = isRun(dir) ? dir : undefined
  const result = run === undefined ? undefined : readResult(run)
  const seen = run === undefined ? undefined : readSeen(run)
  const architectures = members.map(({ architecture }) => architecture)
  const licences = [...new Set(architectures.map(name => modelInfo(name).licence))]
  const { loss: _, epoch: __, ...own } = card.metrics
  const validation = run === undefined ? undefined : validationOf(run, { task, classes })
  return {
    format: 'anneal-model',
    version: 1,
    anneal: version(),
    name: basename(resolve(run ?? stemOf(path))),
    created: new Date().toISOString(),
    task,
    classes,
    ...(task === 'multi' && { thresholds: classes.map((_, c) => thresholds?.[c] ?? 0.5) }),
    architectures,
    input: { name: net ? 'pixels' : 'image', channels, mode, size, short, interpolation, mean, std },
    metrics: {
      valid: metricsOf(result ?? { metrics: own, loss: Number.NaN }, seen?.valid.length),
      ...(result?.test && { test: metricsOf(result.test, result.test.samples) }),
    },
    ...(validation && { validation }),
    licence: licences.join(' AND '),
    digests: {
      weights: weightFiles(path, card).map(file => sha256(readFileSync(file))),
      ...(seen && { data: sha256(seen.train.join('\n')) }),
    },
    ...rest,
  }
}

/** Metrics with their intervals: of a share that has none of its own, the one that follows from the number of samples. */
export function metricsOf({ metrics, intervals = {} }: PartResult, samples?: number): Record<string, CardMetric> {
  const known = Object.entries(metrics).filter(([, value]) => Number.isFinite(value))
  return Object.fromEntries(
    known.map(([name, value]): [string, CardMetric] => {
      const own = intervals[name] ?? (name === 'accuracy' && samples ? interval(value, samples) : undefined)
      return [name, own ? { value, interval: own } : { value }]
    }),
  )
}

/** The files of the weights of a saved model: one, or those of its members. */
export function weightFiles(path: string, { members }: Pick<ModelCard, 'members'>): string[] {
  const stem = stemOf(path)
  return (members ?? [basename(stem)]).map(name => `${dirname(stem)}/${name}.safetensors`)
}

/** The metadata of an exported file: the card, and what other tools read (Ultralytics' keys, as Python's `str` writes
 *  them, and ONNX's own). */
export function metadataOf(card: Card): Record<string, string> {
  const { input, classes, task, licence, created, name, anneal, architectures } = card
  const list = classes.map((label, i) => `${i}: ${pythonText(label)}`)
  return {
    [cardKey]: JSON.stringify(card),
    description: `${name}: ${[...new Set(architectures)].join(', ')}, trained by Anneal`,
    author: 'Anneal',
    date: created,
    version: anneal,
    task: task === 'regression' ? 'regress' : 'classify',
    imgsz: `[${input.size}, ${input.size}]`,
    names: `{${list.join(', ')}}`,
    channels: String(input.channels),
    model_author: 'Anneal',
    ...(licence === undefined ? {} : { license: licence, model_license: licence }),
    ...(input.channels === 3 && input.name === 'image'
      ? {
          'Image.BitmapPixelFormat': 'Rgb8',
          'Image.ColorSpaceGamma': 'SRGB',
          'Image.NominalPixelRange': 'NominalRange_0_255',
        }
      : {}),
  }
}

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
