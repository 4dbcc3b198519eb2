import { ModelError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import type { Report } from '../../base/progress.ts'
import { type OpenEmbedder, type TextEmbedder, textsOf } from '../../tabular/texts/embedder.ts'
import type { Encoding } from '../../tabular/types.ts'
import { type EmbeddingNet, embeddingNet } from '../../text/run/embed.ts'

/** The net of a model's columns of texts, with what the graph is written from. Default of `embedder`: the one that Anneal trains with.
 *  Returns undefined where the model takes no texts. Throws for a net that can't be written into a file, and for another one than
 *  the model was trained with. */
export async function textNetOf(
  encodings: readonly Encoding[],
  {
    embedder = () => embeddingNet({ report, signal }),
    report,
    signal,
  }: { embedder?: OpenEmbedder | undefined; report?: Report | undefined; signal?: AbortSignal | undefined } = {},
): Promise<EmbeddingNet | undefined> {
  const [column] = encodings.flatMap(textsOf)
  if (column === undefined) return undefined
  const net = await embedder()
  for (const one of encodings.flatMap(({ columns }) => columns))
    if (one.kind === 'text' && one.net.digest !== net.digest)
      throw new ModelError(
        `the model reads the texts of "${one.column}" by ${one.net.name} (${one.net.digest.slice(0, 12)}), and the net at hand is ${net.name} (${net.digest.slice(0, 12)}). Train again, or take the version of Anneal that it was trained by.`,
      )
  if (!isWhole(net))
    throw new ModelError(
      `the column "${column}" holds texts, which ${net.name} reads. It is a net of your own, whose layers Anneal does not know, so no file can hold it. Predict with \`predictTable\` or \`rowPredictor\`; or train without the column: ${setting('drop', [column])}.`,
    )
  return net
}

const isWhole = (net: TextEmbedder): net is EmbeddingNet => 'parts' in net
