import { aten, F, fromArray, nn, type Tensor, zeros } from '../../torch/index.ts'
import type { Body } from '../../train/network.ts'
import type { BertConfig } from './config.ts'
import { type Packed, pack, type Stretch } from './pack.ts'

/** A net for texts. x [texts, longest]: the numbers of each text's tokens without special tokens, then -1. It is read on
 *  the CPU, whatever the device of the weights. */
export interface TextBody extends Body {
  readonly config: BertConfig
  /** x → [texts, width] of length 1, as sentence-transformers gives them. The features are these and those after the
   *  layer before the last, which knows more of a text's tone (0.6 points of accuracy on sentences), both √width times
   *  as long, so that each number is about 1, as a head and its L2 expect. */
  embed(x: Tensor): Tensor
}

/** BERT (Devlin et al. 2019, arXiv:1810.04805) and its relatives of the same layers: MiniLM, RoBERTa, DistilBERT. The
 *  names of its weights are those of Hugging Face's BertModel. Tokens are packed: only attention ever sees padding. The
 *  features are means over all tokens of a text (or over its windows' first tokens), scaled to length 1, as
 *  sentence-transformers does. */
export function bert(config: BertConfig): TextBody {
  const { vocabulary, width, positions, types, layers, eps, dropout: p, pooling } = config
  const words = embedding(vocabulary, width)
  const places = embedding(positions, width)
  const kind = types > 0 ? embedding(types, width) : undefined
  const kinds: nn.Children = kind ? { token_type_embeddings: kind } : {}
  const norm = nn.layerNorm(width, { eps })
  const embeddings = nn.module(
    { word_embeddings: words, position_embeddings: places, ...kinds, LayerNorm: norm },
    refuse,
  )
  const blocks = Array.from({ length: layers }, () => layer(config))
  const layerList = nn.module(Object.fromEntries(blocks.map(({ net }, i) => [i, net])), refuse)
  const drop = bodyDropout(p)
  const m = { embeddings, encoder: nn.module({ layer: layerList }, refuse), dropout: drop }
  const indexes = (values: BigInt64Array, device: string) => onDevice(fromArray(values, [values.length]), device)

  /** [texts, longest] → the pooled tokens after the last layers, the last one first: [texts, width] of length 1 each. */
  const pooledAfter = (x: Tensor, last: number): Tensor[] => {
    const weight = words.own.parameters.weight!
    const { device } = weight
    const packed = pack(x.data() as ArrayLike<number | bigint>, x.shape[0]!, config)
    const first = words(indexes(packed.ids, device)).add(places(indexes(packed.positions, device)))
    let h = drop(norm(kind ? first.add(kind.own.parameters.weight!.select(0, 0)) : first))
    const stretches = packed.stretches.map(s => ({ ...s, attention: masks(s, device) }))
    const kept: Tensor[] = []
    for (const [i, block] of blocks.entries()) {
      h = block.run(h, stretches)
      if (i >= layers - last) kept.unshift(h)
    }
    const pool = pooling === 'mean' ? meanOf : firstOf
    return kept.map(h => unit(pool(h.to('float32'), packed, device)))
  }
  const embed = (x: Tensor): Tensor => pooledAfter(x, 1)[0]!
  const used = Math.min(2, layers)
  const pooled = (x: Tensor) => aten.cat(pooledAfter(x, used), { dim: 1 }).mul(Math.sqrt(width))
  const net = nn.module(m, pooled, { kind: 'Bert' })
  const facts = { embed, features: pooled, pooled, pooledFeatures: used * width, groups: groupsOf(layers), config }
  return Object.assign(net, facts)
}

/** Rows of length 1. */
const unit = (x: Tensor): Tensor =>
  x.div(aten.clamp_min(aten.linalg_vector_norm(x, { ord: 2, dim: [1], keepdim: true }), 1e-12))

/** The mean over a text's tokens: that of its windows, weighted by their lengths. */
const meanOf = (h: Tensor, { text, tokens }: Packed, device: string): Tensor => summed(h, text, tokens, device)
const firstOf = (h: Tensor, { firsts, windowText, windows }: Packed, device: string): Tensor =>
  summed(h.indexSelect(0, onDevice(fromArray(firsts, [firsts.length]), device)), windowText, windows, device)

function summed(rows: Tensor, of: BigInt64Array, counts: Float32Array, device: string): Tensor {
  const into = zeros([counts.length, rows.shape[1]!], { device })
  const sum = aten.index_add(into, 0, onDevice(fromArray(of, [of.length]), device), rows)
  return sum.div(onDevice(fromArray(counts, [counts.length, 1]), device))
}

const onDevice = (t: Tensor, device: string): Tensor => (device === 'cpu' ? t : t.to(t.dtype, { device }))

