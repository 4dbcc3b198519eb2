import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkGraph } from '../../src/export/network.ts'
import { storeWeights } from '../../src/export/store-weights.ts'
import { imageModel } from '../../src/models/image-model.ts'
import { models } from '../../src/models/registry.ts'
import { Graph } from '../../src/onnx/index.ts'
import { aten, cat, F, nn, noGrad, rand, randn, scope, type Tensor, zeros } from '../../src/torch/index.ts'
import { type Network, network } from '../../src/train/network.ts'
import { checkStructure, difference, fileOf, graphOf, roughen, runFile } from './nets.make.ts'

const classes = 7

const logitsOf = (net: Network, x: Tensor): number[] => noGrad(() => scope(() => net.net(x).numbers()))

/** Checks the graph of a net against the net itself, for one picture and for three. Returns the largest difference. */
async function checkNet(net: Network, shape: [number, number, number], bound = 1e-4): Promise<number> {
  roughen(net)
  const { graph, features, logits } = graphOf(net, shape, classes)
  checkStructure(graph, [features, logits], ['pixels'])
  return compare(net, fileOf(graph), { shape, features, logits, bound })
}

interface Checked {
  shape: [number, number, number]
  features: string
  logits: string
  bound: number
}

async function compare(net: Network, file: Uint8Array, { shape, features, logits, bound }: Checked): Promise<number> {
  net.net.eval()
  const inputs = [randn([1, ...shape]), randn([3, ...shape])]
  let largest = 0
  for (const [i, made] of (await runFile(file, 'pixels', inputs)).entries()) {
    const x = inputs[i]!
    assert.deepEqual(made[logits]!.dims, [x.shape[0], classes])
    assert.deepEqual(made[features]!.dims, [x.shape[0], net.body.pooledFeatures])
    const pooled = noGrad(() => scope(() => net.features(x).numbers()))
    const apart = [difference(made[logits]!.values, logitsOf(net, x)), difference(made[features]!.values, pooled)]
    largest = Math.max(largest, ...apart)
    assert.ok(largest <= bound, `${x.shape[0]} pictures: logits and features are ${apart} apart, bound ${bound}`)
  }
  return largest
}

for (const [name, info] of Object.entries(models))
  test(`${name} as a graph gives the logits and features of the net`, async () => {
    const size = info.sizes === 'any' ? 64 : 32
    await checkNet(network(info.build({ classes: 0, size }), classes), [3, size, size])
  })

test('pictures of one and four channels, sides that differ, heads with hidden layers', async () => {
  for (const [channels, height, width, hidden] of [
    [1, 64, 64, []],
    [4, 96, 32, [9]],
    [3, 33, 65, [9, 5]],
  ] as const) {
    const net = network(models.mobilenet_v2.build({ classes: 0, channels }), classes, { hidden })
    await checkNet(net, [channels, height, width])
  }
})

test('BatchNorm is inside the layers: of a resnet with a head nothing remains but what must', () => {
  const net = network(models.resnet18.build({ classes: 0 }), classes, { hidden: [9] })
  const { graph } = graphOf(net, [3, 64, 64], classes)
  const count: Record<string, number> = {}
  for (const { op } of graph.nodes) count[op] = (count[op] ?? 0) + 1
  assert.deepEqual(count, {
    Conv: 20,
    Relu: 18,
    MaxPool: 1,
    Add: 8,
    ReduceMax: 1,
    GlobalAveragePool: 1,
    Reshape: 1,
    Concat: 1,
    Gemm: 2,
  })
  const names = [...graph.constants.keys()]
  assert.ok(names.includes('body.layer4.1.conv2.weight'), 'weights have the names of the state')
  assert.ok(
    graph.nodes.some(node => node.name === 'body.layer4.1.conv2/Conv'),
    'nodes have the names of modules',
  )
})

