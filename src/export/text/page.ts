import { option } from '../../base/options.ts'
import type { TextFileCard } from '../../onnx/index.ts'
import { readAssets } from '../../page/assets.ts'
import type { PagePlace } from '../../page/write.ts'
import { readCard, stemOf } from '../../train/saved-model.ts'
import { examplesOf } from '../examples.ts'
import { type ExampleSamples, type ExportedPageOf, exportPageWith } from '../write-page.ts'
import { runTexts } from './check-texts.ts'
import { type ExportTextOptions, exportText } from './export-text.ts'

/** How a page of a model of texts is exported. */
export interface TextPageOptions extends PagePlace, Omit<ExportTextOptions, 'out' | 'net'> {
  /** How many validation texts of the run are put into the page, for everyone to read. Default: 0. */
  examples?: number | undefined
}

/** An exported page of a model of texts. */
export interface ExportedTextPage extends ExportedPageOf<TextFileCard> {}

/** Writes a trained model of texts as a page that computes in the browser: write a text, read the answer and which words count.
 *  The model in it is checked as `exportText` does. Throws where onnxruntime-web is not installed, and where the place holds a
 *  page of others. run: a run folder, or a saved model (without examples, and without the check). */
export async function exportTextPage(run: string, options: TextPageOptions): Promise<ExportedTextPage> {
  const { page, singleFile, examples: wanted = 0, ...others } = options
  return exportPageWith(
    { page, singleFile },
    {
      assets: () => readAssets('text'),
      samples: wanted > 0 ? () => exampleTexts(run, { wanted, data: options.data }) : undefined,
      exported: out => exportText(run, { ...others, out }),
    },
  )
}

/** Texts of the run, whole, with their labels: classes take turns. */
async function exampleTexts(
  run: string,
  { wanted, data }: { wanted: number; data: string | undefined },
): Promise<ExampleSamples> {
  const card = readCard(`${stemOf(run)}.json`)
  const skip = `Or leave out ${option('examples')}.`
  const found = await runTexts(run, { card }, { data, skip })
  const { texts, targets, part } = found.of(found.held, 50 * wanted)
  const chosen = examplesOf(card, targets, { count: texts.length, wanted })
  return { examples: chosen.map(({ place, label }) => ({ text: texts[place]!, label })), part }
}
