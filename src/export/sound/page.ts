import type { SoundFileCard } from '../../onnx/index.ts'
import { readAssets } from '../../page/assets.ts'
import { type PagePlace, refuseForeignPage, refusePlace } from '../../page/write.ts'
import { writePageWith } from '../write-page.ts'
import { type ExportSoundOptions, exportSound } from './export-sound.ts'

/** How a page of a model of sounds is exported. */
export interface SoundPageOptions extends PagePlace, Omit<ExportSoundOptions, 'out'> {}

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
  refusePlace({ page, singleFile })
  const assets = readAssets('sound')
  refuseForeignPage({ page, singleFile })
  return writePageWith({ page, singleFile }, assets, [], out => exportSound(run, { ...others, out }))
}
