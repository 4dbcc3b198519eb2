import { createHash } from 'node:crypto'
import type { Report } from '../../base/progress.ts'
import { nn, noGrad, scope, type Tensor } from '../../torch/index.ts'
import { turn } from '../../train/stop.ts'
import { bert } from '../net/bert.ts'
import { type Checkpoint, isDefault, openCheckpoint } from '../net/checkpoint.ts'
import type { BertConfig } from '../net/config.ts'
import { minilm, minilmSource } from '../net/minilm.ts'
import { tokensOf } from '../net/tokens.ts'
import { usualMost } from '../options.ts'
import { languagesOf } from '../read/language.ts'
import { cutTo, tokenBatch } from '../source.ts'

/** Texts as vectors of a frozen net, for other kinds of data that hold texts, such as tables. */
export interface EmbeddingNet {
  name: string
  digest: string
  /** Numbers of a vector. */
  width: number
  embed(
    texts: readonly string[],
    options?: { onDone?: ((done: number, total: number) => void) | undefined; signal?: AbortSignal | undefined },
  ): Promise<Float32Array>
  /** Set where most of the texts are in a language that the net has not learned. */
  warning(texts: readonly string[]): string | undefined
  /** What it is made of, for a file that computes the same. */
  parts: EmbeddingParts
}

/** What an embedding net is made of: its shape, weights and tokenizer (the content of tokenizer.json), and the most tokens of a text
 *  that it reads. */
export interface EmbeddingParts {
  config: BertConfig
  weights: ReadonlyMap<string, Tensor>
  tokenizer: object
  maxTokens: number
}

/** Texts that the net sees at once. */
const atOnce = 64
/** Fewer texts do not tell their language. */
const enough = 20

/** A net for texts, frozen, in float32: the embedded default, or the folder of a checkpoint. The vectors are the features that a head of texts gets: means over
 *  the tokens after the last two layers, scaled to length √width each. Longer texts are cut as training cuts them. */
export async function embeddingNet({
  checkpoint: from = 'auto',
  report,
  signal: stop,
}: {
  checkpoint?: string | undefined
  report?: Report | undefined
  signal?: AbortSignal | undefined
} = {}): Promise<EmbeddingNet> {
  const checkpoint = await openCheckpoint(from, { report, signal: stop })
  const tokens = await tokensOf(checkpoint.tokenizer)
  const body = nn.init.undrawn(() => bert(checkpoint.config))
  body.loadStateDict(checkpoint.weights)
  body.eval()
  const width = body.pooledFeatures
  return {
    name: checkpoint.name,
    digest: isDefault(from) ? usualDigest : withMost(digestOf(checkpoint)),
    width,
    parts: {
      config: checkpoint.config,
      weights: body.stateDict(),
      tokenizer: checkpoint.tokenizer,
      maxTokens: usualMost,
    },
    warning(texts) {
      const found = languagesOf(texts)
      const english = found.filter(({ name }) => name === 'English' || name === 'Latin letters')
      if (texts.length < enough || english.reduce((sum, { share }) => sum + share, 0) >= 0.5) return undefined
      return `most texts are in ${found[0]!.name}, and ${minilm} was trained on English: their vectors say little`
    },
    async embed(texts, { onDone = () => {}, signal } = {}) {
      const ids = texts.map(text => cutTo(tokens.of(text), usualMost))
      const order = Array.from(ids.keys()).sort((a, b) => ids[a]!.length - ids[b]!.length || a - b)
      const out = new Float32Array(texts.length * width)
      for (let from = 0; from < order.length; from += atOnce) {
        await turn(signal)
        const some = order.slice(from, from + atOnce)
        const rows = noGrad(() =>
          scope(
            () =>
              body
                .pooled(tokenBatch(some.map(i => ids[i]!)))
                .to('float32')
                .data() as Float32Array,
          ),
        )
        for (const [at, i] of some.entries()) out.set(rows.subarray(at * width, (at + 1) * width), i * width)
        onDone(Math.min(from + atOnce, order.length), order.length)
      }
      return out
    },
  }
}

/** A digest of weights, and of how much of a text is read. */
const withMost = (digest: string): string => createHash('sha256').update(`${digest} ${usualMost}`).digest('hex')

/** The digest of the embedded default. */
export const usualDigest = withMost(minilmSource.digest)

/** The digest of a checkpoint from its content. */
function digestOf({ config, tokenizer, weights }: Checkpoint): string {
  const hash = createHash('sha256').update(JSON.stringify([config, tokenizer]))
  for (const [name, { data }] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(name).update(data)
  return hash.digest('hex')
}
