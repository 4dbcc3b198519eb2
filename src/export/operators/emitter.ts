import { ModelError } from '../../base/errors.ts'
import { type Attribute, type Graph, type OnnxType, typeNumber } from '../../onnx/index.ts'
import type { DType } from '../../torch/index.ts'
import { type Argument, Batch, type Dim, Fixed, type Operation, Value } from '../program.ts'

/** How an operator of libtorch is written: adds nodes, and returns the names of its results. */
export type Rule = (e: Emitter, args: Arguments, operation: Operation) => string | readonly string[]

const onnxTypes: Partial<Record<DType, OnnxType>> = {
  float32: 'float',
  float64: 'double',
  float16: 'float16',
  uint8: 'uint8',
  int8: 'int8',
  int32: 'int32',
  int64: 'int64',
  bool: 'bool',
}

/** Writes operations into a graph. */
export class Emitter {
  readonly graph: Graph
  /** What the network is called in errors. */
  readonly model: string
  readonly #prefix: string
  readonly #names = new Map<Value | Fixed, string>()
  readonly #small = new Map<string, string>()
  readonly #input: string
  readonly #read: ReadonlySet<Value>
  #count: string | undefined
  #module = ''
  #operator = ''

  /** input: the name of the graph's value that holds the pictures [N, …]. prefix: stands before all names. read: the
   *  values that an operation or an output reads. */
  constructor(
    graph: Graph,
    { input, model, prefix, read }: { input: string; model: string; prefix: string; read: ReadonlySet<Value> },
  ) {
    this.graph = graph
    this.#read = read
    this.model = model
    this.#input = input
    this.#prefix = prefix
  }

  /** Says which name a value has in the graph. */
  bind(value: Value, name: string): void {
    this.#names.set(value, name)
  }

  /** Whether anything reads a value. */
  isRead(value: Value): boolean {
    return this.#read.has(value)
  }

  /** Writes one operation. */
  write(operation: Operation, rule: Rule): void {
    const args = new Arguments(operation, this)
    this.#operator = operation.operator
    this.#module = moduleOf(operation) ?? this.#module
    const made = [rule(this, args, operation)].flat()
    args.checkRead()
    for (const [i, result] of operation.results.entries()) if (made[i] !== undefined) this.bind(result, made[i])
  }

  /** The name of a value or constant in the graph. */
  name(tensor: Value | Fixed): string {
    let known = this.#names.get(tensor)
    if (known === undefined) {
      if (tensor instanceof Value)
        throw this.error('has a second result that other operators read, and only the first is written')
      known = tensor.repeated ? this.#expanded(tensor) : this.#constant(tensor)
      this.#names.set(tensor, known)
    }
    return known
  }

