import { ModelError } from '../base/errors.ts'
import type { DType } from '../torch/index.ts'
import { type Trace, type TracedArgument, type TracedCall, TracedConstant, TracedValue } from '../torch/trace.ts'

/** So many times the number of pictures of a batch. */
export class Batch {
  readonly times: number
  constructor(times: number) {
    this.times = times
  }
}
/** A dimension, or another whole number that may depend on the number of pictures. */
export type Dim = number | Batch

/** A value that a network computes from its pictures. */
export class Value {
  readonly shape: readonly Dim[]
  readonly dtype: DType
  constructor(shape: readonly Dim[], dtype: DType) {
    this.shape = shape
    this.dtype = dtype
  }
}

/** A tensor of numbers that are known at export. */
export class Fixed {
  readonly name: string | undefined
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly data: Uint8Array
  /** It stands for so many copies of itself after each other along the first dimension, whose size here is 1. */
  readonly repeated: Batch | undefined
  constructor(
    { name, shape, dtype, data }: Pick<TracedConstant, 'name' | 'shape' | 'dtype' | 'data'>,
    repeated?: Batch,
  ) {
    this.name = name
    this.shape = shape
    this.dtype = dtype
    this.data = data
    this.repeated = repeated
  }
}

/** An argument of an operation. */
export type Argument = Value | Fixed | Batch | number | bigint | string | boolean | null | readonly Argument[]

/** One operator of libtorch on values and constants. */
export interface Operation {
  operator: string
  arguments: Readonly<Record<string, Argument>>
  results: readonly Value[]
}

/** What a network computes from pictures, for any number of them. */
export interface Program {
  input: Value
  operations: readonly Operation[]
  outputs: readonly Value[]
}

/** Joins two traces of one function, over `counts` pictures, to a program for any number of pictures: a number in which
 *  they differ is a multiple of the number of pictures. Throws where they differ otherwise. */
export function joinTraces(traces: readonly [Trace, Trace], counts: readonly [number, number], model: string): Program {
  const [first, second] = traces
  const values = new Map<number, Value>()
  const constants = new Map<TracedConstant, Fixed>()
  const dim = (a: number, b: number, where: string): Dim => {
    if (a === b) return a
    if (a % counts[0] === 0 && a / counts[0] === b / counts[1]) return new Batch(a / counts[0])
    throw new ModelError(
      `${model}: ${where} is ${a} for a batch of ${counts[0]} pictures and ${b} for one of ${counts[1]}; a graph needs a number that is the same for all batches, or a multiple of the number of pictures`,
    )
  }
  const value = (a: TracedValue, b: TracedValue, where: string): Value => {
    let known = values.get(a.id)
    if (!known) {
      if (a.shape.length !== b.shape.length) throw parts(model, where)
      const shape = a.shape.map((size, i) => dim(size, b.shape[i]!, `the size of a result of ${where}`))
      known = new Value(shape, a.dtype)
      values.set(a.id, known)
    }
    return known
  }
  const constant = (a: TracedConstant, b: TracedConstant, where: string): Fixed => {
    let known = constants.get(a)
    if (!known) constants.set(a, (known = joinConstants(a, b, { counts, model, where })))
    return known
  }
  const argument = (a: TracedArgument, b: TracedArgument, where: string): Argument => {
    if (a instanceof TracedValue && b instanceof TracedValue) {
      if (a.id !== b.id) throw parts(model, where)
      return value(a, b, where)
    }
    if (a instanceof TracedConstant && b instanceof TracedConstant) return constant(a, b, where)
    if (Array.isArray(a) && Array.isArray(b) && a.length === b.length)
      return a.map((item, i) => argument(item, b[i], where))
    if (typeof a === 'number' && typeof b === 'number') return Object.is(a, b) ? a : dim(a, b, `a number of ${where}`)
    if (a !== b) throw parts(model, where)
    return a as Argument
  }
  if (first.calls.length !== second.calls.length) throw parts(model, 'the list of its operators')
  const input = value(first.input, second.input, 'the input')
  const operations = first.calls.map((call, i): Operation => {
    const other = second.calls[i]!
    if (!sameOperator(call, other)) throw parts(model, `${call.operator} (there ${other.operator})`)
    const { operator } = call
    const args = Object.entries(call.arguments).map(
      ([name, a]) => [name, argument(a, other.arguments[name]!, `${operator} (${name})`)] as const,
    )
    const results = call.results.map((a, j) => value(a, other.results[j]!, operator))
    return { operator, arguments: Object.fromEntries(args), results }
  })
  return { input, operations, outputs: first.outputs.map((a, i) => value(a, second.outputs[i]!, 'an output')) }
}

const sameOperator = (a: TracedCall, b: TracedCall): boolean =>
  a.operator === b.operator && a.overload === b.overload && a.results.length === b.results.length

const parts = (model: string, where: string): ModelError =>
  new ModelError(
    `${model}: two runs over batches of different size differ in ${where}, so the net can't be written as one graph. A net that draws random numbers, or decides by the number of pictures, does that; make it compute the same for each picture`,
  )

function joinConstants(
  a: TracedConstant,
  b: TracedConstant,
  { counts, model, where }: { counts: readonly [number, number]; model: string; where: string },
): Fixed {
  if (a === b) return new Fixed(a)
  const [size, ...rest] = a.shape
  if (String(a.shape) === String(b.shape)) {
    if (Buffer.compare(a.data, b.data) !== 0) throw parts(model, `a constant of ${where}`)
    return new Fixed(a)
  }
  const [sizeThere, ...restThere] = b.shape
  const times = (size ?? 0) / counts[0]
  const row = a.data.length / (size || 1)
  const repeats = (t: TracedConstant) =>
    Array.from({ length: t.shape[0]! }, (_, i) => i).every(
      i => Buffer.compare(t.data.subarray(i * row, (i + 1) * row), a.data.subarray(0, row)) === 0,
    )
  const regular = Number.isInteger(times) && times * counts[1] === sizeThere && String(rest) === String(restThere)
  if (!regular || !repeats(a) || !repeats(b))
    throw new ModelError(
      `${model}: a constant of ${where} has the shape [${a.shape}] for a batch of ${counts[0]} pictures and [${b.shape}] for one of ${counts[1]}; a graph needs one that is equal for all pictures`,
    )
  return new Fixed({ ...a, shape: [1, ...rest], data: a.data.slice(0, row) }, new Batch(times))
}
