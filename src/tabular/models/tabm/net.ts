import { aten, cat, fromArray, nn, noGrad, ones, type Tensor, zeros } from '../../../torch/index.ts'

/** The shape of a TabM. */
export interface TabmShape {
  /** Edges of the bins of each number. */
  edges: readonly (readonly number[])[]
  /** How many flags of missing numbers follow. */
  flags: number
  /** Codes of each category. */
  codes: readonly number[]
  members: number
  hidden: readonly number[]
  outputs: number
  dropout: number
}

/** The width of a number's embedding. */
const embeddingWidth = 16

/** TabM (Gorishniy et al. 2024, arXiv:2410.24210; the package tabm 0.0.3, Apache-2.0): `members` nets that share their weights.
 *  Each has its own factors of a layer's inputs and outputs (BatchEnsemble, Wen et al. 2020, arXiv:2002.06715), its own biases
 *  and its own last layer. Numbers go through piecewise-linear embeddings (Gorishniy et al. 2022, arXiv:2203.05556, version B).
 *  float32 [N, numbers + flags + codes] → [N, members, outputs]. Draws from the default generator. */
export function tabmNet(shape: TabmShape): nn.Module {
  const { edges, flags, codes, members, hidden, outputs, dropout } = shape
  const children: nn.Children = edges.length > 0 ? { numbers: piecewiseLinear(edges) } : {}
  const widths = [firstWidth(shape), ...hidden]
  for (const [i, width] of hidden.entries()) {
    const factors = i === 0 ? firstFactors(shape) : ones([members, 1, widths[i]!])
    children[`layer${i}`] = batchEnsemble(widths[i]!, width, { members, factors })
    children[`dropout${i}`] = nn.dropout(dropout)
  }
  children.head = memberLinear(widths.at(-1)!, outputs, members)
  return nn.module(
    children,
    x => {
      const parts: Tensor[] = []
      const [numbers, words] = [edges.length, codes.length]
      if (numbers > 0) parts.push(children.numbers!(x.narrow(1, 0, numbers)))
      if (flags > 0) parts.push(x.narrow(1, numbers, flags))
      if (words > 0) {
        const all = x.narrow(1, numbers + flags, words).to('int64')
        for (const [i, count] of codes.entries())
          parts.push(aten.one_hot(all.select(1, i), { num_classes: count }).to('float32'))
      }
      let h = cat(parts, 1).unsqueeze(0) // [1, N, inputs]
      for (const i of hidden.keys()) h = children[`dropout${i}`]!(children[`layer${i}`]!(h).relu())
      return children.head!(h).transpose(0, 1)
    },
    { kind: 'TabM' },
  )
}

/** How many inputs the first layer has. */
const firstWidth = ({ edges, flags, codes }: TabmShape): number =>
  edges.length * embeddingWidth + flags + codes.reduce((sum, count) => sum + count, 0)

/** The first factors tell the members apart, one draw for each column of the table: normal, or ±1 if no number has an
 *  embedding. [members, 1, inputs] */
function firstFactors({ edges, flags, codes, members }: TabmShape): Tensor {
  const widths = [...edges.map(() => embeddingWidth), ...Array<number>(flags).fill(1), ...codes]
  return noGrad(() => {
    const drawn = aten.normal_(zeros([members, 1, widths.length]))
    const each = edges.length > 0 ? drawn : aten.sign(drawn)
    return cat(
      widths.map((width, i) => each.narrow(2, i, 1).expand(members, 1, width)),
      2,
    )
  })
}

const uniform = (size: readonly number[], inputs: number): Tensor =>
  noGrad(() => aten.uniform_(zeros(size), { from: -1 / Math.sqrt(inputs), to: 1 / Math.sqrt(inputs) }))

