import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkSizes, loadPretrained, model, models } from '../../src/models/index.ts'
import { F, grad, keep, liveTensors, nn, noGrad, randn, scope, type Tensor, tensor } from '../../src/torch/index.ts'
import { shortSide } from '../../src/vision/domain/open-pictures.ts'

/** Where they are others than 224 px, and 256 px before the crop. */
const sides: Record<string, [size: number, short: number]> = {
  convnext_tiny: [224, 236],
  tf_efficientnet_lite1: [240, 272],
  tf_efficientnet_lite2: [260, 292],
}
for (const [name, info] of Object.entries(models))
  test(`${name}: the sizes it takes, every gradient, groups that cover the body once`, () => {
    const fixed = info.sizes !== 'any'
    const net = info.build({ classes: 5, size: 64 })
    const alive = liveTensors()
    for (const [height, width] of fixed
      ? [[64, 64]]
      : [
          [64, 64],
          [65, 97],
        ])
      scope(() => {
        const x = randn([2, 3, height!, width!])
        const logits = net(x)
        assert.deepEqual(logits.shape, [2, 5])
        const [n, c, ...map] = net.features(x).shape
        assert.deepEqual([n, c, map.length], [2, net.numFeatures, 2])
        F.crossEntropy(logits, tensor([1n, 4n])).backward()
        for (const [key, p] of net.namedParameters()) assert.ok(p.grad, `${key} has no gradient`)
        net.zeroGrad()
      })
    assert.equal(liveTensors(), alive, 'tensors leak')
    if (fixed)
      assert.throws(
        () => scope(() => net(randn([2, 3, 65, 97]))),
        /built for pictures of 64 × 64 pixels and got \[2,3,65,97\]/,
      )

    const body = info.build({ classes: 0, size: 64 }).eval()
    scope(() => {
      const x = randn([1, 3, 64, 64])
      noGrad(() => assert.deepEqual(body(x).numbers(), body.features(x).numbers()))
      const plain = noGrad(() => body.pooled(x))
      assert.deepEqual(plain.shape, [1, body.pooledFeatures])
      let map: Tensor | undefined
      const unhook = body.onForward((_, __, y) => (map = keep(y)).clone())
      const pooled = body.pooled(x)
      unhook()
      assert.ok(largest(plain.sub(pooled)) < 1e-4 * largest(plain), 'the map is only shown')
      assert.deepEqual(map!.shape.slice(0, 2), [1, body.numFeatures])
      const [slope] = grad([pooled.mul(randn(pooled.shape)).sum()], [map!])
      assert.ok(largest(slope!) > 0, 'a heat map has something to show')
      map!.dispose()
    })
    const grouped = body.groups.map(names => names.flatMap(part => [...child(body, part).namedParameters(part)]))
    assert.deepEqual(
      grouped.flat().map(([key]) => key),
      [...body.namedParameters()].map(([key]) => key),
    )
    assert.ok(
      grouped.length === 2 && grouped.every(group => group.length > 0),
      'grouped.length === 2 && grouped.every(group => group.length > 0)',
    )
    assert.deepEqual(net.groups, body.groups)
    // Size and short side before the crop, as the source of the weights has them.
    assert.deepEqual([info.size, shortSide(info.size, info)], sides[name] ?? [224, 256])
    assert.ok(
      info.licence && info.source && info.paper && info.top1 > 50 && info.top1 < 90,
      'info.licence && info.source && info.paper && info.top1 > 50 && info.top1 < 90',
    )
    assert.match(info.weights.digest, /^([0-9a-f]{64}){1,2}$/)
  })

const child = (net: nn.Module, path: string) => path.split('.').reduce((m, part) => m.children[part]!, net)
const largest = (t: Tensor) => t.abs().max().item()

test('sizes that a model cannot take are refused with the reason', () => {
  checkSizes('resnet34', [97, 128, 224])
  checkSizes('vit_b_16', [160, 160])
  assert.throws(() => checkSizes('vit_b_16', [100]), /patches of 16 × 16.* multiple of 16, got 100\. Take 96/)
  assert.throws(() => checkSizes('vit_b_16', [128, 224]), /built for one size .* got 128, 224\. Give one size, or/)
  assert.throws(() => models.vit_b_16.build({ size: 100 }), /multiple of 16, got 100/)
})

