import { TensorError } from '../base/errors.ts'
import { isOptions, type Observer, observe, schemasOf } from './call.ts'
import type { DType } from './dtypes.ts'
import { autocast, noGrad } from './grad.ts'
import { isTensor, type TensorHandle } from './handle.ts'
import { withKernels } from './kernels.ts'
import { native } from './native.ts'
import { bind, parseSchema, type Schema } from './schema.ts'
import { scope } from './scope.ts'
import type { Tensor } from './tensor.ts'

/** A value that a traced function computes from its input. */
export class TracedValue {
  readonly id: number
  readonly shape: readonly number[]
  readonly dtype: DType
  constructor(id: number, shape: readonly number[], dtype: DType) {
    this.id = id
    this.shape = shape
    this.dtype = dtype
  }
}

/** A tensor that a traced function does not compute from its input: weights, and what is computed from them alone. */
export class TracedConstant {
  /** The name of the weight that it is, or that it was computed from first. */
  readonly name: string | undefined
  readonly shape: readonly number[]
  readonly dtype: DType
  /** A copy of the elements, row-major. */
  readonly data: Uint8Array
  constructor(name: string | undefined, shape: readonly number[], dtype: DType, data: Uint8Array) {
    this.name = name
    this.shape = shape
    this.dtype = dtype
    this.data = data
  }
}

/** An argument of a traced call. */
export type TracedArgument =
  | TracedValue
  | TracedConstant
  | number
  | bigint
  | string
  | boolean
  | null
  | readonly TracedArgument[]

/** A call of an operator on values that depend on the input. */
export interface TracedCall {
  /** Its name without overload: `conv2d`, `anneal::conv3x3`. One in place (`relu_`) has the name of the other (`relu`):
   *  its result is a new value. */
  operator: string
  overload: string
  /** All arguments by their names in the schema, with defaults filled in. */
  arguments: Readonly<Record<string, TracedArgument>>
  /** The tensors that it returns, in order, those in lists too. */
  results: readonly TracedValue[]
}

/** The calls by which a function computes its outputs from its input, in order. */
export interface Trace {
  input: TracedValue
  calls: readonly TracedCall[]
  outputs: readonly TracedValue[]
}

/** What a trace takes beside the function. */
export interface TraceOptions {
  /** Names of weights, for the constants. */
  names?: ReadonlyMap<TensorHandle, string>
  /** Constants of the named tensors, so that several traces share them. */
  constants?: Map<TensorHandle, TracedConstant>
}

/** Runs `fn` on a tensor in float32, with libtorch's kernels and without gradients, and records the operators that
 *  compute its outputs. Operators on constants alone are not recorded: their results are constants. Throws where `fn`
 *  reads elements of a tensor that depends on the input, because a record can't hold what it decides by them. */
export function trace(
  fn: (x: Tensor) => readonly Tensor[],
  input: Tensor,
  { names = new Map(), constants = new Map() }: TraceOptions = {},
): Trace {
  const recorder = new Recorder(names, constants)
  const before = observe(undefined)
  if (before) {
    observe(before)
    throw new TensorError('trace: a trace is running already; call trace after it')
  }
  return withKernels('aten', () =>
    noGrad(() =>
      autocast(
        'float32',
        () =>
          scope(() => {
            const start = recorder.begin(input)
            observe(recorder)
            try {
              return recorder.end(start, fn(input))
            } finally {
              observe(undefined)
            }
          }),
        { device: input.device },
      ),
    ),
  )
}

/** What the handles of one tensor stand for at this time. Views are children of what they look at. */
interface Slot {
  value: TracedValue
  parent: Slot | undefined
  /** The call that made it: its results do not overlap. */
  call: TracedCall | undefined
  children: Slot[]
  /** The operator that changed its elements through another view; it can't be read any more. */
  changedBy?: string
}

