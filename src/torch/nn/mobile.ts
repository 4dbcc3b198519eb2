import { call } from '../call.ts'
import { isRecording } from '../grad.ts'
import { ownKernels } from '../kernels.ts'
import type { Layer, Tensor } from '../tensor.ts'
import { Module, whileUnchanged } from './module.ts'
import { numbersOf } from './norm.ts'

/** A convolution without bias and the BatchNorm after it. */
export type Normed = readonly [conv: Module, bn: Module]

/** The layers of a mobile net's block. ReLU6 follows the first two, nothing the last. */
export interface BlockLayers {
  /** 1 × 1, to more channels; of `stemBlock` the net's own first convolution, 3 × 3 at stride 2 over 3 channels. */
  expand: Normed
  /** 3 × 3 or 5 × 5, a filter a channel. */
  depthwise: Normed
  /** 1 × 1, to fewer channels. */
  project: Normed
  /** Of the depthwise convolution, 1 or 2. */
  stride: number
  /** TensorFlow's padding (`F.samePad`), else half of the kernel on every side. */
  same?: boolean
}

/** An inverted residual (Sandler et al. 2018, arXiv:1801.04381) by one kernel where there is one for this processor, type
 *  and layout; else `twin`, which is the same in libtorch's operators. x [N, C, H, W]; the kernel's output is in
 *  channels_last. In training its BatchNorm takes its statistics from the batch, else it keeps them. `within`: modules
 *  that the layers are inside of; where somebody watches one, `twin` runs. */
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

/** Layers of the three kinds above one after another, the first of them a stem, and modules of such layers. Where nothing
 *  is trained, with kept statistics, all are one call: only what is narrow between them is stored. */
export function mobileBody(layers: readonly Layer[]): Layer {
  const chain = layers.flatMap(partsOf)
  const whole = chain.every(part => part !== undefined) ? chain : []
  const normed = whole.flatMap(part => part.normed)
  const within = [...whole.flatMap(part => part.within), ...layers.flatMap(modulesOf)]
  const form = whole.flatMap(part => part.form)
  // Two values of bfloat16 are one word.
  const even = normed.every(([conv]) => conv.own.parameters.weight!.shape[0]! % 2 === 0)
  // To ask every layer takes a tenth of a millisecond, and one picture goes through all of them in one or two.
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
  /** As `mobileBody` of the addon takes it. */
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

/** The type that a kernel computes x in; undefined where there is none. */
function servedType(x: Tensor) {
  const dtype = ownKernels()
  const fits = x.device === 'cpu' && x.shape.length === 4 && (x.dtype === 'float32' || x.dtype === dtype)
  return fits ? dtype : undefined
}

/** What all layers say alike; undefined where they differ, or where somebody watches one. */
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

/** How the kernel is to compute; undefined where `twin` has to. */
function fused(x: Tensor, layers: readonly Normed[]) {
  const dtype = servedType(x)
  const agreed = dtype && agreement(layers)
  if (!agreed) return undefined
  const { training, eps, momentum } = agreed
  if (training) {
    // One value a channel has no variance: libtorch's own layer says so.
    if (x.shape[0]! * x.shape[2]! * x.shape[3]! < 64) return undefined
    for (const [, bn] of layers) bn.own.buffers.num_batches_tracked!.add_(1)
  }
  return { half: dtype === 'bfloat16', statistics: [training, eps, momentum] as const }
}
