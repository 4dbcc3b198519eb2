import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { rng } from '../src/base/random.ts'
import { model } from '../src/models/index.ts'
import { autocast } from '../src/torch/grad.ts'
import {
  aten,
  call,
  F,
  fromArray,
  grad,
  kernelSets,
  manualSeed,
  nn,
  noGrad,
  optim,
  ownCalls,
  type Tensor,
  withKernels,
} from '../src/torch/index.ts'
import { native } from '../src/torch/native.ts'

const threads = native.threads()
after(() => native.setThreads(threads))
const floatSets = kernelSets('float32')
const halfSets = kernelSets('bfloat16')

interface Case {
  kind: 'inverted' | 'stem' | 'pointwise' | 'conv' | 'relu' | 'relu6' | 'bare'
  cin: number
  mid: number
  cout: number
  k: number
  stride: number
  n: number
  h: number
  w: number
  same: boolean
  residual?: boolean
  /** After a convolution of 3 x 3. */
  after?: 'bias' | 'bias, relu' | 'norm' | 'norm, relu' | 'norm, relu6'
  /** Of the convolution. */
  groups?: number
  training: boolean
}

const usual: Case = {
  kind: 'inverted',
  cin: 16,
  mid: 48,
  cout: 24,
  k: 3,
  stride: 1,
  n: 2,
  h: 9,
  w: 11,
  same: false,
  training: true,
}
const cases: Record<string, Partial<Case>> = {
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
  'five pictures': { n: 5, h: 6, w: 5 },
  'more pixels than a block has rows': { n: 2, h: 33, w: 37, cin: 8, mid: 16, cout: 8 },
  'wide, and narrow after': { mid: 336, cin: 40, cout: 112, h: 7, w: 7 },
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
  'pointwise, kept statistics': { kind: 'pointwise', cout: 40, training: false },
}
/** BatchNorm alone, and what follows it. */
const acts = { relu: [F.relu_], relu6: [F.relu6_], bare: [] }
const ofNorm: Record<string, Partial<Case>> = Object.fromEntries(
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

/** A convolution of 3 x 3 and what follows it. */
const square = { kind: 'conv', cin: 32, cout: 64, n: 3, h: 16, w: 12 } as const
const grouped = (each: number) => ({ ...square, cin: 96, cout: 96, groups: 96 / each, h: 15, w: 14 })
const ofConv: Record<string, Partial<Case>> = {
  'conv3x3, bias': { ...square, after: 'bias' },
  'conv3x3, bias, relu, odd sides': { ...square, after: 'bias, relu', h: 17, w: 13 },
  'conv3x3, no bias, odd rows': { ...square, cin: 96, cout: 32, h: 11 },
  'conv3x3, BatchNorm, relu': { ...square, after: 'norm, relu' },
  'conv3x3, BatchNorm, kept statistics': { ...square, after: 'norm', training: false },
  'conv3x3, BatchNorm, relu, kept statistics': { ...square, after: 'norm, relu', cin: 64, training: false },
  'conv3x3, BatchNorm, relu6, kept statistics, odd columns': { ...square, after: 'norm, relu6', w: 9, training: false },
  'conv3x3, BatchNorm, relu, residual': { ...square, after: 'norm, relu', cin: 64, residual: true },
  'conv3x3, BatchNorm, relu, residual, kept statistics': {
    ...square,
    after: 'norm, relu',
    cin: 64,
    residual: true,
    training: false,
  },
  'conv1x1, weights by one product': { ...square, k: 1, cin: 256, cout: 288, h: 5, w: 7 },
  'conv1x1, BatchNorm, relu, kept statistics': {
    ...square,
    k: 1,
    cin: 288,
    cout: 256,
    h: 6,
    w: 4,
    after: 'norm, relu',
    training: false,
  },
  'few channels, bias': { kind: 'conv', cin: 3, cout: 40, k: 7, stride: 2, h: 23, w: 18, after: 'bias' },
  'few channels, BatchNorm, relu': {
    kind: 'conv',
    cin: 3,
    cout: 64,
    k: 7,
    stride: 2,
    h: 32,
    w: 35,
    after: 'norm, relu',
  },
  'few channels, BatchNorm, relu, kept statistics': {
    ...{ kind: 'conv', cin: 2, cout: 64, k: 5, stride: 1, h: 9, w: 16, after: 'norm, relu' },
    training: false,
  },
  'groups of 4, bias, relu': { ...grouped(4), after: 'bias, relu' },
  'groups of 4, BatchNorm, relu, odd sides': { ...grouped(4), h: 9, w: 17, after: 'norm, relu' },
  'groups of 4, stride 2, kept statistics': { ...grouped(4), stride: 2, after: 'norm, relu', training: false },
  'groups of 8, kept statistics': { ...grouped(8), after: 'norm', training: false },
  'groups of 8, stride 2, odd sides, bias': { ...grouped(8), stride: 2, h: 13, w: 29, after: 'bias' },
  'groups of 16, one picture, wide rows': { ...grouped(16), n: 1, h: 5, w: 61, after: 'norm, relu' },
  'groups of 16, stride 2, no bias': { ...grouped(16), stride: 2 },
  'groups of 32, residual, kept statistics': {
    ...grouped(32),
    residual: true,
    after: 'norm, relu',
    training: false,
  },
  'groups of 32, stride 2, rows of two pixels': { ...grouped(32), stride: 2, w: 4, after: 'norm, relu6' },
  'conv3x3, one picture, lines of one tile': { ...square, n: 1, h: 140, w: 2, after: 'bias' },
  'conv3x3, more tiles than a block has': { ...square, cin: 160, cout: 192, n: 2, h: 33, w: 37, after: 'bias, relu' },
}

/** A block with weights that leave ReLU6 something to clip on both sides; the fused layer and its twin share them. */
function build({
  kind,
  cin,
  mid,
  cout,
  k,
  stride,
  same,
  groups = 1,
  residual = false,
  after = '' as Case['after'],
  training,
}: Case) {
  manualSeed(7)
  const conv = (a: number, b: number, size: number, s = 1, groups = 1) =>
    nn.conv2d(a, b, size, { stride: s, groups, bias: false, padding: same && s === 2 ? 0 : size >> 1 })
  const bn = (c: number) => {
    const norm = nn.batchNorm2d(c, { eps: 1e-3, momentum: 0.2 })
    noGrad(() => {
      nn.init.uniform_(norm.own.parameters.weight!, 1, 4)
      nn.init.uniform_(norm.own.parameters.bias!, -1, 3)
      nn.init.uniform_(norm.own.buffers.running_mean!, -0.5, 0.5)
      nn.init.uniform_(norm.own.buffers.running_var!, 0.5, 2)
    })
    return norm
  }
  if (kind === 'relu' || kind === 'relu6' || kind === 'bare') {
    const m = { bn: bn(cin) }
    const same = nn.identity()
    // The shortcut has a gradient of its own: twice the input.
    const plain = (x: Tensor) => (residual ? nn.residualRelu(same, m.bn, x, x.mul(2)) : x.pipe(m.bn, ...acts[kind]))
    return nn.module(m, plain).train(training)
  }
  if (kind === 'conv') {
    const m = {
      conv: nn.conv2d(cin, cout, k, { stride, groups, padding: k >> 1, bias: after?.startsWith('bias') ?? false }),
      bn: bn(cout),
    }
    const act = after?.endsWith('relu') ? [F.relu_] : after?.endsWith('relu6') ? [F.relu6_] : []
    const norm = after?.startsWith('norm') ? [m.bn] : []
    const plain = (x: Tensor) =>
      residual ? nn.residualRelu(m.conv, m.bn, x, x.mul(2)) : x.pipe(m.conv, ...norm, ...act)
    return nn.module(norm.length > 0 ? m : { conv: m.conv }, plain).train(training)
  }
  const pad = (size: number, s: number) => (same && s === 2 ? [F.samePad(size, s)] : [])
  if (kind === 'pointwise') {
    const m = { conv: conv(cin, cout, 1), bn: bn(cout) }
    const net = nn.module(
      m,
      nn.pointwiseRelu6([m.conv, m.bn], x => x.pipe(m.conv, m.bn, F.relu6_)),
    )
    return net.train(training)
  }
  const expand = kind === 'stem' ? conv(cin, mid, 3, 2) : conv(cin, mid, 1)
  const m = {
    expand,
    bn1: bn(mid),
    deep: conv(mid, mid, k, stride, mid),
    bn2: bn(mid),
    project: conv(mid, cout, 1),
    bn3: bn(cout),
  }
  const chain = (x: Tensor) =>
    x.pipe(
      ...(kind === 'stem' ? pad(3, 2) : []),
      m.expand,
      m.bn1,
      F.relu6_,
      ...pad(k, stride),
      m.deep,
      m.bn2,
      F.relu6_,
      m.project,
      m.bn3,
    )
  const layers = {
    expand: [m.expand, m.bn1],
    depthwise: [m.deep, m.bn2],
    project: [m.project, m.bn3],
    stride,
    same,
  } as const
  const fused =
    kind === 'stem'
      ? nn.stemBlock(layers, chain)
      : nn.invertedResidual({ ...layers, residual }, residual ? x => chain(x).add_(x) : chain)
  return nn.module(m, fused).train(training)
}

const values = (count: number, seed: number) => {
  const random = rng(seed)
  return Float32Array.from({ length: count }, () => random.uniform(-2, 2))
}

type Outcome = Record<string, Float64Array>
/** Output, every gradient and every buffer, as float64. */
function outcome(c: Case, how: 'own' | 'aten', dtype: 'float32' | 'float64' | 'bfloat16'): Outcome {
  const net = build(c)
  if (dtype === 'float64') net.to({ dtype })
  net.to({ memoryFormat: 'channels_last' })
  // Of a BatchNorm alone the input says the type.
  const alone = c.kind in acts
  const x = fromArray(values(c.n * c.cin * c.h * c.w, 3), [c.n, c.cin, c.h, c.w])
    .to(alone ? 'bfloat16' : 'float32') // values that all types have
    .to(dtype === 'float64' || (alone && dtype === 'bfloat16') ? dtype : 'float32')
    .contiguous('channels_last')
  if (c.kind !== 'stem') x.requiresGrad = true
  const y = withKernels(how, () => autocast(dtype === 'bfloat16' ? dtype : 'float32', () => net(x))).to('float64')
  const g = fromArray(values(y.numel, 5), y.shape).to('float64')
  y.mul(g).sum().backward()
  const plain = (t: Tensor) => Float64Array.from(t.detach().to('float64').contiguous().data() as Float64Array)
  return {
    output: plain(y),
    ...(c.kind === 'stem' ? {} : { 'gradient of x': plain(x.grad!) }),
    ...Object.fromEntries(Array.from(net.namedParameters(), ([name, t]) => [`gradient of ${name}`, plain(t.grad!)])),
    ...Object.fromEntries(Array.from(net.namedBuffers(), ([name, t]) => [name, plain(t)])),
  }
}

/** |a - b| / |b| in the norm of all values. */
function difference(a: Float64Array, b: Float64Array): number {
  assert.equal(a.length, b.length)
  let [error, size] = [0, 0]
  a.forEach((v, i) => {
    error += (v - b[i]!) ** 2
    size += b[i]! ** 2
  })
  return Math.sqrt(error / Math.max(size, 1e-12))
}
const compare = (found: Outcome, expected: Outcome, within: (name: string) => number) => {
  assert.deepEqual(Object.keys(found), Object.keys(expected))
  for (const [name, values] of Object.entries(expected)) {
    const off = difference(found[name]!, values)
    assert.ok(off <= within(name), `${name}: off by ${off.toExponential(2)}, at most ${within(name).toExponential(2)}`)
  }
}

describe('kernels of our own against libtorch in float64', { skip: floatSets.length === 0 && 'no AVX2 here' }, () => {
  for (const set of floatSets)
    for (const [name, change] of Object.entries({ ...cases, ...ofNorm, ...ofConv }))
      test(`${set}: ${name}`, () => {
        call('anneal::use_kernel_set', set)
        const c = { ...usual, ...change }
        const exact = outcome(c, 'aten', 'float64')
        const aten = outcome(c, 'aten', 'float32')
        // As good as libtorch's own float32, but for values at ReLU6's corners, of which either side may be.
        for (const n of [1, 2, 3]) {
          native.setThreads(n)
          compare(outcome(c, 'own', 'float32'), exact, what => 2e-5 + 3 * difference(aten[what]!, exact[what]!))
        }
        native.setThreads(threads)
        call('anneal::use_kernel_set', floatSets[0]!)
      })
})

describe('kernels of our own against finite differences', { skip: floatSets.length === 0 && 'no AVX2 here' }, () => {
  for (const name of [
    'as mobile nets have it',
    'kept statistics, stride 2',
    'stem',
    'pointwise',
    'BatchNorm, relu6',
    'BatchNorm, relu, residual',
    'BatchNorm, relu, residual, kept statistics',
    'conv3x3, bias',
    'few channels, bias',
    'conv3x3, BatchNorm, relu, residual',
    'conv3x3, BatchNorm, kept statistics',
    'conv3x3, BatchNorm, relu, residual, kept statistics',
    'groups of 4, stride 2, kept statistics',
    'groups of 8, stride 2, odd sides, bias',
    'groups of 32, residual, kept statistics',
  ])
    test(name, () => {
      const c = { ...usual, ...cases[name], ...ofNorm[name], ...ofConv[name] }
      const net = build(c).to({ memoryFormat: 'channels_last' })
      const x = fromArray(values(c.n * c.cin * c.h * c.w, 3), [c.n, c.cin, c.h, c.w]).contiguous('channels_last')
      const moved = [...net.parameters(), ...(c.kind === 'stem' ? [] : [x])]
      const directions = moved.map((t, i) => fromArray(values(t.numel, 20 + i), t.shape))
      const loss = () => {
        const y = withKernels('own', () => net(x)).to('float64')
        return y.mul(fromArray(values(y.numel, 5), y.shape)).sum()
      }
      if (c.kind !== 'stem') x.requiresGrad = true
      loss().backward()
      const slope = moved.reduce((sum, t, i) => sum + t.grad!.mul(directions[i]!).sum().item(), 0)
      const at = (by: number) =>
        noGrad(() => {
          moved.forEach((t, i) => {
            t.add_(directions[i]!.mul(by))
          })
          return loss().item()
        })
      // A long step passes corners of ReLU6, a short one drowns in rounding: one between them has to agree.
      const found = [2 ** -14, 2 ** -16, 2 ** -18].map(step => {
        const rise = at(step) - at(-2 * step)
        at(step)
        return rise / (2 * step)
      })
      const off = Math.min(...found.map(f => Math.abs(f / slope - 1)))
      assert.ok(off < 0.02, `${found}, by backward ${slope}`)
    })
})

describe('in bfloat16', { skip: halfSets.length === 0 && 'no AVX-512 BF16 here' }, () => {
  for (const set of halfSets)
    for (const [name, change] of Object.entries({ ...cases, ...ofNorm, ...ofConv }))
      test(`${set}: ${name}`, () => {
        call('anneal::use_kernel_set', set)
        const c = { ...usual, ...change }
        const exact = outcome(c, 'aten', 'float64')
        const aten = outcome(c, 'aten', 'bfloat16')
        compare(outcome(c, 'own', 'bfloat16'), exact, what => 5e-3 + 3 * difference(aten[what]!, exact[what]!))
        call('anneal::use_kernel_set', halfSets[0]!)
      })

  test('a set that is not here is refused by name', () => {
    assert.throws(() => call('anneal::use_kernel_set', 'sse'), /no kernels "sse" here; there are .*avx512_bf16/)
  })
})

describe('the maximum and the mean by a kernel of our own', { skip: floatSets.length === 0 && 'no AVX2 here' }, () => {
  const pooled = (kernels: 'own' | 'aten', set: string, c: number) =>
    withKernels(kernels, () => {
      call('anneal::use_kernel_set', set)
      // Whole numbers, so that many are as large as the largest
      const numbers = values(3 * c * 20, 4).map(v => Math.round(3 * v))
      const x = fromArray(numbers, [3, c, 5, 4])
        .to(halfSets.includes(set) ? 'bfloat16' : 'float32')
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
        const own = pooled('own', set, c)
        const aten = pooled('aten', set, c)
        call('anneal::use_kernel_set', halfSets.includes(set) ? halfSets[0]! : floatSets[0]!)
        for (const [i, found] of own.entries())
          assert.ok(difference(found, aten[i]!) < (halfSets.includes(set) ? 6e-3 : 1e-6))
      })
  test('has the gradient of finite differences, and passes NaN on', () => {
    const x = fromArray(values(2 * 3 * 4, 6), [2, 3, 2, 2]).contiguous('channels_last')
    x.requiresGrad = true
    nn.concatPool(x).pow(2).sum().backward()
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
    assert.equal(nn.concatPool(spoilt).numbers().filter(Number.isNaN).length, 2)
  })
})

describe('BatchNorm by a kernel of our own', { skip: floatSets.length === 0 && 'no AVX2 here' }, () => {
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
    const deviation = madeBy(input({ mean: 1000 }))
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
        const y = withKernels(kernels, () => noGrad(() => x.pipe(nn.batchNorm2d(16), act)))
        assert.equal(y.numbers().filter(Number.isNaN).length, 4 * 8 * 8, kernels)
      }
  })

  test('is left to libtorch in other layouts and types, and where a hook looks at it', () => {
    const relu = (bn: nn.Module, x: Tensor) => x.pipe(bn, F.relu_)
    for (const x of [input().contiguous('contiguous_format'), input().to('float16')]) {
      const [own, aten] = (['own', 'aten'] as const).map(kernels =>
        withKernels(kernels, () => noGrad(() => relu(nn.batchNorm2d(16), x)).numbers()),
      )
      assert.deepEqual(own, aten)
    }
    const bn = nn.batchNorm2d(16)
    const seen: number[] = []
    bn.onForward((_, __, y) => {
      seen.push(y.numbers().reduce((a, b) => Math.min(a, b)))
      return undefined
    })
    relu(bn, input())
    nn.residualRelu(nn.identity(), bn, input(), input())
    assert.equal(seen.length, 2)
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
    assert.ok(withKernels('aten', slope)[0]!.requiresGrad)
  })
})

