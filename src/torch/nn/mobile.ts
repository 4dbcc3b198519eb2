import { call } from '../call.ts'
import { isRecording } from '../grad.ts'
import { ownKernels } from '../kernels.ts'
import type { Layer, Tensor } from '../tensor.ts'
import { Module, whileUnchanged } from './module.ts'
import { numbersOf } from './norm.ts'
import { syncedOver } from './synced-norm.ts'

/** A convolution without bias and the BatchNorm after it. */
export type Normed = readonly [conv: Module, bn: Module]

/** The layers of a mobile net's block. ReLU6 follows the first two, but not the last. */
export interface BlockLayers {
  /** 1 × 1, to more channels; for `stemBlock` the first convolution of the net, 3 × 3 at stride 2 over 3 channels. */
  expand: Normed
  /** 3 × 3 or 5 × 5, one filter per channel. */
  depthwise: Normed
  /** 1 × 1, to fewer channels. */
  project: Normed
  /** The stride of the depthwise convolution, 1 or 2. */
  stride: number
  /** TensorFlow's padding (`F.samePad`), else half of the kernel on every side. */
  same?: boolean
}

/** An inverted residual (Sandler et al. 2018, arXiv:1801.04381) by one own kernel if there is one for this processor,
 *  type and layout; else `twin`, which computes the same with libtorch's operators. x [N, C, H, W]; the kernel's output
 *  is in channels_last. In training BatchNorm uses batch statistics, else its running statistics. `within`: the modules
 *  that contain the layers; if one of them has a hook, `twin` runs. */
export function invertedResidual(
  layers: BlockLayers & { residual: boolean },
  twin: Layer,
  within: readonly Module[] = [],
): Layer {
  const { expand, depthwise, project, stride, same = false, residual } = layers
  const normed = [expand, depthwise, project]
  const block: Layer = x => {
    const how = watched(within) ? undefined : fused(x, normed)
    if (!how) return twin(x)
    const tensors = normed.map(tensorsOf)
    return call('anneal::inverted_residual', x, ...tensors, stride, same, residual, how.half, ...how.statistics)
  }
  parts.set(block, { normed, within, form: [0, stride, Number(same), residual ? 2 : 0] })
  return block
}

/** The first convolution of a mobile net with its first block, as `invertedResidual`. */
export function stemBlock(layers: BlockLayers, twin: Layer, within: readonly Module[] = []): Layer {
  const { expand, depthwise, project, stride, same = false } = layers
  const normed = [expand, depthwise, project]
  const block: Layer = x => {
    const plain = x.requiresGrad || x.shape[1] !== 3 || watched(within)
    const how = plain ? undefined : fused(x, normed)
    if (!how) return twin(x)
    return call('anneal::stem_block', x, ...normed.map(tensorsOf), stride, same, how.half, ...how.statistics)
  }
  parts.set(block, { normed, within, form: [1, stride, Number(same), 0] })
  return block
}

/** A 1 × 1 convolution, its BatchNorm and ReLU6, as `invertedResidual`. */
export function pointwiseRelu6(layer: Normed, twin: Layer, within: readonly Module[] = []): Layer {
  const normed = [layer]
  const block: Layer = x => {
    const how = watched(within) ? undefined : fused(x, normed)
    if (!how) return twin(x)
    return call('anneal::pointwise_relu6', x, tensorsOf(layer), how.half, ...how.statistics)
  }
  parts.set(block, { normed, within, form: [2, 1, 0, 0] })
  return block
}

/** Layers of the three kinds above one after another, the first of them a stem, and modules of such layers. If nothing
 *  is trained and statistics are kept, all of them are one call, which stores only the narrow tensors between the
 *  blocks. */
export function mobileBody(layers: readonly Layer[]): Layer {
  const chain = layers.flatMap(partsOf)
  const whole = chain.every(part => part !== undefined) ? chain : []
  const normed = whole.flatMap(part => part.normed)
  const within = [...whole.flatMap(part => part.within), ...layers.flatMap(modulesOf)]
  const form = whole.flatMap(part => part.form)
  // Two bfloat16 values form one word.
  const even = normed.every(([conv]) => conv.own.parameters.weight!.shape[0]! % 2 === 0)
  // Checking every layer takes a tenth of a millisecond, and one picture takes only one or two for all of them.
  const asked = whileUnchanged(() => {
    const agreed = even && whole.length > 0 && !watched(within) ? agreement(normed) : undefined
    return agreed && !agreed.training ? { tensors: normed.flatMap(tensorsOf), eps: agreed.eps } : undefined
  })
  return x => {
    const dtype = isRecording() || x.shape[1] !== 3 ? undefined : servedType(x)
    const body = dtype && asked()
    if (!body) return x.pipe(...layers)
    return call('anneal::mobile_body', x, body.tensors, form, dtype === 'bfloat16', body.eps)
  }
}

interface Part {
  normed: readonly Normed[]
  within: readonly Module[]
  /** The form that the addon's `mobileBody` takes. */
  form: readonly number[]
}
const parts = new WeakMap<Layer, Part>()

function partsOf(layer: Layer): (Part | undefined)[] {
  if (!(layer instanceof Module)) return [parts.get(layer)]
  const { kind, forward } = layer as Module
  return kind === 'Sequential' && !parts.has(forward) ? childrenOf(layer).flatMap(partsOf) : [parts.get(forward)]
}
const modulesOf = (layer: Layer): Module[] =>
  layer instanceof Module ? [layer as Module, ...childrenOf(layer).flatMap(modulesOf)] : []
const childrenOf = (m: Module): Module[] => Object.values(m.children)

const watched = (modules: readonly Module[]): boolean => modules.some(m => m.hooks.size > 0)

const tensorsOf = ([conv, bn]: Normed): Tensor[] => {
  const { weight, bias } = bn.own.parameters
  const { running_mean, running_var } = bn.own.buffers
  return [conv.own.parameters.weight!, weight!, bias!, running_mean!, running_var!]
}

/** The type in which a kernel computes x; undefined if there is no kernel. */
function servedType(x: Tensor) {
  const dtype = ownKernels()
  const fits = x.device === 'cpu' && x.shape.length === 4 && (x.dtype === 'float32' || x.dtype === dtype)
  return fits ? dtype : undefined
}

/** The settings that all layers share; undefined if they differ, or if a layer has a hook. */
function agreement(layers: readonly Normed[]) {
  const [[, first]] = layers as [Normed]
  const { training } = first
  const { eps, momentum } = numbersOf(first)
  for (const [conv, bn] of layers) {
    const own = numbersOf(bn)
    if (bn.training !== training || own.eps !== eps || own.momentum !== momentum) return undefined
    if (conv.hooks.size + bn.hooks.size > 0 || conv.own.parameters.weight!.dtype !== 'float32') return undefined
  }
  return { training, eps, momentum }
}

/** The arguments of the kernel; undefined if `twin` must run. */
function fused(x: Tensor, layers: readonly Normed[]) {
  const dtype = servedType(x)
  const agreed = dtype && agreement(layers)
  if (!agreed) return undefined
  const { training, eps, momentum } = agreed
  if (training) {
    if (syncedOver()) return undefined
    // One value per channel has no variance; libtorch's layer throws the error.
    if (x.shape[0]! * x.shape[2]! * x.shape[3]! < 64) return undefined
    for (const [, bn] of layers) bn.own.buffers.num_batches_tracked!.add_(1)
  }
  return { half: dtype === 'bfloat16', statistics: [training, eps, momentum] as const }
}
