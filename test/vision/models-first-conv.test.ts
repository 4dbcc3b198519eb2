import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { adaptFirstConv, loadPretrained, model, models } from '../../src/models/index.ts'
import { interpolatePositions } from '../../src/models/vit.ts'
import { cat, fromArray, nn, noGrad, randn, scope, type Tensor } from '../../src/torch/index.ts'
import { formulaValues } from '../golden/formula.ts'

const golden = JSON.parse(readFileSync(new URL('../golden/models.json', import.meta.url), 'utf8')) as {
  'adaptInputConv 4x3x2x2': Record<string, number[]>
  'interpolateEmbeddings 1x17x3': Record<string, number[]>
}
const formula = (name: string, shape: number[]) => fromArray(formulaValues(name, shape), shape)
const near = (actual: number[], expected: number[], what: string) => {
  assert.equal(actual.length, expected.length, what)
  for (const [i, v] of expected.entries())
    assert.ok(Math.abs(actual[i]! - v) < 1e-6, `${what} ${i}: ${actual[i]} for ${v}`)
}

test("a first convolution for other channels equals timm's", () => {
  const weight = formula('conv1.weight', [4, 3, 2, 2])
  for (const [channels, expected] of Object.entries(golden['adaptInputConv 4x3x2x2']))
    scope(() => {
      const adapted = adaptFirstConv(weight, Number(channels))
      assert.deepEqual(adapted.shape, [4, Number(channels), 2, 2])
      near(adapted.numbers(), expected, `${channels} channels`)
    })
  for (const [shape, channels] of [
    [[4, 4, 2, 2], 3],
    [[4, 3, 2, 2], 0],
    [[4, 3, 2, 2], 1.5],
  ] as const)
    assert.throws(() => scope(() => adaptFirstConv(randn(shape), channels)), /can't be adapted to/)
})

test("position embeddings for other grids equal torchvision's", () => {
  const given = formula('encoder.pos_embedding', [1, 17, 3])
  for (const [grid, expected] of Object.entries(golden['interpolateEmbeddings 1x17x3']))
    scope(() => near(interpolatePositions(given, Number(grid)).numbers(), expected, `grid of ${grid}`))
  assert.throws(() => scope(() => interpolatePositions(randn([1, 16, 3]), 2)), /\[1,16,3\] do not fit a class token/)
})

const firsts: Record<string, string> = {
  resnet18: 'conv1.weight',
  mobilenet_v3_large: 'features.0.0.weight',
  squeezenet1_1: 'features.0.weight',
  densenet121: 'features.conv0.weight',
  tf_efficientnet_lite0: 'conv_stem.weight',
  tf_efficientnet_lite2: 'conv_stem.weight',
}
for (const [name, first] of Object.entries(firsts))
  test(`${name}: weights for three channels serve any number of them`, () => {
    const trained = model(name).build({ classes: 0 }).eval()
    for (const channels of [1, 2, 5]) {
      const net = model(name).build({ classes: 3, channels }).eval()
      const dropped = loadPretrained(net, trained.stateDict())
      assert.deepEqual(dropped, [])
      const own = net.stateDict()
      for (const [key, t] of trained.stateDict())
        if (key !== first)
          assert.ok(noGrad(() => scope(() => own.get(key)!.eq(t).to('float32').min().item())) === 1, key)
      scope(() =>
        noGrad(() => {
          const grey = randn([1, 1, 64, 64])
          const close = (a: Tensor, b: Tensor) => a.sub(b).abs().max().item() < 1e-3 * b.abs().max().item()
          // Equal values in every channel give the same result as three equal channels.
          const same = (n: number) =>
            cat(
              Array.from({ length: n }, () => grey),
              1,
            )
          if (channels === 1) assert.ok(close(net.features(grey), trained(same(3))), 'one channel')
          assert.deepEqual(net(same(channels)).shape, [1, 3])
        }),
      )
    }
    const four = model(name).build({ classes: 0, channels: 4 })
    assert.throws(() => loadPretrained(trained, four.stateDict()), new RegExp(`another shape \\(${first}`))
  })

test('a ViT of another size takes the weights with its positions interpolated', () => {
  const trained = models.vit_b_16.build({ classes: 4, size: 64 })
  const net = models.vit_b_16.build({ classes: 4, size: 96, channels: 1 })
  nn.init.normal_(trained.stateDict().get('heads.head.weight')!)
  assert.deepEqual(loadPretrained(net, trained.stateDict()), [])
  const [own, given] = [net, trained].map(m => m.stateDict())
  scope(() => {
    const positions = interpolatePositions(given!.get('encoder.pos_embedding')!.detach(), 6)
    near(own!.get('encoder.pos_embedding')!.numbers(), positions.numbers(), 'positions')
    near(own!.get('heads.head.weight')!.numbers(), given!.get('heads.head.weight')!.numbers(), 'head')
    assert.deepEqual(noGrad(() => net(randn([1, 1, 96, 96]))).shape, [1, 4])
  })
})
