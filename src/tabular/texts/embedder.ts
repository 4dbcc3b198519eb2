import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DataError, ModelError } from '../../base/errors.ts'
import { cacheFolder, ensureFolder, writeAtomic } from '../../base/files.ts'
import type { ColumnUse, Encoding, Frame, FrameColumn } from '../types.ts'

/** A net that makes a vector of a text: the domain of texts brings it. */
export interface TextEmbedder {
  /** What is written into the card: its name, and a digest of its weights. */
  readonly name: string
  readonly digest: string
  /** Numbers of a vector. */
  readonly width: number
  /** texts → [texts × width]. The vector of a text does not depend on the other texts, but for rounding. */
  embed(
    texts: readonly string[],
    options?: { onDone?: ((done: number, total: number) => void) | undefined; signal?: AbortSignal | undefined },
  ): Promise<Float32Array>
  /** What a reader should know before these texts are used, such as a language that the net has not learned. */
  warning?(texts: readonly string[]): string | undefined
}

/** Opens the net when a table has a column of texts. */
export type OpenEmbedder = () => Promise<TextEmbedder>

/** What happens while texts are read by the net. */
export interface Embedding {
  embedder?: OpenEmbedder | undefined
  progress?: ((label: string, done: number, total: number) => void) | undefined
  /** Called with what a reader should know of the texts of a column. */
  onWarning?: ((message: string) => void) | undefined
  signal?: AbortSignal | undefined
}

/** The columns of texts that are used. */
export const textColumns = (uses: readonly ColumnUse[]): string[] =>
  uses.flatMap(({ name, kind, used }) => (used && kind === 'text' ? [name] : []))

/** The columns of texts that a model takes. */
export const textsOf = ({ columns }: Encoding): string[] =>
  columns.flatMap(({ column, kind }) => (kind === 'text' ? [column] : []))

/** The same table, with a vector for each different text of these columns. */
export async function withVectors(
  frame: Frame,
  names: readonly string[],
  { embedder, progress = () => {}, onWarning = () => {}, signal }: Embedding,
): Promise<Frame> {
  const wanted = frame.columns.filter(column => names.includes(column.name) && !hasVectors(column))
  if (wanted.length === 0) return frame
  if (!embedder)
    throw new ModelError(
      `the model reads texts in ${wanted.map(({ name }) => `"${name}"`).join(', ')}, and no net for texts is at hand here. \`npx anneal predict\`, and \`predictTable\` and \`rowPredictor\` of anneal, bring it.`,
    )
  const net = await embedder()
  const columns: FrameColumn[] = []
  for (const column of frame.columns) {
    if (!wanted.includes(column)) {
      columns.push(column)
      continue
    }
    if (column.type !== 'words')
      throw new DataError(
        `${frame.source}: "${column.name}" holds ${column.type}s, and the model takes texts there. Read it with { as: { ${JSON.stringify(column.name)}: "text" } }.`,
      )
    const { words } = column.values
    const warning = net.warning?.(words)
    if (warning !== undefined) onWarning(`"${column.name}": ${warning}`)
    const onDone = (done: number, total: number) => progress(`texts of ${column.name}`, done, total)
    const vectors = await kept(net, words, () => net.embed(words, { onDone, signal }))
    progress('', 0, 0)
    columns.push({ ...column, vectors: { values: vectors, width: net.width, name: net.name, digest: net.digest } })
  }
  return { ...frame, columns }
}

const hasVectors = (column: FrameColumn): boolean => column.type === 'words' && column.vectors !== undefined

/** So many texts are worth a file in the cache. */
const worthKeeping = 200

/** The vectors of these texts: from the cache, where an earlier run has read the same texts by the same net. */
async function kept(
  net: TextEmbedder,
  words: readonly string[],
  make: () => Promise<Float32Array>,
): Promise<Float32Array> {
  if (words.length < worthKeeping) return make()
  const key = createHash('sha256').update(net.digest).update(JSON.stringify(words)).digest('hex')
  const path = join(cacheFolder('text-vectors'), `${key}.f32`)
  const bytes = words.length * net.width * 4
  if (existsSync(path)) {
    const file = readFileSync(path)
    if (file.length === bytes) return new Float32Array(Uint8Array.from(file).buffer)
  }
  const vectors = await make()
  try {
    ensureFolder(cacheFolder('text-vectors'))
    writeAtomic(path, new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength))
  } catch {
    // A full disk, or a read-only folder: the next run reads the texts again.
  }
  return vectors
}