describe('a mobile net that predicts, in one call', { skip: floatSets.length === 0 && 'no AVX2 here' }, () => {
  const nets = ['tf_efficientnet_lite0', 'mobilenet_v2'] as const
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
        for (const set of [...floatSets, ...halfSets]) {
          call('anneal::use_kernel_set', set)
          const half = halfSets.includes(set)
          const calls = ownCalls.count
          const all = run(net, x, 'own', half)
          assert.equal(ownCalls.count, calls + 1, 'one call')
          const near = difference(run(net, x, 'aten', half), right)
          const off = difference(all, right)
          assert.ok(off <= (half ? 1.2 : 3) * near + 1e-5, `${set}: off by ${off}, libtorch by ${near}`)
          const alone = all.length / 5
          if (set !== 'amx')
            for (const n of [1, 2, 3]) {
              native.setThreads(n)
              assert.deepEqual(run(net, x, 'own', half), all, `${set}, ${n} threads`)
              assert.deepEqual(run(net, x.narrow(0, 3, 1), 'own', half), all.subarray(3 * alone, 4 * alone), set)
              native.setThreads(threads)
            }
          call('anneal::use_kernel_set', half ? halfSets[0]! : floatSets[0]!)
        }
      })

  test('follows every write to weights and statistics', () => {
    const net = build('mobilenet_v2')
    const x = input(1, 64, 64)
    const same = (when: string) => {
      const off = difference(run(net, x, 'own'), run(net, x, 'aten'))
      assert.ok(off < 1e-5, `${when}: off by ${off}`)
    }
    same('at first')
    const before = run(net, x, 'own')[0]
    noGrad(() => net.parameters()[30]!.mul_(-1.5))
    same('a weight')
    noGrad(() => Array.from(net.namedBuffers(), ([, t]) => t)[40]!.add_(0.25))
    same('a statistic')
    net.train()
    run(net, input(4, 64, 64), 'own') // training's kernels write statistics
    net.eval()
    same('trained on')
    assert.notEqual(run(net, x, 'own')[0], before)
  })

  test('is left to the single blocks where somebody watches one, and where gradients are made', () => {
    const net = build('tf_efficientnet_lite0')
    const x = input(1, 64, 64)
    const calls = (fn: () => unknown) => {
      const before = ownCalls.count
      fn()
      return ownCalls.count - before
    }
    assert.equal(
      calls(() => run(net, x, 'own')),
      1,
    )
    let seen = 0
    const block = net.children.blocks!.children[3]!.children[1]!
    const off = block.onForward(() => {
      seen++
      return undefined
    })
    assert.ok(calls(() => run(net, x, 'own')) > 10)
    assert.equal(seen, 1)
    off()
    assert.equal(
      calls(() => run(net, x, 'own')),
      1,
    )
    const y = withKernels('own', () => net.pooled(x))
    assert.ok(y.requiresGrad)
  })
})

