// Layers that our own kernels compute, and their twins, for the tests of each family (test/torch/kernels.*.test.ts). A
// case is a layer. `outcome` returns everything that one step of it computes. `comparisons` compares every set of
// kernels with libtorch in float64.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import { autocast } from '../../src/torch/grad.ts'
import {
  F,
  fromArray,
  kernelCalls,
  kernelSetInUse,
  kernelSets,
  manualSeed,
  nn,
  noGrad,
  optim,
  type Tensor,
  withKernelSet,
  withKernels,
  withThreads,
} from '../../src/torch/index.ts'

export const floatSets = kernelSets('float32')
export const halfSets = kernelSets('bfloat16')
/** The reason why tests of our own kernels can't run here, or false. */
export const lacksFloat = floatSets.length === 0 && 'neither AVX2 nor NEON here'
export const lacksHalf = halfSets.length === 0 && 'neither AVX-512 BF16 nor its like of NEON here'
export const typeOf = (set: string): 'float32' | 'bfloat16' => (halfSets.includes(set) ? 'bfloat16' : 'float32')

export interface Case {
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
  /** What follows a 3 × 3 convolution. */
  after?: 'bias' | 'bias, relu' | 'norm' | 'norm, relu' | 'norm, relu6'
  /** Of the convolution. */
  groups?: number
  training: boolean
}

