import type { DType } from '../../torch/index.ts'
import type { Value } from '../program.ts'
import type { Arguments, Emitter, Rule } from './emitter.ts'

/** The name of an argument in the type of the result. */
const self = (e: Emitter, args: Arguments, result: Value, name = 'self'): string =>
  e.operand(args.get(name), result.dtype)

/** An operator of one tensor under another name. */
const unary =
  (op: string, attributes: (args: Arguments) => Record<string, { float: number }> = () => ({})): Rule =>
  (e, args, { results: [y] }) =>
    e.add(op, [self(e, args, y!)], attributes(args))

/** The first argument, unchanged. */
const same: Rule = (e, args) => e.name(args.tensor('self'))

const binary =
  (op: string): Rule =>
  (e, args, { results: [y] }) =>
    e.add(op, [self(e, args, y!), self(e, args, y!, 'other')])

/** self ± alpha · other. */
const sum =
  (op: 'Add' | 'Sub'): Rule =>
  (e, args, { results: [y] }) =>
    e.add(op, [self(e, args, y!), scaled(e, self(e, args, y!, 'other'), args.get('alpha') as number, y!.dtype)])

const scaled = (e: Emitter, x: string, factor: number | null, dtype: DType): string =>
  factor === null || factor === 1 ? x : e.add('Mul', [x, e.scalar(factor, dtype)])

const rsub: Rule = (e, args, { results: [y] }) =>
  e.add('Sub', [self(e, args, y!, 'other'), scaled(e, self(e, args, y!), args.get('alpha') as number, y!.dtype)])

const divide: Rule = (e, args, { results: [y] }) => {
  const quotient = e.add('Div', [self(e, args, y!), self(e, args, y!, 'other')])
  const rounding = args.get('rounding_mode')
  if (rounding === null) return quotient
  if (rounding === 'floor' && y!.dtype.startsWith('float')) return e.add('Floor', [quotient])
  throw e.error(`rounds (rounding_mode ${String(rounding)}, ${y!.dtype}), and only "floor" of floats can be written`)
}

const power: Rule = (e, args, { results: [y] }) => {
  if (args.get('exponent') === 2) return square(e, args, { results: [y!], operator: 'pow', arguments: {} })
  return e.add('Pow', [self(e, args, y!), self(e, args, y!, 'exponent')])
}
const square: Rule = (e, args, { results: [y] }) => {
  const x = self(e, args, y!)
  return e.add('Mul', [x, x])
}

const compare =
  (op: string, inverted = false): Rule =>
  (e, args) => {
    const x = args.tensor('self')
    const found = e.add(op, [e.name(x), e.operand(args.get('other'), x.dtype)])
    return inverted ? e.add('Not', [found]) : found
  }

/** Bounds may be missing on one side. */
const clip =
  (low: string, high: string): Rule =>
  (e, args, { results: [y] }) => {
    const bound = (name: string) => (args.get(name) === null ? undefined : e.operand(args.get(name), y!.dtype))
    const [least, most] = [bound(low), bound(high)]
    const tensors = [low, high].some(name => typeof args.get(name) === 'object' && args.get(name) !== null)
    if (!tensors) return e.add('Clip', [self(e, args, y!), least, ...(most === undefined ? [] : [most])])
    const raised = least === undefined ? self(e, args, y!) : e.add('Max', [self(e, args, y!), least])
    return most === undefined ? raised : e.add('Min', [raised, most])
  }

const relu6: Rule = (e, args, { results: [y] }) =>
  e.add('Clip', [self(e, args, y!), e.scalar(0, y!.dtype), e.scalar(6, y!.dtype)])

const silu: Rule = (e, args, { results: [y] }) => {
  const x = self(e, args, y!)
  return e.add('Mul', [x, e.add('Sigmoid', [x])])
}

