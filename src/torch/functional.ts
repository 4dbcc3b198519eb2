import { call } from './call.ts'
import { hasOwnKernels } from './kernels.ts'
import { native } from './native.ts'
import { aten, type Layer, type Tensor } from './tensor.ts'

/** max(x, 0). */
export const relu: Layer = x => aten.relu(x)
/** x within [0, 6]. */
export const relu6: Layer = x => aten.hardtanh(x, { min_val: 0, max_val: 6 })
/** `relu` in place, for a tensor that nothing else reads: the output of a convolution or of BatchNorm. It avoids a copy
 *  in training. */
export const relu_: Layer = x => aten.relu_(x)
/** `relu6` in place, as `relu_`. */
export const relu6_: Layer = x => aten.hardtanh_(x, { min_val: 0, max_val: 6 })
/** x · sigmoid(x), also called swish. */
export const silu: Layer = x => aten.silu(x)
/** 1 / (1 + e^-x). */
export const sigmoid: Layer = x => aten.sigmoid(x)
/** x · Φ(x), Φ the normal distribution (Hendrycks & Gimpel 2016, arXiv:1606.08415). */
export const gelu: Layer = x => aten.gelu(x)
/** relu6(x + 3) / 6, a sigmoid of straight lines (Howard et al. 2019, arXiv:1905.02244). */
export const hardsigmoid: Layer = x => aten.hardsigmoid(x)
/** x · hardsigmoid(x). */
export const hardswish: Layer = x => aten.hardswish(x)

/** softmax(q kᵀ / √d) v (Vaswani et al. 2017, arXiv:1706.03762): q, k, v [N, heads, S, d] → the same. `fused` uses
 *  libtorch's single operator (since 2.0), which avoids the S × S matrix where it can. */
export function attention(q: Tensor, k: Tensor, v: Tensor, { fused = isSecond() } = {}): Tensor {
  if (fused) return aten.scaled_dot_product_attention(q, k, v)
  return q
    .mul(1 / Math.sqrt(q.shape.at(-1)!))
    .matmul(k.transpose(-2, -1))
    .softmax(-1)
    .matmul(v)
}
const isSecond = () => Number.parseInt(native.version(), 10) >= 2

/** x + a (f(x) − x), f being Mish (Misra 2019, arXiv:1908.08681) or SELU (Klambauer et al. 2017, arXiv:1706.02515): each unit takes a share
 *  a of the activation, as RealMLP does (Holzmüller et al. 2024, arXiv:2407.04491). x: [members, rows, width], a: [members, 1, width]. */
export function activationShare(x: Tensor, a: Tensor, f: 'mish' | 'selu'): Tensor {
  const own = x.device === 'cpu' && x.dtype === 'float32' && hasOwnKernels() && x.shape.every(n => n > 0)
  if (own) return call('anneal::activation_share', x, a, f)
  return aten.lerp(x, f === 'mish' ? aten.mish(x) : aten.selu(x), a)
}

/** Each element of x is zero with probability p, the others scaled by 1 / (1 - p). Draws from the default generator;
 *  the result does not depend on the kernels in use. */
export const dropout = (x: Tensor, p: number): Tensor =>
  hasOwnKernels() && p < 1 ? x.mul(call('anneal::dropout_noise', x, 1 - p)) : aten.dropout(x, p, true)

/** Each sample of x: [N, …] is zero with probability p, the others scaled by 1 / (1 - p): a residual block is skipped
 *  for some samples (Huang et al. 2016, arXiv:1603.09382). Draws from the default generator. */
export function stochasticDepth(x: Tensor, p: number): Tensor {
  const noise = aten.empty([x.shape[0]!, ...x.shape.slice(1).map(() => 1)], { dtype: x.dtype, device: x.device })
  return x.mul(aten.div_(aten.bernoulli_(noise, { p: 1 - p }), 1 - p))
}

/** The maximum of each k × k window: [N, C, H, W] → [N, C, H', W']. */
export const maxPool2d =
  (k: number, stride = k, padding = 0, { ceilMode = false } = {}): Layer =>
  x =>
    aten.max_pool2d(x, k, { stride, padding, ceil_mode: ceilMode })
/** The mean of each k × k window: [N, C, H, W] → [N, C, H', W']. */
export const avgPool2d =
  (k: number, stride = k, padding = 0): Layer =>
  x =>
    aten.avg_pool2d(x, k, { stride, padding })

/** TensorFlow's "SAME" padding of a k × k window at a stride: out = ⌈in / stride⌉, the odd pixel right and below. */
export const samePad =
  (k: number, stride: number): Layer =>
  x => {
    const sides = x.shape.slice(2).map(size => Math.max((Math.ceil(size / stride) - 1) * stride + k - size, 0))
    // The last dimension comes first.
    return aten.constant_pad_nd(
      x,
      sides.reverse().flatMap(total => [total >> 1, total - (total >> 1)]),
    )
  }

/** The mean of each of `size` × `size` parts: [N, C, H, W] → [N, C, size, size]. Any input size. */
export const adaptiveAvgPool2d =
  (size: number): Layer =>
  x =>
    aten.adaptive_avg_pool2d(x, [size, size])
/** Mean over height and width: [N, C, H, W] → [N, C]. Any input size. */
export const globalAvgPool: Layer = x => aten.adaptive_avg_pool2d(x, [1, 1]).flatten(1)
/** Maximum over height and width: [N, C, H, W] → [N, C]. */
export const globalMaxPool: Layer = x => aten.amax(x, { dim: [2, 3] })

/** How the losses of the samples are reduced. */
export type Reduction = 'mean' | 'sum' | 'none'
const reductions = { none: 0, mean: 1, sum: 2 } as const

/** Cross-entropy of logits x: [N, C] with class numbers target: [N] (int64) or probabilities [N, C]; `labelSmoothing`
 *  spreads that share evenly over the classes (Szegedy 2015, arXiv:1512.00567), `weight` [C] weighs the classes. */
export function crossEntropy(
  x: Tensor,
  target: Tensor,
  {
    weight,
    labelSmoothing = 0,
    reduction = 'mean',
  }: { weight?: Tensor | undefined; labelSmoothing?: number | undefined; reduction?: Reduction | undefined } = {},
): Tensor {
  return aten.cross_entropy_loss(x, target, {
    weight: weight ?? null,
    reduction: reductions[reduction],
    label_smoothing: labelSmoothing,
  })
}

/** Binary cross-entropy of logits x with targets in [0, 1], of the same shape: a sigmoid for each class. */
export function bceWithLogits(
  x: Tensor,
  target: Tensor,
  {
    weight,
    posWeight,
    reduction = 'mean',
  }: { weight?: Tensor | undefined; posWeight?: Tensor | undefined; reduction?: Reduction | undefined } = {},
): Tensor {
  return aten.binary_cross_entropy_with_logits(x, target, {
    weight: weight ?? null,
    pos_weight: posWeight ?? null,
    reduction: reductions[reduction],
  })
}

/** Squared error. */
export function mse(
  x: Tensor,
  target: Tensor,
  { reduction = 'mean' }: { reduction?: Reduction | undefined } = {},
): Tensor {
  return aten.mse_loss(x, target, { reduction: reductions[reduction] })
}
