import type { Report } from '../../base/progress.ts'
import type { Choice } from '../../data/types.ts'
import { encode } from '../encode.ts'
import type { TableOptions } from '../options.ts'
import { type PreparedTable, type PrepareOptions, prepareTable, prepareTexts } from '../prepare.ts'
import type { Embedding } from '../texts/embedder.ts'
import type { Frame } from '../types.ts'
import type { RunTable } from './run-table.ts'

/** A table that was read for a run, and how one fold of it is prepared. */
export interface OpenTable {
  frame: Frame
  /** The table as one run trains on it; with folds, as the fold of this number does. */
  at(fold?: number): Promise<RunTable>
}

/** What a run says while it reads. */
export interface Telling {
  onChoice(choice: Choice): void
  report: Report
  signal: AbortSignal | undefined
  embedder: Embedding['embedder']
  progress: Embedding['progress']
  onWarning: Embedding['onWarning']
}

/** The options of reading and preparing among those of training. */
export function preparing({ target, as, log, ...options }: TableOptions): PrepareOptions {
  const dates = options.model === 'trees' ? 'places' : 'cycles'
  return { ...options, target: target ?? [], as: kindsIn(as), log, dates }
}

/** `['zip=category']` → `{ zip: 'category' }`. A column's name may hold `=`. */
export function kindsIn(as: readonly string[] | undefined): PrepareOptions['as'] {
  if (!as) return undefined
  return Object.fromEntries(
    as.map(text => {
      const at = text.lastIndexOf('=')
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  ) as PrepareOptions['as']
}

/** Reads the table and prepares it: kinds of columns, target, parts, leaks. */
export async function openTable(source: string, options: TableOptions, telling: Telling): Promise<OpenTable> {
  const how = { ...preparing(options), embedder: telling.embedder }
  const first = await prepareTable(source, { ...how, ...telling })
  const { fold = 0 } = options
  return {
    frame: first.frame,
    at: async (asked = fold) =>
      runTable(
        asked === fold ? first : await prepareTexts(first.frame, { ...how, fold: asked, signal: telling.signal }),
      ),
  }
}

/** Findings that leaving a column out takes away. */
const fromColumn: ReadonlySet<string> = new Set(['tells', 'tells-part', 'name', 'missing'])

function runTable({ frame, uses, target, split, encoding, leaks }: PreparedTable): RunTable {
  const { train, valid, test } = split
  return {
    frame,
    columns: uses,
    targets: { ...target.info, values: target.values },
    parts: { train, valid, ...(test.length > 0 ? { test } : {}) },
    encoding,
    encode,
    leaks: leaks.map(({ kind, column, message, remedy }) => ({
      kind,
      columns: column === undefined || !fromColumn.has(kind) ? [] : [column],
      message,
      remedy,
    })),
  }
}
