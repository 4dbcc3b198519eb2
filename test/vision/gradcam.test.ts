import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { heatColour } from '../../src/base/heat-colour.ts'
import { imageModel } from '../../src/models/image-model.ts'
import { model } from '../../src/models/index.ts'
import { F, fromArray, liveTensors, nn, noGrad, scope, type Tensor } from '../../src/torch/index.ts'
import { type Network, network } from '../../src/train/network.ts'
import { layerFeatures, tellingLayers } from '../../src/vision/interpret/feature-maps.ts'
import { gradCam, overlay } from '../../src/vision/interpret/gradcam.ts'
import { keptMaps } from '../../src/vision/interpret/map-images.ts'
import { picturesOf, smallJpeg } from '../../src/vision/interpret/picture.ts'
import { formulaPicture } from '../golden/formula.ts'
import { assertFreed, close, fill, golden } from '../helpers/explain.ts'

const picture = (n: number, h: number, w: number) => fromArray(formulaPicture([n, 3, h, w]), [n, 3, h, w])

/** The net of make_explain.py: two convolutions, the pooling of `network`, one linear layer. */
function goldenNetwork(): Network {
  const layers = nn.sequential(
    nn.conv2d(3, 8, 3, { stride: 2, padding: 1 }),
    nn.layer(F.relu, 'ReLU'),
    nn.conv2d(8, 12, 3, { stride: 2, padding: 1 }),
    nn.layer(F.relu_, 'ReLU'),
  )
  const body = fill(
    imageModel(layers.children, {
      features: layers,
      numFeatures: 12,
    }),
  )
  const head = nn.linear(24, 5)
  const features = (x: Tensor) => nn.concatPool(body(x))
  const net = fill(nn.module({ body: body as nn.Module, head }, x => head(features(x))))
  fill(body) // under the same names as in Python
  return { net, body, head, features, groups: [] }
}

test('heat maps are those of torch.autograd, of the last map and of an earlier one', () => {
  const g = golden.gradCam
  const net = goldenNetwork()
  const x = picture(3, 24, 32)
  const alive = liveTensors()
  const high = gradCam(net, x, g.classes!)
  close(high.logits, g.logits!, 1e-4, 'logits')
  close([high.rows, high.columns], g.highSize!, 0)
  close(high.coarse, g.high!, 1e-4, 'last')
  const low = gradCam(net, x, g.classes!, { at: net.body.children['1']! })
  close([low.rows, low.columns], g.lowSize!, 0)
  close(low.coarse, g.low!, 1e-4, 'earlier')
  close(low.maps.subarray(0, 24 * 32), g.resized!, 1e-4, 'enlarged')
  assertFreed(alive)
})

test('a frozen net and one inside noGrad give the same map, and no gradient stays', () => {
  const net = goldenNetwork()
  const x = picture(3, 24, 32)
  const plain = gradCam(net, x, [0, 3, 1])
  net.net.requiresGrad(false)
  assert.deepEqual(gradCam(net, x, [0, 3, 1]), plain)
  assert.deepEqual(
    noGrad(() => gradCam(net, x, [0, 3, 1])),
    plain,
  )
  net.net.requiresGrad(true)
  gradCam(net, x, [0, 3, 1])
  assert.ok(
    net.net.parameters().every(p => p.grad === null),
    'net.net.parameters().every(p => p.grad === null)',
  )
})

for (const name of ['resnet18', 'mobilenet_v2', 'squeezenet1_1', 'tf_efficientnet_lite0', 'tf_efficientnet_lite2'])
  test(`${name}: maps from 0 to 1 at the picture's size, and small pictures of a few layers`, () => {
    scope(() => {
      const net = network(model(name).build({ classes: 0 }), 3)
      net.net.requiresGrad(false)
      const x = picture(2, 64, 96)
      const { maps, rows, columns } = gradCam(net, x, [0, 2])
      assert.equal(maps.length, 2 * 64 * 96)
      assert.ok(rows >= 2 && columns > rows, `${rows} x ${columns}`)
      assert.ok(
        maps.every(v => v >= 0 && v <= 1),
        'maps.every(v => v >= 0 && v <= 1)',
      )
      const finer = gradCam(net, x, [0, 2], { at: moduleAt(net, tellingLayers(net)[1]!) })
      assert.ok(finer.rows > rows, `finer.rows > rows, got ${finer.rows}`)
      const layers = layerFeatures(net, x.narrow(0, 0, 1), { channels: 4 })
      assert.equal(layers.length, 3)
      assert.deepEqual([layers[0]!.height, layers.at(-1)!.height], [name === 'squeezenet1_1' ? 31 : 32, rows])
      for (const { maps, height, width } of layers) {
        assert.equal(maps.length, 4)
        assert.ok(
          maps.every(m => m.data.length === height * width),
          'maps.every(m => m.data.length === height * width)',
        )
        assert.deepEqual(
          maps.map(m => m.strength),
          maps.map(m => m.strength).sort((a, b) => b - a),
        )
      }
      assert.ok(
        Array.from(net.net.modules()).every(([, m]) => m.hooks.size === 0),
        'Array.from(net.net.modules()).every(([, m]) => m.hooks.size === 0)',
      )
    })
  })
const moduleAt = (net: Network, name: string) => new Map(net.body.modules()).get(name)!

