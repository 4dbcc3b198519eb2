import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import type { Encoded, LabelledRows, TargetInfo } from '../src/tabular/types.ts'

/** The rows of each part of a split. */
export interface Parts {
  train: number[]
  valid: number[]
  test: number[]
}

/** A data set of the bench: how its columns are used. The same columns go to every rival. */
export interface TableSet {
  name: string
  path: string
  task: TargetInfo['task']
  target(row: Row): number
  classes: string[]
  numbers: Record<string, (row: Row) => number>
  categories: Record<string, (row: Row) => string>
}
type Row = Record<string, string>

const number = (text: string | undefined): number => (text === undefined || text === '' ? Number.NaN : Number(text))
const columnOf = (name: string) => (row: Row) => number(row[name])
const wordsOf = (name: string) => (row: Row) => row[name] ?? ''
const each = <T>(names: readonly string[], make: (name: string) => T): Record<string, T> =>
  Object.fromEntries(names.map(name => [name, make(name)]))
const date = (row: Row) => new Date(`${row['Flight Date']}T00:00:00Z`)

/** The sets. `shared`: the folder with `data/tabular`; `birds`: birdstrikes.csv of vega-datasets. */
export const tableSets = (shared: string, birds: string): TableSet[] => [
  {
    name: 'california',
    path: `${shared}/california_housing.csv`,
    task: 'regression',
    classes: ['median_house_value'],
    target: row => Number(row.median_house_value),
    numbers: each(
      [
        'longitude',
        'latitude',
        'housing_median_age',
        'total_rooms',
        'total_bedrooms',
        'population',
        'households',
        'median_income',
      ],
      columnOf,
    ),
    categories: each(['ocean_proximity'], wordsOf),
  },
  {
    name: 'titanic',
    path: `${shared}/titanic_train.csv`,
    task: 'single',
    classes: ['0', '1'],
    target: row => Number(row.Survived),
    numbers: each(['Pclass', 'Age', 'SibSp', 'Parch', 'Fare'], columnOf),
    categories: {
      ...each(['Sex', 'Embarked'], wordsOf),
      Deck: row => row.Cabin?.[0] ?? '',
      Title: row => /, ([^.]+)\./.exec(row.Name ?? '')?.[1] ?? '',
    },
  },
  {
    name: 'birdstrikes',
    path: birds,
    task: 'single',
    classes: ['no damage', 'damage'],
    target: row => (row['Effect Amount of damage'] === 'None' ? 0 : 1),
    numbers: {
      ...each(['Speed IAS in knots'], columnOf),
      days: row => date(row).getTime() / 86_400_000,
      month: row => date(row).getUTCMonth() + 1,
      weekday: row => date(row).getUTCDay(),
    },
    categories: each(
      [
        'Airport Name',
        'Aircraft Make Model',
        'Aircraft Airline Operator',
        'Origin State',
        'Phase of flight',
        'Wildlife Size',
        'Wildlife Species',
        'Time of day',
      ],
      wordsOf,
    ),
  },
]

/** Rows of a set with their features as text, for the rivals, and as typed arrays. */
export const readRows = (set: TableSet): Row[] => parse(readFileSync(set.path), { columns: true, bom: true }) as Row[]

/** Words that occur less often in training share the code of unknown words. */
const leastRows = 3

/** The parts of a split, encoded: vocabularies are those of the training rows. */
export function encodeParts(set: TableSet, rows: readonly Row[], parts: Parts): Record<keyof Parts, LabelledRows> {
  const categories = Object.entries(set.categories)
  const vocabulary = categories.map(([, read]) => {
    const counts = new Map<string, number>()
    for (const i of parts.train) counts.set(read(rows[i]!), (counts.get(read(rows[i]!)) ?? 0) + 1)
    counts.delete('')
    const words = [...counts].filter(([, n]) => n >= leastRows).map(([word]) => word)
    return new Map(words.sort().map((word, i) => [word, i + 2]))
  })
  const numbers = Object.entries(set.numbers)
  const encode = (chosen: readonly number[]): LabelledRows => {
    const x: Encoded = {
      rows: chosen.length,
      numbers: Float32Array.from(chosen.flatMap(i => numbers.map(([, read]) => read(rows[i]!)))),
      numberNames: numbers.map(([name]) => name),
      categories: Int32Array.from(
        chosen.flatMap(i =>
          categories.map(([, read], c) => {
            const word = read(rows[i]!)
            return word === '' ? 0 : (vocabulary[c]!.get(word) ?? 1)
          }),
        ),
      ),
      categoryNames: categories.map(([name]) => name),
      cardinalities: vocabulary.map(words => words.size + 2),
    }
    const values = Float64Array.from(chosen, i => set.target(rows[i]!))
    return { x, y: { task: set.task, columns: [set.name], classes: set.classes, values } }
  }
  return { train: encode(parts.train), valid: encode(parts.valid), test: encode(parts.test) }
}

/** Writes the features of all rows for the rivals: NAME.csv, and NAME.json with the kinds of the columns. */
export function writeFeatures(set: TableSet, rows: readonly Row[], folder: string): void {
  const [numbers, categories] = [Object.entries(set.numbers), Object.entries(set.categories)]
  const cell = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  const line = (cells: readonly string[]) => cells.map(cell).join(',')
  const body = rows.map(row =>
    line([
      ...numbers.map(([, read]) => (Number.isNaN(read(row)) ? '' : String(read(row)))),
      ...categories.map(([, read]) => read(row)),
      String(set.target(row)),
    ]),
  )
  const names = [numbers, categories].map(columns => columns.map(([name]) => name)) as [string[], string[]]
  writeFileSync(join(folder, `${set.name}.csv`), `${[line([...names.flat(), 'target']), ...body].join('\n')}\n`)
  const info = { task: set.task, numbers: names[0], categories: names[1] }
  writeFileSync(join(folder, `${set.name}.json`), JSON.stringify(info))
}