test('two nets fit into one graph, each under its prefix', async () => {
  const graph = new Graph()
  const pixels = graph.input('pixels', 'float', ['N', 3, 64, 64])
  const nets = [models.squeezenet1_1, models.mobilenet_v2].map(({ build }) => network(build({ classes: 0 }), classes))
  const outputs = nets.map((net, i) => {
    roughen(net, i)
    return networkGraph(graph, net, pixels, [3, 64, 64], { prefix: `net${i + 1}/` })
  })
  const names = outputs.flatMap(o => [o.features, o.logits])
  checkStructure(graph, names, ['pixels'])
  for (const [i, { logits }] of outputs.entries()) graph.output(logits, 'float', [`N`, `K${i}`])
  assert.ok(
    [...graph.constants.keys()].every(name => /^net[12]\//.test(name)),
    'each constant is under a prefix',
  )
  const x = randn([2, 3, 64, 64])
  const [made] = await runFile(fileOf(graph), 'pixels', [x])
  for (const [i, net] of nets.entries()) {
    net.net.eval()
    const apart = difference(made![outputs[i]!.logits]!.values, logitsOf(net, x))
    assert.ok(apart <= 1e-4, `net ${i + 1} is ${apart} apart`)
  }
})

/** A network of one's own: patches, gates, attention over pixels, a mean of its own. */
function ownNet(extra: (x: Tensor) => Tensor = x => x) {
  const c = 16
  const m = {
    stem: nn.sequential(nn.conv2d(3, c, 4, { stride: 4 }), nn.batchNorm2d(c), nn.layer(F.silu)),
    gate: nn.conv2d(c, 2 * c, 1),
    norm: nn.layerNorm2d(c),
    attention: nn.selfAttention(c, 4),
    scale: nn.learned(rand([c, 1, 1]), (x, w) => x.mul(w)),
    out: nn.conv2d(c, 24, 3, { padding: 1, dilation: 1, groups: 4 }),
  }
  const features = (x: Tensor) => {
    const y = x.pipe(m.stem, extra)
    const [a, b] = aten.chunk(m.gate(y), 2, { dim: 1 }) as [Tensor, Tensor]
    const gated = a.mul(b.sigmoid()).add_(y).pipe(m.norm)
    const [n = 0, , h = 0, w = 0] = gated.shape
    const seen = m.attention(gated.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(n, c, h, w)
    return cat([seen, m.scale(gated)], 1)
      .narrow(1, 8, c)
      .pipe(m.out, F.gelu, F.samePad(3, 2))
  }
  return imageModel(m, { features, numFeatures: 24, channels: 3 })
}

test('a network of your own becomes a graph by its operators', async () => {
  await checkNet(network(ownNet(), classes), [3, 48, 40])
})

test('what a graph can not hold is refused by name, with what to do, and the net stays as it was', () => {
  const cases: [RegExp, (x: Tensor) => Tensor][] = [
    [
      /my net: its operator cumprod has no counterpart .* Build the network from operators that have one: abs, /,
      x => aten.cumprod(x, 1),
    ],
    [
      /my net: two runs over batches of different size differ in a constant of mul.*random numbers/,
      x => x.mul(rand([16, 1, 1])),
    ],
    [/my net: the operator select cuts the batch along its pictures/, x => x.sub(x.select(0, 0))],
    [
      /my net: a number of mul \(other\) is 7 for a batch of 2 pictures and 8 for one of 3/,
      x => x.mul(x.shape[0]! + 5),
    ],
    [/my net: the operator mul has an operand that is neither a tensor nor a number/, x => x.mul(x.shape[0]!)],
    [/my net: the operator dropout draws random numbers, as in training/, x => aten.dropout(x, 0.5, true)],
    [
      /my net: two runs .* differ in cumprod \(there relu\)/,
      x => (x.shape[0]! > 2 ? aten.relu(x) : aten.cumprod(x, 1)),
    ],
    [/my net: the operator round has decimals = 2, and only its default/, x => aten.round(x, { decimals: 2 })],
    [/trace: .*reads elements/, x => x.mul(x.sum().item())],
  ]
  for (const [message, extra] of cases) {
    const net = network(ownNet(extra), classes)
    net.net.train()
    net.body.children.stem!.eval()
    const graph = new Graph()
    assert.throws(() => networkGraph(graph, net, 'pixels', [3, 48, 48], { model: 'my net' }), message)
    assert.ok(net.net.training && !net.body.children.stem!.training, 'modules have the mode that they had')
  }
})

test('a graph of a net in training leaves the net as it was', () => {
  const net = network(models.squeezenet1_1.build({ classes: 0 }), classes)
  net.net.train()
  const before = Array.from(net.net.stateDict(), ([name, t]) => [name, t.numbers().slice(0, 50)])
  graphOf(net, [3, 64, 64], classes)
  const after = Array.from(net.net.stateDict(), ([name, t]) => [name, t.numbers().slice(0, 50)])
  assert.deepEqual(after, before)
  assert.ok(net.net.training && net.head.training, 'it is in training mode')
  net
    .net(zeros([2, 3, 64, 64]))
    .sum()
    .backward()
  assert.ok(
    net.net.parameters().every(t => t.grad !== null),
    'each weight has a gradient',
  )
})

for (const [name, limits] of Object.entries({
  tf_efficientnet_lite0: { float16: 1e-2, int8: 0.2 },
  squeezenet1_1: { float16: 1e-2, int8: 0.05 },
  convnext_tiny: { float16: 1e-2, int8: 0.05 },
} as const))
  test(`the weights of ${name} in half and a quarter of the bytes give nearly the same logits`, async () => {
    const net = network(models[name as keyof typeof models].build({ classes: 0 }), classes, { hidden: [64] })
    roughen(net)
    const sizes: Record<string, number> = {}
    for (const as of ['float32', 'float16', 'int8'] as const) {
      const { graph, features, logits } = graphOf(net, [3, 64, 64], classes)
      if (as !== 'float32') assert.ok(storeWeights(graph, as) > 10, `${as}: few constants changed`)
      checkStructure(graph, [features, logits], ['pixels'])
      const file = fileOf(graph)
      sizes[as] = file.length
      const bound = as === 'float32' ? 1e-4 : limits[as]
      const apart = await compare(net, file, { shape: [3, 64, 64], features, logits, bound })
      assert.ok(as === 'float32' || apart > 1e-6, `${as} changes nothing: ${apart}`)
    }
    const share = (as: string) => sizes[as]! / sizes.float32!
    assert.ok(share('float16') > 0.49 && share('float16') < 0.53, `float16: ${share('float16')} of the bytes`)
    assert.ok(share('int8') > 0.24 && share('int8') < 0.29, `int8: ${share('int8')} of the bytes`)
  })
