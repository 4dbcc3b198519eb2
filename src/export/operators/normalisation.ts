import { type Arguments, type Emitter, type Rule, sizesOf } from './emitter.ts'

const batchNorm: Rule = (e, args) => {
  if (args.flag('training'))
    throw e.error('uses the statistics of the batch, as in training; switch the module to evaluation (eval())')
  const x = args.tensor('input')
  const [channels] = sizesOf(e, x, 1) as [number]
  const or = (name: string, value: number) => {
    const t = args.maybe(name)
    return t ? e.name(t) : constant(e, [channels], value)
  }
  const numbers = [or('weight', 1), or('bias', 0), or('running_mean', 0), or('running_var', 1)]
  return e.add('BatchNormalization', [e.name(x), ...numbers], { epsilon: { float: args.number('eps') } })
}

const layerNorm: Rule = (e, args) => {
  const shape = args.ints('normalized_shape')
  const [weight, bias] = [args.maybe('weight'), args.maybe('bias')]
  const inputs = [e.name(args.tensor('input')), weight ? e.name(weight) : constant(e, shape, 1)]
  return e.add('LayerNormalization', [...inputs, ...(bias ? [e.name(bias)] : [])], {
    axis: -shape.length,
    epsilon: { float: args.number('eps') },
  })
}

/** Each group of channels is one channel of an InstanceNormalization. */
const groupNorm: Rule = (e, args) => {
  const x = args.tensor('input')
  const groups = args.number('num_groups')
  const sizes = sizesOf(e, x, 1)
  const grouped = e.add('Reshape', [e.name(x), e.ints([0, groups, -1])])
  const normed = instanceNorm(e, grouped, groups, args)
  return affine(e, e.add('Reshape', [normed, e.ints([0, ...sizes])]), args, sizes)
}

const instanceNormRule: Rule = (e, args) => {
  const x = args.tensor('input')
  const sizes = sizesOf(e, x, 1)
  args.only('use_input_stats', true)
  return affine(e, instanceNorm(e, e.name(x), sizes[0]!, args), args, sizes)
}

const instanceNorm = (e: Emitter, x: string, channels: number, args: Arguments): string =>
  e.add('InstanceNormalization', [x, constant(e, [channels], 1), constant(e, [channels], 0)], {
    epsilon: { float: args.number('eps') },
  })

/** x · weight + bias, by channel; sizes: those of x without the batch. */
function affine(e: Emitter, x: string, args: Arguments, [channels, ...rest]: readonly number[]): string {
  const shape = e.ints([channels!, ...rest.map(() => 1)])
  const [weight, bias] = [args.maybe('weight'), args.maybe('bias')]
  const by = weight ? e.add('Mul', [x, e.add('Reshape', [e.name(weight), shape])]) : x
  return bias ? e.add('Add', [by, e.add('Reshape', [e.name(bias), shape])]) : by
}

const constant = (e: Emitter, shape: readonly number[], value: number): string =>
  e.floats(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape)

/** Normalisations. */
export const normalisation: Record<string, Rule> = {
  batch_norm: batchNorm,
  layer_norm: layerNorm,
  group_norm: groupNorm,
  instance_norm: instanceNormRule,
}