/** ((x · r) W) · s + b with r, s and b of each member: [1 or members, N, inputs] → [members, N, outputs]. */
function batchEnsemble(
  inputs: number,
  outputs: number,
  { members, factors }: { members: number; factors: Tensor },
): nn.Module {
  const bias = noGrad(() => uniform([1, 1, outputs], inputs).expand(members, 1, outputs).contiguous())
  const parameters = {
    weight: trained(uniform([inputs, outputs], inputs)),
    r: trained(factors),
    s: trained(ones([members, 1, outputs])),
  }
  const biases = bare(bias)
  return nn.module(
    { biases },
    x =>
      aten.addcmul(
        biases.own.parameters.weight!,
        aten.matmul(aten.mul(x, parameters.r), parameters.weight),
        parameters.s,
      ),
    { kind: 'LinearBatchEnsemble', parameters },
  )
}

/** A linear layer of each member: [members, N, inputs] → [members, N, outputs]. */
function memberLinear(inputs: number, outputs: number, members: number): nn.Module {
  const weight = trained(uniform([members, inputs, outputs], inputs))
  const biases = bare(uniform([members, 1, outputs], inputs))
  return nn.module({ biases }, x => aten.baddbmm(biases.own.parameters.weight!, x, weight), {
    kind: 'LinearEnsemble',
    parameters: { weight },
  })
}

const trained = (t: Tensor): Tensor => {
  t.requiresGrad = true
  return t
}
/** Parameters without weight decay. */
const bare = (weight: Tensor): nn.Module =>
  nn.module({}, x => x, { kind: 'Learned', parameters: { weight: trained(weight) } })

/** An embedding of each number: a line, and what it gains in each of its bins, which is nothing at first. [N, numbers] →
 *  [N, numbers × 16]. */
function piecewiseLinear(edges: readonly (readonly number[])[]): nn.Module {
  const numbers = edges.length
  const bins = Math.max(...edges.map(own => own.length - 1))
  const { left, slope, low, high } = encodingOf(edges)
  const row = (values: Float32Array) => fromArray(values, [1, numbers, bins])
  const buffers = { left: row(left), slope: row(slope), low: row(low), high: row(high) }
  const line = trained(uniform([1, numbers, embeddingWidth], embeddingWidth))
  const weight = trained(zeros([numbers, bins, embeddingWidth]))
  const biases = bare(uniform([1, numbers, embeddingWidth], embeddingWidth))
  return nn.module(
    { biases },
    x => {
      const each = x.unsqueeze(2) // [N, numbers, 1]
      const lines = aten.mul(aten.sub(each, buffers.left), buffers.slope)
      const encoded = aten.clamp(lines, { min: buffers.low, max: buffers.high })
      const gained = aten.bmm(encoded.transpose(0, 1), weight).transpose(0, 1) // [N, numbers, 16]
      return aten
        .addcmul(biases.own.parameters.weight!, each, line)
        .add(gained)
        .reshape(-1, numbers * embeddingWidth)
    },
    { kind: 'PiecewiseLinearEmbeddings', parameters: { line, weight }, buffers },
  )
}

/** The encoding of each number as (x − left) · slope, kept between `low` and `high`, each [numbers × bins]. Bin j rises from 0 at its
 *  left edge to 1 at its right one; the first one goes on below 0, the last one above 1. The last bin of every number stands
 *  last; places between are 0. In this form every runtime rounds alike, however narrow a bin is. */
export function encodingOf(
  edges: readonly (readonly number[])[],
): Record<'left' | 'slope' | 'low' | 'high', Float32Array> {
  const bins = Math.max(...edges.map(own => own.length - 1))
  const made = () => new Float32Array(edges.length * bins)
  const [left, slope, low, high] = [made(), made(), made(), made()]
  for (const [number, own] of edges.entries()) {
    const last = own.length - 2
    for (let bin = 0; bin <= last; bin++) {
      const at = number * bins + (bin === last ? bins - 1 : bin)
      slope[at] = 1 / (own[bin + 1]! - own[bin]!)
      left[at] = own[bin]!
      low[at] = bin === 0 ? Number.NEGATIVE_INFINITY : 0
      high[at] = bin === last ? Number.POSITIVE_INFINITY : 1
    }
  }
  return { left, slope, low, high }
}
