import { join, relative } from 'node:path'
import type { TestContext } from 'node:test'
import type { FolderIndex, LabelOptions } from '../../src/data/index.ts'
import { indexPictures } from '../../src/vision/index.ts'
import { put, tempFolder } from './data.ts'

/** The first bytes of a JPEG file. An index reads no more. */
export const head = Buffer.from('ffd8ffe000104a464946', 'hex')

/** Writes pictures `0.jpg`, `1.jpg`, … and `labels.tsv`. Each entry holds the cells of one row. */
export function tableFolder(t: TestContext, column: string, cells: readonly string[]): string {
  const dir = tempFolder(t)
  put(dir, Object.fromEntries(cells.map((_, i) => [`${i}.jpg`, head])))
  put(dir, { 'labels.tsv': [`file\t${column}`, ...cells.map((cell, i) => `${i}.jpg\t${cell}`)].join('\n') })
  return dir
}

/** How Anneal reads a table with one column, or several with tabs between them. */
export const indexed = (
  t: TestContext,
  column: string,
  cells: readonly string[],
  options: LabelOptions = {},
): Promise<FolderIndex> => indexPictures(tableFolder(t, column, cells), { labels: 'labels.tsv', ...options })

/** Class folders of minimal pictures. */
export function folders(t: TestContext, counts: Record<string, number>): string {
  const dir = tempFolder(t)
  for (const [name, count] of Object.entries(counts))
    put(dir, Object.fromEntries(Array.from({ length: count }, (_, i) => [join(name, `${i}.jpg`), head])))
  return dir
}

/** Each cell `n` times, in turn. */
export const times = (n: number, ...cells: string[]): string[] => Array.from({ length: n }, () => cells).flat()

export const choicesOf = ({ choices }: FolderIndex, what: string): string[] =>
  choices.filter(choice => choice.what === what).map(({ value, reason }) => `${value} (${reason})`)

export const labelsOf = ({ dir, classes, items }: FolderIndex): Record<string, string> =>
  Object.fromEntries(
    items.map(item => [relative(dir, item.file), item.labels.map(label => classes[label]).join(' + ')]),
  )

export const kindsOf = ({ problems }: FolderIndex): string[] => problems.map(({ kind, file }) => `${kind} ${file}`)
