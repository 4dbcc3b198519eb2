import { pictureBatch } from '../data/batch.ts'
import { loadPicture, type Place } from '../data/index.ts'
import { autocast, noGrad, scope } from '../torch/index.ts'
import type { Network, Precision } from './network.ts'
import type { Preprocessing } from './saved.ts'

/** What the net makes of one picture. */
export interface Prediction {
  file: string
  label: string
  /** Of the label. */
  probability: number
  /** Of every class, by name. */
  probabilities: Record<string, number>
}

/** How pictures go through the net; with `onError` a bad one does not end it. */
export interface PredictOptions {
  batchSize?: number
  precision?: Precision
  device?: string
  onError?: (file: string, error: Error) => void
}

/** Predicts pictures in files, one after another as they come; `onError` hears of those that can't be read (without it
 *  the first one throws). */
export async function* predictFiles(
  { network, classes, preprocessing }: { network: Network; classes: readonly string[]; preprocessing: Preprocessing },
  files: Iterable<string | Place>,
  { batchSize = 32, precision = 'float32', device, onError }: PredictOptions = {},
): AsyncGenerator<Prediction> {
  network.net.eval()
  let pending: (string | Place)[] = []
  const flush = async () => {
    const read = await Promise.all(
      pending.map(async place => {
        const file = typeof place === 'string' ? place : place.file
        try {
          return { file, picture: await loadPicture(place, preprocessing) }
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
        const x = pictureBatch(
          good.map(g => g.picture),
          undefined,
          { ...preprocessing, normalization: preprocessing, ...(device ? { device } : {}) },
        )
        return autocast(precision, () => network.net(x), network)
          .to('float32')
          .softmax(1)
          .data() as Float32Array
      }),
    )
    return good.map(({ file }, i) =>
      prediction(file, classes, rows.subarray(i * classes.length, (i + 1) * classes.length)),
    )
  }
  for (const file of files) {
    pending.push(file)
    if (pending.length === batchSize) yield* await flush()
  }
  if (pending.length > 0) yield* await flush()
}

function prediction(file: string, classes: readonly string[], p: Float32Array): Prediction {
  const best = p.indexOf(Math.max(...p))
  // A class may be called __proto__: entries, not assignments.
  return {
    file,
    label: classes[best]!,
    probability: p[best]!,
    probabilities: Object.fromEntries(classes.map((c, i) => [c, p[i]!])),
  }
}
