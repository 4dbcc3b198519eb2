import type { Graph } from '../onnx/index.ts'
import { type Argument, Fixed, type Operation, type Program, Value } from './program.ts'

/** A head that is linear in the pooled features of one map: logits = W · pooled(map) + b. */
export interface LinearHead {
  /** float [N, C, rows, columns]. */
  map: Value
  channels: number
  rows: number
  columns: number
  /** How each column block of C weights pools the map, in the order of the features. */
  pools: readonly ('max' | 'mean')[]
  /** float32 [classes, pools.length · C]. */
  weight: Float32Array
  classes: number
}

/** Finds the linear head of a program whose outputs are features and logits. Undefined where the head has hidden layers,
 *  or the features are not the maximum or the mean of a map, such as the class token of a ViT. */
export function linearHead({ operations, outputs }: Program): LinearHead | undefined {
  const [features, logits] = outputs as [Value, Value]
  const maker = new Map(operations.flatMap(o => o.results.map(value => [value, o] as const)))
  const linear = maker.get(logits)
  const weight = linear?.arguments.weight
  if (linear?.operator !== 'linear' || linear.arguments.input !== features) return undefined
  if (!(weight instanceof Fixed) || weight.dtype !== 'float32' || weight.repeated) return undefined
  const joined = maker.get(features)
  const parts = joined?.operator === 'cat' && joined.arguments.dim === 1 ? joined.arguments.tensors : [features]
  const found = Array.isArray(parts) ? parts.map(part => pooling(part, maker)) : []
  const map = found[0]?.map
  if (!map || found.some(part => part?.map !== map)) return undefined
  const [, channels, rows, columns] = map.shape
  if (typeof channels !== 'number' || typeof rows !== 'number' || typeof columns !== 'number') return undefined
  const [classes = 0, width] = weight.shape
  if (width !== found.length * channels) return undefined
  const { buffer, byteOffset, length } = weight.data.slice()
  return {
    map,
    channels,
    rows,
    columns,
    pools: found.map(part => part!.pool),
    weight: new Float32Array(buffer, byteOffset, length / 4),
    classes,
  }
}

const reshapes = new Set(['flatten', 'view', 'reshape', 'squeeze'])

/** The map [N, C, h, w] that a value [N, C] is the maximum or the mean of. */
function pooling(
  from: Argument,
  maker: ReadonlyMap<Value, Operation>,
): { map: Value; pool: 'max' | 'mean' } | undefined {
  let value = from
  let operation = value instanceof Value ? maker.get(value) : undefined
  while (operation && reshapes.has(operation.operator)) {
    value = operation.arguments.self!
    operation = value instanceof Value ? maker.get(value) : undefined
  }
  const map = operation?.arguments.self
  if (!operation || !(map instanceof Value) || map.shape.length !== 4) return undefined
  const { operator, arguments: args } = operation
  const isWhole =
    operator === 'adaptive_avg_pool2d' || operator === 'adaptive_max_pool2d'
      ? String(args.output_size) === '1,1'
      : (operator === 'amax' || operator === 'mean') && ['2,3', '-2,-1', '-1,-2', '3,2'].includes(String(args.dim))
  if (!isWhole) return undefined
  return { map, pool: operator === 'amax' || operator === 'adaptive_max_pool2d' ? 'max' : 'mean' }
}

/** Adds the class activation map of a linear head (Zhou et al. 2016, arXiv:1512.04150), for maximum pooling too: what each
 *  place of the map adds to each logit. The sum over the places, plus the bias, is the logit. A maximum that several
 *  places share is shared out equally. map: its name in the graph. → `heat`: float [N, classes, rows, columns]. */
export function addHeat(
  graph: Graph,
  map: string,
  { channels, rows, columns, pools, weight, classes }: LinearHead,
): string {
  const axes = graph.ints('heat/axes', [2, 3])
  const hottest = () => {
    const most = graph.add('ReduceMax', [map, axes], { keepdims: 1 }, 'heat/most')
    const isMost = graph.add('Cast', [graph.add('Equal', [map, most])], { to: 1 }, 'heat/is_most')
    const share = graph.add('Div', [isMost, graph.add('ReduceSum', [isMost, axes], { keepdims: 1 })])
    return graph.add('Mul', [map, share], {}, 'heat/at_most')
  }
  const each = pools.map(pool => (pool === 'max' ? hottest() : map))
  const places = rows * columns
  const scaled = weight.map((w, i) => (pools[Math.floor(i / channels) % pools.length] === 'mean' ? w / places : w))
  const kernel = graph.floats('heat/weight', scaled, [classes, pools.length * channels, 1, 1])
  const input = each.length > 1 ? graph.add('Concat', each, { axis: 1 }, 'heat/maps') : each[0]!
  return graph.add('Conv', [input, kernel], { kernel_shape: [1, 1] }, 'heat')
}
