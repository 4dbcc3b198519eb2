import type { TableLeak } from '../../runs/index.ts'
import type { ColumnUse, Encoding, Frame, LabelledRows, Targets } from '../types.ts'
import { targetsAt } from './metrics.ts'
import { type Encode, framePart } from './rows.ts'

/** A table as a run needs it: read, its columns understood, split, encoded. */
export interface RunTable {
  /** The columns that features come from, of all rows that have a target. */
  frame: Frame
  /** Every column of the table with its use. */
  columns: readonly ColumnUse[]
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

/** Encodes one part of a table. */
export function partOf(
  { frame, targets, encoding, encode }: Pick<RunTable, 'frame' | 'targets' | 'encoding' | 'encode'>,
  rows: Int32Array,
): TablePart {
  const part = framePart(frame, rows)
  return { frame: part, x: encode(part, encoding), y: targetsAt(targets, rows) }
}
