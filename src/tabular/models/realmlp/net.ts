import {
  aten,
  cat,
  F,
  fromArray,
  type Generator,
  keep,
  noGrad,
  scope,
  type Tensor,
  zeros,
} from '../../../torch/index.ts'
import type { InputWidths } from './inputs.ts'

/** The shape of a packed ensemble of RealMLP nets. */
export interface RealmlpShape extends InputWidths {
  members: number
  outputs: number
  hidden: readonly number[]
  activation: 'selu' | 'mish'
}

/** Widths of the hidden layers, of an embedding, and of the embedding of a number. */
export const hiddenWidths: readonly number[] = [256, 256, 256]
const embeddingWidth = 8
const waves = 16
const waveOutputs = 3

/** How a kind of parameter is trained: its rate as a factor of the net's, and whether it decays. Of California housing, the test
 *  error was 1 % lower where the factors of inputs, activations and waves do not decay (one seed). */
export const parameterKinds = {
  weight: { rate: 1, decays: true },
  bias: { rate: 0.1, decays: false },
  activation: { rate: 0.1, decays: false },
  scale: { rate: 6, decays: false },
  wave: { rate: 0.1, decays: false },
  embedding: { rate: 1, decays: true },
} as const
export type ParameterKind = keyof typeof parameterKinds

/** A batch of rows: dense [B, dense], codes int64 [B, embeddings]. */
export interface InputBatch {
  dense: Tensor
  codes: Tensor
}

/** RealMLP-TD (Holzmüller et al. 2024, arXiv:2407.04491; pytabkit, Apache-2.0), `members` nets side by side: each parameter
 *  has the members as its first dimension, and each product is one batched product. */
export class RealmlpNet {
  readonly shape: RealmlpShape
  readonly parameters: ReadonlyMap<string, Tensor>

  constructor(shape: RealmlpShape, parameters: ReadonlyMap<string, Tensor>) {
    this.shape = shape
    this.parameters = parameters
  }

  /** The kind of a parameter, by its name. */
  static kindOf(name: string): ParameterKind {
    return name.split('.')[0] as ParameterKind
  }

  #get = (name: string): Tensor => this.parameters.get(name)!

