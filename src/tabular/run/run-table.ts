import type { TableLeak } from '../../runs/index.ts'
import { encodeLater } from '../encode.ts'
import type { ColumnUse, Encoding, Frame, LabelledRows, Targets } from '../types.ts'
import { targetsAt } from './metrics.ts'
import { type Encode, framePart, keepRows } from './rows.ts'

/** A table as a run needs it: read, its columns understood, split, encoded. */
export interface RunTable {
  frame: Frame
  /** Every column of the table with its use. */
  columns: readonly ColumnUse[]
  /** Of all rows; NaN where one is missing. */
  targets: Targets
  /** Row numbers of each part. */
  parts: Readonly<Record<'train' | 'valid', Int32Array>> & { test?: Int32Array | undefined }
  /** Fitted on the training rows. */
  encoding: Encoding
  encode: Encode
  leaks: readonly TableLeak[]
}

/** The rows of one part, as a frame and encoded. */
export interface TablePart extends LabelledRows {
  frame: Frame
}

/** So many rows are encoded when they are asked for: trees take them in blocks. */
const many = 65_536

/** Encodes some rows of a table, with their targets. */
export const labelledAt = (
  { frame, targets, encoding, encode }: Pick<RunTable, 'frame' | 'targets' | 'encoding' | 'encode'>,
  rows: Int32Array,
): LabelledRows => ({
  x: (rows.length > many ? encodeLater : encode)(frame, encoding, rows),
  y: targetsAt(targets, rows),
})

/** The same, with the rows as they were read. */
export function partOf(table: RunTable, rows: Int32Array): TablePart {
  let frame: Frame | undefined
  return {
    ...labelledAt(table, rows),
    get frame() {
      frame ??= rows.length === table.frame.rows ? table.frame : framePart(table.frame, rows)
      return frame
    },
  }
}

/** The table without its training rows, whose memory is freed for all who hold its frame. What was encoded before stays
 *  readable no longer. */
export function withoutTraining(table: RunTable): RunTable {
  const { valid, test } = table.parts
  const kept = new Int32Array(valid.length + (test?.length ?? 0))
  kept.set(valid)
  if (test) kept.set(test, valid.length)
  kept.sort()
  const placeOf = new Int32Array(table.frame.rows)
  for (let i = 0; i < kept.length; i++) placeOf[kept[i]!] = i
  const places = (rows: Int32Array) => rows.map(row => placeOf[row]!)
  const parts = { train: new Int32Array(0), valid: places(valid), ...(test ? { test: places(test) } : {}) }
  const targets = targetsAt(table.targets, kept)
  keepRows(table.frame, kept)
  return { ...table, targets, parts }
}
