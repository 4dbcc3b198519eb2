import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rng } from '../../src/base/random.ts'
import { encode, readingOf } from '../../src/tabular/encode.ts'
import { Both } from '../../src/tabular/models/both.ts'
import { fitTableModel } from '../../src/tabular/models/index.ts'
import { labelledRows, type PreparedTable, type PrepareOptions, prepareFrame } from '../../src/tabular/prepare.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { type TableCard, writeCard } from '../../src/tabular/run/card.ts'
import { figuresOf } from '../../src/tabular/run/figures.ts'
import type { FitTableOptions, Frame, TableModelName } from '../../src/tabular/types.ts'

/** A row as a person writes it. */
export type RawRow = Record<string, string | number | null>

const towns = Array.from({ length: 30 }, (_, i) => `town ${String.fromCharCode(97 + i)}é`)

/** Rows of numbers with missing values, words (few, many, rare, empty), whole numbers as words, yes and no, and dates with
 *  times, and targets of each kind that follow from them. */
export function rawRows(rows: number, seed = 1): RawRow[] {
  const random = rng(seed, 3)
  const or = (value: string | number, chance = 0.06) => (random.chance(chance) ? '' : value)
  return Array.from({ length: rows }, (_, i) => {
    const [size, heat] = [Math.exp(3 + random.normal()), Math.round(100 * random.normal()) / 10]
    const colour = ['red', 'green', 'blue', 'N/A'][random.integer(4)]!
    const town = towns[Math.min(random.integer(30), random.integer(30))]!
    const rooms = 1 + random.integer(5)
    const garden = random.chance(0.4) ? 'yes' : 'no'
    const seconds = Math.floor(Date.UTC(2015, 0, 1) / 1000 + random.uniform() * 8 * 365.25 * 86_400)
    const date = new Date(seconds * 1000)
    const pull =
      Math.log(size) +
      0.1 * heat +
      (colour === 'red' ? 1 : 0) +
      0.3 * rooms +
      (garden === 'yes' ? 0.7 : 0) +
      Math.sin((2 * Math.PI * date.getUTCMonth()) / 12) +
      0.05 * towns.indexOf(town) +
      0.2 * random.normal()
    return {
      size: or(size),
      heat: or(heat, 0.2),
      whole: random.integer(1000) * 1000 + 2 ** 24,
      colour: or(colour),
      town: i % 97 === 0 ? `rare ${i}` : or(town),
      rooms: or(rooms),
      garden,
      sold: or(date.toISOString().slice(0, 19), 0.05),
      born: or(date.toISOString().slice(0, 10)),
      cheap: pull > 5.6 ? 'dear' : 'cheap',
      kind: pull > 6.2 ? 'palace' : pull > 5 ? 'house' : 'hüt "x"',
      price: 100 * pull - 300,
      worth: Math.exp(pull),
    }
  })
}

const targets = ['cheap', 'kind', 'price', 'worth']

export const prepare = (
  frame: Frame,
  target: string | string[],
  options: Partial<PrepareOptions> = {},
): PreparedTable => {
  const own = typeof target === 'string' ? [target] : target
  return prepareFrame(frame, {
    target,
    drop: targets.filter(name => !own.includes(name)),
    as: { rooms: 'category' },
    ...options,
  } as PrepareOptions)
}

const folder = mkdtempSync(join(tmpdir(), 'anneal-export-table-'))
process.on('exit', () => rmSync(folder, { recursive: true }))

/** Fits a small model, and saves it with its card in a folder, as a run does. */
export async function savedModel(
  prepared: PreparedTable,
  name: TableModelName,
  { fit = {}, card = {} }: { fit?: Partial<FitTableOptions>; card?: Partial<TableCard> } = {},
): Promise<string> {
  const { split, encoding, target, uses } = prepared
  const [train, valid] = [labelledRows(prepared, split.train), labelledRows(prepared, split.valid)]
  const shared = { train, valid, seed: 1, threads: 1, members: 2, ...fit }
  const trees = () => fitTableModel('trees', { epochs: 12, ...shared })
  const net = (one: TableModelName) => fitTableModel(one, { epochs: 3, ...shared })
  const both = async () =>
    new Both([
      { model: await trees(), weight: 0.35 },
      { model: await net('realmlp'), weight: 0.65 },
    ])
  const model = await (name === 'both' ? both() : name === 'trees' ? trees() : net(name))
  const stem = join(mkdtempSync(join(folder, 'model-')), 'best')
  mkdirSync(stem)
  await model.save(stem)
  writeCard(stem, {
    format: 'anneal-table',
    version: 1,
    domain: 'tables',
    anneal: '0',
    model: name,
    target: target.info,
    columns: uses,
    encoding,
    figures: figuresOf(prepared.frame, encoding, split.train),
    reading: {},
    metrics: { logLoss: 0.5 },
    ...card,
  })
  return stem
}

/** Rows of objects as the reader of a trained model reads them. */
export const readRows = (rows: readonly RawRow[], { encoding }: Pick<TableCard, 'encoding'>): Frame =>
  frameOfRows(rows, readingOf(encoding))

export const encodeRows = (rows: readonly RawRow[], card: Pick<TableCard, 'encoding'>) =>
  encode(readRows(rows, card), card.encoding)
