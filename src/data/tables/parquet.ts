import { DataError } from '../../base/errors.ts'
import type { Cell } from '../../cells/cell.ts'
import { toCell } from './jsonl.ts'
import type { Parsed, TableFormat } from './types.ts'

/** Parquet. Its files begin with `PAR1`. */
export const parquet: TableFormat = {
  name: 'Parquet',
  endings: '.parquet',
  recognises: ({ bytes }) => bytes.subarray(0, 4).toString('latin1') === 'PAR1',
  read: ({ file, bytes }) => readParquet(file, bytes),
}

/** Reads the columns of a Parquet file that hold text, numbers, dates or lists of them. Skips columns with nested
 *  fields (such as pictures stored in the table). */
async function readParquet(file: string, bytes: Buffer): Promise<Parsed> {
  const { parquetMetadata, parquetReadObjects, parquetSchema } = await import('hyparquet')
  const { compressors } = await import('hyparquet-compressors')
  const content = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  try {
    const metadata = parquetMetadata(content)
    const fields = parquetSchema(metadata).children
    const names = fields
      .filter(({ element, children }) => children.length === 0 || element.converted_type === 'LIST')
      .map(({ element }) => element.name)
    const rows = await parquetReadObjects({ file: content, metadata, compressors, columns: names })
    return {
      columns: names.map(name => ({ name, cells: rows.map((row): Cell => toCell(row[name])) })),
      places: Uint32Array.from(rows, (_, i) => i + 1),
      unit: 'row',
    }
  } catch (error) {
    throw new DataError(
      `${file} begins like a Parquet file but can not be read: ${(error as Error).message}; write it again, or save it as CSV.`,
      { cause: error },
    )
  }
}
