// Own kernels for BatchNorm with the layers after it, pooling, averages and random draws.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  aten,
  call,
  F,
  fromArray,
  grad,
  kernelCalls,
  kernelSetInUse,
  manualSeed,
  nn,
  noGrad,
  type Tensor,
  useKernelSet,
  withKernelSet,
  withKernels,
} from '../../src/torch/index.ts'
import {
  type Case,
  type Cases,
  comparisons,
  difference,
  floatSets,
  halfSets,
  lacksFloat,
  lacksHalf,
  ran,
  slopes,
  values,
} from '../helpers/kernels.ts'

/** BatchNorm alone, and with the layers after it. */
const cases: Cases = Object.fromEntries(
  [
    ['', { cin: 64, h: 9, w: 7 }],
    [', channels that fill no register', { cin: 20, n: 3, h: 11, w: 5 }],
    [', fewer channels than a register has', { cin: 5, h: 13, w: 9 }],
    [', all widths of rows', { cin: 120, n: 1, h: 16, w: 12 }],
    [', one place a picture', { cin: 96, n: 70, h: 1, w: 1 }],
    [', kept statistics', { cin: 100, training: false }],
  ].flatMap(([name, change]) =>
    (['relu', 'relu6', 'bare'] as const).flatMap(kind =>
      [false, true]
        .filter(residual => !residual || kind === 'relu')
        .map(residual => [
          `BatchNorm${kind === 'bare' ? '' : `, ${kind}`}${residual ? ', residual' : ''}${name}`,
          { ...(change as Partial<Case>), kind, residual },
        ]),
    ),
  ),
)

comparisons(cases)
slopes(cases, ['BatchNorm, relu6', 'BatchNorm, relu, residual', 'BatchNorm, relu, residual, kept statistics'])

describe('the maximum and the mean by a kernel of our own', { skip: lacksFloat }, () => {
  const pooled = (kernels: 'own' | 'aten', half: boolean, c: number) =>
    withKernels(kernels, () => {
      // Whole numbers, so that the maximum occurs many times.
      const numbers = values(3 * c * 20, 4).map(v => Math.round(3 * v))
      const x = fromArray(numbers, [3, c, 5, 4])
        .to(half ? 'bfloat16' : 'float32')
        .contiguous('channels_last')
      x.requiresGrad = true
      const y = nn.concatPool(x)
      y.mul(fromArray(values(3 * 2 * c, 5), y.shape))
        .sum()
        .backward()
      return [y, x.grad!].map(t => Float64Array.from(t.detach().to('float64').contiguous().numbers()))
    })
  for (const set of [...floatSets, ...halfSets])
    for (const c of [7, 16, 40])
      test(`${set}: ${c} channels, gradients shared by all that are largest`, () => {
        const half = halfSets.includes(set)
        const own = withKernelSet(set, () => ran('concat_pool', set, () => pooled('own', half, c), { backward: true }))
        const aten = pooled('aten', half, c)
        for (const [i, found] of own.entries()) {
          const off = difference(found, aten[i]!)
          assert.ok(off < (half ? 6e-3 : 1e-6), `${i === 0 ? 'output' : 'gradient'}: off by ${off}`)
        }
      })
  test('has the gradient of finite differences, and passes NaN on', () => {
    const x = fromArray(values(2 * 3 * 4, 6), [2, 3, 2, 2]).contiguous('channels_last')
    x.requiresGrad = true
    ran('concat_pool', floatSets[0]!, () => nn.concatPool(x).pow(2).sum().backward(), { backward: true })
    const loss = (at: number, by: number) =>
      noGrad(() => {
        const moved = x.detach().clone()
        const flat = moved.permute(0, 2, 3, 1).view() as Float32Array
        flat[at] = flat[at]! + by
        return nn.concatPool(moved).to('float64').pow(2).sum().item()
      })
    const found = x.grad!.permute(0, 2, 3, 1).contiguous().numbers()
    for (const [i, g] of found.entries())
      assert.ok(Math.abs((loss(i, 1e-3) - loss(i, -1e-3)) / 2e-3 - g) < 5e-3, `${i}: ${g}`)
    const spoilt = x.detach().clone()
    spoilt.permute(0, 2, 3, 1).view()[0] = Number.NaN
    assert.equal(nn.concatPool(spoilt).numbers().filter(Number.isNaN).length, 2, 'the maximum and the mean are NaN')
  })
})

