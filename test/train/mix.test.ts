import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { F, fromArray, liveTensors, scope, tensor } from '../../src/torch/index.ts'
import { beta, cutBox, cutMixed, mixedUp, mixPart } from '../../src/train/mix.ts'
import { mixBatch } from '../../src/vision/augment/index.ts'

interface Golden {
  cut: { width: number; height: number; lambda: number; centre: [number, number]; box: number[] }[]
  beta: Record<string, { at: number[]; share: number[] }>
}
const golden = JSON.parse(readFileSync(new URL('../golden/augment.json', import.meta.url), 'utf8')) as Golden

const size = 6
/** Every pixel of picture i is i. */
const pictures = (n: number) =>
  fromArray(
    Float32Array.from({ length: n * 3 * size * size }, (_, i) => Math.floor(i / (3 * size * size))),
    [n, 3, size, size],
  )
const classes = (n: number) =>
  fromArray(
    BigInt64Array.from({ length: n }, (_, i) => BigInt(i % 4)),
    [n],
  )
const single = { classes: 4, task: 'single' as const, seed: 5, epoch: 2, step: 7 }

test('a number of Beta(α, α) has its distribution', () => {
  for (const [alpha, { at, share }] of Object.entries(golden.beta)) {
    const random = rng(1, 2)
    const drawn = Array.from({ length: 8000 }, () => beta(Number(alpha), random))
    for (const [i, bound] of at.entries()) {
      const below = drawn.filter(v => v <= bound).length / drawn.length
      assert.ok(Math.abs(below - share[i]!) < 0.02, `α ${alpha}: ${below} below ${bound}, expected ${share[i]}`)
    }
  }
})

test("MixUp: x and targets are fastai's lerp, and the loss is its mixed loss", () => {
  const [x, y] = [pictures(4), classes(4)]
  const mixed = mixedUp(
    x,
    tensor([
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
    ]),
    [2, 0, 1, 3],
    [0.9, 0.5, 0.75, 0.6],
  )
  const plane = (i: number) => mixed.x.select(0, i).numbers()[0]!
  const wanted = [0 * 0.9 + 2 * 0.1, 1 * 0.5 + 0 * 0.5, 2 * 0.75 + 1 * 0.25, 3]
  wanted.forEach((v, i) => {
    assert.ok(Math.abs(plane(i) - v) < 1e-6, 'Math.abs(plane(i) - v) < 1e-6')
  })
  const logits = tensor([
    [0.3, -1, 2, 0],
    [1, 0.2, 0, -0.4],
    [0, 0, 1.5, 0.1],
    [0.2, 0.9, -1, 1],
  ])
  const loss = (of: number[]) =>
    F.crossEntropy(logits, fromArray(BigInt64Array.from(of, BigInt), [4]), { reduction: 'none' }).numbers()
  const [own, other] = [loss([0, 1, 2, 3]), loss([2, 0, 1, 3])]
  const lambdas = [0.9, 0.5, 0.75, 0.6]
  const expected = own.reduce((sum, l, i) => sum + l * lambdas[i]! + other[i]! * (1 - lambdas[i]!), 0) / 4
  assert.ok(
    Math.abs(F.crossEntropy(logits, mixed.y).item() - expected) < 1e-6,
    'Math.abs(F.crossEntropy(logits, mixed.y).item() - expected) < 1e-6',
  )
  assert.equal(y.dtype, 'int64')
})

test("CutMix: the box is fastai's, its share that of the pixels", () => {
  for (const { width, height, lambda, centre, box } of golden.cut) {
    const { x0, y0, x1, y1 } = cutBox({ height, width }, lambda, centre)
    assert.deepEqual([x0, y0, x1, y1], box, `λ ${lambda} at ${centre}`)
  }
  const y = tensor([
    [1, 0],
    [0, 1],
    [1, 1],
  ])
  const { x, y: shares } = cutMixed(pictures(3), y, [1, 2, 0], { x0: 1, x1: 4, y0: 2, y1: 6 })
  const values = x.numbers()
  values.forEach((v, i) => {
    const [row, column, n] = [Math.floor(i / size) % size, i % size, Math.floor(i / (3 * size * size))]
    const inside = row >= 2 && row < 6 && column >= 1 && column < 4
    assert.equal(v, inside ? (n + 1) % 3 : n)
  })
  const lambda = 1 - 12 / 36
  const wanted = [
    [lambda, 1 - lambda],
    [1 - lambda, 1],
    [1, lambda],
  ].flat()
  shares.numbers().forEach((v, i) => {
    assert.ok(Math.abs(v - wanted[i]!) < 1e-6, 'Math.abs(v - wanted[i]!) < 1e-6')
  })
  const none = cutMixed(pictures(3), y, [1, 2, 0], { x0: 5, x1: 5, y0: 0, y1: 3 })
  assert.deepEqual(none.y.numbers(), y.numbers())
})

