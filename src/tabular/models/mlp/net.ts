import { aten, cat, nn, noGrad, type Tensor } from '../../../torch/index.ts'

/** The shape of fastai's TabularModel. */
export interface MlpShape {
  numbers: number
  /** Codes of each embedding. */
  codes: readonly number[]
  hidden: readonly number[]
  outputs: number
  dropout: number
}

/** fastai's width of an embedding: min(600, round(1.6 n^0.56)). */
export const embeddingWidth = (codes: number): number => Math.min(600, Math.round(1.6 * codes ** 0.56))

/** fastai's TabularModel: embeddings, BatchNorm of the numbers, then for each hidden layer linear, ReLU, BatchNorm, dropout.
 *  Input float32 [N, numbers + embeddings], the last ones codes. Draws from the default generator. */
export function mlpNet({ numbers, codes, hidden, outputs, dropout }: MlpShape): nn.Module {
  const embeds = Object.fromEntries(codes.map((n, i) => [`embed${i}`, embedding(n, embeddingWidth(n))]))
  const first = numbers + codes.reduce((sum, n) => sum + embeddingWidth(n), 0)
  const widths = [first, ...hidden]
  const blocks = hidden.flatMap((width, i) => [
    nn.linear(widths[i]!, width, { bias: false }),
    nn.layer(x => x.relu(), 'ReLU'),
    nn.batchNorm1d(width),
    nn.dropout(dropout),
  ])
  const layers = nn.sequential(...blocks, nn.linear(widths.at(-1)!, outputs))
  const drop = nn.dropout(dropout)
  const norm: nn.Children = numbers > 0 ? { norm: nn.batchNorm1d(numbers) } : {}
  const children: nn.Children = { ...embeds, ...norm, drop, layers }
  return nn.module(
    children,
    x => {
      const parts: Tensor[] = []
      if (codes.length > 0) {
        const all = x.narrow(1, numbers, codes.length).to('int64')
        const found = codes.map((_, i) => children[`embed${i}`]!(all.select(1, i)))
        parts.push(drop(cat(found, 1)))
      }
      if (numbers > 0) parts.push(children.norm!(x.narrow(1, 0, numbers)))
      return layers(cat(parts, 1))
    },
    { kind: 'TabularModel' },
  )
}

/** Codes int64 [N] → [N, width]. Gaussian of deviation 0.01 within two deviations, as fastai's. */
function embedding(codes: number, width: number): nn.Module {
  const weight = noGrad(() => truncated([codes, width]))
  weight.requiresGrad = true
  const self: nn.Module = nn.module({}, x => aten.embedding(self.own.parameters.weight!, x), {
    kind: 'Embedding',
    parameters: { weight },
  })
  return self
}

/** By the inverse of the normal distribution: uniform within Φ(±2). */
function truncated(size: readonly number[]): Tensor {
  const bound = 0.954499736103642 // 2 Φ(2) − 1
  return aten.mul(aten.erfinv(aten.uniform_(aten.empty(size), { from: -bound, to: bound })), 0.01 * Math.SQRT2)
}