  /** [members, B, outputs]. `noise` [layers, members, B, width]: the factors of dropout, 0 or 1 / (1 − p). */
  forward(batch: InputBatch, noise?: readonly Tensor[]): Tensor {
    let x = aten.mul(this.embed(batch), this.#get('scale'))
    for (const layer of this.shape.hidden.keys()) {
      x = this.activate(this.linear(x, layer), layer)
      if (noise) x = x.mul(noise[layer]!)
    }
    return this.linear(x, this.shape.hidden.length)
  }

  /** [members, B, inputs] of the first layer, before the learnable scale. */
  embed({ dense, codes }: InputBatch): Tensor {
    const { members, numbers, dense: width, embeddings } = this.shape
    const rows = dense.shape[0]!
    const parts: Tensor[] = []
    if (numbers > 0) {
      const x = dense.narrow(1, 0, numbers).transpose(0, 1).unsqueeze(0).expand(members, numbers, rows)
      const each = x.reshape(members * numbers, rows, 1)
      const h = aten.cos(aten.baddbmm(this.#get('wave.b1'), each, this.#get('wave.w1'), { alpha: 2 * Math.PI }))
      const e = aten.baddbmm(this.#get('wave.b2'), h, this.#get('wave.w2'))
      const all = cat([e, each], 2).reshape(members, numbers, rows, waveOutputs + 1)
      parts.push(all.permute(0, 2, 1, 3).reshape(members, rows, numbers * (waveOutputs + 1)))
    }
    if (width > numbers)
      parts.push(
        dense
          .narrow(1, numbers, width - numbers)
          .unsqueeze(0)
          .expand(members, rows, width - numbers),
      )
    if (embeddings > 0) {
      const found = aten.embedding(this.#get('embedding'), codes) // [B, embeddings, members · 8]
      const apart = found.reshape(rows, embeddings, members, embeddingWidth).permute(2, 0, 1, 3)
      parts.push(apart.reshape(members, rows, embeddings * embeddingWidth))
    }
    return parts.length === 1 ? parts[0]! : cat(parts, 2)
  }

  /** x W / √n + b: the parametrisation of neural tangents (Jacot et al. 2018, arXiv:1806.07572). */
  linear(x: Tensor, layer: number): Tensor {
    const weight = this.#get(`weight.${layer}`)
    return aten.baddbmm(this.#get(`bias.${layer}`), x, weight, { alpha: 1 / Math.sqrt(inputsOf(this.shape, layer)) })
  }

  /** x + a (f(x) − x), with one a for each unit. */
  activate(x: Tensor, layer: number): Tensor {
    return F.activationShare(x, this.#get(`activation.${layer}`), this.shape.activation)
  }

  dispose(): void {
    for (const t of this.parameters.values()) t.dispose()
  }
}

/** How many inputs a layer has; layer 0 is the first hidden one. */
export const inputsOf = ({ numbers, dense, embeddings, hidden }: RealmlpShape, layer: number): number =>
  layer > 0 ? hidden[layer - 1]! : numbers * waveOutputs + dense + embeddings * embeddingWidth

/** A net whose weights and biases are fitted to training rows, layer by layer: each unit's output has the deviation 1 over
 *  the rows, and its bias is minus a random convex combination of 5 of its outputs (`he+5` of pytabkit). */
export function initialNet(shape: RealmlpShape, rows: InputBatch, generator: Generator): RealmlpNet {
  const { members, numbers, embeddings, codes, hidden, outputs } = shape
  return noGrad(() =>
    scope(() => {
      const normal = (size: readonly number[], std = 1) => aten.normal_(zeros(size), { std, generator })
      const uniform = (size: readonly number[], bound: number) =>
        aten.uniform_(zeros(size), { from: -bound, to: bound, generator })
      const parameters = new Map<string, Tensor>()
      if (numbers > 0) {
        const each = members * numbers
        parameters.set('wave.w1', normal([each, 1, waves], 0.1))
        parameters.set('wave.b1', uniform([each, 1, waves], Math.PI))
        parameters.set('wave.w2', uniform([each, waves, waveOutputs], 1 / Math.sqrt(waves)))
        parameters.set('wave.b2', uniform([each, 1, waveOutputs], 1 / Math.sqrt(waves)))
      }
      if (embeddings > 0) parameters.set('embedding', normal([codes, members * embeddingWidth]))
      parameters.set('scale', aten.ones([members, 1, inputsOf(shape, 0)]))
      const net = new RealmlpNet(shape, parameters)
      let x = net.embed(rows)
      for (const [layer, width] of [...hidden, outputs].entries()) {
        const weight = normal([members, inputsOf(shape, layer), width])
        const inputs = 1 / Math.sqrt(inputsOf(shape, layer))
        const spread = aten.std(aten.matmul(x, weight).mul(inputs), [1], { keepdim: true })
        parameters.set(`weight.${layer}`, weight.div(spread.add(spread.eq(0))))
        const y = aten.matmul(x, parameters.get(`weight.${layer}`)!).mul(inputs)
        parameters.set(`bias.${layer}`, minusMixtures(y, generator))
        if (layer === hidden.length) break
        parameters.set(`activation.${layer}`, aten.ones([members, 1, width]))
        x = net.activate(net.linear(x, layer), layer)
      }
      for (const t of parameters.values()) t.requiresGrad = true
      return keep(net.parameters) && net
    }),
  )
}

const mixed = 5

/** y [members, N, units] → [members, 1, units]: minus a random convex combination of 5 outputs of each unit. */
function minusMixtures(y: Tensor, generator: Generator): Tensor {
  const [members = 1, rows = 1, units = 1] = y.shape
  const size = [members, mixed, units]
  const chosen = aten.randint(rows, size, { dtype: 'int64', generator })
  const shares = aten.exponential_(zeros(size), { generator })
  const points = aten.gather(y, 1, chosen)
  return points
    .mul(shares.div(shares.sum(1, { keepdim: true })))
    .sum(1, { keepdim: true })
    .neg()
}

/** Rows [start, end) as tensors that share memory with the arrays. */
export const inputTensors = (
  { dense, codes }: { dense: Float32Array; codes: BigInt64Array },
  { dense: width, embeddings }: InputWidths,
  start: number,
  end: number,
): InputBatch => ({
  dense: fromArray(dense.subarray(start * width, end * width), [end - start, width], { copy: false }),
  codes: fromArray(codes.subarray(start * embeddings, end * embeddings), [end - start, embeddings], { copy: false }),
})
