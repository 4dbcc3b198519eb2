import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ModelError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import type { Report } from '../../base/progress.ts'
import { readGivenWeights, savedArchitecture } from '../../models/given-weights.ts'
import { readCard, stemOf } from '../../train/saved-model.ts'
import { readWeights, type StoredTensor } from '../../weights/index.ts'
import type { BertConfig } from './config.ts'
import { minilm, minilmSource } from './minilm.ts'

/** A BERT-like checkpoint: what it is called, its shape, the content of its tokenizer.json, and its weights by the names
 *  of Hugging Face's BertModel. */
export interface Checkpoint {
  name: string
  config: BertConfig
  tokenizer: object
  weights: Map<string, StoredTensor>
}

/** The checkpoint that a person asked for: a folder with config.json, tokenizer.json and model.safetensors, or the
 *  embedded default. */
export async function openCheckpoint(
  model: string,
  {
    weights,
    report,
    signal,
  }: { weights?: string | undefined; report?: Report | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Checkpoint> {
  if (weights !== undefined) {
    if (savedArchitecture(weights) !== undefined) return ofRun(weights)
    if (existsSync(join(weights, 'config.json'))) return readCheckpoint(weights)
    const base = await openCheckpoint(model, { report, signal })
    return { ...base, weights: bertNames(readGivenWeights(weights), base.config.kind) }
  }
  if (isDefault(model)) {
    const folder = await minilmSource.fetch(report, signal)
    return { ...readCheckpoint(folder), name: minilm }
  }
  if (!existsSync(model))
    throw new ModelError(
      `${option('model')}: there is no model or folder "${model}"; expected ${minilm} (or auto), or a folder with config.json, model.safetensors and tokenizer.json, as save_pretrained of transformers or sentence-transformers writes it.`,
    )
  return existsSync(join(model, 'best.json')) ? ofRun(model) : readCheckpoint(model)
}

/** The body that a run of ours trained, with the tokenizer and the shape in its card. */
function ofRun(run: string): Checkpoint {
  const card = readCard(`${stemOf(run)}.json`)
  const { config, tokenizer } = (card.preprocessing ?? {}) as { config?: BertConfig; tokenizer?: string }
  if (card.domain !== 'texts' || !config || typeof tokenizer !== 'string')
    throw new ModelError(
      `${run}: is a run over ${card.domain ?? 'images'}; expected a run over texts, or a checkpoint.`,
    )
  return { name: card.architecture, config, tokenizer: JSON.parse(tokenizer), weights: readGivenWeights(run) }
}

/** Whether a name means the embedded default. */
export const isDefault = (model: string): boolean =>
  ['auto', minilm.toLowerCase(), 'minilm', `sentence-transformers/${minilm.toLowerCase()}`].includes(
    model.toLowerCase(),
  )

/** Reads a checkpoint's folder. What it can't run is refused by name. */
export function readCheckpoint(folder: string): Checkpoint {
  if (!statSync(folder).isDirectory())
    throw new ModelError(
      `${folder} is a file; expected the folder of a checkpoint, with config.json, model.safetensors and tokenizer.json (${option('model')}).`,
    )
  const config = readJson(folder, 'config.json')
  const tokenizer = readJson(folder, 'tokenizer.json')
  const file = ['model.safetensors', 'pytorch_model.bin'].find(name => existsSync(join(folder, name)))
  if (!file)
    throw new ModelError(
      `${folder} holds no model.safetensors; expected the weights beside config.json. Save the model with save_pretrained, in one file.`,
    )
  const weights = bertNames(readWeights(join(folder, file)), String(config.model_type))
  const shape = readConfig(folder, config, tokenizer)
  return { name: basename(folder), config: shape, tokenizer, weights }
}

type Json = Record<string, unknown>

function readJson(folder: string, name: string): Json {
  const path = join(folder, name)
  if (!existsSync(path))
    throw new ModelError(
      `${folder} holds no ${name}; expected config.json, model.safetensors and tokenizer.json.${name === 'tokenizer.json' ? ' A slow tokenizer (vocab.txt alone) is saved as tokenizer.json by AutoTokenizer.from_pretrained(…).save_pretrained(…).' : ''}`,
    )
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Json
  } catch (cause) {
    throw new ModelError(`${path}: is not valid JSON (${(cause as Error).message}).`, { cause })
  }
}

/** The relatives of BERT with the same layers. */
const kinds = ['bert', 'roberta', 'xlm-roberta', 'camembert', 'distilbert'] as const

function readConfig(folder: string, given: Json, tokenizer: Json): BertConfig {
  const path = join(folder, 'config.json')
  const kind = String(given.model_type)
  const refuse = (what: string): never => {
    throw new ModelError(`${path}: ${what}. Anneal runs nets with the layers of BERT: ${kinds.join(', ')}.`)
  }
  if (!(kinds as readonly string[]).includes(kind)) refuse(`model_type is "${kind}", whose layers are others`)
  const distil = kind === 'distilbert'
  const count = (...names: string[]): number => {
    const name = names.find(n => given[n] !== undefined)
    const value = name === undefined ? undefined : given[name]
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
    return refuse(`${names[0]} is ${JSON.stringify(value)}, expected a whole number above 0`)
  }
  const position = given.position_embedding_type ?? 'absolute'
  if (position !== 'absolute') refuse(`position_embedding_type is "${position}", expected "absolute"`)
  if (given.is_decoder === true) refuse('is_decoder is true: it is a net that writes text')
  if (given.embedding_size !== undefined && given.embedding_size !== given.hidden_size)
    refuse(`embedding_size ${given.embedding_size} is not hidden_size ${given.hidden_size}`)
  const act = String(given.hidden_act ?? given.activation ?? 'gelu')
  const activation = { gelu: 'gelu', gelu_new: 'gelu_tanh', gelu_pytorch_tanh: 'gelu_tanh', relu: 'relu' }[act]
  if (!activation) refuse(`hidden_act is "${act}", expected gelu, gelu_new or relu`)
  const [width, heads] = [count('hidden_size', 'dim'), count('num_attention_heads', 'n_heads')]
  if (width % heads !== 0) refuse(`hidden_size ${width} is no multiple of num_attention_heads ${heads}`)
  const positions = count('max_position_embeddings')
  const shifted = kind.includes('roberta') || kind === 'camembert'
  const firstPosition = shifted ? Number(given.pad_token_id ?? 1) + 1 : 0
  const share = (value: unknown) => (typeof value === 'number' && value >= 0 && value < 1 ? value : 0.1)
  const { begin, end } = specialTokens(folder, tokenizer)
  return {
    kind,
    layers: count('num_hidden_layers', 'n_layers'),
    width,
    heads,
    inner: count('intermediate_size', 'hidden_dim'),
    activation: activation as BertConfig['activation'],
    eps: typeof given.layer_norm_eps === 'number' ? given.layer_norm_eps : 1e-12,
    vocabulary: count('vocab_size'),
    positions,
    firstPosition,
    types: distil ? 0 : count('type_vocab_size'),
    dropout: share(given.hidden_dropout_prob ?? given.dropout),
    attentionDropout: share(given.attention_probs_dropout_prob ?? given.attention_dropout),
    pooling: poolingOf(folder),
    begin,
    end,
    window: Math.min(usualWindow, positions - firstPosition),
  }
}

/** Tokens of a window with its two special tokens: sentence-transformers' models were trained on no more. */
const usualWindow = 256

/** The tokens that the tokenizer puts before and after a text: [CLS] and [SEP], <s> and </s>. */
function specialTokens(folder: string, tokenizer: Json): { begin: number; end: number } {
  const added = (tokenizer.added_tokens ?? []) as { id: number; content: string }[]
  const numberOf = (names: string[]) => added.find(({ content }) => names.includes(content))?.id
  const begin = numberOf(['[CLS]', '<s>'])
  const end = numberOf(['[SEP]', '</s>'])
  if (begin === undefined || end === undefined)
    throw new ModelError(
      `${join(folder, 'tokenizer.json')}: names neither [CLS] and [SEP] nor <s> and </s> among its added tokens; expected the tokenizer of a BERT-like model.`,
    )
  return { begin, end }
}

/** How sentence-transformers pools this model: its 1_Pooling folder says so; else the mean. */
function poolingOf(folder: string): BertConfig['pooling'] {
  const path = join(folder, '1_Pooling', 'config.json')
  if (!existsSync(path)) return 'mean'
  const given = readJson(join(folder, '1_Pooling'), 'config.json')
  const on = Object.entries(given).flatMap(([key, value]) =>
    key.startsWith('pooling_mode_') && value === true ? [key.slice('pooling_mode_'.length)] : [],
  )
  if (on.length === 1 && on[0] === 'cls_token') return 'first'
  if (on.length === 0 || (on.length === 1 && on[0] === 'mean_tokens')) return 'mean'
  throw new ModelError(`${path}: pools by ${on.join(' and ')}; expected mean_tokens or cls_token.`)
}

/** Weights under the names of BertModel: without the prefix of a model with a head, without that head, and from
 *  TensorFlow's and DistilBERT's names. */
function bertNames(weights: Map<string, StoredTensor>, kind: string): Map<string, StoredTensor> {
  const out = new Map<string, StoredTensor>()
  for (const [given, tensor] of weights) {
    let name = given.replace(/^(?:0\.auto_model\.)?(?:(?:bert|roberta|distilbert|model)\.)?/, '')
    name = name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias')
    if (kind === 'distilbert') for (const [from, to] of distilNames) name = name.replace(from, to)
    if (/^(embeddings|encoder)\./.test(name) && !name.endsWith('position_ids') && !name.endsWith('token_type_ids'))
      out.set(name, tensor)
  }
  return out
}

const distilNames: readonly [RegExp, string][] = [
  [/^transformer\.layer\./, 'encoder.layer.'],
  [/\.attention\.q_lin\./, '.attention.self.query.'],
  [/\.attention\.k_lin\./, '.attention.self.key.'],
  [/\.attention\.v_lin\./, '.attention.self.value.'],
  [/\.attention\.out_lin\./, '.attention.output.dense.'],
  [/\.sa_layer_norm\./, '.attention.output.LayerNorm.'],
  [/\.ffn\.lin1\./, '.intermediate.dense.'],
  [/\.ffn\.lin2\./, '.output.dense.'],
  [/\.output_layer_norm\./, '.output.LayerNorm.'],
]
