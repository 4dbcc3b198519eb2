import { ModelError } from '../base/errors.ts'
import { option, setting } from '../base/options.ts'
import type { Card } from '../onnx/index.ts'
import { readAssets } from '../page/assets.ts'
import type { Example } from '../page/document.ts'
import type { PagePlace } from '../page/write.ts'
import { loadPicture } from '../vision/decode/load-picture.ts'
import { type ModelCard, readStored } from '../vision/inference/saved.ts'
import { smallJpeg } from '../vision/interpret/picture.ts'
import { checkFiles } from './check-files.ts'
import { examplesOf } from './examples.ts'
import { type ExportOptions, exportModel } from './export-model.ts'
import { type ExampleSamples, type ExportedPageOf, exportPageWith } from './write-page.ts'

/** How a page is exported: into a folder for a web server, or into one file that also opens from the disk. */
export interface PageOptions
  extends PagePlace,
    Pick<ExportOptions, 'weights' | 'quantize' | 'check' | 'runtimes' | 'data' | 'pictures' | 'progress' | 'signal'> {
  /** How many pictures of the run are put into the page, for everyone to see. Default: 0. */
  examples?: number | undefined
}

/** An exported page. */
export interface ExportedPage extends ExportedPageOf<Card> {}

/** Writes a trained model as a page that computes in the browser: choose a picture, read the answer. The model in it is
 *  checked as `exportModel` does, and has class activation maps where its head is linear. Throws where onnxruntime-web is not
 *  installed, for models of pictures that browsers do not give, and where the place holds a page of others.
 *  run: a run folder, or a saved model (without examples, and without the check). */
export async function exportPage(run: string, options: PageOptions): Promise<ExportedPage> {
  const { page, singleFile, examples: wanted = 0, data, signal, ...others } = options
  const { card: stored } = readStored(run)
  return exportPageWith(
    { page, singleFile },
    {
      assets() {
        refusePictures(stored)
        return readAssets()
      },
      samples: wanted > 0 ? () => exampleFiles(run, stored, { wanted, data, signal }) : undefined,
      exported: out => exportModel(run, { ...others, data, signal, out, heat: true }),
    },
  )
}

/** Refuses a model of pictures that a browser can not give. */
function refusePictures({ preprocessing: { channels, mode = 'rgb', bands = [] } }: ModelCard): void {
  if (bands.length < 2 && (mode !== 'keep' || channels === 3)) return
  const of =
    bands.length > 1 ? `one file per channel (${bands.join(', ')})` : `${channels} channels as they are in files`
  throw new ModelError(
    `the model was trained on pictures of ${of}, which a browser does not give, so there is no page for it. Serve it (anneal serve), or train with ${setting('channels', 'rgb')}.`,
  )
}

/** Pictures of the run as small JPEGs, without metadata: classes take turns. */
async function exampleFiles(
  run: string,
  card: ModelCard,
  { wanted, data, signal }: { wanted: number } & Pick<PageOptions, 'data' | 'signal'>,
): Promise<ExampleSamples> {
  const skip = `Or leave out ${option('examples')}.`
  const { places, targets, part } = await checkFiles(run, card, { most: 50 * wanted, data, signal, skip })
  const order = examplesOf(card, targets, { count: places.length, wanted })
  const { short, interpolation, mode, range } = card.preprocessing
  const examples: Example[] = []
  for (const { place, label } of order) {
    signal?.throwIfAborted()
    const picture = await loadPicture(places[place]!, { short, interpolation, ...(mode && { mode }), range })
    examples.push({ jpeg: await smallJpeg(picture, { side: 2 * short, quality: 88 }), label })
  }
  return { examples, part }
}
