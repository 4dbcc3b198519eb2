import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import * as ort from 'onnxruntime-node'
import { rng } from '../../src/base/random.ts'
import { tooManyOther } from '../../src/export/check.ts'
import { answers, calibrate, fileOf, type Pixels } from '../../src/export/quantize/calibrate.ts'
import { type Layer, structureOf } from '../../src/export/quantize/layers.ts'
import { scaleOf } from '../../src/export/quantize/numbers.ts'
import { placementOf } from '../../src/export/quantize/placement.ts'
import { quantizedGraph, type Scales } from '../../src/export/quantize/rewrite.ts'
import { sameNet } from '../../src/export/quantize/same-net.ts'
import { models } from '../../src/models/registry.ts'
import { Graph } from '../../src/onnx/index.ts'
import { ModelProtoSchema } from '../../src/onnx/onnx.generated.ts'
import { network } from '../../src/train/network.ts'
import { graphOf, roughen } from './nets.make.ts'

/** Pictures of noise for a net. */
function noise(count: number, shape: readonly [number, number, number], seed: number): Pixels {
  const random = rng(seed)
  const size = shape[0] * shape[1] * shape[2]
  const data = Float32Array.from({ length: count * size }, () => random.normal())
  return {
    count,
    batch: (from, to) => ({
      pixels: { data: data.slice(from * size, to * size), dims: [to - from, ...shape] },
    }),
  }
}

/** Quantises the graph of a net; returns its file, that of float32, and the operators that onnxruntime runs. */
async function quantised(graph: Graph, pixels: Pixels, layers?: readonly Layer[]) {
  const structure = structureOf(graph)
  const placement = placementOf(structure, new Set(layers ?? structure.layers))
  const whole = placementOf(structure, new Set(structure.layers))
  for (const name of placement.places.keys())
    assert.ok(whole.places.has(name), `${name} is rounded only where other layers are float32`)
  const { histograms, means } = await calibrate(graph, [...whole.places.keys()], pixels)
  const scales: Scales = {
    scaleOf(name) {
      const { like, unit } = whole.places.get(name)!
      if (like !== undefined) return scales.scaleOf(like)
      if (unit) return scaleOf({ low: 0, high: 1 })
      return scaleOf(histograms.get(name)!.range('mse', { positive: structure.positive(name) }))
    },
    means: name => means.get(name),
  }
  const file = fileOf(quantizedGraph(graph, placement, scales))
  return { structure, file, float: fileOf(graph), kinds: await kernelsOf(file) }
}

