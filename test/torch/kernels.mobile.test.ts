// Own kernels for blocks of mobile nets: single blocks, and a whole net that predicts in one call.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { model } from '../../src/models/index.ts'
import { autocast } from '../../src/torch/grad.ts'
import {
  fromArray,
  kernelCalls,
  manualSeed,
  nn,
  noGrad,
  type Tensor,
  withKernelSet,
  withKernels,
  withThreads,
} from '../../src/torch/index.ts'
import {
  type Cases,
  comparisons,
  difference,
  floatSets,
  halfSets,
  lacksFloat,
  packedFollows,
  ran,
  slopes,
  values,
} from '../helpers/kernels.ts'

const cases: Cases = {
  'as mobile nets have it': {},
  'kept statistics': { training: false },
  'residual, channels that fill no register': { cin: 20, cout: 20, mid: 52, residual: true },
  '5 x 5': { k: 5, h: 8, w: 8 },
  'stride 2, symmetric padding': { stride: 2, h: 13, w: 10 },
  'stride 2, TensorFlow padding': { stride: 2, h: 14, w: 9, same: true },
  '5 x 5 at stride 2, symmetric': { k: 5, stride: 2, h: 7, w: 12 },
  '5 x 5 at stride 2, TensorFlow': { k: 5, stride: 2, h: 10, w: 7, same: true },
  'kept statistics, stride 2': { stride: 2, same: true, training: false, k: 5 },
  'one picture': { n: 1, h: 16, w: 16, residual: true, cout: 16 },
  'odd channels everywhere': { cin: 13, mid: 37, cout: 11 },
  'odd channels everywhere, kept statistics, stride 2': { cin: 3, mid: 21, cout: 9, stride: 2, n: 3, training: false },
  'stem, odd channels': { kind: 'stem', cin: 3, mid: 17, cout: 5, h: 21, w: 18, training: false },
  'five pictures': { n: 5, h: 6, w: 5 },
  'more pixels than a block has rows': { n: 2, h: 33, w: 37, cin: 8, mid: 16, cout: 8 },
  'wide, and narrow after': { mid: 336, cin: 40, cout: 112, h: 7, w: 7 },
  'EfficientNet-Lite2, 88 channels': { cin: 88, mid: 528, cout: 88, h: 17, w: 17, residual: true },
  'EfficientNet-Lite2, 120 channels to 208': {
    k: 5,
    cin: 120,
    mid: 720,
    cout: 208,
    h: 17,
    w: 17,
    stride: 2,
    same: true,
  },
  'EfficientNet-Lite2, 208 channels': { k: 5, cin: 208, mid: 1248, cout: 208, h: 9, w: 9, residual: true },
  'EfficientNet-Lite2, last block, kept statistics': { cin: 208, mid: 1248, cout: 352, h: 9, w: 9, training: false },
  stem: { kind: 'stem', cin: 3, mid: 32, cout: 16, h: 21, w: 18 },
  'stem, TensorFlow padding': { kind: 'stem', cin: 3, mid: 24, cout: 8, h: 20, w: 22, same: true },
  'stem, kept statistics': { kind: 'stem', cin: 3, mid: 32, cout: 16, h: 16, w: 16, same: true, training: false },
  'one pass': { n: 3, h: 9, w: 12, training: false },
  'one pass, residual, channels that fill no register': {
    cin: 20,
    cout: 20,
    mid: 52,
    n: 4,
    h: 11,
    w: 10,
    residual: true,
    training: false,
  },
  'one pass, 5 x 5, many channels': { k: 5, cin: 24, mid: 144, cout: 40, h: 16, w: 16, training: false },
  'one pass, 5 x 5, long rows, residual': {
    k: 5,
    h: 5,
    w: 70,
    cin: 40,
    mid: 112,
    cout: 40,
    residual: true,
    training: false,
  },
  'one pass, stride 2, symmetric padding': { stride: 2, n: 3, h: 19, w: 20, training: false },
  'one pass, stride 2, TensorFlow padding': { stride: 2, h: 22, w: 20, same: true, training: false },
  'one pass, stride 2, TensorFlow padding, odd rows': { stride: 2, h: 131, w: 4, mid: 32, same: true, training: false },
  'one pass, 5 x 5 at stride 2, symmetric': { k: 5, stride: 2, h: 18, w: 20, mid: 80, training: false },
  'one pass, 5 x 5 at stride 2, TensorFlow': { k: 5, stride: 2, h: 17, w: 32, same: true, training: false },
  'one pass, stem, symmetric padding': { kind: 'stem', cin: 3, mid: 32, cout: 16, n: 3, h: 21, w: 28, training: false },
  'one pass, small maps, odd rows': { n: 12, h: 7, w: 7, cin: 32, mid: 96, cout: 32, residual: true, training: false },
  'one pass, 5 x 5 at stride 2 to odd rows': {
    k: 5,
    stride: 2,
    n: 8,
    h: 14,
    w: 14,
    mid: 80,
    same: true,
    training: false,
  },
  'whole block': { n: 3, h: 9, w: 12 },
  'whole block, residual, channels that fill no register': {
    cin: 20,
    cout: 20,
    mid: 52,
    n: 4,
    h: 11,
    w: 10,
    residual: true,
  },
  'whole block, 5 x 5, long rows, residual': { k: 5, h: 5, w: 70, cin: 40, mid: 112, cout: 40, residual: true },
  'whole block, small maps, odd rows': { n: 12, h: 7, w: 7, cin: 32, mid: 96, cout: 32, residual: true },
  'whole block, many pixels': { n: 2, h: 40, w: 38, cin: 16, mid: 96, cout: 24, stride: 2, same: true },
  'whole block, 5 x 5 at stride 2, symmetric': { k: 5, stride: 2, h: 18, w: 20, mid: 80 },
  'whole block, stem': { kind: 'stem', cin: 3, mid: 32, cout: 16, n: 3, h: 44, w: 56, same: true },
  pointwise: { kind: 'pointwise', cout: 72 },
  'pointwise, EfficientNet-Lite2': { kind: 'pointwise', cin: 352, cout: 1280, h: 9, w: 9 },
  'pointwise, odd channels': { kind: 'pointwise', cin: 7, cout: 13 },
  'pointwise, kept statistics': { kind: 'pointwise', cout: 40, training: false },
}

