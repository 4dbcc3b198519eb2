import { percent, plural, withDecimals } from '../base/format.ts'
import { setting } from '../base/options.ts'
import { gather } from './gather.ts'
import { binsOf, type Sample, sampleOf, scoreOf } from './one-column.ts'
import { looksLikeGroup, type TableSplit } from './split.ts'
import type { TableTarget } from './target.ts'
import { twins } from './twins.ts'
import type { ColumnUse, Frame, FrameColumn } from './types.ts'

/** A sign that the metrics of a run will be better than those of real use.
 *  - tells: one column alone tells nearly everything; tells-part: the rows in which it is not its usual value do
 *  - name: its name is like the target's, and it tells much; missing: it is missing exactly with a value of the target
 *  - same-rows: rows of validation are in training, too; group: ids are on both sides, and they tell the target
 *  - future: rows in training are later than rows of validation */
export interface Leak {
  kind: 'tells' | 'tells-part' | 'name' | 'missing' | 'same-rows' | 'group' | 'future'
  column?: string
  /** One sentence with the numbers that it rests on. */
  message: string
  /** What takes it away, ready to paste. */
  remedy: string
}

/** What is looked at. */
interface Look {
  frame: Frame
  uses: readonly ColumnUse[]
  target: TableTarget
  split: TableSplit
  sample: Sample
}

const nearlyAll = { single: 0.99, regression: 0.98 }
const much = { single: 0.75, regression: 0.5 }

/** Looks for leaks before a training: columns that are known only after the target, rows and groups on both sides of the
 *  split, and the future in training. At most one finding for a column. */
export function findLeaks(
  frame: Frame,
  { uses, target, split, seed }: { uses: readonly ColumnUse[]; target: TableTarget; split: TableSplit; seed: number },
): Leak[] {
  const look: Look = { frame, uses, target, split, sample: sampleOf(target, seed) }
  const found = groups(look)
  const open = (name: string) => name !== split.column && !found.some(({ column }) => column === name)
  for (const { name, used } of uses) {
    if (!used || !open(name)) continue
    const column = columnOf(frame, name)
    const leak = tells(column, look) ?? missingWith(column, look) ?? tellsPart(column, look)
    if (leak) found.push(leak)
  }
  return [...found, ...sameRows(look), ...future(look).filter(({ column }) => open(column!))]
}

const columnOf = (frame: Frame, name: string): FrameColumn => frame.columns.find(column => column.name === name)!
const titled = ({ info }: TableTarget) => info.columns.map(name => `"${name}"`).join(', ')
const dropped = (name: string) => setting('drop', name)

/** One column that tells nearly everything, or much and has a name like the target's. */
function tells(column: FrameColumn, { target, sample }: Look): Leak | undefined {
  const { name } = column
  const { task } = target.info
  const { score, rows } = scoreOf(column, sample)
  const shown = `${task === 'single' ? 'AUC' : 'R²'} ${withDecimals(score, 3)} on ${plural(rows, 'row')} that its model has not seen`
  if (score > nearlyAll[task])
    return {
      kind: 'tells',
      column: name,
      message: `"${name}" alone tells ${titled(target)} nearly without error: ${shown}. It may be a copy of the target, or be known only after it`,
      remedy: dropped(name),
    }
  if (score > much[task] && target.info.columns.some(own => alike(own, name)))
    return {
      kind: 'name',
      column: name,
      message: `the name "${name}" is like that of the target ${titled(target)}, and it tells much of it: ${shown}. It may be made from the target`,
      remedy: dropped(name),
    }
  return undefined
}

const wordsOf = (name: string): string[] =>
  name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean)

/** Whether all words of a target's name are in a column's name, or the other way with two words or more. */
function alike(target: string, column: string): boolean {
  const [a, b] = [wordsOf(target), wordsOf(column)]
  const within = (some: string[], all: string[]) =>
    some.length > 0 &&
    some.every(word => all.some(other => other === word || (word.length > 3 && other.startsWith(word))))
  return (within(a, b) && a.join('').length > 3) || (b.length > 1 && within(b, a))
}

const few = 20

