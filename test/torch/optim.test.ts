import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import type { DType, MemoryFormat } from '../../src/torch/dtypes.ts'
import { fromArray, noGrad, optim, type Tensor } from '../../src/torch/index.ts'

const shapes = [[6, 4, 3, 3], [8, 4, 1, 1], [3, 1, 5, 5], [7], [5, 9], []]
const values = (shape: number[], seed: number) => {
  const random = rng(seed)
  return fromArray(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.uniform(-1, 1)),
    shape,
  )
}
const lying = (t: Tensor, format: MemoryFormat) => (t.shape.length === 4 ? t.contiguous(format) : t)

type Make = (groups: { params: Tensor[]; lr: number }[]) => optim.Optimizer
interface Layout {
  params: MemoryFormat
  grads: MemoryFormat
}
/** The parameters after five steps; rates differ by group and step, and one parameter has no gradient at first. */
function trained(make: Make, dtype: DType, { params: format, grads }: Layout): number[][] {
  const params = shapes.map((shape, i) => lying(values(shape, i).to(dtype), format))
  for (const p of params) p.requiresGrad = true
  const optimizer = make([
    { params: params.slice(0, 2), lr: 0.05 },
    { params: params.slice(2), lr: 0.01 },
  ])
  for (let step = 0; step < 5; step++) {
    for (const [i, p] of params.entries())
      p.grad = i === 3 && step < 2 ? null : lying(values(p.shape, 100 * step + i).to(dtype), grads)
    optimizer.groups[0]!.lr = 0.05 / (step + 1)
    optimizer.step()
  }
  return noGrad(() => params.map(p => p.numbers()))
}

const rules: Record<string, Make> = {
  adamw: groups => optim.adamw(groups, { weightDecay: 0.1, betas: [0.8, 0.99] }),
  'adamw without decay': groups => optim.adamw(groups, { weightDecay: 0 }),
  adam: groups => optim.adam(groups, { weightDecay: 0.1, eps: 1e-6 }),
  sgd: groups => optim.sgd(groups, { weightDecay: 0.1 }),
  'sgd without momentum': groups => optim.sgd(groups, { momentum: 0, weightDecay: 0.1 }),
  'sgd, nesterov': groups => optim.sgd(groups, { nesterov: true }),
}
const layouts: Layout[] = [
  { params: 'contiguous_format', grads: 'contiguous_format' },
  { params: 'channels_last', grads: 'channels_last' },
  { params: 'channels_last', grads: 'contiguous_format' },
]

// The update uses foreach operators in float64, and a kernel in float32 if parameters and gradients have the same layout.
describe('an update in float32 is the one of float64', () => {
  for (const [name, make] of Object.entries(rules))
    for (const layout of layouts)
      test(`${name}: parameters in ${layout.params}, gradients in ${layout.grads}`, () => {
        const exact = trained(make, 'float64', layout)
        for (const [i, found] of trained(make, 'float32', layout).entries())
          for (const [j, value] of found.entries())
            assert.ok(
              Math.abs(value - exact[i]![j]!) < 1e-6,
              `[${shapes[i]}], ${j}: ${value}, expected ${exact[i]![j]}`,
            )
      })
})
