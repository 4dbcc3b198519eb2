import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import {
  AttributeProto_AttributeType,
  type AttributeProtoSchema,
  type GraphProtoSchema,
  ModelProtoSchema,
  TensorProto_DataType,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from './onnx.generated.ts'

/** The operator set that is written: the lowest whose Resize has antialiasing (ONNX 1.13). */
export const opset = 18
const irVersion = 8n

/** Element types that are written, by their names in ONNX. */
export type OnnxType = 'float' | 'float16' | 'double' | 'uint8' | 'int8' | 'int32' | 'int64' | 'bool' | 'string'
const typeNumbers: Record<OnnxType, TensorProto_DataType> = {
  float: TensorProto_DataType.FLOAT,
  float16: TensorProto_DataType.FLOAT16,
  double: TensorProto_DataType.DOUBLE,
  uint8: TensorProto_DataType.UINT8,
  int8: TensorProto_DataType.INT8,
  int32: TensorProto_DataType.INT32,
  int64: TensorProto_DataType.INT64,
  bool: TensorProto_DataType.BOOL,
  string: TensorProto_DataType.STRING,
}
/** The number of an element type in ONNX's TensorProto. */
export const typeNumber = (type: OnnxType): number => typeNumbers[type]

/** A constant tensor. data: little-endian bytes, row-major; for strings the strings. */
export interface Constant {
  type: OnnxType
  shape: readonly number[]
  data: Uint8Array | readonly string[]
}

/** The operators of `ai.onnx.ml` that are written, and the operator set that has them as they are used (ONNX 1.10). */
const mlOperators: ReadonlySet<string> = new Set(['LabelEncoder', 'TreeEnsembleRegressor'])
const mlOpset = 3

/** An attribute of a node. A plain number is an integer, as most are; a graph is a branch of `If`. */
export type Attribute =
  | number
  | string
  | ArrayLike<number>
  | { float: number }
  | { strings: readonly string[] }
  | { tensor: Constant }
  | Graph

/** The dimensions of an input or output: numbers, or names of dimensions that any number fits. */
export type Dims = readonly (number | string)[]

/** A node of a graph: an operator with the names of its inputs (empty: left out) and outputs. */
export interface GraphNode {
  name: string
  op: string
  inputs: readonly string[]
  outputs: readonly string[]
  attributes: Readonly<Record<string, Attribute>>
}

/** A graph in the making: each method adds something and returns the name of its value. */
export class Graph {
  readonly #nodes: GraphNode[] = []
  readonly #front: GraphNode[] = []
  readonly #constants = new Map<string, Constant>()
  readonly #inputs: MessageInitShape<typeof ValueInfoProtoSchema>[] = []
  readonly #outputs: MessageInitShape<typeof ValueInfoProtoSchema>[] = []
  #names = new Map<string, number>()

  /** A graph for a branch of `If`, given to it as an attribute. It may use all values that stand here so far, and its
   *  names are unlike all others. */
  branch(): Graph {
    const made = new Graph()
    made.#names = this.#names
    return made
  }

  /** A graph with the same inputs, outputs and constants, and without nodes; the names of this graph stay taken. */
  withoutNodes(): Graph {
    const made = new Graph()
    made.#names = new Map(this.#names)
    for (const [name, constant] of this.#constants) made.#constants.set(name, constant)
    made.#inputs.push(...this.#inputs)
    made.#outputs.push(...this.#outputs)
    return made
  }

  /** Adds a node as it is, from `withoutNodes` or from this graph. */
  push(node: GraphNode): void {
    this.#nodes.push(node)
  }

  /** A name that nothing else in the graph has: `wanted`, or with a number after it. */
  name(wanted: string): string {
    const count = this.#names.get(wanted) ?? 0
    this.#names.set(wanted, count + 1)
    return count === 0 ? wanted : this.name(`${wanted}_${count}`)
  }

  /** A value that is given at each run. */
  input(name: string, type: OnnxType, dims: Dims): string {
    this.#inputs.push(valueInfo(this.name(name), type, dims))
    return name
  }

  /** Declares that a value of the graph is an output, under its own name. Without `dims`: of any shape. */
  output(name: string, type: OnnxType, dims?: Dims): void {
    this.#outputs.push(valueInfo(name, type, dims))
  }

  /** The names of the inputs. */
  get inputs(): readonly string[] {
    return this.#inputs.map(({ name }) => name!)
  }

  /** The names of the outputs. */
  get outputs(): readonly string[] {
    return this.#outputs.map(({ name }) => name!)
  }

  /** Adds a node with one output; returns the name of that output. `undefined`: an optional input that is left out. */
  add(
    op: string,
    inputs: readonly (string | undefined)[],
    attributes: Readonly<Record<string, Attribute>> = {},
    name = op,
  ): string {
    return this.addMany(op, inputs, 1, attributes, name)[0]!
  }

  /** Adds a node with several outputs; returns their names. */
  addMany(
    op: string,
    inputs: readonly (string | undefined)[],
    outputs: number,
    attributes: Readonly<Record<string, Attribute>> = {},
    name = op,
  ): string[] {
    const own = this.name(name)
    const made = Array.from({ length: outputs }, (_, i) => (i === 0 ? own : this.name(`${own}:${i}`)))
    this.#nodes.push({ name: own, op, inputs: inputs.map(input => input ?? ''), outputs: made, attributes })
    return made
  }

  /** Adds a node before all others, whose output is `name`. If that is the name of a constant, the node takes its place:
   *  it computes the value from other constants. */
  derive(
    name: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const own = this.#constants.delete(name) ? name : this.name(name)
    this.#front.push({ name: own, op, inputs, outputs: [own], attributes })
    return own
  }

  /** All nodes, in the order in which they run. */
  get nodes(): readonly GraphNode[] {
    return [...this.#front, ...this.#nodes]
  }

  /** Adds a constant; returns its name. */
  constant(name: string, constant: Constant): string {
    const own = this.name(name)
    this.#constants.set(own, constant)
    return own
  }
  /** Adds a constant of float32 numbers. */
  floats(name: string, values: ArrayLike<number>, shape: readonly number[] = [values.length]): string {
    return this.constant(name, { type: 'float', shape, data: bytesOf(Float32Array.from(values)) })
  }
  /** Adds a constant of int64 numbers. */
  ints(name: string, values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.constant(name, { type: 'int64', shape, data: bytesOf(BigInt64Array.from(values.map(BigInt))) })
  }
  /** Adds a constant of float64 numbers. */
  doubles(name: string, values: ArrayLike<number>, shape: readonly number[] = [values.length]): string {
    return this.constant(name, { type: 'double', shape, data: bytesOf(Float64Array.from(values)) })
  }
  /** Adds a constant of strings: [values.length]. */
  strings(name: string, values: readonly string[]): string {
    return this.constant(name, { type: 'string', shape: [values.length], data: values })
  }

  /** The constants by name, for what changes them all: types for storage, quantisation. */
  get constants(): Map<string, Constant> {
    return this.#constants
  }

  /** The file. Metadata stand before the graph, so a reader has them after the first kilobytes. */
  encode({ producer, version, metadata = {} }: ModelHeader): Uint8Array {
    const ml = this.nodes.some(({ op }) => mlOperators.has(op))
    const head = create(ModelProtoSchema, {
      irVersion,
      producerName: producer,
      producerVersion: version,
      opsetImport: [
        { domain: '', version: BigInt(opset) },
        ...(ml ? [{ domain: 'ai.onnx.ml', version: BigInt(mlOpset) }] : []),
      ],
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    })
    const body = create(ModelProtoSchema, {
      graph: this.#encoded('anneal'),
    })
    // Two encoded messages after each other are one message with the fields of both.
    const [a, b] = [toBinary(ModelProtoSchema, head), toBinary(ModelProtoSchema, body)]
    const file = new Uint8Array(a.length + b.length)
    file.set(a)
    file.set(b, a.length)
    return file
  }

  #encoded(name: string): MessageInitShape<typeof GraphProtoSchema> {
    return {
      name,
      node: this.nodes.map(({ name, op, inputs, outputs, attributes }) => ({
        name,
        opType: op,
        ...(mlOperators.has(op) ? { domain: 'ai.onnx.ml' } : {}),
        input: [...inputs],
        output: [...outputs],
        attribute: Object.entries(attributes).map(([key, value]) =>
          value instanceof Graph
            ? { name: key, type: AttributeProto_AttributeType.GRAPH, g: value.#encoded(key) }
            : attributeOf(key, value),
        ),
      })),
      initializer: Array.from(this.#constants, ([name, constant]) => ({ name, ...tensorOf(constant) })),
      input: this.#inputs,
      output: this.#outputs,
    }
  }
}

/** What stands in the file beside the graph. */
export interface ModelHeader {
  producer: string
  version: string
  metadata?: Readonly<Record<string, string>>
}

/** The bytes of a typed array. */
export const bytesOf = (values: NodeJS.TypedArray): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

const tensorOf = ({ type, shape, data }: Constant): MessageInitShape<typeof TensorProtoSchema> => ({
  dataType: typeNumbers[type],
  dims: shape.map(BigInt),
  ...(data instanceof Uint8Array ? { rawData: data } : { stringData: data.map(utf8) }),
})

function attributeOf(name: string, value: Exclude<Attribute, Graph>): MessageInitShape<typeof AttributeProtoSchema> {
  const type = AttributeProto_AttributeType
  if (typeof value === 'string') return { name, type: type.STRING, s: utf8(value) }
  if (typeof value === 'number') return { name, type: type.INT, i: BigInt(value) }
  if ('float' in value) return { name, type: type.FLOAT, f: value.float }
  if ('strings' in value) return { name, type: type.STRINGS, strings: value.strings.map(utf8) }
  if ('tensor' in value) return { name, type: type.TENSOR, t: tensorOf(value.tensor) }
  return { name, type: type.INTS, ints: Array.from(value, BigInt) }
}

function valueInfo(name: string, type: OnnxType, dims?: Dims): MessageInitShape<typeof ValueInfoProtoSchema> {
  const elemType = typeNumbers[type]
  if (!dims) return { name, type: { value: { case: 'tensorType', value: { elemType } } } }
  const dim = dims.map(d =>
    typeof d === 'number'
      ? { value: { case: 'dimValue' as const, value: BigInt(d) } }
      : { value: { case: 'dimParam' as const, value: d } },
  )
  return {
    name,
    type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
  }
}
