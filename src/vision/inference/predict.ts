import type { Place } from '../../data/index.ts'
import { autocast, decodeJpegFile, noGrad, scope, stack, type Tensor } from '../../torch/index.ts'
import type { Precision } from '../../train/network.ts'
import type { Outputs } from '../../train/objective.ts'
import { cardObjective, precisionOf, together } from '../../train/saved-model.ts'
import { pictureBatch } from '../batch.ts'
import { ASPECT } from '../cache/cache.ts'
import { LIMIT_INPUT_PIXELS } from '../decode/limits.ts'
import { loadPicture, type Picture } from '../index.ts'
import { decodedAs, type LoadedModel, type Member, type ModelCard, type Preprocessing } from './saved.ts'

/** What the net makes of one picture. */
export interface Prediction {
  file: string
  /** The class; for several labels all that count, joined by a comma; empty for numbers. */
  label: string
  /** Of the label; for several labels of the likeliest; NaN for numbers. */
  probability: number
  /** Of every class, by name. Names that look like whole numbers come first, as in every JavaScript object: `scores` has the
   *  order of `classes`. */
  probabilities: Record<string, number>
  /** The probabilities (for regression the values), in the order of the model's `classes`. */
  scores: Outputs
  /** For several labels: those whose probability reaches their threshold, likeliest first. */
  labels?: string[]
  /** For numbers: what is told, by target. */
  values?: Record<string, number>
}

/** How pictures go through the net; with `onError` a bad one does not end it. */
export interface PredictOptions {
  batchSize?: number
  /** The type of products. Default: the one the net was validated in, where this machine has instructions for it. */
  precision?: Precision
  device?: string
  onError?: (file: string, error: Error) => void
}

/** Predicts pictures in files, one after another as they come; `onError` hears of those that can't be read (without it
 *  the first one throws). */
export async function* predictFiles(
  { members, card }: LoadedModel,
  files: Iterable<string | Place>,
  { batchSize = 32, device, precision = precisionOf(card, device), onError }: PredictOptions = {},
): AsyncGenerator<Prediction> {
  const { classes } = card
  for (const { network } of members) network.net.eval()
  const forms = new Map(members.map(m => [decodedAs(m.card.preprocessing), m.card.preprocessing]))
  let pending: (string | Place)[] = []
  const flush = async () => {
    const alone = pending.length === 1
    const read = await Promise.all(
      pending.map(async place => {
        const file = typeof place === 'string' ? place : place.file
        try {
          const decoded = Array.from(forms, async ([form, p]) => [form, await pictureOf(place, p, alone)] as const)
          return { file, forms: new Map(await Promise.all(decoded)) }
        } catch (error) {
          if (!onError) throw error
          onError(file, error as Error)
          return undefined
        }
      }),
    )
    pending = []
    const good = read.filter(r => r !== undefined)
    if (good.length === 0) return []
    const rows = noGrad(() =>
      scope(() => {
        const each = members.map(member => {
          const form = decodedAs(member.card.preprocessing)
          const pictures = good.map(g => g.forms.get(form)!)
          return outputs(member, pictures, { precision, device })
        })
        const mean = each.length === 1 ? each[0]! : stack(each).mean(0)
        return together(card, mean.data() as Outputs)
      }),
    )
    return good.map(({ file }, i) =>
      prediction(file, card, rows.subarray(i * classes.length, (i + 1) * classes.length)),
    )
  }
  for (const file of files) {
    pending.push(file)
    if (pending.length === batchSize) yield* await flush()
  }
  if (pending.length > 0) yield* await flush()
}

/** A JPEG file of up to so many bytes is decoded in about a millisecond. */
const SMALL_FILE = 128 << 10

/** One picture as those of training were decoded: most JPEG files in one job on a thread, a small one that comes `alone` at
 *  once. */
async function pictureOf(place: string | Place, preprocessing: Preprocessing, alone: boolean): Promise<Picture> {
  const { file, raw, bands }: Place = typeof place === 'string' ? { file: place } : place
  const { short, interpolation, mode, channels, bands: endings = [] } = preprocessing
  if (/\.jpe?g$/i.test(file) && channels === 3 && mode !== 'keep' && !bands && endings.length === 0) {
    const room = Buffer.allocUnsafeSlow(3 * short * Math.floor(short * ASPECT))
    const fit = { short, interpolation, aspect: ASPECT, limit: LIMIT_INPUT_PIXELS }
    const made = await decodeJpegFile(raw ? Buffer.from(raw) : file, fit, { room, atOnce: alone ? SMALL_FILE : 0 })
    if (made) return made
  }
  return loadPicture(place, preprocessing)
}

/** What one net makes of pictures, at its own normalisation and temperature: [N, classes]. */
function outputs(
  { network, card }: Member,
  pictures: readonly Picture[],
  { precision, device }: Pick<PredictOptions, 'precision' | 'device'>,
): Tensor {
  const { preprocessing, temperature = 1 } = card
  const x = pictureBatch(pictures, undefined, {
    ...preprocessing,
    normalization: preprocessing,
    ...(device ? { device } : {}),
  })
  const logits = autocast(precision, () => network.net(x), network).to('float32')
  return cardObjective(card).activate(temperature === 1 ? logits : logits.div(temperature))
}

function prediction(file: string, { task = 'single', classes, thresholds }: ModelCard, p: Outputs): Prediction {
  // A class may be called __proto__: entries, not assignments.
  const named = Object.fromEntries(classes.map((c, i) => [c, p[i]!]))
  const scores = p.slice()
  if (task === 'regression')
    return { file, label: '', probability: Number.NaN, probabilities: {}, scores, values: named }
  const ranked = Array.from(p.keys()).sort((a, b) => p[b]! - p[a]! || a - b)
  const best = ranked[0]!
  if (task === 'single') return { file, label: classes[best]!, probability: p[best]!, probabilities: named, scores }
  const labels = ranked.filter(c => p[c]! >= (thresholds?.[c] ?? 0.5)).map(c => classes[c]!)
  return { file, label: labels.join(', '), labels, probability: p[best]!, probabilities: named, scores }
}
