import { ModelError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import type { Report } from '../../base/progress.ts'
import type { OpenEmbedder, TextEmbedder } from '../../tabular/texts/embedder.ts'
import type { ColumnEncoding, Encoding } from '../../tabular/types.ts'
import { minilm } from '../../text/net/minilm.ts'
import { type EmbeddingNet, embeddingNet, usualDigest } from '../../text/run/embed.ts'
import type { CommonExportOptions } from '../options.ts'

/** How a trained model is opened. embedder: opens the net of columns of texts, if it is another one than Anneal's own; progress: of its
 *  download. */
export interface OpenHow extends Pick<CommonExportOptions, 'progress' | 'signal'> {
  embedder?: OpenEmbedder | undefined
}

/** The net of a model's columns of texts, with what the graph is written from. Default of `embedder`: the one that Anneal trains with.
 *  Returns undefined where the model takes no texts. Throws for a net that can't be written into a file, and for another one than
 *  the model was trained with. */
export async function textNetOf(
  encodings: readonly Encoding[],
  { embedder, progress = () => {}, signal }: OpenHow = {},
): Promise<EmbeddingNet | undefined> {
  const used = encodings.flatMap(({ columns }) => columns.filter(one => one.kind === 'text'))
  const [first] = used
  if (!first) return undefined
  // Another net than the usual one is not worth opening that one.
  if (!embedder && first.net.digest !== usualDigest) throw otherNet(first, minilm, usualDigest)
  const report: Report = notice => {
    if ('what' in notice) progress(notice.what, notice.done, notice.total ?? notice.done)
  }
  const net = embedder ? await embedder() : await embeddingNet({ report, signal })
  const other = used.find(one => one.net.digest !== net.digest)
  if (other) throw otherNet(other, net.name, net.digest)
  if (!isWhole(net))
    throw new ModelError(
      `the column "${first.column}" holds texts, which ${net.name} reads. It is a net of your own, whose layers Anneal does not know, so no file can hold it. Predict with \`predictTable\` or \`rowPredictor\`; or train without the column: ${setting('drop', [first.column])}.`,
    )
  return net
}

type TextEncoding = Extract<ColumnEncoding, { kind: 'text' }>

const otherNet = ({ column, net }: TextEncoding, name: string, digest: string): ModelError =>
  new ModelError(
    `the model reads the texts of "${column}" by ${net.name} (${net.digest.slice(0, 12)}), and the net at hand is ${name} (${digest.slice(0, 12)}). Give the net that it was trained with (\`embedder\`), train again, or take the version of Anneal that it was trained by.`,
  )

const isWhole = (net: TextEmbedder): net is EmbeddingNet => 'parts' in net
