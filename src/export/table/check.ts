import { ModelError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { TableCardTexts, TableCheck, TableFileCard } from '../../onnx/index.ts'
import type { Frame, FrameColumn } from '../../tabular/types.ts'
import { median, netBounds } from '../compare.ts'
import type { CheckOptions } from '../options.ts'
import { load } from '../runtimes.ts'
import { type Compared, compared, larger, tableTolerance } from './compare-rows.ts'
import { type OpenTableModel, trainedAnswers, withTexts } from './open.ts'
import type { CheckRows } from './rows.ts'
import { answersOf } from './run-rows.ts'

/** Rows of a check: made ones, and those of the validation part where the table is at hand. */
export interface CheckParts {
  made: CheckRows
  valid?: CheckRows | undefined
}

/** How far the vector of a text may be from that of training, as a share of its length, by how the net's weights are stored. */
const vectorTolerance = { float32: 1e-4, float16: 0.005, int8: 0.15 } as const

/** How far an answer may then be from that of training. In float32 there is no bound: the vectors are the same but for rounding, and only
 *  a number on a threshold of a tree falls elsewhere. In fewer bits the net is another. */
const answerTolerance = { float32: Number.POSITIVE_INFINITY, float16: 0.1, int8: 0.1 } as const

/** Compares an exported file with the trained model row by row, in each runtime. Of a model that reads texts: the trained model gets the
 *  vectors that the file makes, and these are compared with those of training. */
export async function checkTable(
  model: OpenTableModel,
  { file, card }: { file: Uint8Array; card: TableFileCard },
  parts: CheckParts,
  { runtimes, signal, progress = () => {} }: CheckOptions,
): Promise<TableCheck[]> {
  const all: CheckRows[] = []
  for (const part of [parts.made, ...(parts.valid ? [parts.valid] : [])])
    all.push({ ...part, frame: await withTexts(model, part.frame, signal) })
  const trained: Float64Array[] = []
  for (const { frame } of all) trained.push(await trainedAnswers(model, frame, signal))
  const checks: TableCheck[] = []
  for (const runtime of runtimes) {
    const loaded = await load(runtime, file)
    try {
      const times: number[] = []
      const found = new Found()
      for (const [i, part] of all.entries()) {
        const got = await answersOf(loaded, card, part, { times, signal, progress })
        const whole = compared(model, trained[i]!, got)
        if (!card.texts) found.add(whole)
        else {
          const byFile = await trainedAnswers(model, withVectorsOf(part.frame, got.vectors, card.texts), signal)
          found.add(compared(model, byFile, got))
          found.addTexts(whole, vectorDifference(part.frame, got.vectors))
        }
      }
      checks.push({
        runtime: loaded.name,
        made: parts.made.frame.rows,
        valid: parts.valid?.frame.rows ?? 0,
        ...found.facts(card.texts && vectorTolerance[card.texts.weights]),
        milliseconds: median(times),
      })
    } finally {
      await loaded.release()
    }
  }
  return checks
}

/** Sums of comparisons. */
class Found {
  #all: Compared = { rows: 0, same: 0, others: 0, difference: 0 }
  #texts: Compared = { rows: 0, same: 0, others: 0, difference: 0 }
  #vectors = 0

  add(one: Compared): void {
    this.#all = joined(this.#all, one)
  }
  addTexts(one: Compared, vectors: number): void {
    this.#texts = joined(this.#texts, one)
    this.#vectors = larger(this.#vectors, vectors)
  }
  facts(accepted: number | undefined): Pick<TableCheck, 'same' | 'difference' | 'tolerance' | 'texts'> {
    const [all, own] = [this.#all, this.#texts]
    return {
      same: all.same / all.rows,
      difference: all.difference,
      tolerance: tableTolerance,
      ...(accepted === undefined
        ? {}
        : {
            texts: {
              vectors: this.#vectors,
              accepted,
              same: own.same / own.rows,
              difference: own.difference,
              others: own.others / own.rows,
            },
          }),
    }
  }
}

const joined = (a: Compared, b: Compared): Compared => ({
  rows: a.rows + b.rows,
  same: a.same + b.same,
  others: a.others + b.others,
  difference: larger(a.difference, b.difference),
})

/** The same rows, with these vectors in place of those of training. */
export function withVectorsOf(
  frame: Frame,
  vectors: ReadonlyMap<string, Float32Array>,
  { net, digest, width }: Pick<TableCardTexts, 'net' | 'digest' | 'width'>,
): Frame {
  const columns = frame.columns.map((column): FrameColumn => {
    const values = vectors.get(column.name)
    if (!values || column.type !== 'words') return column
    const { codes, words } = column.values
    const own = {
      codes: codes.map((code, row) => (code < 0 ? -1 : row)),
      words: Array.from(codes, code => words[code] ?? ''),
    }
    return { ...column, values: own, vectors: { values, width, name: net, digest } }
  })
  return { ...frame, columns }
}

/** The largest difference of a vector from that of training, as a share of its length. */
function vectorDifference(frame: Frame, vectors: ReadonlyMap<string, Float32Array>): number {
  let most = 0
  for (const column of frame.columns) {
    const got = vectors.get(column.name)
    if (!got || column.type !== 'words' || !column.vectors) continue
    const { width, values } = column.vectors
    for (const [row, code] of column.values.codes.entries()) {
      if (code < 0) continue
      let [off, long] = [0, 0]
      for (let i = 0; i < width; i++) {
        const own = values[code * width + i]!
        off += (got[row * width + i]! - own) ** 2
        long += own * own
      }
      most = larger(most, Math.sqrt(off / long))
    }
  }
  return most
}

/** Throws where a check is outside the tolerance. */
export function refuseTable(
  checks: readonly TableCheck[],
  what: string,
  weights: TableCardTexts['weights'] = 'float32',
): void {
  for (const { runtime, same, difference, tolerance, made, valid, texts } of checks) {
    const rows = made + valid
    if (!(difference <= tolerance) || same < 1)
      throw new ModelError(
        `${what}: in ${runtime} it does not answer as the trained model does. Over ${plural(rows, 'row')} the largest difference is ${difference.toPrecision(2)}, expected at most ${tolerance}; ${percent(same)} of the labels are the same. This is a fault of Anneal or of the runtime; --no-check writes the file all the same.`,
      )
    if (!texts) continue
    const [bound, most] = [netBounds(weights).same, answerTolerance[weights]]
    const other = Math.round((1 - texts.same) * rows)
    if (texts.vectors <= texts.accepted && texts.difference <= most && (texts.same >= bound || other <= 1)) continue
    const answers =
      weights === 'float32'
        ? ''
        : `an answer differs by up to ${texts.difference.toPrecision(2)}, expected at most ${most}; `
    const todo =
      weights === 'float32'
        ? 'This is a fault of Anneal or of the runtime; --no-check writes the file all the same.'
        : `Leave ${option('weights')} out.`
    throw new ModelError(
      `${what}: in ${runtime} its net for texts does not answer as the trained one does. The vectors of texts differ by up to ${texts.vectors.toPrecision(2)} of their length, expected at most ${texts.accepted}; ${answers}${percent(texts.same)} of the labels of ${plural(rows, 'row')} are the same, expected ${percent(bound)}. ${todo}`,
    )
  }
}