describe('BatchNorm by a kernel of our own', { skip: lacksFloat }, () => {
  const input = (options: { mean?: number; shape?: number[] } = {}) => {
    const { mean = 0, shape = [4, 16, 8, 8] } = options
    return fromArray(
      values(
        shape.reduce((a, b) => a * b),
        9,
      ).map(v => v + mean),
      shape,
    ).contiguous('channels_last')
  }
  const madeBy = (y: Tensor) => call('anneal::norm_act', y, ...one(16), null, 'none', true, 1e-5, 0.1) as Tensor
  const one = (c: number) => Object.values({ ...nn.batchNorm2d(c).own.parameters, ...statistics(c) })
  const statistics = (c: number) => {
    const { running_mean, running_var } = nn.batchNorm2d(c).own.buffers
    return { running_mean, running_var }
  }

  test('keeps its digits where the mean is a thousand deviations from 0', () => {
    const deviation = ran('norm_act', floatSets[0]!, () => madeBy(input({ mean: 1000 })))
      .to('float64')
      .pow(2)
      .mean()
      .sqrt()
      .item()
    assert.ok(Math.abs(deviation - 1) < 1e-3, `${deviation}`)
  })

  test('passes NaN on, as libtorch does', () => {
    const x = input()
    x.permute(0, 2, 3, 1).view()[5] = Number.NaN
    for (const act of [F.relu_, F.relu6_])
      for (const kernels of ['own', 'aten'] as const) {
        const made = () => withKernels(kernels, () => noGrad(() => x.pipe(nn.batchNorm2d(16), act)))
        const y = kernels === 'own' ? ran('norm_act', floatSets[0]!, made) : made()
        assert.equal(y.numbers().filter(Number.isNaN).length, 4 * 8 * 8, kernels)
      }
  })

  test('is left to libtorch in other layouts and types, and where a hook looks at it', () => {
    const relu = (bn: nn.Module, x: Tensor) => x.pipe(bn, F.relu_)
    for (const x of [input().contiguous('contiguous_format'), input().to('float16')]) {
      const calls = kernelCalls('norm_act')
      const [own, aten] = (['own', 'aten'] as const).map(kernels =>
        withKernels(kernels, () => noGrad(() => relu(nn.batchNorm2d(16), x)).numbers()),
      )
      assert.deepEqual(own, aten, `${x.dtype}, strides ${x.strides}`)
      assert.equal(kernelCalls('norm_act'), calls, 'libtorch made it')
    }
    const bn = nn.batchNorm2d(16)
    const seen: number[] = []
    bn.onForward((_, __, y) => {
      seen.push(y.numbers().reduce((a, b) => Math.min(a, b)))
      return undefined
    })
    relu(bn, input())
    nn.residualRelu(nn.identity(), bn, input(), input())
    assert.equal(seen.length, 2, 'the hook saw both')
    assert.ok(
      seen.every(least => least < 0),
      'before the activation',
    )
  })

  test('says that a gradient of its gradient needs libtorch', () => {
    const x = input()
    x.requiresGrad = true
    const slope = () => grad([x.pipe(nn.batchNorm2d(16), F.relu_).pow(2).sum()], [x], { createGraph: true })
    assert.throws(() => withKernels('own', slope), /withKernels\('aten'/)
    assert.ok(withKernels('aten', slope)[0]!.requiresGrad, 'libtorch has a gradient of the gradient')
  })
})

describe('sets and calls', () => {
  test('a set that is not here is refused by name', { skip: lacksHalf }, () => {
    assert.throws(() => useKernelSet('sse'), /no kernels "sse" here; there are .*(avx512|neon)_bf16/)
  })
  test('calls are asked by names that there are', () => {
    assert.throws(() => kernelCalls('conv5x5'), /no operator "conv5x5"; there are inverted_residual, .*view_batch/)
    assert.throws(() => kernelCalls('conv3x3', 'sse'), /no set of kernels "sse"; there are avx512, /)
  })
  test('a set is in use until what needed it ends, however it ends', { skip: lacksFloat }, () => {
    const last = floatSets.at(-1)!
    assert.throws(() => withKernelSet(last, () => assert.equal(kernelSetInUse('float32'), 'none')), /none/)
    assert.equal(kernelSetInUse('float32'), floatSets[0], 'the best one again')
    assert.equal(
      withKernelSet(last, () => kernelSetInUse('float32')),
      last,
      'the other one within',
    )
  })
})

describe('averages and draws', { skip: lacksFloat }, () => {
  test('an average takes a share of others, whatever their layout and type', () => {
    const tensor = (seed: number, shape: number[]) =>
      fromArray(
        values(
          shape.reduce((a, b) => a * b, 1),
          seed,
        ),
        shape,
      )
    const pair = (shape: number[], change = (t: Tensor) => t) =>
      [change(tensor(1, shape)), change(tensor(2, shape))] as const
    const pairs = [
      pair([3, 70_001]),
      pair([]),
      pair([8, 4, 3, 3], t => t.contiguous('channels_last')),
      pair([5, 7], t => t.permute(1, 0)),
      pair([6, 6], t => t.to('float64')),
      [tensor(1, [4, 5]), tensor(2, [5, 4]).permute(1, 0)] as const,
    ]
    const before = kernelCalls('blend')
    const expected = pairs.map(([k, n]) => k.mul(0.9).add(n.mul(0.1)).numbers())
    call(
      'anneal::blend',
      pairs.map(([k]) => k),
      pairs.map(([, n]) => n),
      0.9,
    )
    assert.equal(kernelCalls('blend'), before + 1, 'by a kernel of ours, where one serves')
    for (const [i, [k]] of pairs.entries())
      assert.ok(difference(Float64Array.from(k.numbers()), Float64Array.from(expected[i]!)) < 1e-7, `pair ${i}`)
    assert.throws(() => call('anneal::blend', [tensor(1, [2])], [], 0.5), /as many tensors on both sides, got 1 and 0/)
  })

  test('dropout draws what libtorch draws, and leaves the generator where it would', () => {
    const x = fromArray(
      Float32Array.from({ length: 3 * 1001 }, (_, i) => 1 + (i % 7)),
      [3, 1001],
    )
    const drawn = (kernels: 'own' | 'aten', odd: number, p: number) =>
      withKernels(kernels, () => {
        manualSeed(5)
        const numbers = odd > 0 ? aten.randint(100, [odd]).numbers() : []
        for (let i = 0; i < 3; i++) numbers.push(...F.dropout(x, p).numbers())
        return [...numbers, ...aten.rand([100]).numbers(), ...aten.randn([33]).numbers()]
      })
    for (const odd of [0, 1, 623])
      for (const p of [0.1, 0.5]) assert.deepEqual(drawn('own', odd, p), drawn('aten', odd, p), `${odd} before, ${p}`)
  })
})
