import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  aten,
  autocast,
  defaultGenerator,
  enableGrad,
  generator,
  grad,
  manualSeed,
  nn,
  noGrad,
  rand,
  randint,
  randn,
  type Tensor,
  tensor,
} from '../../src/torch/index.ts'

const leaf = (values: number[]): Tensor => {
  const t = tensor(values)
  t.requiresGrad = true
  return t
}

test('the grad mode nests and is restored, also by an exception', () => {
  const x = leaf([1, 2])
  const records = () => x.mul(2).requiresGrad
  const seen = [records()]
  noGrad(() => {
    seen.push(records())
    enableGrad(() => seen.push(records()))
    noGrad(() => seen.push(records()))
    assert.throws(() =>
      enableGrad(() => {
        throw new Error('inside')
      }),
    )
    seen.push(records())
  })
  seen.push(records())
  assert.deepEqual(seen, [true, false, true, false, false, true])
  assert.equal(
    noGrad(() => 5),
    5,
  )
})

test('gradients of leaves add up until they are cleared', () => {
  const x = leaf([1, 2])
  assert.equal(x.grad, null)
  x.mul(x).sum().backward()
  assert.deepEqual(x.grad!.numbers(), [2, 4])
  x.sum().backward()
  assert.deepEqual(x.grad!.numbers(), [3, 5])
  x.grad = null
  assert.equal(x.grad, null)
  x.grad = tensor([10, 10])
  x.sum().backward()
  assert.deepEqual(x.grad!.numbers(), [11, 11])
  for (const bad of [tensor([1]), tensor([1, 2]).to('float64'), x])
    assert.throws(() => {
      x.grad = bad
    }, /gradient/)
})

test('what is a leaf, what requires a gradient', () => {
  const x = leaf([1, 2])
  const y = x.mul(2)
  assert.deepEqual([x.isLeaf, y.isLeaf, y.detach().isLeaf], [true, false, true])
  assert.deepEqual([x.requiresGrad, y.requiresGrad, y.detach().requiresGrad], [true, true, false])
  x.requiresGrad = false
  assert.equal(x.mul(2).requiresGrad, false)
  assert.throws(() => {
    y.requiresGrad = false
  }, /leaf/)
  assert.throws(() => {
    tensor([1n]).requiresGrad = true
  }, /float/)
  const plain = tensor([1, 2])
  assert.throws(() => leaf([1]).copy_(tensor([2])), /leaf/)
  noGrad(() => plain.copy_(tensor([2, 2])))
})

test('backward: a gradient for several elements, chosen inputs, a graph used twice', () => {
  const [a, b] = [leaf([1, 2]), leaf([3, 4])]
  const y = a.mul(b)
  assert.throws(() => y.backward(), /scalar/)
  y.backward({ gradient: tensor([1, 10]), inputs: [a], retainGraph: true })
  assert.deepEqual([a.grad!.numbers(), b.grad], [[3, 40], null])
  y.backward({ gradient: tensor([1, 1]) })
  assert.deepEqual(
    [a.grad!.numbers(), b.grad!.numbers()],
    [
      [6, 44],
      [1, 2],
    ],
  )
  assert.throws(() => y.backward({ gradient: tensor([1, 1]) }), /second time/)
})

test('grad: derivatives of derivatives, without touching `.grad`', () => {
  const x = leaf([2, 3])
  const cube = x.mul(x).mul(x).sum()
  const [first] = grad([cube], [x], { createGraph: true })
  assert.deepEqual(first!.numbers(), [12, 27])
  const [second] = grad([first!.sum()], [x], { createGraph: true })
  assert.deepEqual(second!.numbers(), [12, 18])
  second!.sum().backward()
  assert.deepEqual(x.grad!.numbers(), [6, 6])
  const penalised = leaf([2])
  const [g] = grad([penalised.mul(penalised).sum()], [penalised], { createGraph: true })
  g!.mul(g!).sum().backward()
  assert.deepEqual(penalised.grad!.numbers(), [16], '(2x)² has the derivative 8x')
  const unused = leaf([1])
  assert.deepEqual(grad([x.sum()], [x, unused], { allowUnused: true })[1], null)
  assert.throws(() => grad([x.sum()], [unused]), /^TorchError: grad: .*not have been used|grad/)
  const weighted = grad([x.mul(2)], [x], { gradients: [tensor([1, 5])] })
  assert.deepEqual(weighted[0]!.numbers(), [2, 10])
})

