import assert from 'node:assert/strict'
import * as ort from 'onnxruntime-web/wasm'
import { networkGraph, type PictureShape } from '../../src/export/network.ts'
import { Graph } from '../../src/onnx/index.ts'
import { aten, manualSeed, noGrad, randn, scope, type Tensor } from '../../src/torch/index.ts'
import type { Network } from '../../src/train/network.ts'

ort.env.wasm.numThreads = 1 // else it asks for the number of processors, which its bundle cannot do in Node

/** Gives a net weights as after training: statistics of BatchNorm, scales and biases that are neither 0 nor 1. */
export function roughen(net: Network, seed = 1): void {
  manualSeed(seed)
  noGrad(() =>
    scope(() => {
      for (const [name, t] of net.net.stateDict()) {
        if (name.endsWith('running_mean')) aten.normal_(t, { std: 0.3 })
        else if (name.endsWith('running_var')) aten.uniform_(t, { from: 0.5, to: 2 })
        // Only what has little effect on the size of the activations: there are nets of 120 layers.
        else if (t.shape.length === 1 && t.dtype === 'float32') t.add_(randn(t.shape).mul_(0.2))
        else if (name.endsWith('class_token') || name.endsWith('layer_scale')) aten.normal_(t, { std: 0.2 })
      }
    }),
  )
}

/** A graph of a network alone: input `pixels`, outputs features and logits. */
export function graphOf(
  net: Network,
  shape: PictureShape,
  classes: number,
): { graph: Graph; features: string; logits: string } {
  const graph = new Graph()
  const pixels = graph.input('pixels', 'float', ['N', ...shape])
  const { features, logits } = networkGraph(graph, net, pixels, shape)
  graph.output(features, 'float', ['N', net.body.pooledFeatures])
  graph.output(logits, 'float', ['N', classes])
  return { graph, features, logits }
}

/** The file of a graph. */
export const fileOf = (graph: Graph): Uint8Array => graph.encode({ producer: 'anneal', version: '1' })

/** Runs a file in onnxruntime's wasm on each of the inputs; returns all outputs by name. */
export async function runFile(file: Uint8Array, input: string, inputs: readonly Tensor[]): Promise<Outputs[]> {
  const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 })
  try {
    const all: Outputs[] = []
    for (const x of inputs) {
      const given = new ort.Tensor('float32', x.data() as Float32Array, x.shape)
      const made = await session.run({ [input]: given })
      all.push(
        Object.fromEntries(
          Object.entries(made).map(([name, { data, dims }]) => [
            name,
            { dims, values: Array.from(data as Float32Array, Number) },
          ]),
        ),
      )
    }
    return all
  } finally {
    await session.release()
  }
}
type Outputs = Record<string, { dims: readonly number[]; values: number[] }>

/** The largest difference, relative to the largest value. */
export function difference(got: readonly number[], wanted: readonly number[]): number {
  assert.equal(got.length, wanted.length)
  const largest = Math.max(...wanted.map(Math.abs))
  assert.ok(largest > 1e-3 && Number.isFinite(largest), `the values say nothing: their largest is ${largest}`)
  return Math.max(...wanted.map((w, i) => Math.abs(w - got[i]!))) / largest
}

/** Checks that names are unique, that every input of a node was made before it, and that everything is read. */
export function checkStructure(graph: Graph, outputs: readonly string[], inputs: readonly string[]): void {
  const made = new Set([...inputs, ...graph.constants.keys()])
  assert.equal(made.size, inputs.length + graph.constants.size, 'a constant has the name of an input')
  const read = new Set(outputs)
  for (const node of graph.nodes) {
    for (const name of node.inputs) {
      assert.ok(name === '' || made.has(name), `${node.name} reads ${name}, which nothing made before`)
      read.add(name)
    }
    for (const name of node.outputs) {
      assert.ok(!made.has(name), `${name} is made twice`)
      made.add(name)
    }
  }
  const names = graph.nodes.map(node => node.name)
  assert.equal(new Set(names).size, names.length, 'two nodes have one name')
  const unread = graph.nodes.filter(node => !node.outputs.some(name => read.has(name))).map(node => node.name)
  assert.deepEqual(unread, [], 'nodes whose results nothing reads')
  assert.deepEqual(
    [...graph.constants.keys()].filter(name => !read.has(name)),
    [],
    'constants that nothing reads',
  )
}
