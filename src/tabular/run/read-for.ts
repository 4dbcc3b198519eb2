import type { Report } from '../../base/progress.ts'
import type { Choice } from '../../data/types.ts'
import { readingOf } from '../encode.ts'
import type { TableReadOptions } from '../options.ts'
import type { ReadOptions } from '../read/options.ts'
import { readTable } from '../read/read-table.ts'
import { type OpenEmbedder, textsOf, withVectors } from '../texts/embedder.ts'
import type { Frame } from '../types.ts'
import type { TableCard } from './card.ts'

/** Callbacks of reading. */
export interface ReadingHooks {
  report?: Report | undefined
  onChoice?: ((choice: Choice) => void) | undefined
  signal?: AbortSignal | undefined
  /** Opens the net for a model that takes columns of texts. Default: the one that Anneal trains with. */
  embedder?: OpenEmbedder | undefined
}

/** Reads a table for a trained model: its columns are read as those that the model was trained on. Columns that the model
 *  does not know are read by their content. */
export async function readFor(
  source: string,
  card: TableCard,
  { embedder, ...options }: TableReadOptions & ReadingHooks,
): Promise<Frame> {
  const { as, readings } = readingOf(card.encoding)
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const { missing } = card.reading as ReadOptions
  const frame = await readTable(source, { ...(missing ? { missing } : {}), as, readings, ...given })
  return withVectors(frame, textsOf(card.encoding), { embedder, signal: options.signal })
}
