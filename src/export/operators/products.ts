import { bytesOf } from '../../onnx/index.ts'
import { fromArray, scope } from '../../torch/index.ts'
import { Fixed, type Value } from '../program.ts'
import { type Arguments, axisOf, type Emitter, type Rule } from './emitter.ts'

/** x · weightᵀ + bias over the last dimension. For vectors one Gemm, which fuses the sum. */
const linear: Rule = (e, args) => {
  const [x, weight, bias] = [args.tensor('input'), args.tensor('weight'), args.maybe('bias')]
  if (x.shape.length === 2 && weight.shape.length === 2)
    return e.add('Gemm', [e.name(x), e.name(weight), ...(bias ? [e.name(bias)] : [])], { transB: 1 })
  const product = e.add('MatMul', [e.name(x), swapped(e, weight)])
  return bias ? e.add('Add', [product, e.name(bias)]) : product
}

/** A tensor with its last two dimensions swapped; a constant is swapped here. */
function swapped(e: Emitter, t: Value | Fixed): string {
  const rank = t.shape.length
  if (t instanceof Fixed && rank === 2 && !t.repeated && t.dtype === 'float32') return e.name(transposeFixed(t))
  const perm = Array.from({ length: rank }, (_, i) => i)
  if (rank > 1) perm.splice(-2, 2, rank - 1, rank - 2)
  return e.add('Transpose', [e.name(t)], { perm })
}

const known = new WeakMap<Fixed, Fixed>()
function transposeFixed(t: Fixed): Fixed {
  let made = known.get(t)
  if (!made) {
    const [rows, columns] = t.shape as [number, number]
    const elements = scope(() => fromArray(t.data, t.shape, { dtype: 'float32' }).transpose(0, 1).data())
    made = new Fixed({ name: t.name, shape: [columns, rows], dtype: t.dtype, data: bytesOf(elements) })
    known.set(t, made)
  }
  return made
}

const matmul =
  (first = 'self', second = 'other'): Rule =>
  (e, args) =>
    e.add('MatMul', [e.name(args.tensor(first)), e.name(args.tensor(second))])

/** beta · self + alpha · mat1 · mat2. */
const addmm: Rule = (e, args) =>
  e.add('Gemm', [e.name(args.tensor('mat1')), e.name(args.tensor('mat2')), e.name(args.tensor('self'))], {
    alpha: { float: args.number('alpha') },
    beta: { float: args.number('beta') },
  })

const baddbmm: Rule = (e, args, { results: [y] }) => {
  const by = (name: string, factor: string) => {
    const n = args.number(factor)
    return n === 1 ? name : e.add('Mul', [name, e.scalar(n, y!.dtype)])
  }
  const product = e.add('MatMul', [e.name(args.tensor('batch1')), e.name(args.tensor('batch2'))])
  return e.add('Add', [by(e.name(args.tensor('self')), 'beta'), by(product, 'alpha')])
}

const einsum: Rule = (e, args) =>
  e.add(
    'Einsum',
    args.tensors('tensors').map(t => e.name(t)),
    {
      equation: String(args.get('equation')).replaceAll(' ', ''),
    },
  )

const softmax: Rule = (e, args, { results: [y] }) =>
  e.add('Softmax', [e.operand(args.tensor('self'), y!.dtype)], { axis: axisOf(args.number('dim'), y!.shape.length) })
const logSoftmax: Rule = (e, args, { results: [y] }) =>
  e.add('LogSoftmax', [e.operand(args.tensor('self'), y!.dtype)], { axis: axisOf(args.number('dim'), y!.shape.length) })

/** softmax(q kᵀ · scale + mask) v. */
const attention: Rule = (e, args, { results: [y] }) => {
  const [q, k, v] = [args.tensor('query'), args.tensor('key'), args.tensor('value')]
  if (args.number('dropout_p') !== 0)
    throw e.error('has dropout, as in training; switch the module to evaluation (eval())')
  args.only('enable_gqa', false)
  const { dtype } = y!
  const scale = args.maybeNumber('scale') ?? 1 / Math.sqrt(Number(q.shape.at(-1)))
  const scores = e.add('MatMul', [e.add('Mul', [e.name(q), e.scalar(scale, dtype)]), swapped(e, k)])
  const weights = e.add('Softmax', [masked(e, args, scores, { q, k })], { axis: -1 })
  return e.add('MatMul', [weights, e.name(v)])
}

function masked(e: Emitter, args: Arguments, scores: string, { q, k }: { q: Value | Fixed; k: Value | Fixed }): string {
  const mask = args.maybe('attn_mask')
  const causal = args.flag('is_causal')
  if (mask?.dtype === 'bool') return e.add('Where', [e.name(mask), scores, e.scalar(-Infinity, q.dtype)])
  if (mask) return e.add('Add', [scores, e.name(mask)])
  if (!causal) return scores
  const [rows, columns] = [Number(q.shape.at(-2)), Number(k.shape.at(-2))]
  const later = Float32Array.from({ length: rows * columns }, (_, i) =>
    i % columns > Math.floor(i / columns) ? -Infinity : 0,
  )
  return e.add('Add', [scores, e.floats(later, [rows, columns])])
}

/** Products of matrices. */
export const products: Record<string, Rule> = {
  linear,
  matmul: matmul(),
  mm: matmul('self', 'mat2'),
  bmm: matmul('self', 'mat2'),
  mv: matmul('self', 'vec'),
  addmm,
  baddbmm,
  einsum,
  softmax,
  log_softmax: logSoftmax,
  scaled_dot_product_attention: attention,
}
