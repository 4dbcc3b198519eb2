// Each way of each product of a convolution (src/torch/nn/conv-ways.ts), compared with libtorch in float64. A way that this
// processor does not have is replaced by another one, so every way is asked for on every machine.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { autocast } from '../../src/torch/grad.ts'
import { aten, call, F, fromArray, kernelCalls, kernelSets, nn, noGrad, type Tensor } from '../../src/torch/index.ts'
import {
  type ConvLayer,
  type ConvWay,
  type convProducts,
  convWays,
  layerKey,
  layersIn,
  parseWays,
  useConvPlan,
  waysFor,
  waysHere,
  withWays,
} from '../../src/torch/nn/conv-ways.ts'
import { build, compare, difference, lacksFloat, outcome, usual, values } from '../helpers/kernels.ts'

const types = (['float32', 'bfloat16'] as const).filter(type => kernelSets(type).length > 0)
interface Shape {
  n: number
  cin: number
  h: number
  w: number
  cout: number
  k: number
  stride?: number
  padding?: number
  groups?: number
}
const shapes: Record<string, Shape> = {
  '3 x 3, odd sides': { n: 3, cin: 32, h: 9, w: 7, cout: 64, k: 3 },
  '3 x 3, more pixels than a thread holds at a time': { n: 2, cin: 64, h: 70, w: 66, cout: 32, k: 3 },
  '3 x 3, one row of pixels': { n: 1, cin: 64, h: 1, w: 3, cout: 96, k: 3 },
  '3 x 3 at stride 2': { n: 3, cin: 64, h: 9, w: 8, cout: 96, k: 3, stride: 2 },
  '3 x 3 without padding': { n: 2, cin: 32, h: 6, w: 5, cout: 32, k: 3, padding: 0 },
  '3 x 3, channels that are no multiple of 32': { n: 2, cin: 24, h: 6, w: 5, cout: 20, k: 3 },
  '3 x 3 in groups': { n: 2, cin: 64, h: 7, w: 9, cout: 64, k: 3, groups: 8 },
  '1 x 1': { n: 2, cin: 64, h: 7, w: 6, cout: 96, k: 1 },
  '1 x 1 at stride 2': { n: 2, cin: 64, h: 7, w: 6, cout: 32, k: 1, stride: 2 },
  'a stem': { n: 2, cin: 3, h: 23, w: 20, cout: 40, k: 7, stride: 2 },
  '3 x 3, many pictures of few pixels': { n: 32, cin: 64, h: 4, w: 5, cout: 32, k: 3 },
  '3 x 3, a batch of 16': { n: 16, cin: 32, h: 5, w: 3, cout: 96, k: 3 },
  '3 x 3 at stride 2, many pictures': { n: 59, cin: 32, h: 5, w: 4, cout: 64, k: 3, stride: 2 },
  '1 x 1 at stride 2, many pictures': { n: 28, cin: 32, h: 6, w: 5, cout: 32, k: 1, stride: 2 },
  '5 x 5': { n: 2, cin: 32, h: 9, w: 11, cout: 32, k: 5 },
}