comparisons(cases)
slopes(cases, ['as mobile nets have it', 'kept statistics, stride 2', 'stem', 'pointwise'])

describe('packed weights', { skip: lacksFloat }, () => packedFollows('a mobile block', {}))

describe('a mobile net that predicts, in one call', { skip: lacksFloat }, () => {
  const nets = ['tf_efficientnet_lite0', 'tf_efficientnet_lite1', 'tf_efficientnet_lite2', 'mobilenet_v2'] as const
  const build = (name: (typeof nets)[number]) => {
    manualSeed(11)
    const net = model(name).build({ classes: 0, size: 64 })
    net.to({ memoryFormat: 'channels_last' }).eval()
    noGrad(() => {
      for (const [key, t] of net.namedBuffers()) {
        if (key.endsWith('running_mean')) nn.init.uniform_(t, -0.3, 0.3)
        if (key.endsWith('running_var')) nn.init.uniform_(t, 0.5, 1.5)
      }
    })
    return net
  }
  const input = (n: number, h: number, w: number) =>
    fromArray(values(n * 3 * h * w, 13), [n, 3, h, w]).contiguous('channels_last')
  const run = (net: nn.Module & { pooled(x: Tensor): Tensor }, x: Tensor, kernels: 'own' | 'aten', half = false) =>
    withKernels(kernels, () =>
      noGrad(() =>
        autocast(half ? 'bfloat16' : 'float32', () => Float64Array.from(net.pooled(x).to('float64').numbers())),
      ),
    )
  const exact = (net: ReturnType<typeof build>, x: Tensor) => {
    const wide = net.to({ dtype: 'float64' })
    const out = run(wide, x.to('float64'), 'aten')
    wide.to({ dtype: 'float32', memoryFormat: 'channels_last' })
    return out
  }

  for (const name of nets)
    for (const [h, w] of [
      [64, 64],
      [67, 90],
      [112, 112],
    ] as const)
      test(`${name} at ${h} x ${w} is as near to float64 as libtorch's operators, whatever is beside a picture`, () => {
        const net = build(name)
        const x = input(5, h, w)
        const right = exact(net, x)
        for (const set of [...floatSets, ...halfSets])
          withKernelSet(set, () => {
            const half = halfSets.includes(set)
            const calls = kernelCalls('mobile_body', set)
            const all = run(net, x, 'own', half)
            assert.equal(kernelCalls('mobile_body', set), calls + 1, `${set}: one call`)
            const near = difference(run(net, x, 'aten', half), right)
            const off = difference(all, right)
            assert.ok(off <= (half ? 1.2 : 3) * near + 1e-5, `${set}: off by ${off}, libtorch by ${near}`)
            const alone = all.length / 5
            if (set !== 'amx')
              for (const n of [1, 2, 3])
                withThreads(n, () => {
                  assert.deepEqual(run(net, x, 'own', half), all, `${set}, ${n} threads`)
                  const one = run(net, x.narrow(0, 3, 1), 'own', half)
                  assert.deepEqual(one, all.subarray(3 * alone, 4 * alone), `${set}, ${n} threads, alone`)
                })
          })
      })

  test('follows every write to weights and statistics', () => {
    const net = build('mobilenet_v2')
    const x = input(1, 64, 64)
    const same = (when: string) => {
      const own = ran('mobile_body', floatSets[0]!, () => run(net, x, 'own'))
      const off = difference(own, run(net, x, 'aten'))
      assert.ok(off < 1e-5, `${when}: off by ${off}`)
    }
    same('at first')
    const before = run(net, x, 'own')[0]
    noGrad(() => net.parameters()[30]!.mul_(-1.5))
    same('a weight')
    noGrad(() => Array.from(net.namedBuffers(), ([, t]) => t)[40]!.add_(0.25))
    same('a statistic')
    net.train()
    run(net, input(4, 64, 64), 'own') // the training kernels write statistics
    net.eval()
    same('trained on')
    assert.notEqual(run(net, x, 'own')[0], before, 'another output')
  })

  test('is left to the single blocks where somebody watches one, and where gradients are made', () => {
    const net = build('tf_efficientnet_lite0')
    const x = input(1, 64, 64)
    const calls = (op: string) => {
      const before = kernelCalls(op)
      run(net, x, 'own')
      return kernelCalls(op) - before
    }
    assert.equal(calls('mobile_body'), 1, 'all in one call')
    let seen = 0
    const block = net.children.blocks!.children[3]!.children[1]!
    const off = block.onForward(() => {
      seen++
      return undefined
    })
    assert.ok(calls('inverted_residual') > 10, 'the other blocks by themselves')
    assert.equal(seen, 1, 'somebody watched one')
    assert.equal(calls('mobile_body'), 0, 'not in one call while somebody watches')
    off()
    assert.equal(calls('mobile_body'), 1, 'in one call again')
    const y = withKernels('own', () => net.pooled(x))
    assert.ok(y.requiresGrad, 'the blocks have gradients')
  })
})
