import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  autocast,
  keep,
  liveTensors,
  nn,
  noGrad,
  ones,
  optim,
  randn,
  scope,
  Tensor,
  tensor,
} from '../../src/torch/index.ts'

/** Runs `fn`. Returns how many more tensors are alive afterwards. */
function left(fn: () => void): number {
  const before = liveTensors()
  fn()
  return liveTensors() - before
}

test('what a scope made is freed at its end, what it returned is not', () => {
  let inside: Tensor | undefined
  let outside: Tensor | undefined
  const more = left(() => {
    outside = scope(() => {
      inside = ones([2]).add(1)
      return inside.mul(3)
    })
  })
  assert.equal(more, 1)
  assert.ok(inside!.disposed, 'inside!.disposed')
  assert.deepEqual(outside!.numbers(), [6, 6])
  outside!.dispose()
})

test('arrays, plain objects, maps, sets, modules and optimizers are looked through, cycles too', () => {
  const cyclic: Record<string, unknown> = {}
  const made: [string, () => unknown, number][] = [
    ['array', () => [ones([1]), [ones([1])]], 2],
    ['object', () => ({ a: ones([1]), b: { c: ones([1]) }, n: 3, s: 'x', none: null, missing: undefined }), 2],
    ['map', () => new Map([['a', ones([1])]]), 1],
    ['set', () => new Set([ones([1]), ones([1])]), 2],
    ['module', () => nn.sequential(nn.linear(2, 3), nn.batchNorm1d(3)), 7],
    ['cycle', () => Object.assign(cyclic, { self: cyclic, t: ones([1]) }), 1],
    ['nothing', () => void ones([1]), 0],
    ['long', () => Array.from({ length: 100_000 }, (_, i) => i), 0],
  ]
  for (const [what, make, count] of made) {
    let result: unknown
    const more = left(() => {
      result = scope(make)
    })
    assert.equal(more, count, what)
    for (const t of walk(result)) t.dispose()
  }
  const optimizer = scope(() => {
    const p = keep(ones([2]))
    p.requiresGrad = true
    const o = optim.adam([p])
    p.sum().backward()
    o.step()
    return o
  })
  optimizer.groups[0]!.params[0]!.sum().backward()
  optimizer.step()
  assert.ok(optimizer.groups[0]!.params[0]!.numbers()[0]! < 1, 'optimizer.groups[0]!.params[0]!.numbers()[0]! < 1')
})

function walk(value: unknown, seen = new Set<unknown>()): Tensor[] {
  if (value instanceof Tensor) return [value]
  if (seen.has(value) || typeof value === 'number') return []
  seen.add(value)
  if (value instanceof nn.Module) return [...value.stateDict().values()]
  if (value instanceof Map || value instanceof Set || Array.isArray(value))
    return [...value.values()].flatMap(v => walk(v, seen))
  return value && typeof value === 'object' ? Object.values(value).flatMap(v => walk(v, seen)) : []
}

test('scopes nest: a tensor moves outwards as far as it is returned', () => {
  const more = left(() => {
    const sum = scope(() => {
      const outer = ones([2])
      const inner = scope(() => {
        const lost = ones([3])
        return [outer.add(1), lost.sum(), outer]
      })
      assert.ok(
        inner.every(t => !t.disposed),
        'inner.every(t => !t.disposed)',
      )
      return inner[0]!.add(inner[1]!).add(outer)
    })
    assert.deepEqual(sum.numbers(), [6, 6])
    sum.dispose()
  })
  assert.equal(more, 0)
})

test('kept tensors outlive every scope, until disposed', () => {
  let total: Tensor | undefined
  const more = left(() => {
    scope(() =>
      scope(() => {
        total = keep(ones([2]))
        keep(total)
      }),
    )
    for (let i = 0; i < 3; i++) scope(() => total!.add_(1))
  })
  assert.equal(more, 1)
  assert.deepEqual(total!.numbers(), [4, 4])
  assert.equal(
    left(() => total!.dispose()),
    -1,
  )
})

test('an exception frees what all scopes on its way made, and is the one that was thrown', () => {
  const thrown = new RangeError('mine')
  const more = left(() =>
    assert.throws(
      () =>
        scope(() => {
          ones([2])
          scope(() => {
            ones([2]).add(1)
            throw thrown
          })
        }),
      error => error === thrown,
    ),
  )
  assert.equal(more, 0)
  assert.equal(
    left(() => assert.throws(() => scope(() => ones([2]).matmul(ones([3]))))),
    0,
  )
  assert.equal(
    left(() => scope(() => void ones([1]))),
    0,
    'scopes work on after it',
  )
})

test('disposing twice, by `using`, inside a scope, and returning what was disposed', () => {
  const more = left(() => {
    const t = ones([2])
    t.dispose()
    t.dispose()
    {
      using u = ones([2])
      assert.equal(u.disposed, false)
    }
    const gone = scope(() => {
      const t = ones([2])
      t.dispose()
      return t
    })
    assert.ok(gone.disposed, 'gone.disposed')
    scope(() => scope(() => gone))
    gone.dispose()
  })
  assert.equal(more, 0)
})

test('an async function is refused, also where it fails later', async () => {
  for (const what of [scope, noGrad, <T>(fn: () => T) => autocast('bfloat16', fn)]) {
    assert.throws(() => what(async () => ones([1])), /must not be async/)
    assert.throws(
      () =>
        what(async () => {
          const t = ones([1])
          await null
          t.add(1)
          throw new Error('nobody sees it')
        }),
      /must not be async/,
    )
  }
  await new Promise(setImmediate)
})

test('numbers, properties and in-place operators leave no tensor behind', () => {
  const t = tensor([1, 2])
  const more = left(() => {
    t.numbers()
    t.data()
    t.add_(1).mul_(2).zero_().fill_(3).copy_(t)
    tensor([1, 2], { dtype: 'int32' }).dispose()
    tensor(new Float32Array(2), { dtype: 'int64' }).dispose()
  })
  assert.equal(more, 0)
})

test('a module call is a scope: what it made on its way is gone', () => {
  const net = nn.sequential(
    nn.conv2d(3, 4, 3),
    nn.batchNorm2d(4),
    nn.layer(x => x.relu().mul(2).add(1)),
  )
  const x = randn([2, 3, 8, 8])
  for (const mode of [true, false]) {
    net.train(mode)
    assert.equal(
      left(() => void keep(net(x))),
      1,
    )
    assert.equal(
      left(() => net(x).sum().mul(2).dispose()),
      2,
      'the output and its sum wait for the collector',
    )
  }
})
