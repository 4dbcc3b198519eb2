import type { Fixed, Value } from '../program.ts'
import { type Arguments, axisOf, type Emitter, type Rule } from './emitter.ts'

/** A reduction over the dimensions of `dim`, or over all. */
const reduce =
  (op: string): Rule =>
  (e, args, { results: [y] }) => {
    const x = args.tensor('self')
    return e.add(op, [e.operand(x, y!.dtype), e.ints(axesOf(x, args))], { keepdims: args.flag('keepdim') ? 1 : 0 })
  }

/** The dimensions in `dim`; all where it names none. */
function axesOf(x: Value | Fixed, args: Arguments): number[] {
  const given = args.get('dim') === null ? [] : args.ints('dim')
  return given.length > 0 ? given.map(dim => axisOf(dim, x.shape.length)) : x.shape.map((_, i) => i)
}

/** The mean of squared differences from the mean, times n / (n - correction). */
function variance(e: Emitter, args: Arguments, dtype: Value['dtype']): string {
  const x = args.tensor('self')
  const axes = axesOf(x, args)
  const count = axes.reduce((n, axis) => n * countOf(e, x, axis), 1)
  const correction = args.maybeNumber('correction') ?? (args.get('unbiased') === false ? 0 : 1)
  const apart = e.add('Sub', [e.name(x), e.add('ReduceMean', [e.name(x), e.ints(axes)], { keepdims: 1 })])
  const sum = e.add('ReduceSumSquare', [apart, e.ints(axes)], { keepdims: args.flag('keepdim') ? 1 : 0 })
  return e.add('Div', [sum, e.scalar(count - correction, dtype)])
}
function countOf(e: Emitter, x: Value | Fixed, axis: number): number {
  const size = x.shape[axis]!
  if (typeof size !== 'number') throw e.error('reads all pictures of a batch at once; give it the dimensions of one')
  return size
}

/** A norm of order 1 or 2. */
const norm =
  (order: string): Rule =>
  (e, args, operation) => {
    const p = args.maybeNumber(order) ?? 2
    if (p !== 1 && p !== 2) throw e.error(`is of order ${p}, and only 1 and 2 can be written into a graph here`)
    return reduce(`ReduceL${p}`)(e, args, operation)
  }

const cumsum: Rule = (e, args, { results: [y] }) => {
  const axis = axisOf(args.number('dim'), y!.shape.length)
  return e.add('CumSum', [e.operand(args.tensor('self'), y!.dtype), e.scalar(axis, 'int64')])
}

/** Maximum or minimum: of everything, over one dimension (without its places), or of two tensors. */
const extreme =
  (op: 'Max' | 'Min'): Rule =>
  (e, args, operation) => {
    if (args.get('other') !== null) return e.add(op, [e.name(args.tensor('self')), e.name(args.tensor('other'))])
    return reduce(`Reduce${op}`)(e, args, operation)
  }

/** Sums, means and extremes over dimensions. */
export const reduction: Record<string, Rule> = {
  mean: reduce('ReduceMean'),
  sum: reduce('ReduceSum'),
  prod: reduce('ReduceProd'),
  amax: reduce('ReduceMax'),
  amin: reduce('ReduceMin'),
  logsumexp: reduce('ReduceLogSumExp'),
  var: (e, args, { results: [y] }) => variance(e, args, y!.dtype),
  std: (e, args, { results: [y] }) => e.add('Sqrt', [variance(e, args, y!.dtype)]),
  norm: norm('p'),
  linalg_vector_norm: norm('ord'),
  cumsum,
  max: extreme('Max'),
  min: extreme('Min'),
}
