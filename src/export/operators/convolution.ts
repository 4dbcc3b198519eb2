import type { Value } from '../program.ts'
import { type Arguments, type Emitter, type Rule, sizesOf } from './emitter.ts'

/** Convolutions of any number of spatial dimensions. `pads`: set by `foldPads` instead of padding. */
const conv: Rule = (e, args) => {
  const rank = args.tensor('weight').shape.length - 2
  const [strides, dilations] = [perAxis(args.ints('stride'), rank), perAxis(args.ints('dilation'), rank)]
  const pads = args.get('pads') === null ? padsOf(e, args, { rank, strides, dilations }) : args.ints('pads')
  return e.add('Conv', tensors(e, args, 'input'), {
    kernel_shape: sizesOf(e, args.tensor('weight'), 2),
    strides,
    dilations,
    group: args.number('groups'),
    pads,
  })
}

const convTranspose: Rule = (e, args) => {
  const rank = args.tensor('weight').shape.length - 2
  const padding = perAxis(args.ints('padding'), rank)
  return e.add('ConvTranspose', tensors(e, args, 'input'), {
    kernel_shape: sizesOf(e, args.tensor('weight'), 2),
    strides: perAxis(args.ints('stride'), rank),
    dilations: perAxis(args.ints('dilation'), rank),
    output_padding: perAxis(args.ints('output_padding'), rank),
    group: args.number('groups'),
    pads: [...padding, ...padding],
  })
}

const tensors = (e: Emitter, args: Arguments, input: string): (string | undefined)[] => {
  const bias = args.maybe('bias')
  return [e.name(args.tensor(input)), e.name(args.tensor('weight')), ...(bias ? [e.name(bias)] : [])]
}

/** One number stands for all axes. */
const perAxis = (list: readonly number[], rank: number): number[] =>
  Array.from({ length: rank }, (_, i) => list[i] ?? list[0]!)

interface Window {
  rank: number
  strides: readonly number[]
  dilations: readonly number[]
}

function padsOf(e: Emitter, args: Arguments, { rank, strides, dilations }: Window): number[] {
  const given = args.get('padding')
  if (given === 'valid') return Array.from({ length: 2 * rank }, () => 0)
  if (given === 'same') {
    if (strides.some(stride => stride !== 1)) throw e.error('has padding "same" with a stride, which libtorch refuses')
    const totals = sizesOf(e, args.tensor('weight'), 2).map((k, i) => dilations[i]! * (k - 1))
    // The odd pixel stands right and below.
    return [...totals.map(total => total >> 1), ...totals.map(total => total - (total >> 1))]
  }
  const padding = perAxis(args.ints('padding'), rank)
  return [...padding, ...padding]
}

/** Zeros, or another number, around the last dimensions. */
const pad: Rule = (e, args, { results: [result] }) => {
  const x = args.tensor('self')
  const value = args.get('value') ?? 0
  const pads = onnxPads(args.ints('pad'), x.shape.length)
  return e.add('Pad', [e.name(x), e.ints(pads), e.operand(value, (result as Value).dtype)], { mode: 'constant' })
}
const padBy =
  (mode: 'reflect' | 'edge'): Rule =>
  (e, args) => {
    const x = args.tensor('self')
    return e.add('Pad', [e.name(x), e.ints(onnxPads(args.ints('padding'), x.shape.length))], { mode })
  }

/** Torch's pads (before and after the last dimension, then of the one before it) as ONNX's: all before, all after. */
export function onnxPads(pad: readonly number[], rank: number): number[] {
  const before = Array.from({ length: rank }, () => 0)
  const after = [...before]
  for (let i = 0; 2 * i < pad.length; i++) {
    before[rank - 1 - i] = pad[2 * i]!
    after[rank - 1 - i] = pad[2 * i + 1]!
  }
  return [...before, ...after]
}

/** Convolutions and padding. */
export const convolution: Record<string, Rule> = {
  conv1d: conv,
  conv2d: conv,
  conv3d: conv,
  conv_transpose1d: convTranspose,
  conv_transpose2d: convTranspose,
  constant_pad_nd: pad,
  reflection_pad2d: padBy('reflect'),
  replication_pad2d: padBy('edge'),
}
