import { option } from '../../base/options.ts'
import type { SoundFileCard } from '../../onnx/index.ts'
import { readAssets } from '../../page/assets.ts'
import type { SoundExample } from '../../page/sound-document.ts'
import type { PagePlace } from '../../page/write.ts'
import { waveBytes } from '../../runtime/sound/write-wav.ts'
import { readCard, stemOf } from '../../train/saved-model.ts'
import { examplesOf } from '../examples.ts'
import { type ExampleSamples, type ExportedPageOf, exportPageWith } from '../write-page.ts'
import { runSounds } from './check-sounds.ts'
import { type ExportSoundOptions, exportSound } from './export-sound.ts'
import type { SoundModel } from './model-graph.ts'
import { fileSamples } from './spectra.ts'

/** How a page of a model of sounds is exported. */
export interface SoundPageOptions extends PagePlace, Omit<ExportSoundOptions, 'out' | 'net'> {
  /** How many validation recordings of the run are put into the page, for everyone to hear. Default: 0. */
  examples?: number | undefined
}

/** An exported page of a model of sounds. */
export interface ExportedSoundPage extends ExportedPageOf<SoundFileCard> {}

/** The most seconds of an example: of a longer recording its beginning. */
const mostSeconds = 10

/** Writes a trained model of sounds as a page that computes in the browser: choose a recording, or use the microphone. The model
 *  in it is checked as `exportSound` does. Throws where onnxruntime-web is not installed, and where the place holds a page of
 *  others. run: a run folder, or a saved model (without examples, and without the check). */
export async function exportSoundPage(run: string, options: SoundPageOptions): Promise<ExportedSoundPage> {
  const { page, singleFile, examples: wanted = 0, ...others } = options
  return exportPageWith(
    { page, singleFile },
    {
      assets: () => readAssets('sound'),
      samples: wanted > 0 ? () => exampleSounds(run, { wanted, ...options }) : undefined,
      exported: out => exportSound(run, { ...others, out }),
    },
  )
}

/** Recordings of the run as WAVE files of one channel at the model's rate, with their labels: classes take turns. */
async function exampleSounds(
  run: string,
  { wanted, data, signal }: { wanted: number } & Pick<SoundPageOptions, 'data' | 'signal'>,
): Promise<ExampleSamples> {
  const card = readCard(`${stemOf(run)}.json`) as SoundModel['card']
  const { rate } = card.preprocessing
  const skip = `Or leave out ${option('examples')}.`
  const known = await runSounds(run, { card }, { data, skip, signal })
  const { places, targets, part } = known.of(known.held, 50 * wanted)
  const examples: SoundExample[] = []
  for (const { place, label } of examplesOf(card, targets, { count: places.length, wanted })) {
    signal?.throwIfAborted()
    const samples = (await fileSamples(places[place]!, rate)).subarray(0, mostSeconds * rate)
    examples.push({ wav: Buffer.from(waveBytes(samples, rate)).toString('base64'), label })
  }
  return { examples, part }
}
