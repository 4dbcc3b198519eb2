import { call } from '../call.ts'
import { empty } from '../create.ts'
import { relu_, relu6_ } from '../functional.ts'
import { isRecording } from '../grad.ts'
import { ownKernels } from '../kernels.ts'
import { scope } from '../scope.ts'
import { aten, type Layer, type Tensor } from '../tensor.ts'
import { type ConvLayer, type ConvWays, waysFor } from './conv-ways.ts'
import { fans, kaimingUniform_, uniform_ } from './init.ts'
import { Module, module, parameter } from './module.ts'
import { normalised, numbersOf } from './norm.ts'
import { type Act, actOf, isChannelsLast } from './norm-act.ts'

interface Geometry {
  stride: number
  padding: number
  dilation: number
  groups: number
}

/** x [N, cin, H, W] → [N, cout, H', W']. Initialised as torch does (Kaiming uniform). */
export function conv2d(
  cin: number,
  cout: number,
  k: number,
  {
    stride = 1,
    padding = 0,
    dilation = 1,
    groups = 1,
    bias = true,
  }: { stride?: number; padding?: number; dilation?: number; groups?: number; bias?: boolean } = {},
): Module {
  const weight = parameter(kaimingUniform_(empty([cout, cin / groups, k, k])))
  const bound = 1 / Math.sqrt(fans(weight)[0])
  const self: Module = module({}, x => convolve(self, x), {
    kind: 'Conv2d',
    parameters: { weight, bias: bias ? parameter(uniform_(empty([cout]), -bound, bound)) : null },
    fuse: next => {
      const bn = normOf(next)
      if (bn) return folded(self, bn)
      const act = actOf(next)
      return act && (x => scope(() => convolve(self, x, { act })))
    },
  })
  geometries.set(self, { stride, padding, dilation, groups })
  return self
}

const geometries = new WeakMap<Module, Geometry>()

/** The BatchNorm, if the convolution before it can include it: it uses its running statistics and has no hooks. */
const normOf = (layer: Layer): Module | undefined =>
  layer instanceof Module && layer.kind === 'BatchNorm2d' && !layer.training && layer.hooks.size === 0
    ? layer
    : undefined

/** The operations after a convolution: act(conv(x) · scale + shift + residual). */
interface ConvPass {
  scale?: Tensor
  shift?: Tensor | null
  act?: Act | undefined
  residual?: Tensor | undefined
}

/** Folds a BatchNorm that uses its running statistics into the convolution: weight·γ/√(σ²+ε), bias β − μγ/√(σ²+ε).
 *  Gradients flow to weight, γ and β; no separate pass over the activations is needed. */
function folded(conv: Module, bn: Module): Layer {
  const layer: Layer = x => scope(() => withNorm(conv, bn, x))
  layer.fuse = next => {
    const act = actOf(next)
    return act && (x => scope(() => withNorm(conv, bn, x, { act })))
  }
  return layer
}

/** act(bn(conv(x)) + residual), with bn's running statistics. If the weights are trained and no kernel of ours computes
 *  the convolution, BatchNorm is a separate pass: a convolution has many more weights than its BatchNorm, and folding
 *  reads them four times. */
function withNorm(conv: Module, bn: Module, x: Tensor, after: Pick<ConvPass, 'act' | 'residual'> = {}): Tensor {
  if (ownKernels() && isRecording() && waysOf(conv, x)?.ways.forward !== 'own')
    return normalised(bn, convolve(conv, x), after)
  const { weight: gamma, bias: beta } = bn.own.parameters
  const { running_mean: mean, running_var: variance } = bn.own.buffers
  const { bias } = conv.own.parameters
  const scale = gamma!.mul(variance!.add(numbersOf(bn).eps).rsqrt())
  const shift = beta!.sub((bias ? mean!.sub(bias) : mean!).mul(scale))
  return convolve(conv, x, { scale, shift, ...after })
}

/** The convolution, each of its products in the way that was chosen for this layer (`conv-ways.ts`). */
function convolve(conv: Module, x: Tensor, pass: ConvPass = {}): Tensor {
  const geometry = geometries.get(conv)!
  const weight = conv.own.parameters.weight!
  const { scale, shift = conv.own.parameters.bias, act = 'none', residual } = pass
  const chosen = waysOf(conv, x)
  if (chosen) {
    const { layer, ways } = chosen
    const { stride, padding, groups, dtype } = layer
    const half = dtype === 'bfloat16'
    if (isOwn(ways)) return call('anneal::conv3x3', x, weight, scale, shift, residual, act, stride, half)
    const { forward, input, weights, inference } = ways
    const by = [forward, input, weights, inference] as const
    return call('anneal::conv_by', x, weight, scale, shift, residual, act, stride, padding, groups, ...by, half)
  }
  const scaled = scale ? weight.mul(scale.reshape(-1, 1, 1, 1)) : weight
  const y = aten.conv2d(x, scaled, { bias: shift!, ...geometry })
  if (residual) y.add_(residual)
  return act === 'none' ? y : act === 'relu' ? relu_(y) : relu6_(y)
}

/** Whether one kernel of ours computes all: its gradients share a pass. */
const isOwn = ({ forward, input, weights, inference }: ConvWays): boolean =>
  [forward, input, weights, inference].every(way => way === 'own')

/** The ways of a layer that are not those of libtorch's own operator; undefined for other types, devices and layouts. */
function waysOf(conv: Module, x: Tensor): { layer: ConvLayer; ways: ConvWays } | undefined {
  const { stride, padding, dilation, groups } = geometries.get(conv)!
  const weight = conv.own.parameters.weight!
  const [cout = 0, each = 0, k = 0] = weight.shape
  const dtype = ownKernels()
  if (!dtype || dilation !== 1 || x.device !== 'cpu' || weight.dtype !== 'float32') return undefined
  if (!isChannelsLast(x) || (x.dtype !== 'float32' && x.dtype !== dtype)) return undefined
  const [n = 0, cin = 0, h = 0, w = 0] = x.shape
  if (n === 0 || cin !== each * groups || Math.min(h, w) + 2 * padding < k) return undefined
  const layer = { dtype, cin, cout, k, stride, padding, groups, h, w }
  const ways = waysFor(layer, n, isRecording())
  return ways && { layer, ways }
}

/** relu(bn(conv(x)) + shortcut), the end of a residual block. Sum and ReLU are part of the convolution's pass, or of
 *  BatchNorm's pass if it uses batch statistics. The shortcut has the shape of the convolution's output. */
export function residualRelu(conv: Module, bn: Module, x: Tensor, shortcut: Tensor): Tensor {
  const after = { act: 'relu', residual: shortcut } as const
  if (bn.hooks.size > 0) return x.pipe(conv, bn).add_(shortcut).pipe(relu_) // a hook reads BatchNorm's output
  return scope(() =>
    normOf(bn) && geometries.has(conv) && conv.hooks.size === 0
      ? withNorm(conv, bn, x, after)
      : normalised(bn, conv(x), after),
  )
}
