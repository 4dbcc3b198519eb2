import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  autocast,
  F,
  manualSeed,
  nn,
  noGrad,
  ones,
  randn,
  scope,
  type Tensor,
  tensor,
  zeros,
} from '../../src/torch/index.ts'

const close = (a: Tensor, b: Tensor, most = 1e-5) => {
  assert.deepEqual(a.shape, b.shape)
  const difference = a.sub(b).abs().max().item()
  assert.ok(difference <= most, `${difference}`)
}

test('activations are what their papers write', () => {
  const x = tensor([-4, -1, 0, 0.5, 2, 4])
  const each = (fn: (v: number) => number) => tensor(x.numbers().map(fn))
  const gate = (v: number) => Math.min(6, Math.max(0, v + 3)) / 6
  close(F.hardsigmoid(x), each(gate))
  close(
    F.hardswish(x),
    each(v => v * gate(v)),
  )
  close(
    F.silu(x),
    each(v => v / (1 + Math.exp(-v))),
  )
  close(F.gelu(x), tensor([-0.000126697, -0.158655254, 0, 0.345731231, 1.954499736, 3.999873303]))
})

test('attention, fused or written out, gives each place a mean of the values, weighed by likeness', () => {
  const [q, k, v] = [randn([2, 3, 5, 4]), randn([2, 3, 5, 4]), randn([2, 3, 5, 4])]
  close(F.attention(q, k, v, { fused: false }), F.attention(q, k, v))
  close(F.attention(zeros([2, 3, 5, 4]), k, v), v.mean(2).unsqueeze(2).expand(2, 3, 5, 4))
})

test('self-attention does not care where a place is, and begins as torch lets it', () => {
  const m = nn.selfAttention(8, 2)
  assert.deepEqual(
    [...m.stateDict()].map(([key, t]) => [key, t.shape]),
    [
      ['in_proj_weight', [24, 8]],
      ['in_proj_bias', [24]],
      ['out_proj.weight', [8, 8]],
      ['out_proj.bias', [8]],
    ],
  )
  const bound = Math.sqrt(6 / 32)
  const { in_proj_weight: weight } = m.own.parameters
  const most = weight!.abs().max().item()
  assert.ok(most <= bound && most > 0.95 * bound, 'most <= bound && most > 0.95 * bound')
  const x = randn([3, 7, 8])
  const turned = (t: Tensor) => t.narrow(1, 3, 4).clone()
  const y = noGrad(() => m(x))
  const order = [3, 4, 5, 6, 0, 1, 2]
  const moved = x.indexSelect(1, tensor(order.map(BigInt)))
  close(noGrad(() => m(moved)).narrow(1, 0, 4), turned(y))
})

test('LayerNorm of rows and of pixels; in channels_last it stays so', () => {
  const rows = nn.layerNorm(6, { eps: 1e-6 })
  const x = randn([4, 6, 5, 3])
  const y = noGrad(() => rows(x.permute(0, 2, 3, 1)))
  close(y.mean(-1), zeros([4, 5, 3]))
  close(y.pow(2).mean(-1), ones([4, 5, 3]), 1e-3)
  const pixels = nn.layerNorm2d(6, { eps: 1e-6 })
  const last = noGrad(() => pixels(x.contiguous('channels_last')))
  close(last, y.permute(0, 3, 1, 2))
  assert.deepEqual(last.strides, [90, 1, 18, 6])
  close(
    noGrad(() => pixels(x)),
    last,
  )
  assert.deepEqual([...pixels.stateDict().keys()], ['weight', 'bias'])
})

test('stochastic depth leaves whole samples out in training, as often as told, and keeps the mean', () => {
  manualSeed(3)
  const m = nn.stochasticDepth(0.25)
  const y = m(ones([8000, 2, 3]))
  const rows = y.sum([1, 2]).numbers()
  const dropped = rows.filter(v => v === 0).length / rows.length
  assert.ok(Math.abs(dropped - 0.25) < 0.02, `${dropped}`)
  for (const v of rows) assert.ok(v === 0 || Math.abs(v - 6 / 0.75) < 1e-4, `${v}`)
  manualSeed(3)
  assert.deepEqual(m(ones([8000, 2, 3])).numbers(), y.numbers(), 'drawn from the default generator')
  const x = ones([4, 2])
  assert.equal(m.eval()(x), x)
  assert.equal(nn.stochasticDepth(0)(x), x)
  assert.equal(F.stochasticDepth(ones([4, 2]).to('bfloat16'), 0.5).dtype, 'bfloat16')
})

test('a tensor learned by itself has the name of its place', () => {
  const m = nn.chain({
    scale: nn.learned(ones([2, 1, 1]), (x, w) => x.mul(w)),
    next: nn.sequential(nn.learned(zeros([1]), (x, w) => x.add(w))),
  })
  assert.deepEqual([...m.stateDict().keys()], ['scale', 'next.0'])
  assert.deepEqual(
    [...m.namedParameters()].map(([name]) => name),
    ['scale', 'next.0'],
  )
  m.loadStateDict(
    new Map([
      ['scale', tensor([[[2]], [[3]]])],
      ['next.0', tensor([1])],
    ]),
  )
  m.to({ dtype: 'float64' })
  scope(() => {
    const y = m(ones([1, 2, 1, 1], { dtype: 'float64' }))
    assert.deepEqual(y.numbers(), [3, 4])
    y.sum().backward()
  })
  assert.deepEqual(
    m.parameters().map(p => p.grad!.numbers()),
    [[1, 1], [2]],
  )
})

test('the new layers train under autocast with float32 gradients', () => {
  const m = nn.sequential(
    nn.conv2d(3, 8, 1),
    nn.layerNorm2d(8),
    nn.layer(x => x.flatten(2).transpose(1, 2), 'Rows'),
    nn.selfAttention(8, 2),
    nn.layerNorm(8),
    nn.stochasticDepth(0.5),
    nn.learned(ones([8]), (x, w) => x.mul(w)),
  )
  autocast('bfloat16', () => m(randn([4, 3, 4, 4])))
    .to('float32')
    .pow(2)
    .sum()
    .backward()
  for (const [name, p] of m.namedParameters()) assert.equal(p.grad!.dtype, 'float32', name)
})