describe('packed weights and draws', { skip: floatSets.length === 0 && 'no AVX2 here' }, () => {
  for (const [name, change] of Object.entries({
    'a mobile block': {},
    'a convolution of 3 x 3': { ...square, after: 'norm, relu' as const },
    'one in groups': { ...grouped(8), after: 'norm, relu' as const },
  }))
    test(`what is packed for prediction follows every write to the weights: ${name}`, () => {
      const c: Case = { ...usual, n: 1, h: 18, w: 18, ...change, training: false }
      for (const half of halfSets.length > 0 ? [false, true] : [false]) {
        const net = build(c).to({ memoryFormat: 'channels_last' })
        const x = fromArray(values(c.n * c.cin * c.h * c.w, 3), [c.n, c.cin, c.h, c.w]).contiguous('channels_last')
        const run = (kernels: 'own' | 'aten') =>
          withKernels(kernels, () => noGrad(() => autocast(half ? 'bfloat16' : 'float32', () => net(x).numbers())))
        const same = (when: string) => {
          const off = difference(Float64Array.from(run('own')), Float64Array.from(run('aten')))
          assert.ok(off < (half ? 2e-2 : 2e-5), `${when}: off by ${off}`)
        }
        const served = ownCalls.count
        same('at first')
        assert.ok(ownCalls.count > served || c.kind === 'inverted')
        const before = run('own').reduce((a, b) => a + b)
        const weights = net.parameters().filter(p => p.shape.length === 4)
        for (const w of weights) noGrad(() => w.mul_(-1.5))
        same('scaled in place')
        assert.notEqual(
          run('own').reduce((a, b) => a + b),
          before,
        )
        net.loadStateDict(new Map(Array.from(net.stateDict(), ([name, t]) => [name, t.detach().clone().mul(0.7)])))
        same('loaded')
        for (const [name, t] of net.namedBuffers()) if (name.endsWith('running_var')) noGrad(() => t.mul_(3))
        same('other statistics')
        const optimizer = optim.adamw([{ params: net.parameters(), lr: 0.1 }])
        withKernels('aten', () => net(x).sum().backward())
        optimizer.step()
        same('after a step')
      }
    })

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
    const expected = pairs.map(([k, n]) => k.mul(0.9).add(n.mul(0.1)).numbers())
    call(
      'anneal::blend',
      pairs.map(([k]) => k),
      pairs.map(([, n]) => n),
      0.9,
    )
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
