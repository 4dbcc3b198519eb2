import { bytesOf, type Graph, typeNumber } from '../../onnx/index.ts'
import type { BertConfig } from '../../text/net/config.ts'
import { scope, type Tensor } from '../../torch/index.ts'
import type { Windows } from './windows.ts'

/** Below this a place without a token gets no attention: e^x is 0. Unlike -Infinity it leaves windows without tokens numbers. */
const never = -1e9

/** How the words' embeddings are stored. */
export type Lookup = 'float32' | 'int8'

/** Writes the body of a net for texts (`text/net/bert.ts`) into a graph, as it predicts. Two sizes of its input are open,
 *  texts and tokens, and windows are padded; so it is written from its weights, not from a trace. weights: those of the
 *  body by name; known: the constants that are in the graph already, where the same net is written several times. Returns the name of the features, float [N, width of the last layers together]. */
export function addBert(
  graph: Graph,
  windows: Windows,
  {
    config,
    weights,
    prefix,
    lookup = 'float32',
    known = new Map(),
  }: {
    config: BertConfig
    weights: ReadonlyMap<string, Tensor>
    prefix: string
    lookup?: Lookup | undefined
    known?: Map<string, string>
  },
): string {
  const { width, heads, layers, eps, firstPosition, pooling, types } = config
  const w = weightsIn(graph, weights, { prefix, known })
  const add = (op: string, inputs: readonly string[], at: string, attributes: Parameters<Graph['add']>[2] = {}) =>
    graph.add(op, inputs, attributes, `${prefix}${at}/${op}`)
  const linear = (x: string, at: string) =>
    add('Add', [add('MatMul', [x, w.transposed(`${at}.weight`)], at), w.as(`${at}.bias`)], at)
  const norm = (x: string, at: string) =>
    add('LayerNormalization', [x, w.as(`${at}.weight`), w.as(`${at}.bias`)], at, { axis: -1, epsilon: { float: eps } })
  const number = (value: number) => graph.floats(`${prefix}number`, [value], [])

  const at = 'embeddings'
  const places = add('Add', [windows.places, graph.ints(`${prefix}first`, [firstPosition], [])], at)
  const words = lookUp(graph, w, { ids: windows.ids, at: `${prefix}${at}`, as: lookup })
  const sum = add('Add', [words, add('Gather', [w.as(`${at}.position_embeddings.weight`), places], at)], at)
  const kind = () => w.row(`${at}.token_type_embeddings.weight`, 0)
  let h = norm(types > 0 ? add('Add', [sum, kind()], at) : sum, `${at}.LayerNorm`)

  const masks = graph.add('Where', [windows.there, number(0), number(never)], {}, `${prefix}mask`)
  const each = graph.ints(`${prefix}each`, [-1, 1, 1], [3])
  const wide = graph.add('Concat', [each, graph.add('Shape', [masks], { start: 2, end: 3 })], { axis: 0 })
  const mask = graph.add('Reshape', [masks, wide], {}, `${prefix}mask`) // [N·P, 1, 1, W]

  const split = graph.ints(`${prefix}split`, [0, 0, heads, width / heads])
  const joined = graph.ints(`${prefix}joined`, [0, 0, width])
  const scale = number(1 / Math.sqrt(width / heads))
  const activate = activations(graph, prefix)[config.activation]
  const kept: string[] = []
  const last = Math.min(2, layers)
  for (let i = 0; i < layers; i++) {
    const own = `encoder.layer.${i}`
    const seen = `${own}.attention.self`
    const part = (name: string, perm: readonly number[]) =>
      add('Transpose', [add('Reshape', [linear(h, `${seen}.${name}`), split], seen)], seen, { perm })
    const scores = add('MatMul', [part('query', [0, 2, 1, 3]), part('key', [0, 2, 3, 1])], seen)
    const shares = add('Softmax', [add('Add', [add('Mul', [scores, scale], seen), mask], seen)], seen, { axis: -1 })
    const heard = add('MatMul', [shares, part('value', [0, 2, 1, 3])], seen)
    const all = add('Reshape', [add('Transpose', [heard], seen, { perm: [0, 2, 1, 3] }), joined], seen)
    const out = `${own}.attention.output`
    const first = norm(add('Add', [h, linear(all, `${out}.dense`)], out), `${out}.LayerNorm`)
    const inner = activate(linear(first, `${own}.intermediate.dense`), `${own}.intermediate`)
    const second = add('Add', [first, linear(inner, `${own}.output.dense`)], `${own}.output`)
    h = norm(second, `${own}.output.LayerNorm`)
    if (i >= layers - last) kept.unshift(h)
  }
  const pooled = kept.map(hidden => pool(graph, hidden, windows, { prefix, width, pooling }))
  const features = pooled.length === 1 ? pooled[0]! : graph.add('Concat', pooled, { axis: 1 }, `${prefix}pool/Concat`)
  return graph.add('Mul', [features, number(Math.sqrt(width))], {}, `${prefix}pool/Mul`)
}

/** The rows of the words' embeddings: as they are, or with 8 bits and a scale for each row. A large vocabulary is half of the file of a
 *  small net, and only the rows that a text needs become floats again. */
function lookUp(
  graph: Graph,
  w: ReturnType<typeof weightsIn>,
  { ids, at, as }: { ids: string; at: string; as: Lookup },
): string {
  const add = (op: string, inputs: readonly string[], attributes: Parameters<Graph['add']>[2] = {}) =>
    graph.add(op, inputs, attributes, `${at}/${op}`)
  const name = 'embeddings.word_embeddings.weight'
  if (as === 'float32') return add('Gather', [w.as(name), ids])
  const { numbers, scales } = w.bytes(name)
  const found = add('Cast', [add('Gather', [numbers, ids])], { to: typeNumber('float') })
  return add('Mul', [found, add('Gather', [scales, ids])])
}

