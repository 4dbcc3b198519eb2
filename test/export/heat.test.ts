import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkGraph } from '../../src/export/network.ts'
import { imageModel } from '../../src/models/image-model.ts'
import { models } from '../../src/models/registry.ts'
import { Graph } from '../../src/onnx/index.ts'
import { fromArray, nn, noGrad, randn, scope, type Tensor } from '../../src/torch/index.ts'
import { type Network, network } from '../../src/train/network.ts'
import { checkStructure, fileOf, roughen, runFile } from './nets.make.ts'

const classes = 4

/** The outputs of a net's graph for pictures: logits and heat of each. */
async function heatOf(net: Network, shape: [number, number, number], pictures: Tensor[], count = classes) {
  const graph = new Graph()
  const pixels = graph.input('pixels', 'float', ['N', ...shape])
  const { logits, heat } = networkGraph(graph, net, pixels, shape, { heat: true })
  if (!heat) return undefined
  graph.output(logits, 'float', ['N', count])
  graph.output(heat.name, 'float', ['N', count, heat.rows, heat.columns])
  checkStructure(graph, [logits, heat.name], ['pixels'])
  const made = await runFile(fileOf(graph), 'pixels', pictures)
  return made.map(m => ({ logits: m[logits]!.values, heat: m[heat.name]!.values, ...heat }))
}

test('the places of a map add up to the logit, up to a constant for each class', async () => {
  for (const name of ['resnet18', 'squeezenet1_1', 'mobilenet_v2'] as const) {
    const net = network(models[name].build({ classes: 0 }), classes)
    roughen(net)
    const found = (await heatOf(net, [3, 64, 96], [randn([1, 3, 64, 96]), randn([1, 3, 64, 96]).mul(2)]))!
    const { rows, columns } = found[0]!
    assert.ok(rows > 1 && columns > rows, `${name}: a map of ${rows} x ${columns}`)
    const biases = found.map(({ logits, heat }) =>
      logits.map(
        (logit, c) => logit - heat.slice(c * rows * columns, (c + 1) * rows * columns).reduce((a, b) => a + b),
      ),
    )
    const scale = Math.max(...found.flatMap(({ logits }) => logits.map(Math.abs)))
    for (const [c, bias] of biases[0]!.entries())
      assert.ok(Math.abs(bias - biases[1]![c]!) < 2e-4 * scale, `${name}: ${bias} and ${biases[1]![c]} of ${scale}`)
  }
})

test('numbers by hand: maximum, shared maximum, mean, and the BatchNorm of the head', async () => {
  const body = imageModel({ none: nn.identity() }, { features: x => x.relu(), numFeatures: 2, channels: 2 })
  const net = network(body, 2, { hidden: [] })
  const put = (name: string, values: number[], shape: number[]) =>
    noGrad(() =>
      scope(() =>
        net.net
          .stateDict()
          .get(name)!
          .copy_(fromArray(Float32Array.from(values), shape)),
      ),
    )
  put('head.2.weight', [1, 2, 4, 8, 0, 0, 0, 1], [2, 4])
  put('head.2.bias', [5, 6], [2])
  put('head.0.weight', [1, 1, 2, 1], [4])
  put('head.0.running_mean', [0, 0, 0, 0], [4])
  put(
    'head.0.running_var',
    [1, 1, 1, 1].map(v => v - 1e-5),
    [4],
  )
  //           channel 0: one maximum; channel 1: two places share it
  const x = fromArray(Float32Array.from([-1, 3, 1, 0, 6, 2, 6, -4]), [1, 2, 2, 2])
  const [made] = (await heatOf(net, [2, 2, 2], [x], 2))!
  const near = (got: readonly number[], wanted: readonly number[]) =>
    assert.ok(
      wanted.every((w, i) => Math.abs(w - got[i]!) < 1e-5),
      `${got}, expected ${wanted}`,
    )
  // class 0: 1 max(a) + 2 max(b) + 4 * 2 mean(a) + 8 mean(b), place by place
  near(made!.heat, [0 + 6 + 0 + 12, 3 + 0 + 6 + 4, 0 + 6 + 2 + 12, 0, 1.5, 0.5, 1.5, 0])
  near(made!.logits, [18 + 13 + 20 + 5, 3.5 + 6])
})

test('a head with hidden layers and a class token have no map; without being asked none is written', async () => {
  const two = network(models.squeezenet1_1.build({ classes: 0 }), classes, { hidden: [8] })
  assert.equal(await heatOf(two, [3, 64, 64], []), undefined, 'hidden layers')
  const vit = network(models.vit_b_16.build({ classes: 0, size: 32 }), classes)
  assert.equal(await heatOf(vit, [3, 32, 32], []), undefined, 'a class token')
  const graph = new Graph()
  const pixels = graph.input('pixels', 'float', ['N', 3, 64, 64])
  const plain = networkGraph(graph, network(models.squeezenet1_1.build({ classes: 0 }), classes), pixels, [3, 64, 64])
  assert.equal(plain.heat, undefined)
  assert.ok(!graph.nodes.some(({ name }) => name.includes('heat')), 'no node of a map')
})
