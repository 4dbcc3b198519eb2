import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assets } from '../page/assets.ts'
import {
  type AnyExample,
  type PageCard,
  type PagePlace,
  type Written,
  writePage,
  writeSingleFile,
} from '../page/write.ts'

/** Writes a page with its model. assets: what it is made of, where that depends on the model by its card; exported: writes the model
 *  into a file, and gives its card. Returns the files with their sizes
 *  in bytes. */
export async function writePageWith<C extends PageCard>(
  { page, singleFile }: PagePlace,
  assets: Assets | ((card: C) => Assets),
  examples: readonly AnyExample[],
  exported: (out: string) => Promise<{ card: C }>,
): Promise<{ files: Written; card: C }> {
  const work = singleFile === undefined ? undefined : mkdtempSync(join(tmpdir(), 'anneal-page-'))
  try {
    const out = join(work ?? page!, 'model.onnx')
    const { card } = await exported(out)
    const model = readFileSync(out)
    const parts = typeof assets === 'function' ? assets(card) : assets
    const files = singleFile
      ? writeSingleFile(singleFile, model, card, parts, examples)
      : writePage(page!, model, card, parts, examples)
    return { files, card }
  } finally {
    if (work) rmSync(work, { recursive: true, force: true })
  }
}