describe('each way of each product', { skip: lacksFloat }, () => {
  for (const [name, { n, cin, h, w, cout, k, stride = 1, padding = k >> 1, groups = 1 }] of Object.entries(shapes))
    for (const dtype of types)
      test(`${dtype}: ${name}`, () => {
        const [oh, ow] = [h, w].map(side => Math.floor((side + 2 * padding - k) / stride) + 1) as [number, number]
        // Values that bfloat16 can represent, so that only sums are rounded
        const made = (seed: number, ...sizes: number[]) =>
          fromArray(
            values(
              sizes.reduce((a, b) => a * b),
              seed,
            ),
            sizes,
          )
            .to('bfloat16')
            .to('float32')
        const [x, g] = [made(1, n, cin, h, w), made(3, n, cout, oh, ow)].map(t => t.contiguous('channels_last')) as [
          Tensor,
          Tensor,
        ]
        const weight = made(2, cout, cin / groups, k, k)
        const [x64, w64, g64] = [x, weight, g].map(t => t.to('float64')) as [Tensor, Tensor, Tensor]
        const sides = [
          [stride, stride],
          [padding, padding],
          [1, 1],
        ] as const
        const y = aten.conv2d(x64, w64, { stride, padding, groups })
        const [gx, gw] = call('aten::convolution_backward', g64, x64, w64, null, ...sides, false, [0, 0], groups, [
          true,
          true,
          false,
        ]) as [Tensor, Tensor]
        const half = dtype === 'bfloat16'
        const layer: ConvLayer = { dtype, cin, cout, k, stride, padding, groups, h, w }
        const here = (product: (typeof convProducts)[number]) => waysHere(layer, product, n)
        const places = [stride, padding, groups] as const
        for (const way of convWays) {
          const before = kernelCalls('conv_by', 'amx') + kernelCalls('conv_by.backward', 'amx')
          const outs: [string, Tensor, Tensor][] = [
            [
              'forward without gradients',
              noGrad(() =>
                call('anneal::conv_by', x, weight, null, null, null, 'none', ...places, way, way, way, way, half),
              ),
              y,
            ],
            [
              'gradient of the input',
              (call('anneal::conv_grad', g, x, weight, ...places, way, '', half) as Tensor[])[0]!,
              gx,
            ],
            [
              'gradient of the weights',
              (call('anneal::conv_grad', g, x, weight, ...places, '', way, half) as Tensor[])[0]!,
              gw,
            ],
          ]
          for (const [what, found, exact] of outs) {
            assert.deepEqual(found.shape, exact.shape, `${way}, ${what}: the shape`)
            const off = difference(Float64Array.from(found.numbers()), Float64Array.from(exact.numbers()))
            assert.ok(off < (half ? 6e-3 : 1e-5), `${way}, ${what}: off by ${off.toExponential(2)}`)
          }
          const learned = weight.clone()
          learned.requiresGrad = true
          const places2 = [...places, way, 'libtorch', 'libtorch', way] as const
          const made2 = call('anneal::conv_by', x, learned, null, null, null, 'none', ...places2, half) as Tensor
          aten.relu_(made2) // what follows may write to the result
          made2.to('float32').sum().backward()
          const off = difference(
            Float64Array.from(made2.to('float64').numbers()),
            Float64Array.from(aten.relu(y).numbers()),
          )
          assert.ok(off < (half ? 6e-3 : 1e-5), `${way}, forward with gradients, ReLU in place: off by ${off}`)
          assert.ok(learned.grad, `${way}: a gradient after ReLU in place`)
          const tiled = (['forward', 'inference', 'input', 'weights'] as const).filter(
            p => way === 'tiles' && here(p).includes(way),
          )
          const ran = kernelCalls('conv_by', 'amx') + kernelCalls('conv_by.backward', 'amx') - before
          assert.equal(ran, tiled.length, `${way}: as many products by tiles as there are`)
        }
      })
})