/** A column that is missing exactly where the target has one value, or where the target is missing, too. */
function missingWith(column: FrameColumn, { frame, target, sample }: Look): Leak | undefined {
  const { name } = column
  const gone = (row: number) =>
    column.type === 'words' ? column.values.codes[row]! < 0 : Number.isNaN(column.values[row]!)
  const leak = (where: string): Leak => ({
    kind: 'missing',
    column: name,
    message: `"${name}" is missing exactly ${where}. It may be filled in together with the target`,
    remedy: dropped(name),
  })
  const unlabelled = frame.rows - target.rows.length
  if (unlabelled >= few && target.rows.length >= few) {
    let [without, withTarget] = [0, 0]
    for (let row = 0; row < frame.rows; row++) if (gone(row)) without++
    for (const row of target.rows) if (gone(row)) withTarget++
    if (withTarget === 0 && without === unlabelled)
      return leak(`in the ${plural(unlabelled, 'row')} without ${titled(target)}`)
  }
  const { rows, outcomes } = sample
  const flags = Uint8Array.from(rows, row => Number(gone(row)))
  const total = flags.reduce((sum, flag) => sum + flag, 0)
  if (total < few || total > rows.length - few) return undefined
  const { info, values } = target
  if (info.task === 'single') {
    const counts = info.classes.map(() => ({ rows: 0, gone: 0 }))
    rows.forEach((row, i) => {
      const own = counts[values[row]!]!
      own.rows++
      own.gone += flags[i]!
    })
    const at = counts.findIndex(
      own => own.rows >= few && own.gone >= 0.98 * own.rows && total - own.gone <= 0.02 * (rows.length - own.rows),
    )
    return at < 0
      ? undefined
      : leak(`where ${titled(target)} is "${info.classes[at]}" (${plural(counts[at]!.gone, 'row')})`)
  }
  const usual = mode(outcomes[0]!.y)
  if (usual.count < Math.max(few, 0.05 * rows.length) || usual.count === rows.length) return undefined
  let both = 0
  for (let i = 0; i < rows.length; i++) both += Number(flags[i] === 1 && outcomes[0]!.y[i] === usual.value)
  return both >= 0.98 * usual.count && both >= 0.98 * total
    ? leak(`where ${titled(target)} is ${usual.value} (${plural(both, 'row')})`)
    : undefined
}

function mode(values: ArrayLike<number>): { value: number; count: number } {
  const counts = new Map<number, number>()
  for (let i = 0; i < values.length; i++) counts.set(values[i]!, (counts.get(values[i]!) ?? 0) + 1)
  let best = { value: Number.NaN, count: 0 }
  for (const [value, count] of counts) if (count > best.count) best = { value, count }
  return best
}

/** A column that has one usual value in most rows, and where it has another, the target is nearly never its most frequent
 *  class: costs of a damage, the date of a cancellation. Such a column follows from the target. */
function tellsPart(column: FrameColumn, { target, sample }: Look): Leak | undefined {
  const { info, values } = target
  if (info.task !== 'single') return undefined
  const { rows } = sample
  const { of } = column.type === 'words' ? binsOf(column, rows) : exact(column, rows)
  const usual = mode(of)
  const others = rows.length - usual.count
  if (usual.count < 0.75 * rows.length || others < few) return undefined
  const frequent = mode(gather(values, rows)).value
  let [rare, rareOthers] = [0, 0]
  rows.forEach((row, i) => {
    if (values[row] === frequent) return
    rare++
    if (of[i] !== usual.value) rareOthers++
  })
  const [within, without] = [rareOthers / others, (rare - rareOthers) / usual.count]
  const odds = (p: number, n: number) => (p * n + 0.5) / ((1 - p) * n + 0.5)
  const ratio = odds(within, others) / odds(without, usual.count)
  if (within < 0.5 || within < 4 * (rare / rows.length) || ratio < 10) return undefined
  const { name } = column
  const at = rows[of.indexOf(usual.value)]!
  const shown =
    column.type === 'words'
      ? column.values.codes[at]! < 0
        ? 'missing'
        : `"${column.values.words[column.values.codes[at]!]}"`
      : Number.isNaN(column.values[at]!)
        ? 'missing'
        : column.type === 'date'
          ? 'its usual date'
          : String(column.values[at])
  return {
    kind: 'tells-part',
    column: name,
    message: `where "${name}" is not ${shown} (${plural(others, 'row')}), ${titled(target)} is not "${info.classes[frequent]}" in ${percent(within, 0)} of the rows, against ${percent(without, 0)} elsewhere. It may be known only after the target`,
    remedy: dropped(name),
  }
}

