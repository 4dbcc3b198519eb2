import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ModelError } from '../../base/errors.ts'
import { writeAtomic } from '../../base/files.ts'
import { readObject, runPaths } from '../../runs/index.ts'
import type { ColumnFigures, ColumnUse, Encoding, TableModelName, TargetInfo } from '../types.ts'

/** The JSON of a saved model of a table: all that prediction needs, without code. The model's own files are in the folder
 *  beside it, which has its name without `.json`. */
export interface TableCard {
  format: 'anneal-table'
  version: 1
  domain: 'tables'
  anneal: string
  model: TableModelName
  target: TargetInfo
  /** Every column of the training table, with its use. */
  columns: readonly ColumnUse[]
  encoding: Encoding
  /** What the training rows hold in the columns that the model takes, by name. Absent in older cards. */
  figures?: Readonly<Record<string, ColumnFigures>>
  /** How cells were read: options of reading that were given. */
  reading: Record<string, unknown>
  /** The divisor of log probabilities before softmax. Default: 1. */
  temperature?: number
  /** Two classes: the name of the positive one, and the probability from which it is decided. */
  positive?: string
  threshold?: number
  /** The average of several models has none itself: the names of their cards, without `.json`, beside this one. */
  members?: readonly string[]
  /** The validation results. */
  metrics: Record<string, number>
}

/** The card's path without `.json`: that of a run's best model, or of a saved model. */
export function cardStem(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() && existsSync(runPaths(path).best.about))
    return join(path, 'best')
  return path.replace(/\.json$/, '')
}

/** Writes a card. */
export function writeCard(stem: string, card: TableCard): void {
  writeAtomic(`${stem}.json`, `${JSON.stringify(card, null, 2)}\n`)
}

/** Reads a card; undefined where the file is missing or belongs to another kind of data. */
export function findCard(path: string): TableCard | undefined {
  const file = `${cardStem(path)}.json`
  try {
    const card = readObject<Partial<TableCard>>(file)
    return card?.format === 'anneal-table' ? (card as TableCard) : undefined
  } catch {
    return undefined
  }
}

/** Reads a card, or throws with the reason. */
export function readCard(path: string): TableCard {
  const file = `${cardStem(path)}.json`
  let card: Partial<TableCard> | undefined
  try {
    card = readObject<Partial<TableCard>>(file)
  } catch (cause) {
    throw new ModelError(`${file}: ${(cause as Error).message}; train again, or take another run.`, { cause })
  }
  if (!card)
    throw new ModelError(
      `${path}: no saved model there (looked for ${basename(file)} in ${dirname(file)}). Expected the folder of a finished run; \`npx anneal runs\` lists them.`,
    )
  if (card.format !== 'anneal-table')
    throw new ModelError(
      `${file}: this is a model of pictures, not of a table. Predict pictures with it: npx anneal predict ${path} PICTURE.`,
    )
  if (card.version !== 1)
    throw new ModelError(
      `${file}: its version is ${card.version}; this version of Anneal reads 1. Update Anneal, or train again.`,
    )
  return card as TableCard
}