/** x · Φ(x), exactly or by the tanh of a polynomial. ONNX has a Gelu only from operator set 20 on. */
const gelu: Rule = (e, args, { results: [y] }) => {
  const x = self(e, args, y!)
  const number = (value: number) => e.scalar(value, y!.dtype)
  const half = (rest: string) => e.add('Mul', [e.add('Mul', [x, e.add('Add', [rest, number(1)])]), number(0.5)])
  if (args.get('approximate') !== 'tanh') return half(e.add('Erf', [e.add('Div', [x, number(Math.SQRT2)])]))
  const cube = e.add('Mul', [e.add('Mul', [x, x]), x])
  const inner = e.add('Add', [x, e.add('Mul', [cube, number(0.044715)])])
  return half(e.add('Tanh', [e.add('Mul', [inner, number(Math.sqrt(2 / Math.PI))])]))
}

const mish: Rule = (e, args, { results: [y] }) => {
  const x = self(e, args, y!)
  return e.add('Mul', [x, e.add('Tanh', [e.add('Softplus', [x])])])
}

const softplus: Rule = (e, args, { results: [y] }) => {
  args.only('beta', 1)
  args.only('threshold', 20)
  return e.add('Softplus', [self(e, args, y!)])
}

const elu: Rule = (e, args, { results: [y] }) => {
  args.only('scale', 1)
  args.only('input_scale', 1)
  return e.add('Elu', [self(e, args, y!)], { alpha: { float: args.number('alpha') } })
}

const prelu: Rule = (e, args, { results: [y] }) => {
  const weight = args.tensor('weight')
  const slope = e.name(weight)
  const channels = Number(weight.shape[0])
  const trailing = y!.shape.length - 2
  if (channels === 1 || trailing <= 0) return e.add('PRelu', [self(e, args, y!), slope])
  const shape = [channels, ...Array.from({ length: trailing }, () => 1)]
  return e.add('PRelu', [self(e, args, y!), e.add('Reshape', [slope, e.ints(shape)])])
}

const glu: Rule = (e, args, { results: [y] }) => {
  const [x, gate] = e.addMany('Split', [self(e, args, y!)], 2, { axis: args.number('dim'), num_outputs: 2 })
  return e.add('Mul', [x!, e.add('Sigmoid', [gate!])])
}

const rsqrt: Rule = (e, args, { results: [y] }) => e.add('Reciprocal', [e.add('Sqrt', [self(e, args, y!)])])

const log1p: Rule = (e, args, { results: [y] }) =>
  e.add('Log', [e.add('Add', [self(e, args, y!), e.scalar(1, y!.dtype)])])
const expm1: Rule = (e, args, { results: [y] }) =>
  e.add('Sub', [e.add('Exp', [self(e, args, y!)]), e.scalar(1, y!.dtype)])
const logSigmoid: Rule = (e, args, { results: [y] }) => e.add('Log', [e.add('Sigmoid', [self(e, args, y!)])])

const where: Rule = (e, args, { results: [y] }) =>
  e.add('Where', [e.name(args.tensor('condition')), self(e, args, y!), self(e, args, y!, 'other')])

const maskedFill: Rule = (e, args, { results: [y] }) =>
  e.add('Where', [e.name(args.tensor('mask')), self(e, args, y!, 'value'), self(e, args, y!)])

/** mul with a tensor of another shape, scaled: addcmul. */
const addcmul: Rule = (e, args, { results: [y] }) => {
  const product = e.add('Mul', [self(e, args, y!, 'tensor1'), self(e, args, y!, 'tensor2')])
  return e.add('Add', [self(e, args, y!), scaled(e, product, args.get('value') as number, y!.dtype)])
}

const addcdiv: Rule = (e, args, { results: [y] }) => {
  const quotient = e.add('Div', [self(e, args, y!, 'tensor1'), self(e, args, y!, 'tensor2')])
  return e.add('Add', [self(e, args, y!), scaled(e, quotient, args.get('value') as number, y!.dtype)])
}