/** Numbers as codes of their values; 0 where missing. */
function exact({ values }: Extract<FrameColumn, { type: 'number' | 'date' }>, rows: Int32Array): { of: Int32Array } {
  const seen = new Map<number, number>()
  return {
    of: Int32Array.from(rows, row => {
      const value = values[row]!
      if (Number.isNaN(value)) return 0
      const code = seen.get(value) ?? seen.size + 1
      seen.set(value, code)
      return code
    }),
  }
}

/** Rows of validation or test that training holds, too. Not where rows repeat by nature, because few values exist. */
function sameRows({ frame, uses, target, split }: Look): Leak[] {
  const columns = uses.flatMap(({ name, kind }) => {
    const column = columnOf(frame, name)
    const predicted = target.info.columns.includes(name)
    return predicted || kind === 'constant' || (kind === 'id' && isToken(column)) ? [] : [column]
  })
  if (columns.length < 2) return []
  return (['valid', 'test'] as const).flatMap((part): Leak[] => {
    const own = split[part]
    const { again, different } = twins(columns, split.train, own)
    if (again < Math.max(3, 0.01 * own.length) || different < 0.5 * split.train.length) return []
    return [
      {
        kind: 'same-rows',
        message: `${plural(again, 'row')} of ${own.length.toLocaleString('en-US')} for ${part === 'valid' ? 'validation' : 'the test'} equal a row for training in all columns but the target. A model that remembers rows looks good on them`,
        remedy: setting('sql', 'SELECT DISTINCT * FROM data'),
      },
    ]
  })
}

/** Whether an id is a counter or a code, and not a name: it says nothing about its row. */
const isToken = (column: FrameColumn): boolean =>
  column.type !== 'words' || column.values.words.slice(0, 100).every(word => !/\s/.test(word) && /\d/.test(word))

/** Ids on both sides of the split whose other rows tell the target. */
function groups({ frame, uses, target, split, sample }: Look): Leak[] {
  if (split.how === 'group') return []
  return uses.flatMap(({ name }): Leak[] => {
    const column = columnOf(frame, name)
    if (target.info.columns.includes(name) || !looksLikeGroup(column, target.rows)) return []
    const { task } = target.info
    const own = column.type === 'words' ? column : wordsOfNumbers(column)
    const { score } = scoreOf(own, sample)
    if (score < (task === 'single' ? 0.6 : 0.1)) return []
    const keys = own.values.codes
    const known = new Set(Array.from(split.train, row => keys[row]!))
    const both = split.valid.reduce((sum, row) => sum + Number(keys[row]! >= 0 && known.has(keys[row]!)), 0)
    if (both < Math.max(few, 0.1 * split.valid.length)) return []
    return [
      {
        kind: 'group',
        column: name,
        message: `${percent(both / split.valid.length, 0)} of the rows for validation have a "${name}" that training has, too, and its other rows tell ${titled(target)} (${task === 'single' ? 'AUC' : 'R²'} ${withDecimals(score, 3)})`,
        remedy: setting('groupColumn', name),
      },
    ]
  })
}

function wordsOfNumbers(
  column: Extract<FrameColumn, { type: 'number' | 'date' }>,
): Extract<FrameColumn, { type: 'words' }> {
  const { of } = exact(column, Int32Array.from(column.values.keys()))
  const count = of.reduce((most, code) => Math.max(most, code), 0)
  return {
    name: column.name,
    type: 'words',
    values: { codes: of.map(code => code - 1), words: Array.from({ length: count }, (_, i) => String(i)) },
  }
}

/** Rows for training that are later than rows for validation. */
function future({ frame, uses, split }: Look): Leak[] {
  if (split.how === 'time') return []
  return uses.flatMap(({ name, kind, used }): Leak[] => {
    const column = columnOf(frame, name)
    if (!used || kind !== 'date' || column.type !== 'date') return []
    const dates = gather(column.values, split.valid)
      .filter(date => !Number.isNaN(date))
      .sort()
    if (dates.length === 0) return []
    const middle = dates[dates.length >> 1]!
    const later = split.train.reduce((sum, row) => sum + Number(column.values[row]! > middle), 0)
    if (later < Math.max(few, 0.01 * split.train.length)) return []
    return [
      {
        kind: 'future',
        column: name,
        message: `${percent(later / split.train.length, 0)} of the rows for training have a later "${name}" than half of the rows for validation. In use, a model has not seen the future`,
        remedy: setting('timeColumn', name),
      },
    ]
  })
}