/** Operators whose results are numbers about the shape, not about the elements. */
const aboutShape = /^(sym_)?(size|numel|stride|dim)$|^is_(floating_point|complex)$/
/** Ways to read elements. */
const readsElements = new Set(['item', 'data', 'view'])

class Recorder implements Observer {
  readonly calls: TracedCall[] = []
  readonly #slots = new WeakMap<TensorHandle, Slot>()
  readonly #names: ReadonlyMap<TensorHandle, string>
  readonly #derived = new WeakMap<TensorHandle, string>()
  /** Those of named tensors, which several traces share, and those that live in this trace only. */
  readonly #shared: Map<TensorHandle, TracedConstant>
  #own = new WeakMap<TensorHandle, TracedConstant>()
  #count = 0

  constructor(names: ReadonlyMap<TensorHandle, string>, constants: Map<TensorHandle, TracedConstant>) {
    this.#names = names
    this.#shared = constants
  }

  begin(input: TensorHandle): TracedValue {
    const value = this.#valueOf(input)
    this.#slots.set(input, { value, parent: undefined, call: undefined, children: [] })
    return value
  }

  end(input: TracedValue, outputs: readonly TensorHandle[]): Trace {
    const values = outputs.map(t => {
      const slot = this.#slots.get(t)
      if (!slot) throw new TensorError('trace: an output of the function does not depend on its input')
      return this.#read(slot, 'the end of the function')
    })
    return { input, calls: this.calls, outputs: values }
  }

