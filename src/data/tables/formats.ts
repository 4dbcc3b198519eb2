import { csv } from './csv.ts'
import { jsonLines } from './jsonl.ts'
import { parquet } from './parquet.ts'
import type { TableFormat } from './types.ts'

/** Every table format that is read. The first one that recognises a file reads it; the last takes every text. */
export const tableFormats: readonly TableFormat[] = [parquet, jsonLines, csv]

/** Their names in a sentence, the usual ones first: CSV, TSV, JSON lines or Parquet. */
export const tableNames: string = tableFormats
  .map(({ name }) => name)
  .reverse()
  .join(', ')
  .replace(/, ([^,]*)$/, ' or $1')

const endings = new Set(tableFormats.flatMap(format => format.endings.split(' ')))

/** Whether a name is that of a table, packed by gzip or not. */
export const namesTable = (name: string): boolean =>
  endings.has(/\.[^.]*$/.exec(name.toLowerCase().replace(/\.gz$/, ''))?.[0] ?? '')
