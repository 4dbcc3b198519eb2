import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  aten,
  autocast,
  F,
  generator,
  nn,
  noGrad,
  optim,
  randn,
  type Tensor,
  tensor,
  zeros,
} from '../../src/torch/index.ts'

const statistics = (t: Tensor) => {
  const values = t.numbers()
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length)
  return { mean, deviation, least: Math.min(...values), most: Math.max(...values) }
}
const near = (actual: number, expected: number, share: number) =>
  assert.ok(Math.abs(actual - expected) <= share * Math.abs(expected), `${actual}, expected ${expected}`)

test('initialisers have the spread that their papers ask for', () => {
  const g = generator(1)
  const weight = zeros([64, 32, 3, 3])
  assert.deepEqual(nn.init.fans(weight), [288, 576])
  assert.deepEqual(nn.init.fans(zeros([10, 20])), [20, 10])
  near(statistics(nn.init.kaimingNormal_(weight, { generator: g })).deviation, Math.sqrt(2 / 288), 0.02)
  near(
    statistics(nn.init.kaimingNormal_(weight, { mode: 'fan_out', generator: g })).deviation,
    Math.sqrt(2 / 576),
    0.02,
  )
  for (const [a, bound] of [
    [Math.sqrt(5), 1 / Math.sqrt(288)],
    [0, Math.sqrt(6 / 288)],
  ] as const) {
    const { mean, deviation, least, most } = statistics(nn.init.kaimingUniform_(weight, { a, generator: g }))
    near(deviation, bound / Math.sqrt(3), 0.02)
    assert.ok(
      least >= -bound && most <= bound && most > 0.99 * bound && Math.abs(mean) < 0.02 * bound,
      'least >= -bound && most <= bound && most > 0.99 * bound && Math.abs…',
    )
  }
  near(statistics(nn.init.normal_(weight, { mean: 5, std: 2, generator: g })).mean, 5, 0.02)
  const { least, most } = statistics(nn.init.uniform_(weight, 1, 3, { generator: g }))
  assert.ok(least >= 1 && most < 3, 'least >= 1 && most < 3')
})

test('layers start as torch starts them, biases included', () => {
  const conv = nn.conv2d(32, 64, 3, { groups: 2 })
  const bound = 1 / Math.sqrt(16 * 9)
  for (const [, p] of conv.namedParameters()) {
    const { most, least } = statistics(p)
    assert.ok(
      most <= bound && least >= -bound && most > 0.9 * bound,
      'most <= bound && least >= -bound && most > 0.9 * bound',
    )
  }
  assert.deepEqual(conv.own.parameters.weight!.shape, [64, 16, 3, 3])
  const bn = nn.batchNorm2d(4, { init: 0 })
  assert.deepEqual(
    [...bn.stateDict()].map(([key, t]) => [key, t.numbers()]),
    [
      ['weight', [0, 0, 0, 0]],
      ['bias', [0, 0, 0, 0]],
      ['running_mean', [0, 0, 0, 0]],
      ['running_var', [1, 1, 1, 1]],
      ['num_batches_tracked', [0]],
    ],
  )
})

const block = () =>
  nn.sequential(
    nn.conv2d(3, 4, 3, { bias: false }),
    nn.batchNorm2d(4),
    nn.layer(F.relu),
    nn.layer(nn.concatPool),
    nn.dropout(),
    nn.linear(8, 2),
  )

test('names are the field’s, nested; train, eval and requiresGrad reach the whole tree', () => {
  const m = nn.module({ body: block(), head: nn.linear(2, 2) }, x => x)
  const names = [
    '0.weight',
    '1.weight',
    '1.bias',
    '1.running_mean',
    '1.running_var',
    '1.num_batches_tracked',
    '5.weight',
    '5.bias',
  ]
  assert.deepEqual([...m.stateDict().keys()], [...names.map(n => `body.${n}`), 'head.weight', 'head.bias'])
  assert.equal(m.parameters().length, 7)
  m.eval()
  assert.ok(
    [...m.modules()].every(([, child]) => !child.training),
    '[...m.modules()].every(([, child]) => !child.training)',
  )
  m.train()
  assert.ok(
    [...m.modules()].every(([, child]) => child.training),
    '[...m.modules()].every(([, child]) => child.training)',
  )
  m.requiresGrad(false)
  assert.ok(
    m.parameters().every(p => !p.requiresGrad),
    'm.parameters().every(p => !p.requiresGrad)',
  )
  const shared = nn.linear(2, 2)
  const twice = nn.sequential(shared, shared)
  assert.equal(twice.parameters().length, 2)
  const kept = shared.own.parameters.weight!.numbers()
  twice.to({ dtype: 'float64' })
  assert.deepEqual([shared.own.parameters.weight!.dtype, shared.own.parameters.weight!.numbers()], ['float64', kept])
})