  /** Adds a node with one output. */
  add(op: string, inputs: readonly (string | undefined)[], attributes: Record<string, Attribute> = {}): string {
    return this.graph.add(op, inputs, attributes, this.#nodeName(op))
  }
  /** Adds a node with several outputs. */
  addMany(
    op: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Record<string, Attribute> = {},
  ): string[] {
    return this.graph.addMany(op, inputs, outputs, attributes, this.#nodeName(op))
  }

  /** A constant of one number, without dimensions. */
  scalar(value: number | bigint | boolean, dtype: DType): string {
    const array = dtype === 'int64' ? BigInt64Array.of(BigInt(value)) : arrayOf(dtype, [Number(value)])
    return this.#constant(new Fixed({ name: undefined, shape: [], dtype, data: bytes(array) }))
  }
  /** A constant of float32 numbers. */
  floats(values: ArrayLike<number>, shape: readonly number[] = [values.length], name?: string): string {
    return this.#constant(new Fixed({ name, shape, dtype: 'float32', data: bytes(Float32Array.from(values)) }))
  }
  /** A constant list of whole numbers. */
  ints(values: readonly number[]): string {
    const data = bytes(BigInt64Array.from(values.map(BigInt)))
    return this.#constant(new Fixed({ name: undefined, shape: [values.length], dtype: 'int64', data }))
  }
  /** A list of dimensions: constant, or computed from the number of pictures. */
  dims(dims: readonly Dim[]): string {
    if (dims.every(d => typeof d === 'number')) return this.ints(dims)
    const each = dims.map(d => {
      if (typeof d === 'number') return this.ints([d])
      return d.times === 1 ? this.#pictures() : this.add('Mul', [this.#pictures(), this.ints([d.times])])
    })
    return each.length === 1 ? each[0]! : this.add('Concat', each, { axis: 0 })
  }

  /** The value in another type; itself if it has that type. */
  cast(name: string, from: DType, to: DType): string {
    return from === to ? name : this.add('Cast', [name], { to: typeNumber(this.type(to)) })
  }
  /** A tensor or number as an operand of this type. */
  operand(given: Argument, dtype: DType): string {
    if (given instanceof Value || given instanceof Fixed) return this.cast(this.name(given), given.dtype, dtype)
    if (typeof given === 'number' || typeof given === 'bigint' || typeof given === 'boolean')
      return this.scalar(given, dtype)
    throw this.error('has an operand that is neither a tensor nor a number')
  }
  /** The name of a type in ONNX. */
  type(dtype: DType): OnnxType {
    const found = onnxTypes[dtype]
    if (!found) throw this.error(`uses tensors of type ${dtype}, which the graph can't hold`)
    return found
  }

  /** An error about the operator that is written now. */
  error(problem: string): ModelError {
    return new ModelError(`${this.model}: the operator ${this.#operator} ${problem}`)
  }

  #pictures(): string {
    this.#count ??= this.graph.add('Shape', [this.#input], { start: 0, end: 1 }, `${this.#prefix}pictures`)
    return this.#count
  }

  #expanded(tensor: Fixed): string {
    return this.add('Expand', [this.#constant(tensor), this.dims([tensor.repeated!, ...tensor.shape.slice(1)])])
  }

  #constant({ name, shape, dtype, data }: Fixed): string {
    const make = () => this.graph.constant(this.#prefix + (name ?? 'constant'), { type: this.type(dtype), shape, data })
    if (data.length > 64) return make()
    // Small constants are often equal: the bounds of an activation, the axes of a reduction.
    const key = `${dtype} ${shape} ${name} ${data}`
    const known = this.#small.get(key) ?? make()
    this.#small.set(key, known)
    return known
  }

  #nodeName = (op: string): string => this.#prefix + (this.#module ? `${this.#module}/${op}` : op)
}

/** The name of the module whose weights an operation uses first. */
function moduleOf({ arguments: args }: Operation): string | undefined {
  const named = Object.values(args).find(a => a instanceof Fixed && a.name !== undefined) as Fixed | undefined
  return named?.name?.split('.').slice(0, -1).join('.')
}

/** Arguments that the shapes and types of the results tell, or that change no number. */
const implied = new Set([
  ...[
    'shape',
    'size',
    'sizes',
    'start_dim',
    'end_dim',
    'dtype',
    'scales_h',
    'scales_w',
    'scale_factors',
    'output_size',
  ],
  ...['split_size', 'split_sizes', 'chunks', 'sections', 'indices'],
  ...[
    'memory_format',
    'non_blocking',
    'copy',
    'layout',
    'device',
    'pin_memory',
    'cudnn_enable',
    'cudnn_enabled',
    'momentum',
    'ceil_mode',
  ],
  ...['implicit', 'path'],
])

/** The arguments of an operation by name, each read as the type that it must have. */
export class Arguments {
  readonly #given: Readonly<Record<string, Argument>>
  readonly #read = new Set<string>()
  readonly #e: Emitter
  constructor(operation: Operation, e: Emitter) {
    this.#given = operation.arguments
    this.#e = e
  }

  /** An argument as it is; null if the operator has none of this name. */
  get(name: string): Argument {
    this.#read.add(name)
    return this.#given[name] ?? null
  }
  /** A tensor: a value or a constant. */
  tensor(name: string): Value | Fixed {
    const a = this.get(name)
    if (a instanceof Value || a instanceof Fixed) return a
    throw this.#unfit(name, 'a tensor')
  }
  /** A tensor that may be left out. */
  maybe(name: string): Value | Fixed | undefined {
    return this.get(name) === null ? undefined : this.tensor(name)
  }
  /** A list of tensors. */
  tensors(name: string): (Value | Fixed)[] {
    const a = this.get(name)
    if (Array.isArray(a) && a.every(t => t instanceof Value || t instanceof Fixed)) return a
    throw this.#unfit(name, 'a list of tensors')
  }
  /** A number that does not depend on the number of pictures. */
  number(name: string): number {
    const a = this.get(name)
    if (typeof a === 'number') return a
    if (typeof a === 'bigint' || typeof a === 'boolean') return Number(a)
    throw this.#unfit(name, 'a number that is the same for all batches')
  }
  /** A number, or null where it is left out. */
  maybeNumber(name: string): number | null {
    return this.get(name) === null ? null : this.number(name)
  }
  /** A list of whole numbers that do not depend on the number of pictures. One number is a list of one. */
  ints(name: string): number[] {
    const a = this.get(name)
    const list = Array.isArray(a) ? a : [a]
    if (list.every(item => typeof item === 'number')) return list
    throw this.#unfit(name, 'a list of numbers that are the same for all batches')
  }
  /** True or false. */
  flag(name: string): boolean {
    return this.get(name) === true
  }
  /** Throws unless an argument has this value, the only one that is written. */
  only(name: string, value: Argument): void {
    const given = this.get(name)
    if (given !== value) throw this.#unfit(name, String(value))
  }

  /** Throws if there is an argument that the rule did not look at, so that its meaning would be lost. */
  checkRead(): void {
    for (const [name, given] of Object.entries(this.#given))
      if (given !== null && !this.#read.has(name) && !implied.has(name)) throw this.#unfit(name, 'its default')
  }

  #unfit(name: string, wanted: string): ModelError {
    const given = this.get(name)
    const shown =
      given instanceof Batch ? 'the number of pictures' : given instanceof Value ? 'a tensor' : String(given)
    return this.#e.error(`has ${name} = ${shown}, and only ${wanted} can be written into a graph here`)
  }
}

/** The dimension that a number means, counted from the end where it is negative. */
export const axisOf = (dim: number, rank: number): number => (dim < 0 ? dim + rank : dim)

/** The sizes of the dimensions after the first `from`, which must not depend on the number of pictures. */
export function sizesOf(e: Emitter, { shape }: Value | Fixed, from: number): number[] {
  return shape.slice(from).map(d => {
    if (typeof d === 'number') return d
    throw e.error(
      `needs sizes that are the same for all batches, and got one that is a multiple of the number of pictures`,
    )
  })
}

const bytes = (a: NodeJS.TypedArray) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength)

function arrayOf(dtype: DType, values: readonly number[]): NodeJS.TypedArray {
  if (dtype === 'float64') return Float64Array.from(values)
  if (dtype === 'int32') return Int32Array.from(values)
  if (dtype === 'int8') return Int8Array.from(values)
  if (dtype === 'uint8' || dtype === 'bool') return Uint8Array.from(values)
  return Float32Array.from(values)
}