test('autocast nests, is switched off by float32, and is restored, also by an exception', () => {
  const [x, w] = [randn([4, 4]), leaf([1, 2, 3, 4]).reshape(2, 2)]
  const type = () => x.matmul(x).dtype
  const seen: string[] = [type()]
  autocast('bfloat16', () => {
    seen.push(type())
    autocast('bfloat16', () => seen.push(type()))
    seen.push(type())
    autocast('float32', () => {
      seen.push(type())
      autocast('bfloat16', () => seen.push(type()))
      seen.push(type())
    })
    autocast(undefined, () => seen.push(type()))
    assert.throws(() => autocast('float32', () => x.matmul(w)))
    seen.push(type())
  })
  seen.push(type())
  const [f, b] = ['float32', 'bfloat16']
  assert.deepEqual(seen, [f, b, b, b, f, b, f, b, b, f])
  assert.throws(() => autocast('int8', () => x), /autocast: can't compute in int8/)
})

test('autocast forgets its copies of weights: a changed weight counts from the next time on', () => {
  const w = leaf([2])
  const product = () => autocast('bfloat16', () => [x.matmul(w.reshape(1, 1)).item(), aten.linear(x, leafed).item()])
  const x = tensor([[3]])
  const leafed = tensor([[2]])
  leafed.requiresGrad = true
  assert.deepEqual(product(), [6, 6])
  noGrad(() => {
    w.fill_(5)
    leafed.fill_(5)
  })
  assert.deepEqual(product(), [15, 15])
  autocast('bfloat16', () => aten.linear(x, leafed).sum()).backward()
  assert.deepEqual([leafed.grad!.dtype, leafed.grad!.numbers()], ['float32', [3]])
})

test('a seed gives the same numbers again; each generator has its own', () => {
  const draw = () => [...randn([3]).numbers(), ...rand([2]).numbers(), ...randint(100, [3]).numbers()]
  manualSeed(11)
  const first = draw()
  assert.notDeepEqual(draw(), first)
  manualSeed(11)
  assert.deepEqual(draw(), first)
  const [a, b] = [generator(5), generator(5)]
  assert.deepEqual(rand([4], { generator: a }).numbers(), rand([4], { generator: b }).numbers())
  manualSeed(11)
  rand([4], { generator: a })
  assert.deepEqual(draw(), first, 'a generator does not disturb the default one')
  for (const bad of [-1, 1.5, Number.NaN, 2 ** 60]) {
    assert.throws(() => manualSeed(bad), /a seed must be/)
    assert.throws(() => generator(bad), /a seed must be/)
  }
})

test('the state of a generator is saved and restored, in the middle of what it draws', () => {
  for (const g of [generator(3), defaultGenerator()]) {
    randn([7], { generator: g })
    const state = g.state
    const next = () => [
      ...randn([5], { generator: g }).numbers(),
      ...aten.randperm(9, { generator: g } as object).numbers(),
    ]
    const expected = next()
    assert.equal(state.dtype, 'uint8')
    assert.notDeepEqual(next(), expected)
    g.state = state
    assert.deepEqual(next(), expected)
    assert.throws(() => {
      g.state = tensor([1, 2])
    }, /Generator.state/)
  }
  const net = nn.dropout(0.5)
  const x = aten.ones([64])
  const saved = defaultGenerator().state
  const dropped = net(x).numbers()
  defaultGenerator().state = saved
  assert.deepEqual(net(x).numbers(), dropped)
})