test('a batch is mixed as seed, epoch and step say, and its inputs stay', () => {
  const [x, y] = [pictures(8).contiguous('channels_last'), classes(8)]
  const before = x.numbers()
  const once = mixBatch({ x, y }, { ...single, mixup: 0.4 })
  assert.deepEqual(once.x.strides, x.strides)
  assert.deepEqual(once.y.shape, [8, 4])
  for (const row of [...Array(8).keys()]) {
    const shares = once.y.select(0, row).numbers()
    assert.ok(
      Math.abs(shares.reduce((a, b) => a + b, 0) - 1) < 1e-6,
      'Math.abs(shares.reduce((a, b) => a + b, 0) - 1) < 1e-6',
    )
    assert.ok(shares[row % 4]! >= 0.5 - 1e-6, 'a picture stays mostly itself')
  }
  assert.deepEqual(mixBatch({ x, y }, { ...single, mixup: 0.4 }).x.numbers(), once.x.numbers())
  for (const other of [{ seed: 6 }, { epoch: 3 }, { step: 8 }])
    assert.notDeepEqual(mixBatch({ x, y }, { ...single, mixup: 0.4, ...other }).x.numbers(), once.x.numbers())
  const cut = mixBatch({ x, y }, { ...single, cutmix: 1, step: 9 })
  assert.ok(cut.x.numbers().every(Number.isInteger), 'pixels are moved, not blended')
  assert.deepEqual(x.numbers(), before)
  const ways = Array.from({ length: 40 }, (_, step) =>
    mixBatch({ x, y }, { ...single, step, mixup: 1, cutmix: 1 })
      .x.numbers()
      .every(Number.isInteger),
  )
  const cuts = ways.filter(Boolean).length
  assert.ok(cuts > 10 && cuts < 30, `${cuts} of 40 cut`)
})

test('targets of several labels and of numbers are mixed alike; without either α only shares are made', () => {
  const x = pictures(4)
  const y = tensor([
    [1.5, -2],
    [0, 4],
    [3, 3],
    [8, 0],
  ])
  for (const task of ['multi', 'regression'] as const) {
    const mixed = mixBatch({ x, y }, { ...single, task, mixup: 1 })
    // The pixels of a picture are its number, so they show which pictures were mixed.
    for (const i of [0, 1, 2, 3]) {
      const value = mixed.x.select(0, i).numbers()[0]!
      const [a] = mixed.y.select(0, i).numbers() as [number, number]
      const own = y.numbers()[2 * i]!
      const fits = [0, 1, 2, 3].some(j => {
        const share = j === i ? 1 : (value - j) / (i - j)
        return Math.abs(a - (own * share + y.numbers()[2 * j]! * (1 - share))) < 1e-4
      })
      assert.ok(fits, `${task} ${i}`)
    }
  }
  const plain = mixBatch({ x, y: classes(4) }, single)
  assert.deepEqual(plain.y.numbers(), [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
  assert.throws(() => mixBatch({ x, y }, { ...single, task: 'multi', mixup: 0 }), /mixup: expected an α above 0.*got 0/)
})

test('rows of a batch are mixed as in the whole batch, and each picture is read once', () => {
  const [x, y] = [pictures(8).contiguous('channels_last'), classes(8)]
  for (const [step, alphas] of [{ mixup: 0.4 }, { cutmix: 1 }, { mixup: 0.4, cutmix: 1 }, {}].entries())
    for (const [from, to] of [
      [0, 3],
      [3, 8],
      [0, 8],
    ] as const) {
      const how = { ...single, ...alphas, step }
      const whole = mixBatch({ x, y }, how)
      let read: Uint32Array = new Uint32Array()
      const some = mixPart(
        8,
        { from, to },
        places => {
          read = places
          const rows = fromArray(BigInt64Array.from(places, BigInt), [places.length])
          return { x: x.indexSelect(0, rows), y: y.indexSelect(0, rows) }
        },
        how,
      )
      const said = `${JSON.stringify(alphas)}, rows ${from} to ${to}`
      assert.deepEqual(
        some.x.numbers(),
        whole.x
          .narrow(0, from, to - from)
          .contiguous()
          .numbers(),
        said,
      )
      assert.deepEqual(
        some.y.numbers(),
        whole.y
          .narrow(0, from, to - from)
          .contiguous()
          .numbers(),
        said,
      )
      assert.equal(new Set(read).size, read.length, said)
      assert.ok(read.length <= Math.min(8, 2 * (to - from)), `${said}: ${read} read`)
    }
})

test('nothing is left behind', () => {
  scope(() => {
    const [x, y] = [pictures(4), classes(4)]
    const before = liveTensors()
    const { x: a, y: b } = mixBatch({ x, y }, { ...single, mixup: 0.4, cutmix: 1 })
    assert.equal(liveTensors(), before + 2)
    a.dispose()
    b.dispose()
  })
})