test('a state goes from one net to another; then both compute the same', () => {
  const [a, b] = [block().eval(), block().eval()]
  const x = randn([2, 3, 8, 8])
  assert.notDeepEqual(a(x).numbers(), b(x).numbers())
  assert.deepEqual(b.loadStateDict(a.stateDict()), { missing: [], unexpected: [], mismatched: [] })
  assert.deepEqual(a(x).numbers(), b(x).numbers())
  noGrad(() => a.parameters()[0]!.fill_(0))
  assert.notDeepEqual(a(x).numbers(), b(x).numbers(), 'values were copied, not shared')
})

test('a state that differs changes nothing; the differences are listed', () => {
  const m = block()
  const before = m.parameters()[0]!.numbers()
  const state = new Map(Array.from(block().stateDict(), ([key, t]) => [key, t.clone()]))
  state.delete('5.bias')
  state.delete('1.num_batches_tracked')
  state.set('extra.weight', zeros([1]))
  state.set('5.weight', zeros([3, 8]))
  assert.throws(() => m.loadStateDict(state), {
    name: 'AnnealError',
    message: /1 of another shape: 5\.weight \[3,8\], expected \[2,8\]; 1 missing: 5\.bias; 1 unexpected: extra\.weight/,
  })
  assert.deepEqual(m.parameters()[0]!.numbers(), before)
  assert.deepEqual(m.loadStateDict(state, { strict: false }), {
    missing: ['5.bias'],
    unexpected: ['extra.weight'],
    mismatched: ['5.weight [3,8], expected [2,8]'],
  })
  assert.deepEqual(m.parameters()[0]!.numbers(), state.get('0.weight')!.numbers())
})

test('hooks see input and output, may replace it, and go', () => {
  const m = nn.sequential(nn.linear(2, 3), nn.layer(F.relu))
  const seen: number[][] = []
  const off = m.children['0']!.onForward((_, input, output) => {
    seen.push(input.shape, output.shape)
  })
  const replace = m.onForward((_module, _x, y) => y.mul(0))
  assert.deepEqual(m(randn([4, 2])).numbers(), Array(12).fill(0))
  assert.deepEqual(seen, [
    [4, 2],
    [4, 3],
  ])
  off()
  replace()
  assert.notDeepEqual(
    m(
      tensor([
        [1, 1],
        [-1, -1],
      ]),
    ).numbers(),
    Array(6).fill(0),
  )
  assert.equal(seen.length, 2)
})

test('a convolution folded into a frozen BatchNorm equals the two, in values and in all gradients', () => {
  for (const [bias, groups] of [
    [false, 1],
    [true, 2],
  ] as const) {
    const conv = nn.conv2d(4, 6, 3, { bias, groups, padding: 1, stride: 2 })
    const bn = nn.batchNorm2d(6, { eps: 1e-3 }).eval()
    noGrad(() => {
      for (const [name, t] of [...bn.namedParameters(), ...bn.namedBuffers()])
        if (t.dtype === 'float32') t.copy_(name.includes('var') ? aten.rand(t.shape).add(0.5) : aten.randn(t.shape))
    })
    const x = randn([2, 4, 9, 9])
    const run = (forward: () => Tensor) => {
      for (const m of [conv, bn]) m.zeroGrad()
      const y = forward()
      aten.sin(y).sum().backward()
      return [y, ...[...conv.parameters(), ...bn.parameters()].map(p => p.grad!)].map(t => t.numbers())
    }
    assert.ok(conv.fuse!(bn), 'conv.fuse!(bn)')
    const apart = run(() => bn(conv(x)))
    const folded = run(() => x.pipe(conv, bn))
    assert.equal(folded.length, bias ? 5 : 4)
    const clipped = run(() => F.relu(bn(conv(x))))
    const withRelu = run(() => x.pipe(conv, bn, F.relu_))
    for (const [whole, parts] of [
      [folded, apart],
      [withRelu, clipped],
    ] as const)
      for (const [i, values] of parts.entries()) {
        const scale = Math.max(...values.map(Math.abs), 1)
        for (const [j, v] of values.entries())
          assert.ok(Math.abs(whole[i]![j]! - v) < 1e-5 * scale, `${i}: ${whole[i]![j]}, ${v}`)
      }
  }
})

