import type { Graph } from '../../onnx/index.ts'
import { inputRows, type RealmlpInputs, widthsOf } from '../../tabular/models/realmlp/inputs.ts'
import type { Realmlp } from '../../tabular/models/realmlp/model.ts'
import { inputsOf, type RealmlpShape } from '../../tabular/models/realmlp/net.ts'
import type { GraphFeatures } from './columns.ts'

/** Adds the outputs of the members of a RealMLP: features → float [members, N, outputs]. */
export function addRealmlp(graph: Graph, features: GraphFeatures, model: Realmlp): string {
  const { inputs, shape } = model.card
  const weights = (name: string) => model.parameters.get(name)!.contiguous().data() as Float32Array
  const { dense, rest } = addInputs(graph, features, inputs)
  let x = embedded(graph, { dense, rest, embeddings: codesOf(graph, features, inputs) }, { shape, weights })
  const { members, hidden, outputs } = shape
  x = graph.add('Mul', [x, graph.floats('net/scale', weights('scale'), [members, 1, inputsOf(shape, 0)])])
  for (const [layer, width] of [...hidden, outputs].entries()) {
    const inside = inputsOf(shape, layer)
    const scaled = weights(`weight.${layer}`).map(w => w / Math.sqrt(inside))
    const product = graph.add('MatMul', [x, graph.floats(`net/weight.${layer}`, scaled, [members, inside, width])])
    const bias = graph.floats(`net/bias.${layer}`, weights(`bias.${layer}`), [members, 1, width])
    x = graph.add('Add', [product, bias])
    if (layer === hidden.length) break
    const share = graph.floats(`net/activation.${layer}`, weights(`activation.${layer}`), [members, 1, width])
    const f = shape.activation === 'selu' ? graph.add('Selu', [x]) : mish(graph, x)
    x = graph.add('Add', [x, graph.add('Mul', [share, graph.add('Sub', [f, x])])])
  }
  return x
}

const mish = (graph: Graph, x: string): string => graph.add('Mul', [x, graph.add('Tanh', [graph.add('Softplus', [x])])])

/** Adds the inputs of the net: `dense` float [N, numbers], scaled and clipped, and `rest` float [N, flags and one-hots]. What a
 *  flag or a one-hot becomes is computed by training's own code. */
function addInputs(
  graph: Graph,
  { numbers, codes }: GraphFeatures,
  inputs: RealmlpInputs,
): { dense?: string; rest?: string } {
  const count = inputs.numbers.length
  const sample = sampleRows(inputs)
  const rest: string[] = []
  let dense: string | undefined
  let at = count
  if (numbers !== undefined) {
    const missing = graph.add('IsNaN', [numbers])
    const row = (name: string, of: (i: number) => number) =>
      graph.doubles(
        name,
        inputs.numbers.map((_, i) => of(i)),
        [1, count],
      )
    const centred = graph.add('Sub', [
      graph.add('Cast', [numbers], { to: 11 }),
      row('inputs/median', i => inputs.numbers[i]!.median),
    ])
    const x = graph.add('Mul', [row('inputs/scale', i => inputs.numbers[i]!.scale), centred])
    const third = graph.add('Div', [x, graph.doubles('inputs/three', [3], [])])
    const square = graph.add('Mul', [third, third])
    const root = graph.add('Sqrt', [graph.add('Add', [graph.doubles('inputs/one', [1], []), square])])
    const clipped = graph.add('Cast', [graph.add('Div', [x, root])], { to: 1 })
    dense = graph.add('Where', [missing, graph.floats('inputs/zero', [0], []), clipped])
    const flagged = inputs.numbers.flatMap((number, i) => (number.missing ? [i] : []))
    if (flagged.length > 0) {
      const own = graph.add('Gather', [missing, graph.ints('inputs/flagged', flagged)], { axis: 1 })
      const values = (row: number) => flagged.map((_, i) => sample.of(row, at + i))
      const [yes, no] = [values(sample.missing), values(sample.known)]
      rest.push(
        graph.add('Where', [
          own,
          graph.floats('inputs/missing', yes, [1, yes.length]),
          graph.floats('inputs/known', no, [1, no.length]),
        ]),
      )
      at += flagged.length
    }
  }
  for (const [c, category] of inputs.categories.entries()) {
    if (category.kind !== 'one-hot') continue
    const width = category.columns.length
    if (width === 0) continue
    const rows = category.words + 2
    const values = Array.from({ length: rows * width }, (_, i) => sample.of(Math.floor(i / width), at + (i % width)))
    const code = graph.add('Gather', [codes, graph.ints('inputs/column', [c], [])], { axis: 1 })
    rest.push(graph.add('Gather', [graph.floats('inputs/one-hot', values, [rows, width]), code], { axis: 0 }))
    at += width
  }
  return {
    ...(dense === undefined ? {} : { dense }),
    ...(rest.length === 0 ? {} : { rest: rest.length === 1 ? rest[0]! : graph.add('Concat', rest, { axis: 1 }) }),
  }
}

