import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OptionError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import type { SoundFileCard } from '../../onnx/index.ts'
import { readAssets } from '../../page/assets.ts'
import { refuseForeignPage, writePage, writeSingleFile } from '../../page/write.ts'
import { type ExportSoundOptions, exportSound } from './export-sound.ts'

/** How a page of a model of sounds is exported: into a folder for a web server, or into one file that also opens from the
 *  disk. */
export interface SoundPageOptions extends Omit<ExportSoundOptions, 'out'> {
  /** The folder to write: `index.html`, `page.js`, `model.onnx` and the .wasm file of onnxruntime-web. */
  page?: string | undefined
  /** Or the .html file to write, with all of it inside. */
  singleFile?: string | undefined
}

/** An exported page of a model of sounds. */
export interface ExportedSoundPage {
  /** With their sizes in bytes. */
  files: { file: string; bytes: number }[]
  card: SoundFileCard
}

/** Writes a trained model of sounds as a page that computes in the browser: choose a recording, or use the microphone. The model
 *  in it is checked as `exportSound` does. Throws where onnxruntime-web is not installed, and where the place holds a page of
 *  others. run: a run folder, or a saved model (without the check). */
export async function exportSoundPage(run: string, options: SoundPageOptions): Promise<ExportedSoundPage> {
  const { page, singleFile, ...others } = options
  if ((page === undefined) === (singleFile === undefined))
    throw new OptionError(`a page needs one place: ${option('page')} DIR, or ${option('singleFile')} FILE.html.`)
  if (singleFile !== undefined && !/\.html?$/i.test(singleFile))
    throw new OptionError(
      `${option('singleFile')}: got ${singleFile}, expected a name that ends in .html, so that it opens in a browser.`,
    )
  const assets = readAssets('sound')
  refuseForeignPage({ page, singleFile })
  const work = singleFile === undefined ? undefined : mkdtempSync(join(tmpdir(), 'anneal-page-'))
  try {
    const out = join(work ?? page!, 'model.onnx')
    const { card } = await exportSound(run, { ...others, out })
    const model = readFileSync(out)
    const files = singleFile
      ? writeSingleFile(singleFile, model, card, assets, [])
      : writePage(page!, model, card, assets, [])
    return { files, card }
  } finally {
    if (work) rmSync(work, { recursive: true, force: true })
  }
}