export const usual: Case = {
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
/** Layers of one kind. The key says what is special about each. */
export type Cases = Record<string, Partial<Case>>

/** BatchNorm alone, and what follows it. */
const acts = { relu: [F.relu_], relu6: [F.relu6_], bare: [] }

/** A block with weights that leave ReLU6 something to clip on both sides; the fused layer and its twin share them. */
export function build({
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
    // The shortcut has its own gradient: twice the input.
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

export const values = (count: number, seed: number): Float32Array => {
  const random = rng(seed)
  return Float32Array.from({ length: count }, () => random.uniform(-2, 2))
}

/** The operator of ours that computes a layer, or undefined if libtorch's does: then there is nothing to compare. */
export function operatorOf(
  { kind, cin, cout, k, after = 'bias' }: Case,
  dtype: 'float32' | 'bfloat16',
): string | undefined {
  if (kind === 'inverted') return 'inverted_residual'
  if (kind === 'stem') return 'stem_block'
  if (kind === 'pointwise') return 'pointwise_relu6'
  if (kind !== 'conv') return 'norm_act'
  if (k > 1) return k === 3 ? 'conv3x3' : 'conv_by'
  if (dtype === 'bfloat16' && Math.min(cin, cout) >= 256) return 'conv_by'
  return after.startsWith('norm') ? 'norm_act' : undefined
}
/** Whether the usual way of a layer is libtorch's in this set: `amx` has no convolutions of its own. */
const isLeft = (set: string, { kind, k }: Case) => set === 'amx' && kind === 'conv' && k > 1

/** Runs `fn` and asserts that the operator ran in this set and in no other: forward, and backward if asked. What
 *  conv_by leaves to libtorch counts for no set: its gradients, and with `aten` all of it. */
export function ran<T>(op: string, set: string, fn: () => T, { backward = false, aten = false } = {}): T {
  assert.equal(kernelSetInUse(typeOf(set)), set, 'the set in use')
  const names = backward ? [op, `${op}.backward`] : [op]
  const sets = names.map((_, i) => (op === 'conv_by' && (aten || i === 1) ? 'none' : set))
  const before = names.map((name, i) => ({ here: kernelCalls(name, sets[i]), all: kernelCalls(name) }))
  const made = fn()
  for (const [i, name] of names.entries()) {
    const [here, all] = [kernelCalls(name, sets[i]) - before[i]!.here, kernelCalls(name) - before[i]!.all]
    assert.ok(here > 0, `${name} did not run in ${sets[i]}: nothing of ours was compared`)
    assert.equal(all, here, `${name} ran in another set than ${sets[i]}`)
  }
  return made
}

export type Outcome = Record<string, Float64Array>
/** Output, every gradient and every buffer, as float64. */
export function outcome(c: Case, how: 'own' | 'aten', dtype: 'float32' | 'float64' | 'bfloat16'): Outcome {
  const net = build(c)
  if (dtype === 'float64') net.to({ dtype })
  net.to({ memoryFormat: 'channels_last' })
  // A BatchNorm alone has the type of its input.
  const alone = c.kind in acts
  const x = fromArray(values(c.n * c.cin * c.h * c.w, 3), [c.n, c.cin, c.h, c.w])
    .to(alone ? 'bfloat16' : 'float32') // values that all types can represent
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
export function difference(a: Float64Array, b: Float64Array): number {
  assert.equal(a.length, b.length, 'as many values')
  let [error, size] = [0, 0]
  a.forEach((v, i) => {
    error += (v - b[i]!) ** 2
    size += b[i]! ** 2
  })
  return Math.sqrt(error / Math.max(size, 1e-12))
}
export const compare = (found: Outcome, expected: Outcome, within: (name: string) => number) => {
  assert.deepEqual(Object.keys(found), Object.keys(expected), 'the same outcomes')
  for (const [name, values] of Object.entries(expected)) {
    const off = difference(found[name]!, values)
    assert.ok(off <= within(name), `${name}: off by ${off.toExponential(2)}, at most ${within(name).toExponential(2)}`)
  }
}

const own = (c: Case, set: string): Outcome => {
  const dtype = typeOf(set)
  return ran(operatorOf(c, dtype)!, set, () => outcome(c, 'own', dtype), { backward: true, aten: c.k === 1 })
}

/** Compares every layer of ours in every set of kernels: output and gradients are as near to float64 as those of
 *  libtorch. */
export function comparisons(all: Cases): void {
  const served = (set: string) =>
    Object.entries(all).flatMap(([name, change]) => {
      const c = { ...usual, ...change }
      const op = operatorOf(c, typeOf(set))
      return op && !isLeft(set, c) ? [[name, c] as const] : []
    })

  describe('kernels of our own against libtorch in float64', { skip: lacksFloat }, () => {
    for (const set of floatSets)
      for (const [name, c] of served(set))
        test(`${set}: ${name}`, () => {
          const exact = outcome(c, 'aten', 'float64')
          const aten = outcome(c, 'aten', 'float32')
          // As good as libtorch's float32, except at the corners of ReLU6, where either side is right.
          for (const n of [1, 2, 3])
            compare(
              withKernelSet(set, () => withThreads(n, () => own(c, set))),
              exact,
              what => 2e-5 + 3 * difference(aten[what]!, exact[what]!),
            )
        })
  })

  describe('in bfloat16', { skip: lacksHalf }, () => {
    for (const set of halfSets)
      for (const [name, c] of served(set))
        test(`${set}: ${name}`, () => {
          const exact = outcome(c, 'aten', 'float64')
          const aten = outcome(c, 'aten', 'bfloat16')
          const found = withKernelSet(set, () => own(c, set))
          compare(found, exact, what => 5e-3 + 3 * difference(aten[what]!, exact[what]!))
        })
  })
}

/** Compares the gradients of these layers with finite differences. */
export function slopes(all: Cases, names: readonly string[]): void {
  describe('kernels of our own against finite differences', { skip: lacksFloat }, () => {
    for (const name of names)
      test(name, () => {
        const c = { ...usual, ...all[name] }
        const op = operatorOf(c, 'float32')!
        const net = build(c).to({ memoryFormat: 'channels_last' })
        const x = fromArray(values(c.n * c.cin * c.h * c.w, 3), [c.n, c.cin, c.h, c.w]).contiguous('channels_last')
        const moved = [...net.parameters(), ...(c.kind === 'stem' ? [] : [x])]
        const directions = moved.map((t, i) => fromArray(values(t.numel, 20 + i), t.shape))
        const loss = () => {
          const y = withKernels('own', () => net(x)).to('float64')
          return y.mul(fromArray(values(y.numel, 5), y.shape)).sum()
        }
        if (c.kind !== 'stem') x.requiresGrad = true
        ran(op, floatSets[0]!, () => loss().backward(), { backward: true })
        const slope = moved.reduce((sum, t, i) => sum + t.grad!.mul(directions[i]!).sum().item(), 0)
        const at = (by: number) =>
          noGrad(() => {
            moved.forEach((t, i) => {
              t.add_(directions[i]!.mul(by))
            })
            return loss().item()
          })
        // A long step crosses corners of ReLU6, a short one is lost in rounding. One step between them must agree.
        const found = [2 ** -14, 2 ** -16, 2 ** -18].map(step => {
          const rise = at(step) - at(-2 * step)
          at(step)
          return rise / (2 * step)
        })
        const off = Math.min(...found.map(f => Math.abs(f / slope - 1)))
        assert.ok(off < 0.02, `${found}, by backward ${slope}`)
      })
  })
}

/** Checks that packed weights for prediction follow every write to the weights, in every set that packs them. */
export function packedFollows(layer: string, change: Partial<Case>): void {
  const c: Case = { ...usual, n: 1, h: 18, w: 18, ...change, training: false }
  for (const set of [...floatSets, ...halfSets]) {
    const op = operatorOf(c, typeOf(set))!
    if (isLeft(set, c)) continue
    test(`${set}: what is packed for prediction follows every write to the weights: ${layer}`, () =>
      withKernelSet(set, () => {
        const half = halfSets.includes(set)
        const net = build(c).to({ memoryFormat: 'channels_last' })
        const x = fromArray(values(c.n * c.cin * c.h * c.w, 3), [c.n, c.cin, c.h, c.w]).contiguous('channels_last')
        const run = (kernels: 'own' | 'aten') =>
          withKernels(kernels, () => noGrad(() => autocast(half ? 'bfloat16' : 'float32', () => net(x).numbers())))
        const served = () => ran(op, set, () => run('own'))
        const sum = () => served().reduce((a, b) => a + b)
        const same = (when: string) => {
          const off = difference(Float64Array.from(served()), Float64Array.from(run('aten')))
          assert.ok(off < (half ? 2e-2 : 2e-5), `${when}: off by ${off}`)
        }
        same('at first')
        const before = sum()
        const weights = net.parameters().filter(p => p.shape.length === 4)
        for (const w of weights) noGrad(() => w.mul_(-1.5))
        same('scaled in place')
        assert.notEqual(sum(), before, 'other weights, another sum')
        net.loadStateDict(new Map(Array.from(net.stateDict(), ([name, t]) => [name, t.detach().clone().mul(0.7)])))
        same('loaded')
        for (const [name, t] of net.namedBuffers()) if (name.endsWith('running_var')) noGrad(() => t.mul_(3))
        same('other statistics')
        const optimizer = optim.adamw([{ params: net.parameters(), lr: 0.1 }])
        withKernels('aten', () => net(x).sum().backward())
        optimizer.step()
        same('after a step')
      }))
  }
}
