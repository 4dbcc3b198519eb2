// Tables with columns of texts, and a little net that reads them, for tests of their export, of the runtime and of the server.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rng } from '../../src/base/random.ts'
import { type PreparedTable, type PrepareOptions, prepareTexts } from '../../src/tabular/prepare.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { withVectors } from '../../src/tabular/texts/embedder.ts'
import { type EmbeddingNet, embeddingNet } from '../../src/text/run/embed.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'
import type { RawRow } from './tables.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-table-texts-'))
process.on('exit', () => rmSync(folder, { recursive: true }))

let net: Promise<EmbeddingNet> | undefined
/** A BERT of two layers with windows of 40 tokens. */
export const embedder = (): Promise<EmbeddingNet> => (net ??= embeddingNet({ checkpoint: littleCheckpoint(folder) }))

/** Rows of two texts, a number and a word, with missing values; the review tells the verdict and the price. */
export function reviewRows(count: number, seed = 1): RawRow[] {
  const random = rng(seed, 11)
  const or = (value: string | number, chance = 0.08) => (random.chance(chance) ? '' : value)
  const reviews = madeTexts(count, { seed, most: 20 })
  const notes = madeTexts(count, { seed: seed + 7, least: 2, most: 6 })
  return reviews.map(({ text, good }, i) => ({
    review: or(text),
    stars: or(random.integer(50) / 10),
    shop: or(['north', 'south', 'east'][random.integer(3)]!),
    note: or(notes[i]!.text, 0.3),
    verdict: good === random.chance(0.9) ? 'good' : 'bad',
    kind: good ? (random.chance(0.5) ? 'a' : 'b') : 'c',
    price: (good ? 30 : 10) + 3 * random.normal(),
  }))
}

/** Rows that training did not have: missing texts, signs that are no words, other letters, and texts of several windows and of more
 *  tokens than are read. */
export const otherRows: RawRow[] = [
  ...reviewRows(30, 3),
  { review: '', stars: 2, shop: 'north', note: '' },
  { review: 'cafe', stars: null, shop: '', note: 'NA' },
  { review: 'Überraschend gut – 最高です 🙂', stars: 4.5, shop: 'west', note: '🙂' },
  { review: madeTexts(1, { seed: 5, least: 90, most: 91 })[0]!.text, stars: 1, shop: 'east', note: 'vu' },
  { review: 'un', stars: 1, shop: 'east', note: madeTexts(1, { seed: 6, least: 1200, most: 1201 })[0]!.text },
]

const targets = ['verdict', 'kind', 'price']

/** Splits and encodes such rows, with both texts unless `more` leaves one out. */
export async function prepareReviews(
  rows: readonly RawRow[],
  target: string | string[],
  more: Partial<PrepareOptions> = {},
): Promise<PreparedTable> {
  const own = typeof target === 'string' ? [target] : target
  const as = { review: 'text', note: 'text', shop: 'category' } as const
  const frame = await withVectors(frameOfRows(rows, { as }), ['review', 'note'], { embedder })
  const { drop = [], ...others } = more
  return prepareTexts(frame, {
    embedder,
    target: own,
    as,
    drop: [...targets.filter(name => !own.includes(name)), ...drop],
    ...others,
  } as PrepareOptions)
}