const lerp: Rule = (e, args, { results: [y] }) => {
  const x = self(e, args, y!)
  const step = e.add('Mul', [e.add('Sub', [self(e, args, y!, 'end'), x]), self(e, args, y!, 'weight')])
  return e.add('Add', [x, step])
}

/** Dropout outside training is the identity. */
const dropout: Rule = (e, args) => {
  if (args.flag('train'))
    throw e.error('draws random numbers, as in training; switch the module to evaluation (eval())')
  return e.name(args.tensor('input'))
}

/** The value in another type, on any device. */
const cast: Rule = (e, args, { results: [y] }) => self(e, args, y!)

const copy: Rule = (e, args, { results: [y] }) => {
  const source = e.operand(args.get('src'), y!.dtype)
  return e.add('Expand', [source, e.dims(y!.shape)])
}

/** A tensor of one number. */
const filled =
  (value: (args: Arguments) => number): Rule =>
  (e, args, { results: [y] }) =>
    e.add('Expand', [e.scalar(value(args), y!.dtype), e.dims(y!.shape)])

/** Activations, arithmetic and comparisons, element by element. */
export const elementwise: Record<string, Rule> = {
  relu: unary('Relu'),
  sigmoid: unary('Sigmoid'),
  tanh: unary('Tanh'),
  exp: unary('Exp'),
  log: unary('Log'),
  sqrt: unary('Sqrt'),
  reciprocal: unary('Reciprocal'),
  abs: unary('Abs'),
  neg: unary('Neg'),
  erf: unary('Erf'),
  floor: unary('Floor'),
  ceil: unary('Ceil'),
  round: unary('Round'),
  sign: unary('Sign'),
  sin: unary('Sin'),
  cos: unary('Cos'),
  selu: unary('Selu'),
  logical_not: unary('Not'),
  hardswish: unary('HardSwish'),
  hardsigmoid: unary('HardSigmoid', () => ({ alpha: { float: 1 / 6 }, beta: { float: 0.5 } })),
  leaky_relu: unary('LeakyRelu', args => ({ alpha: { float: args.number('negative_slope') } })),
  hardtanh: clip('min_val', 'max_val'),
  clamp: clip('min', 'max'),
  clamp_min: clip('min', ''),
  clamp_max: clip('', 'max'),
  relu6,
  silu,
  gelu,
  mish,
  softplus,
  elu,
  prelu,
  glu,
  rsqrt,
  square,
  add: sum('Add'),
  sub: sum('Sub'),
  rsub,
  mul: binary('Mul'),
  div: divide,
  pow: power,
  maximum: binary('Max'),
  minimum: binary('Min'),
  multiply: binary('Mul'),
  divide,
  true_divide: divide,
  subtract: sum('Sub'),
  negative: unary('Neg'),
  absolute: unary('Abs'),
  clip: clip('min', 'max'),
  log1p,
  expm1,
  log_sigmoid: logSigmoid,
  celu: unary('Celu', args => ({ alpha: { float: args.number('alpha') } })),
  logical_and: binary('And'),
  logical_or: binary('Or'),
  addcmul,
  addcdiv,
  lerp,
  eq: compare('Equal'),
  ne: compare('Equal', true),
  gt: compare('Greater'),
  ge: compare('GreaterOrEqual'),
  lt: compare('Less'),
  le: compare('LessOrEqual'),
  where,
  masked_fill: maskedFill,
  dropout,
  feature_dropout: dropout,
  alpha_dropout: dropout,
  to: cast,
  _to_copy: cast,
  type_as: cast,
  copy,
  zeros_like: filled(() => 0),
  ones_like: filled(() => 1),
  full_like: filled(args => args.number('fill_value')),
  new_zeros: filled(() => 0),
  new_ones: filled(() => 1),
  new_full: filled(args => args.number('fill_value')),
  clone: same,
  contiguous: same,
  detach: same,
  alias: same,
}