test('a body loads under any classifier; another architecture is refused with what differs', () => {
  const trained = models.squeezenet1_1.build().stateDict()
  const classifier = ['classifier.1.weight', 'classifier.1.bias']
  const whole = models.squeezenet1_1.build()
  assert.deepEqual(loadPretrained(whole, trained), [])
  for (const [key, t] of whole.stateDict()) assert.deepEqual(t.numbers(), trained.get(key)!.numbers(), key)

  for (const classes of [3, 0]) {
    const net = models.squeezenet1_1.build({ classes })
    const fresh = net.stateDict().get('classifier.1.weight')?.numbers()
    assert.deepEqual(loadPretrained(net, trained), classifier)
    assert.deepEqual(net.stateDict().get('classifier.1.weight')?.numbers(), fresh)
    assert.deepEqual(
      net.stateDict().get('features.12.expand3x3.weight')!.numbers(),
      trained.get('features.12.expand3x3.weight')!.numbers(),
    )
  }

  const before = models.resnet18.build()
  const untouched = before.stateDict().get('conv1.weight')!.numbers()
  assert.throws(() => loadPretrained(before, trained), /missing.*unknown \(features\.0\.weight/)
  assert.deepEqual(before.stateDict().get('conv1.weight')!.numbers(), untouched)
  assert.throws(
    () => loadPretrained(models.resnet18.build(), models.resnet34.build().stateDict()),
    /unknown \(layer1\.2\.conv1\.weight/,
  )
  assert.throws(
    () => loadPretrained(models.resnet50.build(), models.resnext50_32x4d.build().stateDict()),
    /another shape \(layer1\.0\.conv1\.weight \[128,64,1,1\] instead of \[64,64,1,1\]/,
  )
})

test('an unknown model is refused with the nearest name and all of them', () => {
  assert.throws(
    () => model('resnet43'),
    /no model is called "resnet43"\. Did you mean "resnet\d\d"\? Known models: resnet18, /,
  )
  assert.throws(() => model('constructor'), /no model is called "constructor"/)
})

test('activations in place give the gradients of those out of place, after BatchNorm and after a folded one', () => {
  for (const training of [true, false])
    for (const [inPlace, plain] of [
      [F.relu_, F.relu],
      [F.relu6_, F.relu6],
    ] as const)
      scope(() => {
        const conv = nn.conv2d(3, 4, 3)
        const bn = nn.batchNorm2d(4).train(training)
        bn.own.parameters.weight!.requiresGrad = false
        bn.own.parameters.weight!.mul_(4)
        const x = randn([2, 3, 8, 8]).mul(3)
        const [a, b] = [inPlace, plain].map(activation => {
          conv.zeroGrad()
          const y = x.pipe(conv, bn, activation)
          y.pow(2).sum().backward()
          return [y.numbers(), ...conv.parameters().map(p => p.grad!.numbers())]
        })
        assert.ok(
          a![1]!.some(v => v !== 0),
          'a![1]!.some(v => v !== 0)',
        )
        assert.deepEqual(a, b)
      })
})

test('"SAME" padding gives ⌈in / stride⌉ with the odd pixel right and below', () => {
  scope(() => {
    const ones = nn.conv2d(1, 1, 3, { stride: 2, bias: false })
    noGrad(() => ones.own.parameters.weight!.fill_(1))
    const count = (h: number, w: number) => {
      const x = randn([1, 1, h, w]).mul(0).add(1)
      const y = noGrad(() => x.pipe(F.samePad(3, 2), ones))
      return { shape: y.shape, values: y.numbers() }
    }
    assert.deepEqual(count(4, 4), { shape: [1, 1, 2, 2], values: [9, 6, 6, 4] })
    assert.deepEqual(count(5, 3), { shape: [1, 1, 3, 2], values: [4, 4, 6, 6, 4, 4] })
  })
})

test('a hook on BatchNorm sees its output although a convolution would fold it in', () => {
  scope(() => {
    const net = nn.sequential(nn.conv2d(3, 4, 1), nn.batchNorm2d(4)).eval()
    const x = randn([1, 3, 4, 4])
    const folded = noGrad(() => net(x)).numbers()
    let seen = 0
    net.children['1']!.onForward(() => {
      seen++
    })
    const unfolded = noGrad(() => net(x)).numbers()
    assert.equal(seen, 1)
    for (const [i, v] of folded.entries())
      assert.ok(Math.abs(v - unfolded[i]!) < 1e-5, 'Math.abs(v - unfolded[i]!) < 1e-5')
  })
})

test('BatchNorm refuses one value a channel, which would leave NaN in its statistics', () => {
  const bn = nn.batchNorm2d(3)
  assert.throws(() => bn(randn([1, 3, 1, 1])), /BatchNorm2d: one value per channel \(input \[1,3,1,1\]\)/)
  assert.deepEqual(bn.own.buffers.running_var!.numbers(), [1, 1, 1])
  assert.deepEqual(bn.eval()(randn([1, 3, 1, 1])).shape, [1, 3, 1, 1])
})
