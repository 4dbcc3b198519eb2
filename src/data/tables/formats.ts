import { csv } from './csv.ts'
import { jsonLines } from './jsonl.ts'
import { parquet } from './parquet.ts'
import type { TableFormat } from './types.ts'

/** Every supported table format. The first format that recognises a file reads it; the last one accepts every text. */
export const tableFormats: readonly TableFormat[] = [parquet, jsonLines, csv]

/** Their names in a sentence, the usual ones first: CSV, TSV, JSON lines or Parquet. */
export const tableNames: string = tableFormats
  .map(({ name }) => name)
  .reverse()
  .join(', ')
  .replace(/, ([^,]*)$/, ' or $1')

const endings = new Set(tableFormats.flatMap(format => format.endings.split(' ')))

/** Whether a name has the extension of a table, with or without `.gz`. */
export const namesTable = (name: string): boolean =>
  endings.has(/\.[^.]*$/.exec(name.toLowerCase().replace(/\.gz$/, ''))?.[0] ?? '')
