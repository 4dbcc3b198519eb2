import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imageModel, layerGroups, models } from '../../src/models/index.ts'
import { F, liveTensors, nn, ones, scope, zeros } from '../../src/torch/index.ts'
import { network } from '../../src/train/network.ts'

const numbered = (prefix: string, first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => `${prefix}${first + i}`)
const resnet = [
  ['conv1', 'bn1', 'layer1', 'layer2'],
  ['layer3', 'layer4'],
]
const lite = [
  ['conv_stem', 'bn1', ...numbered('blocks.', 0, 2)],
  [...numbered('blocks.', 3, 6), 'conv_head', 'bn2'],
]
const vgg = (first: number, last: number) =>
  numbered('features.', first, last).filter(name => {
    const i = Number(name.slice(9))
    return ![2, 5, 6, 9, 12, 13, 16, 19, 22, 23, 26, 29, 32, 33, 36, 39, 42, 43].includes(i)
  })

/** Layers with strides up to 8 | layers with strides 16 and 32; for the ViT, six blocks each. */
const expected: Record<string, string[][]> = {
  resnet18: resnet,
  resnet34: resnet,
  resnet50: resnet,
  resnext50_32x4d: resnet,
  mobilenet_v2: [numbered('features.', 0, 6), numbered('features.', 7, 18)],
  squeezenet1_1: [
    ['features.0', 'features.3', 'features.4', 'features.6', 'features.7'],
    ['features.9', 'features.10', 'features.11', 'features.12'],
  ],
  tf_efficientnet_lite0: lite,
  tf_efficientnet_lite1: lite,
  tf_efficientnet_lite2: lite,
  mobilenet_v3_large: [numbered('features.', 0, 6), numbered('features.', 7, 16)],
  efficientnet_b0: [numbered('features.', 0, 3), numbered('features.', 4, 8)],
  convnext_tiny: [numbered('features.', 0, 3), numbered('features.', 4, 7)],
  densenet121: [
    ['conv0', 'norm0', 'denseblock1', 'transition1', 'denseblock2'].map(name => `features.${name}`),
    ['transition2', 'denseblock3', 'transition3', 'denseblock4', 'norm5'].map(name => `features.${name}`),
  ],
  vgg16_bn: [vgg(0, 31), vgg(34, 41)],
  vit_b_16: [
    ['class_token', 'conv_proj', 'encoder.pos_embedding', ...numbered('encoder.layers.encoder_layer_', 0, 5)],
    [...numbered('encoder.layers.encoder_layer_', 6, 11), 'encoder.ln'],
  ],
}

for (const [name, { build, sizes }] of Object.entries(models))
  test(`${name}: layer groups follow its strides`, () => {
    const body = build({ classes: 0, channels: 2, ...(sizes === 'any' ? {} : { size: 64 }) })
    assert.deepEqual(body.groups, expected[name])
  })

const conv = (cin: number, cout: number, stride: number) =>
  nn.sequential(nn.conv2d(cin, cout, 3, { stride, padding: 1 }), nn.batchNorm2d(cout), nn.layer(F.relu, 'ReLU'))

test("a net of one's own is grouped, trained and pooled like the others", () => {
  const stages = nn.sequential(
    conv(8, 8, 2),
    conv(8, 8, 2),
    nn.sequential(conv(8, 16, 2), conv(16, 16, 1)),
    conv(16, 32, 1),
  )
  const m = { stem: conv(5, 8, 2), stages, last: nn.conv2d(32, 32, 1) }
  const features = nn.module(m, x => x.pipe(m.stem, m.stages, m.last, F.relu))
  const body = imageModel({ net: features }, { features, numFeatures: 32, channels: 5 })
  assert.deepEqual(body.groups, [
    ['net.stem', 'net.stages.0', 'net.stages.1'],
    ['net.stages.2', 'net.stages.3', 'net.last'],
  ])
  const net = network(body, 3)
  assert.deepEqual(
    net.groups.map(g => g.name),
    ['net.stem…net.stages.1', 'net.stages.2…net.last', 'head'],
  )
  scope(() => assert.deepEqual(net.features(ones([2, 5, 40, 40])).shape, [2, 64]))
})

test('what looks for groups leaves no trace: modes, statistics, hooks, tensors', () => {
  const net = nn.sequential(conv(3, 4, 2), conv(4, 4, 4), conv(4, 4, 4), nn.dropout(0.5))
  net.children['1']!.eval()
  const modes = () => Array.from(net.modules(), ([, m]) => [m.training, m.hooks.size])
  const [before, alive] = [modes(), liveTensors()]
  assert.deepEqual(layerGroups(net), [['0', '1'], ['2']])
  assert.deepEqual(modes(), before)
  assert.equal(liveTensors(), alive)
  assert.equal(net.stateDict().get('0.1.num_batches_tracked')!.item(), 0)
})

test('without strides a net is cut at half of its depth; what is not called goes with what is before it', () => {
  const block = () => nn.sequential(nn.linear(8, 8), nn.layerNorm(8))
  const blocks = nn.sequential(...Array.from({ length: 5 }, block))
  const shared = nn.linear(8, 8)
  const m = { stem: nn.conv2d(3, 8, 1), never: shared, blocks, head: nn.linear(8, 2) }
  const net = nn.module(m, x => x.pipe(m.stem).permute(0, 2, 3, 1).pipe(m.blocks, m.head))
  assert.deepEqual(layerGroups(net, { without: ['head'], size: 16 }), [
    ['stem', 'never', 'blocks.0', 'blocks.1'],
    ['blocks.2', 'blocks.3', 'blocks.4'],
  ])
  assert.deepEqual(layerGroups(nn.sequential(nn.conv2d(3, 4, 1)), { size: 8 }), [['0']])
  const scale = nn.learned(zeros([8, 1, 1]), (x, w) => x.add(w))
  const deep = nn.sequential(conv(3, 8, 4), scale, conv(8, 8, 8))
  assert.deepEqual(layerGroups(deep), [
    ['0', '1'],
    ['2.0', '2.1'],
  ])
})
