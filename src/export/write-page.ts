import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assets } from '../page/assets.ts'
import {
  type AnyExample,
  type PageCard,
  type PagePlace,
  refuseForeignPage,
  refusePlace,
  type Written,
  writePage,
  writeSingleFile,
} from '../page/write.ts'

/** An exported page with samples of the run in it. */
export interface ExportedPageOf<C> {
  /** With their sizes in bytes. */
  files: { file: string; bytes: number }[]
  card: C
  /** How many examples are in it, and of which part of the run's data. */
  examples: number
  part?: 'valid' | 'train'
}

/** Samples of a run for a page, and the part that they are of. */
export interface ExampleSamples {
  examples: readonly AnyExample[]
  part: 'valid' | 'train'
}

/** Writes a page with its model and samples of the run. assets: reads what it is made of, which throws where onnxruntime-web is not
 *  installed, before anything is computed; samples: takes examples, where some are wanted; exported: writes the model into a file.
 *  Throws where the place holds a page of others. */
export async function exportPageWith<C extends PageCard>(
  place: PagePlace,
  {
    assets: read,
    samples,
    exported,
  }: {
    assets: () => Assets
    samples: (() => Promise<ExampleSamples>) | undefined
    exported: (out: string) => Promise<{ card: C }>
  },
): Promise<ExportedPageOf<C>> {
  refusePlace(place)
  const assets = read()
  refuseForeignPage(place)
  const found = await samples?.()
  const examples = found?.examples ?? []
  const written = await writePageWith(place, assets, examples, exported)
  return { ...written, examples: examples.length, ...(found && { part: found.part }) }
}

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
