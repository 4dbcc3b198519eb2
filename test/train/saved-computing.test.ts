import assert from 'node:assert/strict'
import { test } from 'node:test'
import { machine } from '../../src/setup/index.ts'
import { kernelSets, kernelsInUse, useKernels } from '../../src/torch/index.ts'
import { useConvPlan, waysFor } from '../../src/torch/nn/conv-ways.ts'
import { computedIn, computingOf, savedComputing } from '../../src/train/saved-computing.ts'

const ways = { forward: 'product', input: 'libtorch', weights: 'libtorch', inference: 'product' } as const
const plan = { '32 to 32, 3 x 3, 5 x 5, float32': ways }
const { cpu } = machine()

test('a saved net is computed as it was on its own processor, and as usual elsewhere', () => {
  const { computing } = savedComputing({ kernels: 'own', plan }, 'cpu')
  assert.deepEqual(computing, { cpu: cpu.model, kernels: 'own', plan })
  assert.deepEqual(savedComputing({ kernels: 'own' }, 'cuda:0'), {}, 'another device')
  assert.deepEqual(computingOf({ computing: computing! }), { kernels: 'own', plan })
  assert.equal(computingOf({}), undefined, 'an older card')
  assert.equal(computingOf({ computing: { ...computing!, cpu: 'another' } }), undefined, 'another processor')
  const before = useKernels('aten')
  try {
    assert.equal(computingOf({ computing: computing! }), undefined, 'libtorch is asked for')
  } finally {
    useKernels(before)
  }
})

test('a card of another version, or one that was edited, does not stop the prediction', () => {
  for (const wrong of [
    { kernels: 'other' },
    { set: 'avx9000' },
    { plan: { layer: { ...ways, forward: 'magic' } } },
    { plan: { layer: null } },
    { plan: null },
    { plan: 'tiles' },
  ])
    assert.equal(
      computingOf({ computing: { cpu: cpu.model, kernels: 'own', ...wrong } as never }),
      undefined,
      JSON.stringify(wrong),
    )
})

test('afterwards all is as it was, also after an error', () => {
  const layer = { dtype: 'float32', cin: 32, cout: 32, k: 3, stride: 1, padding: 1, groups: 1, h: 5, w: 5 } as const
  const forward = () => waysFor(layer, 2, false)?.forward
  const usual = forward()
  const [set] = kernelSets('float32')
  const computing = { kernels: 'own', plan, ...(set && { set }) } as const
  assert.equal(computedIn(computing, forward), 'product')
  assert.equal(computedIn(undefined, forward), usual)
  assert.throws(
    () =>
      computedIn(computing, () => {
        throw new Error('no')
      }),
    /^Error: no$/,
  )
  assert.deepEqual([forward(), kernelsInUse()], [usual, 'own'])
  assert.deepEqual(useConvPlan({}), {}, 'no plan is left')
})