/** The dense inputs of rows that have every code of the one-hot categories. */
function sampleRows(inputs: RealmlpInputs): {
  of(row: number, column: number): number
  missing: number
  known: number
} {
  const [missing, known] = [0, 1]
  const codes = inputs.categories.map(c => (c.kind === 'one-hot' ? c.words + 2 : c.codes))
  const rows = Math.max(2, ...inputs.categories.map(c => (c.kind === 'one-hot' ? c.words + 2 : 0)))
  const { dense } = inputRows(inputs, {
    rows,
    numbers: new Float32Array(rows * inputs.numbers.length).fill(Number.NaN, 0, inputs.numbers.length),
    numberNames: inputs.numbers.map(({ name }) => name),
    categories: Int32Array.from({ length: rows * codes.length }, (_, i) =>
      Math.min(Math.floor(i / codes.length), codes[i % codes.length]! - 1),
    ),
    categoryNames: inputs.categories.map(({ name }) => name),
    cardinalities: codes,
  })
  const width = widthsOf(inputs).dense
  return { of: (row, column) => dense[row * width + column]!, missing, known }
}

/** The rows of the table of embeddings, int64 [N, embeddings]. */
function codesOf(graph: Graph, { codes }: GraphFeatures, { categories }: RealmlpInputs): string | undefined {
  const own = categories.flatMap((category, c) => (category.kind === 'embedding' ? [{ c, codes: category.codes }] : []))
  if (own.length === 0) return undefined
  let first = 0
  const offsets = own.map(category => {
    const at = first
    first += category.codes
    return at
  })
  const chosen = graph.add(
    'Gather',
    [
      codes,
      graph.ints(
        'inputs/embedded',
        own.map(({ c }) => c),
      ),
    ],
    { axis: 1 },
  )
  return graph.add('Add', [chosen, graph.ints('inputs/offsets', offsets, [1, own.length])])
}

/** Adds `RealmlpNet.embed`: the inputs of the first layer, float [members, N, inputs]. */
function embedded(
  graph: Graph,
  { dense, rest, embeddings }: { dense?: string; rest?: string; embeddings: string | undefined },
  { shape, weights }: { shape: RealmlpShape; weights(name: string): Float32Array },
): string {
  const { members, numbers, codes } = shape
  const parts: string[] = []
  /** A value for each member. `axes`: the new ones, of which the first is that of the members. */
  const each = (value: string, axes: readonly number[]) => {
    const apart = graph.add('Unsqueeze', [value, graph.ints('net/axes', axes)])
    const shape = Array.from({ length: 2 + axes.length }, (_, i) => (i === 0 ? members : 1))
    return graph.add('Mul', [apart, graph.floats('net/members', new Float32Array(members).fill(1), shape)])
  }
  if (dense !== undefined) {
    const [waves, out] = [
      weights('wave.b1').length / (members * numbers),
      weights('wave.b2').length / (members * numbers),
    ]
    const columns = graph.add('Transpose', [dense], { perm: [1, 0] }) // [numbers, N]
    const x = each(columns, [0, 3]) // [members, numbers, N, 1]
    const angles = weights('wave.w1').map(w => w * 2 * Math.PI)
    const w1 = graph.floats('net/wave.w1', angles, [members, numbers, 1, waves])
    const b1 = graph.floats('net/wave.b1', weights('wave.b1'), [members, numbers, 1, waves])
    const h = graph.add('Cos', [graph.add('Add', [graph.add('Mul', [x, w1]), b1])])
    const w2 = graph.floats('net/wave.w2', weights('wave.w2'), [members, numbers, waves, out])
    const b2 = graph.floats('net/wave.b2', weights('wave.b2'), [members, numbers, 1, out])
    const e = graph.add('Add', [graph.add('MatMul', [h, w2]), b2])
    const all = graph.add('Transpose', [graph.add('Concat', [e, x], { axis: 3 })], { perm: [0, 2, 1, 3] })
    parts.push(graph.add('Reshape', [all, graph.ints('net/waves', [members, -1, numbers * (out + 1)])]))
  }
  if (rest !== undefined) parts.push(each(rest, [0]))
  if (embeddings !== undefined) {
    const table = weights('embedding')
    const width = table.length / codes / members
    const found = graph.add('Gather', [graph.floats('net/embedding', table, [codes, members * width]), embeddings], {
      axis: 0,
    })
    const apart = graph.add('Reshape', [found, graph.ints('net/apart', [0, shape.embeddings, members, width])])
    const turned = graph.add('Transpose', [apart], { perm: [2, 0, 1, 3] })
    parts.push(graph.add('Reshape', [turned, graph.ints('net/joined', [members, -1, shape.embeddings * width])]))
  }
  return parts.length === 1 ? parts[0]! : graph.add('Concat', parts, { axis: 2 })
}