/** A stretch with the indexes and the mask of its padded form. */
type Masked = Stretch & { attention: { rowAt: Tensor; placeOf: Tensor; mask: Tensor } | undefined }

function masks({ padded, windows, longest }: Stretch, device: string): Masked['attention'] {
  if (!padded) return undefined
  const { rowAt, placeOf, lengths } = padded
  const there = new Uint8Array(windows * longest)
  for (const [w, length] of lengths.entries()) there.fill(1, w * longest, w * longest + length)
  return {
    rowAt: onDevice(fromArray(rowAt, [rowAt.length]), device),
    placeOf: onDevice(fromArray(placeOf, [placeOf.length]), device),
    mask: onDevice(fromArray(there, [windows, 1, 1, longest], { dtype: 'bool' }), device),
  }
}

/** One layer: attention, then two linear layers, each with a residual sum and a LayerNorm after it. */
function layer({ width, heads, inner, eps, dropout, attentionDropout, activation }: BertConfig) {
  const [query, key, value] = [nn.linear(width, width), nn.linear(width, width), nn.linear(width, width)]
  const [out, wide, narrow] = [nn.linear(width, width), nn.linear(width, inner), nn.linear(inner, width)]
  const [first, second] = [nn.layerNorm(width, { eps }), nn.layerNorm(width, { eps })]
  const drop = bodyDropout(dropout)
  const act = activations[activation]
  const net = nn.module(
    {
      attention: nn.module(
        {
          self: nn.module({ query, key, value }, refuse),
          output: nn.module({ dense: out, LayerNorm: first }, refuse),
        },
        refuse,
      ),
      intermediate: nn.module({ dense: wide }, refuse),
      output: nn.module({ dense: narrow, LayerNorm: second }, refuse),
      dropout: drop,
    },
    refuse,
  )
  const d = width / heads
  const attend = (q: Tensor, k: Tensor, v: Tensor, { from, rows, windows, longest, attention }: Masked): Tensor => {
    const split = (t: Tensor) => {
      const own = t.narrow(0, from, rows)
      const padded = attention ? own.indexSelect(0, attention.rowAt) : own
      return padded.reshape(windows, longest, heads, d).transpose(1, 2)
    }
    const y = aten
      .scaled_dot_product_attention(split(q), split(k), split(v), {
        ...(attention ? { attn_mask: attention.mask } : {}),
        dropout_p: drop.training ? attentionDropout : 0,
      })
      .transpose(1, 2)
      .reshape(windows * longest, width)
    return attention ? y.indexSelect(0, attention.placeOf) : y
  }
  /** Packed tokens [rows, width] → the same. */
  const run = (h: Tensor, stretches: readonly Masked[]): Tensor => {
    const [q, k, v] = [query(h), key(h), value(h)]
    const parts = stretches.map(s => attend(q, k, v, s))
    const seen = parts.length === 1 ? parts[0]! : aten.cat(parts, { dim: 0 })
    const y = first(h.add(drop(out(seen))))
    return second(y.add(drop(narrow(act(wide(y))))))
  }
  return { net, run }
}

const activations = {
  gelu: F.gelu,
  gelu_tanh: (x: Tensor) => aten.gelu(x, { approximate: 'tanh' }),
  relu: F.relu,
} as const

/** Dropout inside the body. The learner switches that of a head off where a fitted head needs none; this stays on. */
function bodyDropout(p: number): nn.Module {
  const self: nn.Module = nn.module({}, x => (self.training && p > 0 ? F.dropout(x, p) : x), { kind: 'BodyDropout' })
  return self
}

/** A table of embeddings: int64 [N] → [N, width]. */
function embedding(count: number, width: number): nn.Module {
  const weight = zeros([count, width])
  nn.init.normal_(weight, { std: 0.02 })
  weight.requiresGrad = true
  const self: nn.Module = nn.module({}, x => aten.embedding(self.own.parameters.weight!, x), {
    kind: 'Embedding',
    parameters: { weight },
  })
  return self
}

/** A part that is only a place for names: the net calls its children itself. */
const refuse = (): never => {
  throw new Error('this part of a net for texts is not called by itself')
}

/** Layer groups from the input: embeddings, then thirds of the layers, as ULMFiT unfreezes them. */
function groupsOf(layers: number): string[][] {
  const names = Array.from({ length: layers }, (_, i) => `encoder.layer.${i}`)
  const parts = Math.min(3, layers)
  const cut = Array.from({ length: parts }, (_, i) =>
    names.slice(Math.round((layers * i) / parts), Math.round((layers * (i + 1)) / parts)),
  )
  return [['embeddings'], ...cut]
}
