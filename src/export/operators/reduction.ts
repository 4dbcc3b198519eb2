import { axisOf, type Rule } from './emitter.ts'

/** A reduction over the dimensions of `dim`, or over all. */
const reduce =
  (op: string): Rule =>
  (e, args, { results: [y] }) => {
    const x = args.tensor('self')
    const rank = x.shape.length
    const given = args.get('dim') === null ? [] : args.ints('dim')
    const dims = given.length > 0 ? given : Array.from({ length: rank }, (_, i) => i)
    const axes = e.ints(dims.map(dim => axisOf(dim, rank)))
    return e.add(op, [e.operand(x, y!.dtype), axes], { keepdims: args.flag('keepdim') ? 1 : 0 })
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
  max: extreme('Max'),
  min: extreme('Min'),
}