test('they are not folded where BatchNorm trains, or a hook wants to see what is between', () => {
  const conv = nn.conv2d(2, 2, 1)
  const bn = nn.batchNorm2d(2)
  assert.equal(conv.fuse!(bn), undefined)
  bn.eval()
  assert.ok(conv.fuse!(bn), 'conv.fuse!(bn)')
  for (const m of [conv, bn]) {
    const off = m.onForward(() => undefined)
    assert.equal(conv.fuse!(bn), undefined)
    off()
  }
  assert.equal(conv.fuse!(F.maxPool2d(2)), undefined)
  assert.equal(conv.fuse!(bn)!.fuse!(F.sigmoid), undefined)
  const x = randn([2, 2, 4, 4])
  bn.train()
  x.pipe(conv, bn)
  assert.equal(bn.own.buffers.num_batches_tracked!.item(), 1)
})

test('BatchNorm refuses one value a channel; dropout keeps the mean', () => {
  assert.throws(() => nn.batchNorm1d(3)(randn([1, 3])), /BatchNorm1d: one value per channel \(input \[1,3\]\)/)
  assert.deepEqual(nn.batchNorm1d(3).eval()(randn([1, 3])).shape, [1, 3])
  const dropped = nn.dropout(0.25)(aten.ones([40_000]))
  const { mean, most, least } = statistics(dropped)
  near(mean, 1, 0.02)
  assert.deepEqual([least, Math.fround(most)], [0, Math.fround(4 / 3)])
})

test('channels_last and other dtypes: same values, buffers follow, counts stay whole', () => {
  const m = block().eval()
  const x = randn([2, 3, 8, 8])
  const before = m(x).numbers()
  m.to({ memoryFormat: 'channels_last' })
  assert.deepEqual(m.parameters()[0]!.strides, [27, 1, 9, 3])
  const lasting = m(x.contiguous('channels_last'))
  for (const [i, v] of lasting.numbers().entries())
    assert.ok(Math.abs(v - before[i]!) < 1e-5, 'Math.abs(v - before[i]!) < 1e-5')
  assert.ok(
    m.parameters().every(p => p.requiresGrad && p.isLeaf),
    'm.parameters().every(p => p.requiresGrad && p.isLeaf)',
  )
  m.to({ dtype: 'bfloat16' })
  assert.deepEqual(
    new Set([...m.stateDict()].map(([key, t]) => (key.endsWith('tracked') ? 'count ' : '') + t.dtype)),
    new Set(['bfloat16', 'count int64']),
  )
  assert.equal(m(x.to('bfloat16')).dtype, 'bfloat16')
})

test('poolings of any input size; TensorFlow’s padding', () => {
  const x = randn([2, 3, 7, 5])
  assert.deepEqual(F.globalAvgPool(x).shape, [2, 3])
  const both = nn.concatPool(x).numbers()
  assert.deepEqual(both.slice(0, 3), F.globalMaxPool(x).numbers().slice(0, 3))
  for (const [i, v] of F.globalAvgPool(x).numbers().slice(0, 3).entries()) assert.equal(both[3 + i], v)
  assert.deepEqual(F.maxPool2d(3, 2, 0, { ceilMode: true })(x).shape, [2, 3, 3, 2])
  assert.deepEqual(F.avgPool2d(2)(x).shape, [2, 3, 3, 2])
  const padded = F.samePad(3, 2)(aten.ones([1, 1, 4, 5]))
  assert.deepEqual(padded.shape, [1, 1, 5, 7])
  assert.deepEqual(padded.numbers().slice(0, 7), [0, 1, 1, 1, 1, 1, 0], 'left and right evenly; below the odd row')
})

test('optimizers refuse what cannot work, and say what a state does not fit', () => {
  assert.throws(() => optim.sgd([]), /at least one parameter/)
  const p = zeros([2])
  p.requiresGrad = true
  assert.throws(() => optim.adam([p], { lr: -1 }), /learning rate/)
  assert.throws(() => optim.adam([p], { lr: Number.NaN }), /learning rate/)
  const sgd = optim.sgd([p])
  assert.throws(() => sgd.loadState({ step: 1, tensors: new Map([['0.square.0', zeros([2])]]) }), /"0\.square\.0"/)
  sgd.step()
  assert.deepEqual(p.numbers(), [0, 0], 'without a gradient a parameter is left alone')
  p.sum().backward()
  sgd.groups[0]!.lr = 0.5
  sgd.step()
  assert.deepEqual(p.numbers(), [-0.5, -0.5])
  sgd.zeroGrad()
  assert.equal(p.grad, null)
})

test('under autocast the parameters stay float32 and get float32 gradients', () => {
  const m = block()
  const loss = autocast('bfloat16', () => m(randn([4, 3, 8, 8])))
    .to('float32')
    .sum()
  loss.backward()
  for (const [name, p] of m.namedParameters()) assert.equal(p.grad!.dtype, 'float32', name)
})
