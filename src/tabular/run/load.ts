import { dirname, join } from 'node:path'
import { encode } from '../encode.ts'
import { loadTableModel } from '../models/index.ts'
import type { Frame } from '../types.ts'
import { cardStem, readCard, type TableCard } from './card.ts'
import { atTemperature } from './decide.ts'
import type { Decision } from './metrics.ts'
import { countSeenRows, rowTexts } from './seen-rows.ts'

/** A trained model of a table with its card, ready to predict. */
export interface LoadedTable {
  card: TableCard
  decision: Decision
  /** How many rows of a frame equal a row that the model was trained on; undefined where that is not known. */
  seen(frame: Frame): number | undefined
  /** Probabilities [rows × classes], or values [rows × targets], of the rows of a frame. */
  predict(frame: Frame, options?: { signal?: AbortSignal | undefined }): Promise<Float64Array>
}

const larger = (a: number | undefined, b: number | undefined) => (a === undefined ? b : Math.max(a, b ?? 0))

/** Rows that are encoded and predicted at a time. */
const atATime = 65_536

/** Reads a trained model: a run folder, or the path of its card. The average of several reads all of them. */
export async function loadTable(path: string): Promise<LoadedTable> {
  const stem = cardStem(path)
  const card = readCard(stem)
  const { target, positive, threshold, members } = card
  const decision: Decision = {
    ...(positive === undefined ? {} : { positive: target.classes.indexOf(positive) }),
    ...(threshold === undefined ? {} : { threshold }),
  }
  if (members) {
    const all = await Promise.all(members.map(name => loadTable(join(dirname(stem), `${name}.json`))))
    return {
      card,
      decision,
      seen: frame => all.reduce<number | undefined>((most, one) => larger(most, one.seen(frame)), undefined),
      async predict(frame, options) {
        const outputs: Float64Array[] = []
        for (const one of all) outputs.push(await one.predict(frame, options))
        return outputs[0]!.map((_, i) => outputs.reduce((sum, values) => sum + values[i]!, 0) / outputs.length)
      },
    }
  }
  const model = await loadTableModel(stem, card)
  const width = target.classes.length
  return {
    card,
    decision,
    seen: frame => countSeenRows(stem, encode(frame, card.encoding), rowTexts(frame, card.encoding)),
    async predict(frame, { signal } = {}) {
      const all = new Float64Array(frame.rows * width)
      for (let from = 0; from < frame.rows; from += atATime) {
        const count = Math.min(atATime, frame.rows - from)
        const rows = Int32Array.from({ length: count }, (_, i) => from + i)
        const outputs = await model.predict(encode(frame, card.encoding, rows), { signal })
        all.set(target.task === 'single' ? atTemperature(outputs, width, card.temperature ?? 1) : outputs, from * width)
      }
      return all
    },
  }
}
