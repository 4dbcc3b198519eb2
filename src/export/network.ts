import { ModelError } from '../base/errors.ts'
import type { Graph } from '../onnx/index.ts'
import { type Tensor, type TensorHandle, zeros } from '../torch/index.ts'
import { type TracedConstant, trace } from '../torch/trace.ts'
import type { Network } from '../train/network.ts'
import { addHeat, linearHead } from './heat.ts'
import { Emitter } from './operators/emitter.ts'
import { rules } from './operators/index.ts'
import { joinTraces, type Program } from './program.ts'
import { simplify, valuesIn } from './simplify.ts'

/** The shape of a picture: [channels, height, width]. */
export type PictureShape = readonly [channels: number, height: number, width: number]

/** How a network is written. */
export interface NetworkGraphOptions {
  /** What it is called in errors. Default: `the network`. */
  model?: string
  /** Stands before the names of all nodes and constants, so that several networks fit into one graph. */
  prefix?: string
  /** Whether to write class activation maps, where the head is linear. */
  heat?: boolean
}

/** The names in the graph of what a network computes. */
export interface NetworkOutputs {
  /** The input of the head: float [N, pooledFeatures]. */
  features: string
  /** float [N, classes]. */
  logits: string
  /** float [N, classes, rows, columns]: what each place of the last map adds to each logit. Absent unless asked for, and
   *  where the head is not linear. */
  heat?: { name: string; rows: number; columns: number }
}

// Two numbers of pictures that a net runs with, to see which sizes depend on them.
const counts = [2, 3] as const

/** Writes a network into a graph, as it predicts: without dropout, with the kept statistics of BatchNorm, in float32.
 *  pixels: the name of the graph's value with the normalised pictures, float [N, ...shape]. Any network of operators
 *  that have a rule (`rules`); for another operator the error names it. */
export function networkGraph(
  graph: Graph,
  network: Network,
  pixels: string,
  shape: PictureShape,
  options: NetworkGraphOptions = {},
): NetworkOutputs {
  const { net, device = 'cpu' } = network
  const outputs = (x: Tensor) => {
    const features = network.features(x)
    return [features, network.head(features.to('float32'))]
  }
  const names = new Map<TensorHandle, string>(Array.from(net.stateDict(), ([name, t]) => [t, name]))
  const modules = Array.from(net.modules(), ([, m]) => m)
  const modes = modules.map(m => m.training)
  try {
    net.eval()
    const { program, e } = written(graph, outputs, pixels, shape, { ...options, device, names })
    const [features, logits] = program.outputs.map(value => e.name(value))
    const head = options.heat ? linearHead(program) : undefined
    return {
      features: features!,
      logits: logits!,
      ...(head && { heat: { name: addHeat(graph, e.name(head.map), head), rows: head.rows, columns: head.columns } }),
    }
  } finally {
    for (const [i, m] of modules.entries()) m.training = modes[i]!
  }
}

type FunctionOptions = Omit<NetworkGraphOptions, 'heat'> & {
  device?: string
  names?: ReadonlyMap<TensorHandle, string>
}

/** Writes what a function computes from float [N, ...shape] into a graph; returns the names of its results. names: those
 *  of weights. */
export function functionGraph(
  graph: Graph,
  fn: (x: Tensor) => readonly Tensor[],
  input: string,
  shape: readonly number[],
  options: FunctionOptions = {},
): string[] {
  const { program, e } = written(graph, fn, input, shape, options)
  return program.outputs.map(value => e.name(value))
}

/** The same; returns the program and what wrote it. */
function written(
  graph: Graph,
  fn: (x: Tensor) => readonly Tensor[],
  input: string,
  shape: readonly number[],
  { model = 'the network', prefix = '', device = 'cpu', names = new Map() }: FunctionOptions,
): { program: Program; e: Emitter } {
  const constants = new Map<TensorHandle, TracedConstant>()
  const run = (count: number) => {
    const x = zeros([count, ...shape], { device })
    try {
      return trace(fn, x, { names, constants })
    } finally {
      x.dispose()
    }
  }
  const program = simplify(joinTraces([run(counts[0]), run(counts[1])], counts, model))
  const e = new Emitter(graph, { input, model, prefix, read: readIn(program) })
  e.bind(program.input, input)
  for (const operation of program.operations) {
    const rule = rules[operation.operator]
    if (!rule) throw unknownOperator(model, operation.operator)
    e.write(operation, rule)
  }
  return { program, e }
}

const readIn = ({ operations, outputs }: Program) =>
  new Set([...operations.flatMap(o => Object.values(o.arguments).flatMap(a => [...valuesIn(a)])), ...outputs])

function unknownOperator(model: string, operator: string): ModelError {
  const known = Object.keys(rules)
    .filter(name => !name.startsWith('_'))
    .sort()
  return new ModelError(
    `${model}: its operator ${operator} has no counterpart in an ONNX graph yet. Build the network from operators that have one: ${known.join(', ')}`,
  )
}