test('the maps of a layer are its channels, and what comes after in place leaves them', () => {
  const net = goldenNetwork()
  const x = picture(1, 24, 32)
  const [layer] = layerFeatures(net, x, { layers: ['2'], channels: 99 })
  assert.deepEqual([layer!.channels, layer!.maps.length, layer!.height, layer!.width], [12, 12, 6, 8])
  scope(() => {
    const m = net.body.children
    const raw = noGrad(() => x.pipe(m['0']!, m['1']!, m['2']!))
    const { channel, strength, data } = layer!.maps[0]!
    const values = raw.select(0, 0).select(0, channel).contiguous().data() as Float32Array
    const mean = values.reduce((a, b) => a + b) / values.length
    const deviation = Math.sqrt(values.reduce((a, v) => a + (v - mean) ** 2, 0) / values.length)
    close([strength], [deviation], 1e-5)
    const [low, high] = [Math.min(...values), Math.max(...values)]
    assert.ok(low < 0, 'before ReLU')
    close(
      data,
      values.map(v => (255 * (v - low)) / (high - low)),
      0.51,
    )
  })
})

test('maps are kept as bytes: small ones as they are, of larger ones the means of blocks', () => {
  const layer = (height: number, width: number, data: number[]) => ({
    layer: 'stem',
    height,
    width,
    channels: 9,
    maps: [{ channel: 4, strength: 0.5, data: Uint8Array.from(data) }],
  })
  const bytes = ({ data }: { data: string }) => [...Buffer.from(data, 'base64')]
  const same = keptMaps(layer(2, 3, [0, 9, 255, 3, 4, 5]), { side: 3 })
  assert.deepEqual([same.rows, same.columns, bytes(same.maps[0]!)], [2, 3, [0, 9, 255, 3, 4, 5]])
  const less = keptMaps(layer(3, 5, [0, 10, 20, 30, 200, 10, 20, 30, 40, 100, 50, 70, 90, 110, 255]), { side: 3 })
  assert.deepEqual([less.height, less.width, less.rows, less.columns, less.channels], [3, 5, 2, 3, 9])
  assert.deepEqual(bytes(less.maps[0]!), [10, 30, 150, 60, 100, 255])
  assert.deepEqual([less.layer, less.maps[0]!.channel, less.maps[0]!.strength], ['stem', 4, 0.5])
})

test('what can not be is refused', () => {
  const net = goldenNetwork()
  assert.throws(() => gradCam(net, picture(2, 8, 8), [0]), /2 pictures and 1 classes/)
  assert.throws(() => gradCam(net, picture(1, 8, 8), [5]), /got class 5; expected a whole number from 0 to 4/)
  assert.throws(() => gradCam(net, picture(1, 8, 8), [0], { at: net.head }), /its output is \[1,5\]/)
  assert.throws(() => gradCam(net, picture(1, 8, 8), [0], { at: nn.identity() }), /the net does not call it/)
  assert.throws(() => layerFeatures(net, picture(2, 8, 8)), /expected one picture \[1, C, H, W\], got \[2,3,8,8\]/)
  assert.throws(
    () => layerFeatures(net, picture(1, 8, 8), { layers: ['layer4'] }),
    /no module "layer4".* Its parts are 0, 1, 2, 3/,
  )
  assert.throws(
    () => overlay({ data: new Uint8Array(12), height: 2, width: 2 }, new Float32Array(3)),
    /2 x 2 pixels and the heat map 3/,
  )
})

test('colours grow lighter from cold to hot; the overlay leaves what is cold as it was', () => {
  const light = Array.from({ length: 21 }, (_, i) => {
    const [r, g, b] = heatColour(i / 20).map(v => (v / 255) ** 2.2) as [number, number, number]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  })
  assert.ok(
    light.every((v, i) => i === 0 || v > light[i - 1]!),
    `${light}`,
  )
  const grey = { data: new Uint8Array(12).fill(100), height: 2, width: 2 }
  const { data } = overlay(grey, Float32Array.of(0, 0.5, 1, 0), { strength: 1 })
  assert.deepEqual([...data.subarray(0, 3)], [100, 100, 100])
  assert.deepEqual([...data.subarray(6, 9)], heatColour(1))
  assert.deepEqual(heatColour(7), heatColour(1))
})

test("a net's input is turned back into its pictures; a small JPEG keeps their form", async () => {
  const pixels = Uint8Array.from({ length: 2 * 3 * 4 * 3 }, (_, i) => (i * 37) % 256)
  const [mean, std] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ]
  const x = fromArray(
    Float32Array.from(pixels, (v, i) => (v / 255 - mean[i % 3]!) / std[i % 3]!),
    [2, 3, 4, 3],
  )
  const back = picturesOf(x.permute(0, 3, 1, 2), { mean, std })
  assert.deepEqual(
    back.map(p => [p.height, p.width]),
    [
      [3, 4],
      [3, 4],
    ],
  )
  assert.deepEqual([...back[1]!.data], [...pixels.subarray(36)])
  const info = await sharp(
    Buffer.from(await smallJpeg({ data: new Uint8Array(300 * 100 * 3), height: 100, width: 300 }), 'base64'),
  ).metadata()
  assert.deepEqual([info.format, info.width, info.height], ['jpeg', 192, 64])
})