  asked(what: string, tensors: readonly unknown[]): void {
    if (!readsElements.has(what) || !tensors.some(t => isTensor(t) && this.#slots.has(t))) return
    throw new TensorError(
      `trace: the function reads elements of a tensor that depends on its input (${what}), so it may compute something else for another input. Compute with tensors alone`,
    )
  }

  called(name: string, args: readonly unknown[], run: () => unknown): unknown {
    const given = tensorsIn(args)
    if (given.some(t => t.disposed)) return run() // throws, and says which one
    const traced = given.some(t => this.#slots.has(t))
    const base = name.split('.')[0]!
    if (!traced) return this.#constantCall(base, given, run)
    const found = bindings(name, args)
    if (!found) {
      run() // throws where the arguments are wrong
      throw new TensorError(`trace: the arguments of ${name} fit none of its schemas: ${schemasOf(name).join('; ')}`)
    }
    const { schema, bound } = found
    const changed = schema.args.filter(a => a.type.includes('!')).map(a => bound[a.name])
    // Before the operator runs: it may change them in place.
    const recorded = Object.fromEntries(Object.entries(bound).map(([key, v]) => [key, this.#argument(v, base)]))
    const written = changed.filter(isTensor)
    if (written.some(t => !this.#slots.has(t)))
      throw new TensorError(
        `trace: ${base} writes a value that depends on the input into a tensor that does not; join tensors by cat or stack`,
      )
    const result = run()
    const results = tensorsIn([result])
    if (results.length === 0 && !aboutShape.test(base))
      throw new TensorError(
        `trace: ${base} returns ${typeof result === 'object' ? 'no tensor' : `a ${typeof result}`} that depends on the input, so the function may compute something else for another input. Compute with tensors alone`,
      )
    if (results.length > 0) this.#record(schema, recorded, { given: bound, written, results })
    return result
  }

  #constantCall(name: string, given: readonly TensorHandle[], run: () => unknown): unknown {
    if (name.endsWith('_')) {
      // A constant may change in place.
      this.#shared.clear()
      this.#own = new WeakMap()
    }
    const result = run()
    const source = given.map(t => this.#nameOf(t)).find(found => found !== undefined)
    if (source !== undefined) for (const t of tensorsIn([result])) this.#derived.set(t, source)
    return result
  }

  #record(
    schema: Schema,
    args: TracedCall['arguments'],
    {
      given,
      written,
      results,
    }: { given: Record<string, unknown>; written: readonly TensorHandle[]; results: readonly TensorHandle[] },
  ): void {
    const values = results.map(t => this.#valueOf(t))
    const plain = written.length > 0 ? schema.name.replace(/_$/, '') : schema.name
    const operator = schema.namespace === 'aten' ? plain : `${schema.namespace}::${plain}`
    const call: TracedCall = { operator, overload: schema.overload, arguments: args, results: values }
    this.calls.push(call)
    if (written.length > 1) throw new TensorError(`trace: ${schema.name} changes several tensors in place`)
    if (written.length === 1) {
      const slot = this.#slots.get(written[0]!)!
      outdate(slot, schema.name)
      slot.value = values[0]!
      for (const t of results) this.#slots.set(t, slot)
      return
    }
    const viewed = schema.args.find(a => /\(a/.test(a.type))
    const parent = viewed && isTensor(given[viewed.name]) ? this.#slots.get(given[viewed.name] as Tensor) : undefined
    for (const [i, t] of results.entries()) {
      const slot: Slot = { value: values[i]!, parent, call, children: [] }
      parent?.children.push(slot)
      this.#slots.set(t, slot)
    }
  }

  #argument(value: unknown, operator: string): TracedArgument {
    if (Array.isArray(value)) return value.map(item => this.#argument(item, operator))
    if (isTensor(value)) {
      const slot = this.#slots.get(value)
      return slot ? this.#read(slot, operator) : this.#constant(value)
    }
    if (value === null || ['number', 'bigint', 'string', 'boolean'].includes(typeof value))
      return value as TracedArgument
    throw new TensorError(`trace: ${operator} has an argument that can't be recorded (${typeof value})`)
  }

  #read(slot: Slot, reader: string): TracedValue {
    if (slot.changedBy)
      throw new TensorError(
        `trace: ${reader} reads a tensor that ${slot.changedBy} changed through another view of it; call ${slot.changedBy.replace(/_$/, '')} instead, which changes nothing`,
      )
    return slot.value
  }

  #constant(t: TensorHandle): TracedConstant {
    const known = this.#shared.get(t) ?? this.#own.get(t)
    if (known) return known
    const elements = native.toBytes(t)
    const bytes = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength)
    const made = new TracedConstant(this.#nameOf(t), t.shape, t.dtype, bytes)
    if (this.#names.has(t)) this.#shared.set(t, made)
    else this.#own.set(t, made)
    return made
  }

  #nameOf = (t: TensorHandle): string | undefined => this.#names.get(t) ?? this.#derived.get(t)

  #valueOf = (t: TensorHandle): TracedValue => new TracedValue(this.#count++, t.shape, t.dtype)
}

/** The overload that a call is of, and its arguments by name. */
function bindings(name: string, args: readonly unknown[]) {
  const last = args[args.length - 1]
  const options = isOptions(last) ? (last as Record<string, unknown>) : undefined
  const positional = options ? args.slice(0, -1) : args
  for (const text of schemasOf(name)) {
    const schema = parseSchema(text)
    const bound = schema && bind(schema, positional, options ?? {})
    if (bound) return { schema, bound }
  }
  return undefined
}

/** Marks all that overlaps a slot, after its elements were changed. */
function outdate(slot: Slot, by: string): void {
  const below = (s: Slot): void => {
    for (const child of s.children) {
      child.changedBy = by
      below(child)
    }
  }
  below(slot)
  for (let inner = slot, outer = slot.parent; outer; inner = outer, outer = outer.parent) {
    outer.changedBy = by
    for (const other of outer.children) {
      if (other === inner || other.call === inner.call) continue
      other.changedBy = by
      below(other)
    }
  }
}

function tensorsIn(values: readonly unknown[]): TensorHandle[] {
  const found: TensorHandle[] = []
  for (const value of values)
    if (isTensor(value)) found.push(value)
    else if (Array.isArray(value)) found.push(...tensorsIn(value))
    else if (isOptions(value)) found.push(...tensorsIn(Object.values(value)))
  return found
}
