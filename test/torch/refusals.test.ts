// Every operator `anneal::…` refuses what it can't compute, before a kernel reads or writes outside a tensor's memory. One
// table: for each operator a valid call, and which properties of its arguments are free. From it, wrong sizes, ranks, types,
// layouts, devices, numbers and lists are made, one at a time. Each must be refused with the argument's name, or give the
// result of the valid call.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { aten, call, fromArray, kernelSets, noGrad, Tensor, TorchError } from '../../src/torch/index.ts'
import { native } from '../../src/torch/native.ts'
import { lacksFloat, values } from '../helpers/kernels.ts'

const tensor = (shape: readonly number[], seed = 1) =>
  fromArray(
    values(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
  )
const maps = (shape: readonly number[], seed = 1) => tensor(shape, seed).contiguous('channels_last')
const positive = (shape: readonly number[]) => tensor(shape).abs().add(0.5)
/** [weight, gamma, beta, running_mean, running_var] */
const layer = (...weight: number[]): Tensor[] => {
  const c = [weight[0]!]
  return [tensor(weight, 2), positive(c), tensor(c, 3), tensor(c, 4), positive(c)]
}

/** An argument: its value in the valid call, and which changes are valid too. */
interface Argument {
  name: string
  value: unknown
  /** The dimensions of a tensor that may have any size except 0, because nothing else depends on them. */
  free?: readonly number[]
  /** Kernels read or write its memory directly, so no other layout is valid. */
  lies?: boolean
  /** Other valid shapes. */
  also?: (shape: readonly number[]) => boolean
  /** Other valid types. */
  types?: readonly string[]
  /** Invalid numbers, words or lists. */
  wrong?: readonly unknown[]
  /** Whether null is valid. */
  optional?: boolean
  /** If the own kernel can't compute it, libtorch does, or refuses. */
  libtorch?: boolean
}
interface Operator {
  args: () => Argument[]
  /** Which arguments have gradients. */
  learns?: readonly string[]
  /** The shape of the output for no pictures. */
  none?: readonly number[]
  /** The tensors that an operator without an output changes. */
  result?: (args: unknown[], output: unknown) => Tensor[] | undefined
}

const x = (shape: number[], more: Partial<Argument> = {}): Argument => ({
  name: 'x',
  value: maps(shape),
  free: [0, 2, 3],
  types: ['bfloat16'],
  ...more,
})
const asMaps = { types: ['bfloat16'] }
const numbers = (name: string, ...shape: number[]): Argument => ({ name, value: tensor(shape, 7), optional: true })
const say = (name: string, value: unknown, ...wrong: unknown[]): Argument => ({ name, value, wrong })
const half = say('half', false)
const training = say('training', false)
const norm = [training, say('eps', 1e-3, -1, Number.NaN), say('momentum', 0.1, -0.5, 1.5, Number.NaN)]
const stride12 = say('stride', 1, 0, -1, 3, 2 ** 40)
const act = say('act', 'relu', 'gelu', '')
const same = say('same', false)

const stemOf = () => layer(16, 3, 3, 3)
const blockForm = [1, 2, 0, 0, 0, 1, 0, 2, 2, 1, 0, 0]
const blockTensors = () => [
  ...[...stemOf(), ...layer(16, 1, 3, 3), ...layer(8, 16, 1, 1)],
  ...[...layer(24, 8, 1, 1), ...layer(24, 1, 5, 5), ...layer(8, 24, 1, 1)],
  ...layer(20, 8, 1, 1),
]
const weights = () => [tensor([6, 5]), tensor([40])]
const integers = (values: readonly number[], ...shape: number[]) => fromArray(Int32Array.from(values), shape)
const maps9 = (...of: number[][]) => fromArray(Float64Array.from(of.flat()), [of.length, 9])
const still = [1, 0, 0, 0, 1, 0, 0, 0, 1]
const colours = () => fromArray(Float32Array.from([...matrix, ...matrix]), [2, 3, 5])
const matrix = [1, 0.2, 0, 0, 0, 0, 1, 0, -0.1, 0.1, 0, 0, 1, 0, 0]
const filled = (value: number, shape: number[]) => tensor(shape).mul(0).add(value)
const picture = (shape: number[]) =>
  fromArray(
    Uint8Array.from(
      values(
        shape.reduce((a, b) => a * b),
        5,
      ),
      v => 50 * Math.abs(v),
    ),
    shape,
  )
const lists = (args: unknown[]) => args.filter((a): a is Tensor[] => Array.isArray(a)).flat()

const operators: Record<string, Operator> = {
  inverted_residual: {
    args: () => [
      x([2, 16, 9, 11]),
      { name: 'expand', value: layer(24, 16, 1, 1) },
      { name: 'depthwise', value: layer(24, 1, 3, 3) },
      { name: 'project', value: layer(16, 24, 1, 1) },
      say('stride', 1, 0, -1, 2, 3), // a residual sum needs stride 1
      same,
      say('residual', true),
      half,
      ...norm,
    ],
    learns: ['x', 'expand', 'depthwise', 'project'],
    none: [0, 16, 9, 11],
  },
  stem_block: {
    args: () => [
      x([2, 3, 20, 22]),
      { name: 'stem', value: stemOf() },
      { name: 'depthwise', value: layer(16, 1, 5, 5) },
      { name: 'project', value: layer(8, 16, 1, 1) },
      stride12,
      same,
      half,
      ...norm,
    ],
    learns: ['stem', 'depthwise', 'project'],
    none: [0, 8, 10, 11],
  },
  pointwise_relu6: {
    args: () => [x([2, 16, 9, 11]), { name: 'layer', value: layer(40, 16, 1, 1) }, half, ...norm],
    learns: ['x', 'layer'],
    none: [0, 40, 9, 11],
  },
  conv3x3: {
    args: () => [
      x([3, 32, 16, 12], { free: [] }), // the residual has the same sides
      { name: 'weight', value: tensor([96, 32, 3, 3]) },
      numbers('scale', 96),
      numbers('bias', 96),
      { name: 'residual', value: maps([3, 96, 16, 12], 8), optional: true, ...asMaps },
      act,
      say('stride', 1, 0, -1, 2, 2 ** 40),
      half,
    ],
    learns: ['x', 'weight', 'scale', 'bias', 'residual'],
    none: [0, 96, 16, 12],
  },
  'conv3x3 in groups': {
    args: () => [
      x([2, 64, 9, 10], { free: [0, 2, 3] }),
      { name: 'weight', value: tensor([64, 8, 3, 3]), also: shape => shape[1] === 16 },
      numbers('scale', 64),
      numbers('bias', 64),
      { name: 'residual', value: null },
      act,
      say('stride', 2, 0, -1, 3),
      half,
    ],
    learns: ['x', 'weight', 'scale', 'bias'],
    none: [0, 64, 5, 5],
  },
  conv_by: {
    args: () => [
      x([2, 3, 23, 18], { free: [0, 2, 3] }),
      { name: 'weight', value: tensor([40, 3, 7, 7]), free: [0] },
      numbers('scale', 40),
      numbers('bias', 40),
      { name: 'residual', value: null },
      act,
      say('stride', 2, 0, -2, 2 ** 31, 2 ** 40),
      say('padding', 3, -1, 2 ** 31, 2 ** 40),
      say('groups', 1, 0, -1, 2, 2 ** 40),
      say('forward', 'own', '', 'no way'),
      say('input', 'product', 'no way'),
      say('weights', 'product', 'no way'),
      say('inference', 'fused', 'no way'),
      half,
    ],
    learns: ['x', 'weight', 'scale', 'bias'],
    none: [0, 40, 12, 9],
  },
  conv_grad: {
    args: () => [
      { name: 'g', value: maps([2, 40, 23, 18], 4), ...asMaps },
      x([2, 3, 23, 18], { free: [] }),
      { name: 'weight', value: tensor([40, 3, 7, 7]) },
      say('stride', 1, 0, -2, 2 ** 31, 2 ** 40),
      say('padding', 3, -1, 2 ** 31, 2 ** 40),
      say('groups', 1, 0, -1, 2, 2 ** 40),
      say('input', 'product', 'no way'),
      say('weights', 'product', 'no way'),
      half,
    ],
    result: (_, made) => made as unknown as Tensor[],
  },
  concat_pool: { args: () => [x([2, 20, 5, 4], { free: [0, 1, 2, 3] })], learns: ['x'], none: [0, 40] },
  activation_share: {
    args: () => [
      { name: 'x', value: tensor([2, 9, 20]), free: [1] },
      { name: 'a', value: tensor([2, 1, 20], 2) },
      { name: 'f', value: 'mish', wrong: ['relu', ''] },
    ],
    learns: ['x', 'a'],
  },
  norm_act: {
    args: () => [
      x([2, 20, 9, 7], { free: [] }),
      { name: 'gamma', value: positive([20]) },
      { name: 'beta', value: tensor([20]) },
      { name: 'running_mean', value: tensor([20]), lies: true },
      { name: 'running_var', value: positive([20]), lies: true },
      { name: 'residual', value: maps([2, 20, 9, 7], 8), optional: true, ...asMaps },
      act,
      ...norm,
    ],
    learns: ['x', 'gamma', 'beta', 'residual'],
    none: [0, 20, 9, 7],
  },
  mobile_body: {
    args: () => [
      x([2, 3, 33, 40]),
      { name: 'tensors', value: blockTensors() },
      say(
        'form',
        blockForm,
        [],
        blockForm.slice(1),
        blockForm.slice(4),
        blockForm.with(0, 0),
        blockForm.with(0, 3),
        blockForm.with(4, 1),
        blockForm.with(5, 0),
        blockForm.with(5, 2), // with a residual sum
        blockForm.with(6, 2),
        blockForm.with(3, 2),
        blockForm.with(11, 2),
        blockForm.with(7, 1),
        [...blockForm, 2, 1, 0, 0],
      ),
      half,
      say('eps', 1e-3, -1, Number.NaN),
    ],
    none: [0, 20, 9, 10],
  },
  adam_: {
    args: () => [
      { name: 'params', value: weights(), libtorch: true },
      { name: 'grads', value: weights(), libtorch: true },
      { name: 'mean', value: weights(), libtorch: true },
      { name: 'square', value: weights().map(t => t.abs()), libtorch: true },
      say('lr', 0.1),
      say('beta1', 0.9, 1, -0.1, Number.NaN),
      say('beta2', 0.99, 1, 2, -0.1, Number.NaN),
      say('eps', 1e-8),
      say('decay', 0.01),
      say('decoupled', true),
      say('step', 1, 0, -1),
    ],
    result: (args, done) => (done ? lists(args) : undefined),
  },
  sgd_: {
    args: () => [
      { name: 'params', value: weights(), libtorch: true },
      { name: 'grads', value: weights(), libtorch: true },
      { name: 'velocity', value: weights(), libtorch: true },
      say('lr', 0.1),
      say('momentum', 0.9),
      say('decay', 0.01),
      say('nesterov', true),
    ],
    result: (args, done) => (done ? lists(args) : undefined),
  },
  blend: {
    args: () => [
      { name: 'kept', value: weights(), libtorch: true },
      { name: 'now', value: weights(), libtorch: true },
      say('share', 0.9),
    ],
    result: args => args[0] as Tensor[],
  },
  dropout_noise: {
    args: () => [
      { name: 'x', value: tensor([3, 5]), free: [0, 1], types: ['float64', 'float16', 'bfloat16'], libtorch: true },
      say('kept', 0.5, 0, -0.5, 1.5, Number.NaN),
    ],
    result: (_, y) => ((y as Tensor).device === 'cpu' ? [(y as Tensor).mul((y as Tensor).sub(2))] : undefined),
  },
  view_batch: {
    args: () => [
      { name: 'out', value: tensor([2, 8, 8, 3]), also: ([n = 0]) => n > 2, lies: true },
      {
        name: 'pictures',
        value: [picture([12, 9, 3]), picture([8, 20, 3])],
        free: [0, 1],
        also: ([, , c]) => c === 1, // grey
        lies: true,
      },
      { name: 'rows', value: integers([0, 1], 2), lies: true, wrong: [integers([0, 2], 2), integers([-1, 1], 2)] },
      {
        name: 'corners',
        value: integers([-1, -1, 0, 3], 2, 2),
        lies: true,
        wrong: [integers([-1, 0, -1, -1], 2, 2), integers([-1, -1, 1, 0], 2, 2), integers([5, 0, -1, -1], 2, 2)],
      },
      {
        name: 'maps',
        value: maps9(still, still),
        lies: true,
        wrong: [maps9(still, still.with(4, Number.NaN)), maps9(still.with(0, 1e12), still)],
      },
      {
        name: 'blocks',
        value: integers([1, 1, 2, 3], 2, 2),
        lies: true,
        wrong: [integers([0, 1, 1, 1], 2, 2), integers([13, 1, 1, 1], 2, 2), integers([1, 1, 1, -1], 2, 2)],
      },
      { name: 'paddings', value: integers([0, 2], 2), lies: true, wrong: [integers([0, 3], 2), integers([-1, 0], 2)] },
      {
        name: 'colours',
        value: colours(),
        lies: true,
        wrong: [filled(Number.NaN, [2, 3, 5]), filled(Number.NEGATIVE_INFINITY, [2, 3, 5])],
      },
      {
        name: 'curve_of',
        value: integers([-1, 1], 2),
        lies: true,
        wrong: [integers([-1, 2], 2), integers([-2, 0], 2)],
      },
      {
        name: 'curves',
        value: filled(0.5, [2, 1021]),
        free: [0],
        also: ([n = 0, points]) => n > 2 && points === 1021,
        lies: true,
        wrong: [filled(0.5, [1, 1021]), filled(Number.NaN, [2, 1021])],
      },
      { name: 'scale', value: positive([3]), lies: true },
      { name: 'shift', value: tensor([3]), lies: true },
    ],
    result: args => [args[0] as Tensor],
  },
}

const nameOf = (key: string) => `anneal::${key.split(' ')[0]}`
/** The values of all outputs of a call; undefined if libtorch computed it. */
function outcome(key: string, args: unknown[]): number[][] | undefined {
  const { result } = operators[key]!
  const y = call(nameOf(key), ...args)
  return (result ? result(args, y) : [y as Tensor])?.map(t => t.numbers())
}

/** The same values in another memory layout. */
function* otherwise(t: Tensor): Generator<[string, Tensor]> {
  if (t.dtype !== 'float32' || t.shape.length === 0) return
  const order = t.shape.map((_, i) => i).reverse()
  if (t.shape.length > 1)
    yield [
      'with its dimensions the other way round in memory',
      t
        .permute(...order)
        .contiguous()
        .permute(...order),
    ]
  const wide = aten.cat([t.unsqueeze(-1), t.unsqueeze(-1).mul(-7)], { dim: -1 })
  yield ['with others between its values', wide.select(-1, 0)]
  yield [
    'from within other memory',
    aten
      .cat([t.flatten(), t.flatten()])
      .narrow(0, t.numel, t.numel)
      .reshape(...t.shape),
  ]
}
/** Tensors that no kernel can read: other types, devices and layouts. */
function* unreadable(t: Tensor, types: readonly string[] = []): Generator<[string, Tensor]> {
  for (const type of ['float64', 'float16', 'bfloat16', 'int64', 'int32', 'uint8', 'bool', 'float32', 'complex64'])
    if (type !== t.dtype && !types.includes(type)) yield [type, t.to(type as 'float64')]
  yield ['on another device', call('empty', t.shape, { dtype: t.dtype, device: 'meta' })]
  if (t.shape.length > 0) yield ['sparse', call('to_sparse', t)]
  if (t.dtype === 'float32') yield ['of oneDNN', call('to_mkldnn', t)]
  yield ['without memory', call('_efficientzerotensor', t.shape, { dtype: t.dtype })]
  if (t.dtype.startsWith('float')) yield ['negated when it is read', call('_neg_view', t)]
}
/** Other sizes and ranks. */
function* resized(t: Tensor, { free = [], also }: Argument): Generator<[string, Tensor]> {
  const like = (shape: number[]) => (t.dtype === 'float32' ? tensor(shape) : tensor(shape).to(t.dtype))
  for (const [i, size] of t.shape.entries())
    for (const other of [0, 1, size - 1, size + 1, 2 * size, size + 32])
      if (other !== size && !(free.includes(i) && other > 0) && !also?.(t.shape.with(i, other))) {
        if (other === 0 && i === 0 && free.includes(0)) continue // no pictures: a test of its own
        yield [`[${t.shape.with(i, other)}]`, like(t.shape.with(i, other))]
      }
  yield ['of one dimension more', t.unsqueeze(0)]
  yield ['of one dimension less', t.shape.length > 1 ? t.flatten(0, 1) : t.select(0, 0)]
  yield ['of none', tensor([])]
  yield ['empty', like([0])]
}

/** Wrong and other values for an argument; `right` of those that may serve as well. */
function* variants(argument: Argument): Generator<[string, unknown, boolean]> {
  const { value, lies, types, wrong = [], optional } = argument
  const ofTensor = function* (
    t: Tensor,
    at: (other: Tensor) => unknown,
    how = lies,
  ): Generator<[string, unknown, boolean]> {
    for (const [what, other] of unreadable(t, types)) yield [what, at(other), false]
    for (const [what, other] of resized(t, argument)) yield [what, at(other), false]
    if (!how) for (const [what, other] of otherwise(t)) yield [what, at(other), true]
    else for (const [what, other] of otherwise(t)) if (!what.startsWith('from')) yield [what, at(other), false]
  }
  if (value instanceof Tensor) yield* ofTensor(value, t => t)
  if (Array.isArray(value) && value[0] instanceof Tensor) {
    const list = value as Tensor[]
    for (const [i, t] of list.entries()) {
      // Running statistics are written where they lie.
      const written = lies || (list.length % 5 === 0 && i % 5 > 2)
      for (const [what, other, right] of ofTensor(t, one => (copied(list) as Tensor[]).with(i, one), written))
        yield [`${i}: ${what}`, other, right]
      yield [`${i}: none`, list.with(i, null as unknown as Tensor), false]
    }
    yield ['one tensor less', list.slice(1), false]
    yield ['one tensor more', [...list, list[0]!], false]
    yield ['no tensors', [], false]
  }
  if (!optional && (value instanceof Tensor || Array.isArray(value))) yield ['none', null, false]
  for (const other of wrong)
    yield [other instanceof Tensor ? `wrong ${other.numbers().slice(0, 6)}` : `${other}`, other, false]
}

const withArgument = (args: readonly Argument[], name: string, value: unknown) =>
  args.map(a => (a.name === name ? value : a.value instanceof Tensor ? a.value.clone() : copied(a.value)))
const copied = (value: unknown) =>
  Array.isArray(value) ? value.map(v => (v instanceof Tensor ? v.clone() : v)) : value

describe('operators refuse what does not fit', { skip: lacksFloat }, () => {
  test('every operator is in the table', () => {
    const ours = native
      .schemas()
      .filter(s => s.startsWith('anneal::'))
      .map(s => s.split('(')[0]!.slice('anneal::'.length))
    // of no tensors; `sum_over_ranks` is no kernel, and is tested below
    const without = [
      'kernel_sets',
      'kernel_sets_in_use',
      'kernel_calls',
      'use_kernel_set',
      'conv_ways',
      'has_convolutions',
      'sum_over_ranks',
    ]
    assert.deepEqual(
      ours.filter(name => !without.includes(name) && !(name in operators)),
      [],
      'operators without a line',
    )
    assert.ok(ours.length > without.length + 10, `${ours.length} operators`)
  })

  test('sum_over_ranks: a group that this process is not in', {
    skip: native.schemas().some(s => s.startsWith('anneal::sum_over_ranks')) ? false : 'this build joins no groups',
  }, () => {
    assert.throws(() => call('anneal::sum_over_ranks', tensor([4]), 'nobody'), TorchError)
    assert.throws(() => call('anneal::sum_over_ranks', tensor([4]), 7), TorchError)
  })

  for (const [key, { args }] of Object.entries(operators))
    for (const { name } of args())
      test(`${key}: ${name}`, () =>
        noGrad(() => {
          const table = args()
          const argument = table.find(a => a.name === name)!
          const right = outcome(key, withArgument(table, name, copied(argument.value)))!
          for (const [what, other, serves] of variants(argument)) {
            const given = withArgument(table, name, other)
            let found: number[][] | undefined
            try {
              found = outcome(key, given)
            } catch (error) {
              assert.ok(!serves, `${name} ${what}: ${(error as Error).message}`)
              assert.ok(error instanceof TorchError, `${name} ${what}: ${error}`)
              const { message } = error
              assert.match(message, new RegExp(`^${nameOf(key)}: `), `${name} ${what}`)
              continue
            }
            if (serves && found) near(found, right, `${name} ${what}`)
            else assert.ok(argument.libtorch, `${name} ${what}: not refused`)
          }
        }))
})

function near(found: number[][], right: number[][], what: string): void {
  assert.equal(found.length, right.length, `${what}: as many tensors`)
  for (const [i, values] of found.entries()) {
    assert.equal(values.length, right[i]!.length, `${what}: as many values`)
    for (const [j, v] of values.entries()) {
      const expected = right[i]![j]!
      if (!(Math.abs(v - expected) <= 1e-4 * (1 + Math.abs(expected))))
        assert.fail(`${what}: ${v} at ${j}, right ${expected}`)
    }
  }
}

const learning = Object.entries(operators).filter(([, o]) => o.learns)
/** A right call whose arguments learn, and those. */
function learner(key: string): { args: unknown[]; learns: Tensor[] } {
  const { args, learns = [] } = operators[key]!
  const found: Tensor[] = []
  const learned = (t: Tensor): Tensor => {
    const own = t.detach().clone()
    own.requiresGrad = true
    found.push(own)
    return own
  }
  const made = args().map(({ name, value }) => {
    if (!learns.includes(name)) return value
    return value instanceof Tensor ? learned(value) : (value as Tensor[]).map((t, i) => (i < 3 ? learned(t) : t))
  })
  return { args: made, learns: found }
}

describe('gradients', { skip: lacksFloat }, () => {
  for (const [key] of learning)
    test(`${key}: a gradient of other sizes or devices is refused, one that lies otherwise serves`, () => {
      const gradients = (of: (y: Tensor) => Tensor) => {
        const { args, learns } = learner(key)
        const y = call(nameOf(key), ...args) as Tensor
        y.backward({ gradient: of(y) })
        return learns.map(t => t.grad!.numbers())
      }
      const g = (y: Tensor) => tensor(y.shape, 9)
      const right = gradients(g)
      for (const [what, other] of otherwise(g(call(nameOf(key), ...learner(key).args) as Tensor)))
        near(
          gradients(() => other),
          right,
          what,
        )
      near(
        gradients(y => g(y).to('float64')),
        right,
        'float64',
      )
      for (const change of [
        (y: Tensor) => tensor(y.shape.with(0, y.shape[0]! + 1)),
        (y: Tensor) => tensor(y.shape.with(1, y.shape[1]! - 1)),
        (y: Tensor) => tensor(y.shape.slice(1)),
        (y: Tensor) => tensor([...y.shape, 2]),
        (y: Tensor) => call('empty', y.shape, { device: 'meta' }) as Tensor,
      ])
        assert.throws(() => gradients(change), TorchError)
    })
})

describe('no pictures', { skip: lacksFloat }, () => {
  for (const [key, { none }] of Object.entries(operators).filter(([, o]) => o.none))
    for (const half of kernelSets('bfloat16').length > 0 ? [false, true] : [false])
      test(`${key}${half ? ' in bfloat16' : ''}: give nothing, in the right shape, and gradients of zeros`, () => {
        const { args, learns } = operators[key]!.learns
          ? learner(key)
          : { args: operators[key]!.args().map(a => a.value), learns: [] }
        const table = operators[key]!.args()
        const empty = args.map((value, i) => {
          const { name } = table[i]!
          if (name === 'half') return half
          if (name !== 'x' && name !== 'residual') return value
          if (!(value instanceof Tensor)) return value
          const given = value.detach().narrow(0, 0, 0).clone()
          given.requiresGrad = value.requiresGrad
          return name === 'x' || value.shape.length === 4 ? given : value
        })
        const y = call(nameOf(key), ...empty) as Tensor
        assert.deepEqual(y.shape, none, 'shape')
        if (learns.length === 0) return
        y.sum().backward()
        for (const t of [...learns.filter(t => !args.includes(t) || empty.includes(t)), ...empty]) {
          if (!(t instanceof Tensor && t.requiresGrad)) continue
          assert.deepEqual(t.grad?.shape, t.shape, 'a gradient of its shape')
          assert.ok(
            t.grad!.numbers().every(v => v === 0),
            'zeros',
          )
        }
      })
  test('have no statistics of a batch', () => {
    for (const key of ['inverted_residual', 'stem_block', 'pointwise_relu6', 'norm_act']) {
      const args = operators[key]!.args()
      const empty = args.map(({ name, value }) =>
        name === 'training' ? true : name === 'x' || name === 'residual' ? firstNone(value) : value,
      )
      assert.throws(
        () => call(nameOf(key), ...empty),
        /x: expected at least one value a channel, .* got float32 \[0,/,
        key,
      )
    }
  })
})
const firstNone = (value: unknown) => (value instanceof Tensor ? value.narrow(0, 0, 0) : value)

describe('messages', { skip: lacksFloat }, () => {
  const refused = (key: string, name: string, value: unknown) => {
    const table = operators[key]!.args()
    try {
      call(nameOf(key), ...withArgument(table, name, value))
    } catch (error) {
      return (error as Error).message
    }
    return assert.fail(`${key} took ${name}`)
  }
  test('name the operator, the argument, what was expected and what was given', () => {
    const expand = layer(24, 16, 1, 1)
    assert.match(
      refused('inverted_residual', 'expand', expand.with(1, positive([1]))),
      /^anneal::inverted_residual: expand gamma: expected float32 \[24\] on the CPU, got float32 \[1\]/,
    )
    assert.match(
      refused('inverted_residual', 'project', layer(16, 8, 1, 1)),
      /project weight: expected float32 \[16, 24, 1, 1\] on the CPU, got float32 \[16, 8, 1, 1\]/,
    )
    assert.match(
      refused('inverted_residual', 'project', layer(20, 24, 1, 1)),
      /residual: expected .* 16 inputs and 20 outputs/,
    )
    assert.match(
      refused('conv3x3', 'residual', maps([3, 96, 16, 11])),
      /residual: expected what the convolution makes, \[3, 96, 16, 12\], got float32 \[3, 96, 16, 11\]/,
    )
    assert.match(
      refused('norm_act', 'beta', tensor([20]).to('float64')),
      /beta: expected float32 \[20\] .*, got float64 \[20\]/,
    )
    assert.match(refused('mobile_body', 'form', blockForm.with(4, 1)), /part 1 to be 0 \(block\), 1 \(stem/)
    assert.match(refused('adam_', 'mean', []), /mean and square: expected 2 tensors, one a weight, got 0 and 2/)
  })
})