describe('a layer and what follows it, with its gradients', { skip: lacksFloat }, () => {
  const square = { ...usual, kind: 'conv', cin: 64, cout: 64, n: 2, h: 10, w: 9 } as const
  const layers = {
    'bias, relu': { ...square, after: 'bias, relu' },
    'BatchNorm, relu, residual, kept statistics': { ...square, after: 'norm, relu', residual: true, training: false },
    'BatchNorm, relu6, kept statistics, stride 2': { ...square, after: 'norm, relu6', stride: 2, training: false },
    'BatchNorm, relu, residual': { ...square, after: 'norm, relu', residual: true },
    'groups of 8, BatchNorm, relu, kept statistics': { ...square, after: 'norm, relu', groups: 8, training: false },
    'few channels, BatchNorm, relu, kept statistics': {
      ...square,
      cin: 3,
      k: 7,
      stride: 2,
      after: 'norm, relu',
      training: false,
    },
  } as const
  const mixed = { forward: 'own', input: 'product', weights: 'tiles', inference: 'fused' } as const
  const all = (way: ConvWay) => ({ forward: way, input: way, weights: way, inference: way })
  for (const [name, c] of Object.entries(layers))
    for (const dtype of types)
      for (const [what, ways] of [...convWays.map(way => [way, all(way)] as const), ['mixed', mixed] as const])
        test(`${dtype}, ${what}: ${name}`, () => {
          const exact = outcome(c, 'aten', 'float64')
          const near = outcome(c, 'aten', dtype)
          const found = withWays(ways, () => outcome(c, 'own', dtype))
          const least = dtype === 'float32' ? 2e-5 : 5e-3
          compare(found, exact, part => least + 3 * difference(near[part]!, exact[part]!))
          // Without gradients, with weights that are packed once
          const net = build(c).to({ memoryFormat: 'channels_last' })
          const x = fromArray(values(c.n * c.cin * c.h * c.w, 3), [c.n, c.cin, c.h, c.w]).contiguous('channels_last')
          const run = () => noGrad(() => autocast(dtype, () => net.eval()(x).numbers()))
          for (const factor of [1, -1.5]) {
            noGrad(() => void net.parameters()[0]!.mul_(factor))
            const [mine, twin] = [withWays(ways, run), withWays(all('libtorch'), run)]
            const off = difference(Float64Array.from(mine), Float64Array.from(twin))
            assert.ok(
              off < (dtype === 'float32' ? 2e-5 : 2e-2),
              `without gradients, weights times ${factor}: off by ${off}`,
            )
          }
        })
})

describe('the choice of ways', { skip: lacksFloat }, () => {
  const layer: ConvLayer = { dtype: 'float32', cin: 32, cout: 32, k: 3, stride: 1, padding: 1, groups: 1, h: 20, w: 20 }
  const libtorch = { forward: 'libtorch', input: 'libtorch', weights: 'libtorch', inference: 'libtorch' } as const

  test('a plan counts before what is usual, and ANNEAL_CONV before a plan', () => {
    assert.equal(waysFor(layer, 4, true)!.forward, 'own')
    const before = useConvPlan({ [layerKey(layer)]: { ...libtorch, weights: 'product' } })
    try {
      assert.deepEqual(waysFor(layer, 4, true), { ...libtorch, weights: 'product' })
      assert.equal(waysFor({ ...layer, h: 21 }, 4, true)!.forward, 'own', 'another size is not in the plan')
      assert.equal(
        withWays({ weights: 'own' }, () => waysFor(layer, 4, true)!.weights),
        'own',
      )
    } finally {
      useConvPlan(before)
    }
  })
  test('the same ways give the same bits', () => {
    for (const way of convWays) {
      const once = () =>
        withWays({ forward: way, input: way, weights: way, inference: way }, () =>
          outcome({ ...usual, kind: 'conv', cin: 32, cout: 32, after: 'bias, relu' }, 'own', types.at(-1)!),
        )
      assert.deepEqual(once(), once(), way)
    }
  })
  test('layers that are alike are one', () => {
    const net = nn.sequential(...[1, 2, 3].map(i => nn.conv2d(32, i === 3 ? 64 : 32, 3, { padding: 1 })))
    const x = fromArray(values(32 * 400, 1), [1, 32, 20, 20]).contiguous('channels_last')
    const found = layersIn(() => noGrad(() => x.pipe(net, F.relu)))
    assert.deepEqual(found, [
      { layer, count: 2 },
      { layer: { ...layer, cout: 64 }, count: 1 },
    ])
  })
  test('ANNEAL_CONV names a way, or products with their ways', () => {
    assert.deepEqual(parseWays('product'), {
      forward: 'product',
      input: 'product',
      weights: 'product',
      inference: 'product',
    })
    assert.deepEqual(parseWays('weights=tiles, forward = own'), { weights: 'tiles', forward: 'own' })
    assert.throws(
      () => parseWays('wights=tiles'),
      /ANNEAL_CONV: got "wights=tiles", expected a way \(libtorch, product/,
    )
    assert.throws(() => parseWays('gemm'), /ANNEAL_CONV: got "gemm"/)
  })
})
