import { type Argument, Fixed, type Operation, type Program, Value } from './program.ts'

/** The same program with fewer operations: none whose results nobody reads, none that changes nothing, padding inside
 *  the convolution that it is for, BatchNorm inside the layer before or after it. */
export const simplify = (program: Program): Program =>
  [withoutExamples, withoutCopies, withoutUnread, foldPads, foldNormAfter, foldNormBefore].reduce(
    (p, step) => step(p),
    program,
  )

/** The values in an argument. */
export function* valuesIn(argument: Argument): Generator<Value> {
  if (argument instanceof Value) yield argument
  else if (Array.isArray(argument)) for (const item of argument) yield* valuesIn(item)
}
const valuesOf = ({ arguments: args }: Operation): Value[] => Object.values(args).flatMap(a => [...valuesIn(a)])

function replaced(argument: Argument, by: ReadonlyMap<Value, Value>): Argument {
  if (argument instanceof Value) return by.get(argument) ?? argument
  return Array.isArray(argument) ? argument.map(item => replaced(item, by)) : argument
}
const withArguments = (operation: Operation, change: (a: Argument, name: string) => Argument): Operation => ({
  ...operation,
  arguments: Object.fromEntries(Object.entries(operation.arguments).map(([name, a]) => [name, change(a, name)])),
})

/** Arguments of which an operator takes the shape or the type alone, which its result has. */
const examples: Record<string, string> = {
  reshape_as: 'other',
  view_as: 'other',
  expand_as: 'other',
  type_as: 'other',
  copy: 'self',
  zeros_like: 'self',
  ones_like: 'self',
  full_like: 'self',
  new_zeros: 'self',
  new_ones: 'self',
  new_full: 'self',
}
const withoutExamples = (program: Program): Program => ({
  ...program,
  operations: program.operations.map(operation =>
    withArguments(operation, (a, name) => (examples[operation.operator] === name ? null : a)),
  ),
})

const copies = new Set(['clone', 'contiguous', 'detach', 'alias', 'to', '_to_copy', 'type_as'])

function withoutCopies({ input, operations, outputs }: Program): Program {
  const same = new Map<Value, Value>()
  const kept: Operation[] = []
  for (const operation of operations) {
    const now = withArguments(operation, a => replaced(a, same))
    const { operator, arguments: args, results } = now
    const source = operator.endsWith('dropout') ? args.train === false && args.input : args.self
    const copies_ = operator.endsWith('dropout') || copies.has(operator)
    if (copies_ && source instanceof Value && source.dtype === results[0]!.dtype) same.set(results[0]!, source)
    else kept.push(now)
  }
  return { input, operations: kept, outputs: outputs.map(v => same.get(v) ?? v) }
}

function withoutUnread(program: Program): Program {
  const read = new Set(program.outputs)
  const kept: Operation[] = []
  for (const operation of program.operations.toReversed()) {
    if (!operation.results.some(v => read.has(v))) continue
    for (const v of valuesOf(operation)) read.add(v)
    kept.unshift(operation)
  }
  return { ...program, operations: kept }
}

/** The operation that makes each value, and how often each is read. */
function uses({ operations, outputs }: Program) {
  const maker = new Map<Value, Operation>()
  const reads = new Map<Value, number>()
  const count = (v: Value) => reads.set(v, (reads.get(v) ?? 0) + 1)
  for (const operation of operations) {
    for (const v of operation.results) maker.set(v, operation)
    for (const v of valuesOf(operation)) count(v)
  }
  for (const v of outputs) count(v)
  /** The operation that makes an argument, if it is read only once. */
  const only = (a: Argument | undefined): Operation | undefined =>
    a instanceof Value && reads.get(a) === 1 ? maker.get(a) : undefined
  return { only }
}

/** Replaces pairs of an operation and the one that makes an argument of it. `join` returns the one that does the work of
 *  both, and the argument. */
function fuse(
  program: Program,
  join: (operation: Operation, only: (a: Argument | undefined) => Operation | undefined) => Fused | undefined,
): Program {
  const { only } = uses(program)
  const gone = new Set<Operation>()
  const operations = program.operations.map(operation => {
    const fused = join(operation, a => {
      const found = only(a)
      return found && gone.has(found) ? undefined : found
    })
    if (!fused) return operation
    gone.add(fused.without)
    return fused.by
  })
  return { ...program, operations: operations.filter((_, i) => !gone.has(program.operations[i]!)) }
}
interface Fused {
  by: Operation
  without: Operation
}