/** The weights of a net as constants of a graph, each written once. known: the names of those that are written. */
function weightsIn(
  graph: Graph,
  weights: ReadonlyMap<string, Tensor>,
  { prefix, known }: { prefix: string; known: Map<string, string> },
) {
  const of = (name: string): Tensor => {
    const found = weights.get(name)
    if (!found) throw new Error(`the net for texts has no weight ${name}`)
    return found
  }
  const once = (name: string, make: (own: string) => string): string => {
    const own = prefix + name
    const made = known.get(own) ?? make(own)
    known.set(own, made)
    return made
  }
  const valuesOf = (name: string, read: (t: Tensor) => Tensor = t => t) =>
    scope(() => {
      const t = read(of(name)).to('float32').contiguous()
      return { shape: [...t.shape], values: (t.data() as Float32Array).slice() }
    })
  const constant = (name: string, read: (t: Tensor) => Tensor): string =>
    once(name, own => {
      const { shape, values } = valuesOf(name, read)
      return graph.constant(own, { type: 'float', shape, data: bytesOf(values) })
    })
  return {
    as: (name: string) => constant(name, t => t),
    transposed: (name: string) => constant(name, t => t.transpose(0, 1)),
    row: (name: string, row: number) => constant(name, t => t.select(0, row)),
    /** The rows of a matrix with 8 bits, and a scale for each. */
    bytes(name: string): { numbers: string; scales: string } {
      const packed = known.has(`${prefix}${name}.int8`) ? undefined : inBytes(valuesOf(name))
      return {
        numbers: once(`${name}.int8`, own =>
          graph.constant(own, { type: 'int8', shape: packed!.shape, data: bytesOf(packed!.numbers) }),
        ),
        scales: once(`${name}.scale`, own => graph.floats(own, packed!.scales, [packed!.scales.length, 1])),
      }
    },
  }
}

/** Rows of numbers with 8 bits: each is its scale times whole numbers from -127 to 127. */
function inBytes({ shape, values }: { shape: readonly number[]; values: Float32Array }) {
  const [rows = 0, width = 0] = shape
  const scales = new Float32Array(rows)
  const numbers = new Int8Array(values.length)
  for (let row = 0, i = 0; row < rows; row++) {
    const own = values.subarray(row * width, (row + 1) * width)
    const scale = own.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / 127 || 1
    scales[row] = scale
    for (let c = 0; c < width; c++, i++) numbers[i] = Math.round(own[c]! / scale)
  }
  return { shape, numbers, scales }
}

function activations(
  graph: Graph,
  prefix: string,
): Record<BertConfig['activation'], (x: string, at: string) => string> {
  const add = (op: string, inputs: readonly string[], at: string) => graph.add(op, inputs, {}, `${prefix}${at}/${op}`)
  const number = (value: number) => graph.floats(`${prefix}number`, [value], [])
  const half = (x: string, rest: string, at: string) =>
    add('Mul', [add('Mul', [x, add('Add', [rest, number(1)], at)], at), number(0.5)], at)
  return {
    relu: (x, at) => add('Relu', [x], at),
    gelu: (x, at) => half(x, add('Erf', [add('Div', [x, number(Math.SQRT2)], at)], at), at),
    gelu_tanh(x, at) {
      const cube = add('Mul', [add('Mul', [x, x], at), x], at)
      const inner = add('Add', [x, add('Mul', [cube, number(0.044715)], at)], at)
      return half(x, add('Tanh', [add('Mul', [inner, number(Math.sqrt(2 / Math.PI))], at)], at), at)
    },
  }
}

/** Tokens float [N·P, W, width] → one vector of length 1 for each text, [N, width]: the mean over its tokens, or over the first
 *  ones of its windows. */
function pool(
  graph: Graph,
  hidden: string,
  { there, tokens, windows }: Windows,
  { prefix, width, pooling }: { prefix: string; width: number; pooling: BertConfig['pooling'] },
): string {
  const at = `${prefix}pool/`
  const add = (op: string, inputs: readonly string[], attributes: Parameters<Graph['add']>[2] = {}) =>
    graph.add(op, inputs, attributes, at + op)
  const ints = (...list: number[]) => graph.ints(`${at}shape`, list)
  const first = pooling === 'first'
  // The first place of each window, or all.
  const cut = (value: string) => (first ? add('Slice', [value, ints(0), ints(1), ints(-1)]) : value)
  const rows = first ? add('Gather', [hidden, graph.ints(`${at}first`, [0], [])], { axis: 1 }) : hidden
  const count = add('Shape', [there], { start: 0, end: 1 })
  const like = (last: number) => add('Concat', [count, ints(-1, last)], { axis: 0 })
  const counted = add('Cast', [cut(there)], { to: 1 })
  const share = add('Reshape', [counted, add('Concat', [count, ints(1, -1)], { axis: 0 })])
  const sum = add('MatMul', [share, add('Reshape', [rows, like(width)])])
  const mean = add('Div', [add('Squeeze', [sum, ints(1)]), first ? windows : tokens])
  const long = add('ReduceL2', [mean, ints(1)], { keepdims: 1 })
  return add('Div', [mean, add('Max', [long, graph.floats(`${at}least`, [1e-12], [])])])
}
