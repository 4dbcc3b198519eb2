import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fromArray, liveTensors, nn, noGrad, scope, type Tensor } from '../../src/torch/index.ts'
import type { Trainable } from '../../src/train/network.ts'
import { formulaValues } from '../golden/formula.ts'

type Numbers = Record<string, number[]>
type Focal = Record<'single' | 'gamma' | 'multi' | 'even', { loss: number; grad: number[] }>

/** The values that make_explain.py wrote. */
export const golden = JSON.parse(readFileSync(new URL('../golden/explain.json', import.meta.url), 'utf8')) as {
  tta: Record<'plain' | 'quarter' | 'half' | 'max', number[]> & { views: number[][] }
  batchNorm: Numbers
  weightMean: Numbers
  gradCam: Numbers
  focal: Focal & { labels: number[] }
  ranking: Record<'classes' | 'correct' | 'incorrect' | 'uncertain', number[]>
  weights: Record<'counts' | 'balanced' | 'effective', number[]>
}

/** Fails if a number differs from the expected one by more than `tolerance`. */
export function close(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = 'values'): void {
  assert.equal(got.length, expected.length, what)
  const worst = Array.from(expected, (v, i) => Math.abs(v - got[i]!)).reduce((a, b) => (b <= a ? a : b), 0)
  assert.ok(worst <= tolerance, `${what}: off by ${worst.toExponential(2)}`)
}

/** Fails if more tensors are alive than before. Fewer are possible: the collector frees the nets of earlier tests. */
export function assertFreed(before: number): void {
  const now = liveTensors()
  assert.ok(now <= before, `${now - before} tensors were left`)
}

/** Weights computed by formula, under the names of the module. `prefix` gives other weights. */
export function fill<M extends nn.Module>(net: M, prefix = ''): M {
  noGrad(() =>
    scope(() => {
      for (const [name, t] of net.stateDict())
        if (t.dtype.startsWith('float')) t.copy_(fromArray(formulaValues(`${prefix}${name}`, t.shape), t.shape))
    }),
  )
  return net
}

const relu = (x: Tensor) => x.relu()
const block = (cin: number, cout: number) =>
  nn.sequential(nn.conv2d(cin, cout, 3, { padding: 1 }), nn.batchNorm2d(cout), nn.layer(relu, 'ReLU'))

/** make_explain.py's `small`: two blocks with BatchNorm and a linear layer on the mean. x: [N, 3, H, W]. */
export function small(classes = 4): Trainable {
  const m = { early: block(3, 6), late: block(6, 8), head: nn.linear(8, classes) }
  return {
    net: fill(nn.module(m, x => m.head(m.late(m.early(x)).mean([2, 3])))),
    groups: Object.entries(m).map(([name, module]) => ({ name, modules: [module] })),
  }
}