/** Zeros around a map that one convolution reads are the convolution's own padding. */
const foldPads = (program: Program): Program =>
  fuse(program, (operation, only) => {
    if (operation.operator !== 'conv2d' || typeof operation.arguments.padding === 'string') return undefined
    const pad = only(operation.arguments.input)
    if (pad?.operator !== 'constant_pad_nd' || (pad.arguments.value ?? 0) !== 0) return undefined
    const [left = 0, right = 0, top = 0, bottom = 0, ...others] = pad.arguments.pad as number[]
    if (others.some(n => n !== 0) || [left, right, top, bottom].some(n => n < 0)) return undefined
    const [y = 0, x = y] = operation.arguments.padding as number[]
    const by = {
      ...operation.arguments,
      padding: null,
      input: pad.arguments.self!,
      pads: [top + y, left + x, bottom + y, right + x],
    }
    return { by: { ...operation, arguments: by }, without: pad }
  })

/** A BatchNorm with kept statistics as x · scale + shift by channel, in doubles. */
function affineOf({ operator, arguments: args }: Operation): { scale: Float64Array; shift: Float64Array } | undefined {
  if (operator !== 'batch_norm' || args.training !== false) return undefined
  const [mean, variance] = [numbers(args.running_mean), numbers(args.running_var)]
  if (!mean || !variance) return undefined
  const weight = args.weight === null ? mean.map(() => 1) : numbers(args.weight)
  const bias = args.bias === null ? mean.map(() => 0) : numbers(args.bias)
  if (!weight || !bias) return undefined
  const scale = weight.map((w, i) => w / Math.sqrt(variance[i]! + (args.eps as number)))
  return { scale, shift: bias.map((b, i) => b - mean[i]! * scale[i]!) }
}

function numbers(a: Argument | undefined): Float64Array | undefined {
  if (!(a instanceof Fixed) || a.dtype !== 'float32' || a.repeated) return undefined
  return Float64Array.from(new Float32Array(a.data.buffer, a.data.byteOffset, a.data.length / 4))
}
const fixed = (values: Float64Array, shape: readonly number[], name: string | undefined): Fixed =>
  new Fixed({ name, shape, dtype: 'float32', data: new Uint8Array(Float32Array.from(values).buffer) })
const nameOf = (a: Argument | undefined) => (a instanceof Fixed ? a.name : undefined)

/** bn(W x + b) = (scale · W) x + (scale · b + shift). */
const foldNormAfter = (program: Program): Program =>
  fuse(program, (operation, only) => {
    const norm = affineOf(operation)
    const layer = norm && only(operation.arguments.input)
    if (!layer || (layer.operator !== 'conv2d' && layer.operator !== 'linear')) return undefined
    // Of a linear layer on more than vectors, the channels of BatchNorm are not those of the layer.
    if (layer.operator === 'linear' && layer.results[0]!.shape.length !== 2) return undefined
    const weight = numbers(layer.arguments.weight)
    const bias = layer.arguments.bias === null ? norm.scale.map(() => 0) : numbers(layer.arguments.bias)
    if (!weight || !bias) return undefined
    const { shape } = layer.arguments.weight as Fixed
    const row = weight.length / norm.scale.length
    const args = {
      ...layer.arguments,
      weight: fixed(
        weight.map((w, i) => w * norm.scale[Math.floor(i / row)]!),
        shape,
        nameOf(layer.arguments.weight),
      ),
      bias: fixed(
        bias.map((b, i) => b * norm.scale[i]! + norm.shift[i]!),
        [bias.length],
        nameOf(layer.arguments.bias) ?? nameOf(operation.arguments.bias),
      ),
    }
    return { by: { ...layer, arguments: args, results: operation.results }, without: layer }
  })

/** W bn(x) + b = (W · scale) x + (W shift + b), for vectors x. */
const foldNormBefore = (program: Program): Program =>
  fuse(program, (operation, only) => {
    const layer = operation.arguments
    if (operation.operator !== 'linear' || operation.results[0]!.shape.length !== 2) return undefined
    const before = only(layer.input)
    const norm = before && affineOf(before)
    const weight = numbers(layer.weight)
    const bias = layer.bias === null ? undefined : numbers(layer.bias)
    if (!norm || !weight || (layer.bias !== null && !bias)) return undefined
    const [rows, columns] = (layer.weight as Fixed).shape as [number, number]
    const shift = new Float64Array(rows)
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) shift[i]! += weight[i * columns + j]! * norm.shift[j]!
    const args = {
      ...layer,
      input: before.arguments.input!,
      weight: fixed(
        weight.map((w, i) => w * norm.scale[i % columns]!),
        [rows, columns],
        nameOf(layer.weight),
      ),
      bias: fixed(
        shift.map((s, i) => s + (bias?.[i] ?? 0)),
        [rows],
        nameOf(layer.bias) ?? nameOf(before.arguments.bias),
      ),
    }
    return { by: { ...operation, arguments: args }, without: before }
  })
