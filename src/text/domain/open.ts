import { ModelError } from '../../base/errors.ts'
import { percent } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { DomainContext, Opened } from '../../domain/index.ts'
import { fromArray, manualSeed, nn } from '../../torch/index.ts'
import { openTexts, type TextDataset } from '../dataset.ts'
import { bert, type TextBody } from '../net/bert.ts'
import { type Checkpoint, isDefault, openCheckpoint } from '../net/checkpoint.ts'
import { minilm } from '../net/minilm.ts'
import { type Tokens, tokensOf } from '../net/tokens.ts'
import { usualMost } from '../options.ts'
import { languagesOf } from '../read/language.ts'
import { textFiles } from '../read/text-files.ts'
import { textsOf } from '../read/text-table.ts'
import { cutTo } from '../source.ts'
import type { TextIndex, TextItem, TextOptions, TextPreprocessing } from '../types.ts'
import { inputsOf } from './inputs.ts'

/** Opens model and texts. The model comes first, so that a model without weights fails before the scan. */
export async function openForTraining(
  index: TextIndex,
  context: DomainContext<TextOptions>,
): Promise<Opened<TextBody, TextPreprocessing>> {
  const { options, narrator, report, signal } = context
  const { seed = 42, model = 'auto', weights, pretrained = true, maxTokens = usualMost, pairs } = options
  const chosen = await narrator.once('model', () => ({
    name: model,
    reason:
      model === 'auto' && weights === undefined
        ? 'the embedded default for texts'
        : weights === undefined
          ? 'as asked'
          : `the weights of ${weights}`,
    lines: [],
  }))
  const checkpoint = await openCheckpoint(chosen.name, { weights, report, signal })
  narrator.choice('model', checkpoint.name, chosen.reason)
  narrator.emit({ type: 'phase', phase: 'scan' })
  narrator.stands?.('the settings', 'the scan of the texts')
  const data = openTexts(index, options)
  for (const { what, value, reason } of data.choices) narrator.choice(what, value, reason)
  const tokens = await tokensOf(checkpoint.tokenizer)
  const read = readTokens(data, { tokens, maxTokens, checkpoint, context })
  scan(data, context)

  manualSeed(seed)
  const build = () => bert(checkpoint.config)
  const body = pretrained ? loaded(nn.init.undrawn(build), checkpoint) : build()
  const longest = Math.max(16, Math.min(maxTokens, read.longest))
  const preprocessing = {
    config: checkpoint.config,
    tokenizer: JSON.stringify(withoutLimits(checkpoint.tokenizer)),
    maxTokens,
    ...(index.columns ? { columns: index.columns } : {}),
  }
  return {
    data,
    hash: item => (item as TextItem).hash,
    modelName: checkpoint.name,
    body,
    sizes: [longest],
    ...(pretrained ? { pairs: { ...usualPairs, asked: pairs, option: option('pairs') } } : {}),
    measuredAt: Math.max(32, Math.min(read.median, 254)),
    shape: size => [size],
    noise: (size, batch) =>
      fromArray(
        new Int32Array(batch * size).map((_, i) => 1000 + (i % 997)),
        [batch, size],
      ),
    inputs: async ready => ({
      augmentation: 'none',
      plain: true,
      at: async () => inputsOf(data, { tokens: read.of, preprocessing, reader: tokens, ready, context }),
    }),
  }
}

/** Pairs of texts: chosen on four sets with 8 and 32 texts a class (`bench/few-texts.ts`). */
const usualPairs = { below: 50, rate: 5e-5, steps: 30, samples: 24, few: { below: 16, steps: 12, rate: 3e-5 } }

/** The file's own limits and padding are not used, and would mislead a reader of the card. */
const withoutLimits = (tokenizer: object): object => ({ ...tokenizer, truncation: null, padding: null })

function loaded(body: TextBody, { weights, name }: Checkpoint): TextBody {
  try {
    body.loadStateDict(weights)
  } catch (cause) {
    throw new ModelError(`the weights of ${name} do not fit its config.json: ${(cause as Error).message}`, { cause })
  }
  return body
}

/** The tokens of each text, how long texts are, and what that means for the model. */
function readTokens(
  data: TextDataset,
  {
    tokens,
    maxTokens,
    checkpoint: { name, tokenizer },
    context: { narrator, progress },
  }: { tokens: Tokens; maxTokens: number; checkpoint: Checkpoint; context: DomainContext<TextOptions> },
): { of: ReadonlyMap<string, Int32Array>; longest: number; median: number } {
  const unknown = unknownToken(tokenizer)
  const of = new Map<string, Int32Array>()
  const lengths: number[] = []
  let [total, strange, cut] = [0, 0, 0]
  const example = { file: '', length: 0 }
  for (const [i, item] of data.items.entries()) {
    const ids = tokens.of(item.text)
    total += ids.length
    if (unknown !== undefined) for (const id of ids) if (id === unknown) strange++
    if (ids.length > maxTokens) cut++
    if (ids.length > example.length) Object.assign(example, { file: item.file, length: ids.length })
    lengths.push(Math.min(ids.length, maxTokens))
    of.set(item.hash, cutTo(ids, maxTokens))
    if (i % 1000 === 999) progress('tokens', i + 1, data.items.length)
  }
  progress('', 0, 0)
  lengths.sort((a, b) => a - b)
  const median = lengths[lengths.length >> 1] ?? 1
  const n = (v: number) => v.toLocaleString('en-US')
  narrator.choice(
    'lengths',
    `${n(median)} tokens in the middle, ${n(example.length)} at most`,
    cut > 0
      ? `${textsOf(cut)} of ${n(data.items.length)} ${cut === 1 ? 'is' : 'are'} longer than ${n(maxTokens)} tokens: the beginning and a quarter from the end are read (${option('maxTokens')})`
      : 'each text is read whole; those above 254 tokens in windows',
  )
  const languages = languagesOf(data.items.map(({ text }) => text))
  const english =
    (languages.find(l => l.name === 'English')?.share ?? 0) +
    (languages.find(l => l.name === 'Latin letters')?.share ?? 0)
  narrator.choice(
    'languages',
    languages
      .filter(({ share }) => share >= 0.02)
      .slice(0, 5)
      .map(({ name, share }) => `${name} ${percent(share, 0)}`)
      .join(', '),
    'by the script and the small words of some texts',
  )
  const share = total === 0 ? 0 : strange / total
  if (isDefault(name) && (english < 0.5 || share > 0.05))
    narrator.emit({
      type: 'warning',
      message: `${minilm} was trained on English${share > 0.05 ? `, and ${percent(share)} of the tokens here are unknown to it` : ''}. For other languages a multilingual checkpoint does much better: ${option('model')} FOLDER`,
    })
  return { of, longest: lengths.at(-1) ?? 1, median }
}

/** The number of the token for what is not in the vocabulary. */
function unknownToken(tokenizer: object): number | undefined {
  const added = (tokenizer as { added_tokens?: { id: number; content: string }[] }).added_tokens ?? []
  return added.find(({ content }) => content === '[UNK]' || content === '<unk>')?.id
}

function scan({ counts, of, problems }: TextDataset, { narrator }: Pick<DomainContext<TextOptions>, 'narrator'>): void {
  const parts = { train: of('train').length, valid: of('valid').length, test: of('test').length }
  narrator.emit({
    type: 'scan',
    classes: counts,
    problems: problems.map(({ kind, file, reason }) => ({ kind, file, reason })),
    pictures: parts,
    sample: textFiles.noun.one,
  })
}