/** How many nodes of each operator onnxruntime runs for a file, after its own changes. */
async function kernelsOf(file: Uint8Array): Promise<Record<string, number>> {
  const dir = mkdtempSync(join(tmpdir(), 'anneal-quantize-'))
  try {
    const path = join(dir, 'optimized.onnx')
    const session = await ort.InferenceSession.create(file, {
      optimizedModelFilePath: path,
      graphOptimizationLevel: 'extended',
      logSeverityLevel: 3,
    })
    await session.release()
    const count: Record<string, number> = {}
    for (const { opType } of fromBinary(ModelProtoSchema, readFileSync(path)).graph!.node)
      count[opType] = (count[opType] ?? 0) + 1
    return count
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** The graph of a net of the registry with rough weights, with probabilities of 7 classes. */
function rough(name: keyof typeof models, size: number): Graph {
  const net = network(models[name].build({ classes: 0, size }), 7)
  roughen(net)
  const { graph, logits } = graphOf(net, [3, size, size], 7)
  graph.output(graph.add('Softmax', [logits], { axis: 1 }, 'probabilities'), 'float', ['N', 7])
  return graph
}

const apartBy = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((p, i) => Math.abs(p - b[i]!)))

const nets: [name: keyof typeof models, size: number, expected: Record<string, number>][] = [
  // No Conv is left: all compute with integers, and their activations are gone, but for those after the last sum.
  ['squeezenet1_1', 64, { Conv: 0, Relu: 1, QLinearConv: 25, QLinearConcat: 7, QGemm: 1 }],
  ['mobilenet_v2', 32, { Conv: 0, Clip: 0, QLinearConv: 52, QLinearAdd: 10, QGemm: 1 }],
  ['resnet18', 32, { Conv: 0, Relu: 1, QLinearConv: 20, QLinearAdd: 7, QGemm: 1 }],
  ['mobilenet_v3_large', 32, { Conv: 0, QLinearConv: 62, QLinearMul: 3, QGemm: 1 }],
  ['efficientnet_b0', 32, { Conv: 0, QLinearSigmoid: 64, QLinearMul: 64 }],
  ['densenet121', 32, { Conv: 0 }],
]
for (const [name, size, expected] of nets)
  test(`${name}: integer kernels run, and the answers stay close`, async () => {
    const graph = rough(name, size)
    const pixels = noise(8, [3, size, size], 3)
    const { file, float, kinds, structure } = await quantised(graph, pixels)
    for (const [op, count] of Object.entries(expected))
      assert.equal(kinds[op] ?? 0, count, `${op}: ${JSON.stringify(kinds)}`)
    assert.ok(structure.layers.length > 10, `${structure.layers.length} layers`)
    assert.ok(file.length < 0.4 * float.length, `${file.length} of ${float.length} bytes`)
    const apart = apartBy(await answers(float, pixels), await answers(file, pixels))
    assert.ok(apart > 0 && apart < 0.25, `${name}: a probability differs by ${apart}`)
  })

test('a transformer: products with weights compute with integers, those of two values with floats', async () => {
  const g = new Graph()
  const random = rng(8)
  const weights = (name: string, shape: readonly number[]) =>
    g.floats(
      name,
      Float32Array.from({ length: shape[0]! * shape[1]! }, () => random.normal() / 4),
      shape,
    )
  const x = g.add('Reshape', [g.input('pixels', 'float', ['N', 1, 16, 24]), g.ints('tokens', [0, 16, 24])])
  const project = (name: string, from: string, to: number, of: number) =>
    g.add('Add', [
      g.add('MatMul', [from, weights(name, [of, to])]),
      g.floats(`${name}.bias`, new Float32Array(to).fill(0.1)),
    ])
  const [q, k, v] = ['q', 'k', 'v'].map(name => project(name, x, 24, 24)) as [string, string, string]
  const scores = g.add('MatMul', [q, g.add('Transpose', [k], { perm: [0, 2, 1] })])
  const mixed = g.add('MatMul', [g.add('Softmax', [scores], { axis: -1 }), v])
  const hidden = g.add('Relu', [project('up', g.add('Add', [mixed, x]), 48, 24)])
  const mean = g.add('ReduceMean', [project('down', hidden, 24, 48), g.ints('axis', [1])], { keepdims: 0 })
  g.output(g.add('Softmax', [g.add('MatMul', [mean, weights('head', [24, 7])])], { axis: 1 }, 'probabilities'), 'float')
  const pixels = noise(6, [1, 16, 24], 4)
  const { file, float, kinds } = await quantised(g, pixels)
  assert.deepEqual([kinds.MatMulIntegerToFloat, kinds.MatMul, kinds.FusedMatMul], [6, 1, 1], JSON.stringify(kinds))
  const apart = apartBy(await answers(float, pixels), await answers(file, pixels))
  assert.ok(apart > 0 && apart < 0.05, `a probability differs by ${apart}`)
})

test('layers that are left out stay float32, with the weights as they were', async () => {
  const graph = rough('mobilenet_v2', 32)
  const pixels = noise(6, [3, 32, 32], 5)
  const { layers } = structureOf(graph)
  const whole = await answers(fileOf(graph), pixels)
  const errors: number[] = []
  for (const float of [[], [0, 5, 6, 52], layers.map((_, i) => i).filter(i => i > 3)]) {
    const kept = layers.filter((_, i) => !float.includes(i))
    const { file, kinds } = await quantised(graph, pixels, kept)
    const convolutions = float.filter(i => layers[i]!.node.op === 'Conv').length
    assert.equal((kinds.Conv ?? 0) + (kinds.FusedConv ?? 0), convolutions, JSON.stringify(kinds))
    const made = fromBinary(ModelProtoSchema, file).graph!
    for (const i of float) {
      const { weight } = layers[i]!
      const stored = made.initializer.find(t => t.name === weight)
      assert.deepEqual(
        Buffer.from(stored?.rawData ?? []),
        Buffer.from(graph.constants.get(weight)!.data as Uint8Array),
        `${weight} is as it was`,
      )
    }
    const after = await answers(file, pixels)
    errors.push(whole.reduce((sum, p, i) => sum + (p - after[i]!) ** 2, 0))
  }
  assert.ok(errors[2]! < errors[0]!, `with 49 layers in float32 it is closer: ${errors}`)
})

test('values that are no numbers are refused by name', async () => {
  const g = new Graph()
  const x = g.input('pixels', 'float', ['N', 1, 2, 2])
  const log = g.add('Log', [x])
  g.output(g.add('Conv', [log, g.floats('weight', [1], [1, 1, 1, 1])]), 'float', ['N', 1, 2, 2])
  await assert.rejects(calibrate(g, [log], noise(2, [1, 2, 2], 6)), /Log: has values .* no finite numbers/)
})

test('the graph of a whole model has the same net under other names', () => {
  const build = (before: boolean) => {
    const g = new Graph()
    let x = g.input(before ? 'image' : 'pixels', 'float', ['N', 3, 4, 4])
    if (before) x = g.add('Add', [x, g.floats('one', [1])])
    x = g.add('Conv', [x, g.floats('weight', new Float32Array(27), [1, 3, 3, 3])])
    g.output(g.add('Add', [x, g.floats('one', [1])]), 'float', ['N', 1, 2, 2])
    return g
  }
  const { to, from } = sameNet(build(false), build(true))
  assert.deepEqual([to('pixels'), to('Add'), from('Add_1'), from('Add')], ['Add', 'Add_1', 'Add', 'pixels'])
  assert.throws(() => sameNet(build(false), new Graph()), /in the place of/)
})

test('labels that differ are too many when chance does not explain them (limits from scipy.stats.binom)', () => {
  for (const [count, least] of [
    [2, 2],
    [3, 3],
    [6, 3],
    [9, 4],
    [20, 7],
    [100, 22],
    [372, 68],
    [5000, 793],
  ] as const) {
    assert.equal(tooManyOther(least, count, 0.15), true, `${least} of ${count}`)
    assert.equal(tooManyOther(least - 1, count, 0.15), false, `${least - 1} of ${count}`)
  }
  assert.equal(tooManyOther(0, 0, 0.15), false, 'no picture')
  assert.equal(tooManyOther(1, 1, 0.15), false, 'one picture can differ')
})
