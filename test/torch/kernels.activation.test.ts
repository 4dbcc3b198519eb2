import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { aten, F, fromArray, type Tensor, withKernelSet, withKernels } from '../../src/torch/index.ts'
import { difference, floatSets, lacksFloat, ran, values } from '../helpers/kernels.ts'

/** The output and both gradients, as float64. */
function found(
  f: 'mish' | 'selu',
  [members, rows, width]: [number, number, number],
  type: 'float32' | 'float64',
  spread: number,
) {
  const make = (shape: number[], seed: number, by = 1) => {
    const t = fromArray(
      values(
        shape.reduce((a, b) => a * b),
        seed,
      ),
      shape,
    )
      .mul(by)
      .to(type)
    t.requiresGrad = true
    return t
  }
  const x = make([members, rows, width], 3, spread)
  const a = make([members, 1, width], 4)
  const y = F.activationShare(x, a, f)
  y.mul(fromArray(values(members * rows * width, 5), y.shape).to(type))
    .sum()
    .backward()
  const numbers = (t: Tensor) => Float64Array.from(t.detach().to('float64').contiguous().numbers())
  return { output: numbers(y), 'gradient of x': numbers(x.grad!), 'gradient of the share': numbers(a.grad!) }
}

describe('the share of an activation by a kernel of our own', { skip: lacksFloat }, () => {
  for (const set of floatSets)
    for (const f of ['mish', 'selu'] as const)
      for (const [members, rows, width, spread] of [
        [1, 1, 1, 1],
        [2, 37, 70, 1],
        [3, 8, 256, 4],
        [1, 50, 24, 30],
      ] as const)
        test(`${set}: ${f} of ${members} × ${rows} × ${width}, values up to about ${3 * spread}`, () => {
          const shape: [number, number, number] = [members, rows, width]
          const own = withKernelSet(set, () =>
            ran('activation_share', set, () => found(f, shape, 'float32', spread), { backward: true }),
          )
          const expected = withKernels('aten', () => found(f, shape, 'float64', spread))
          for (const [name, numbers] of Object.entries(own)) {
            const off = difference(numbers, expected[name as keyof typeof expected])
            assert.ok(off < 2e-6, `${name}: off by ${off}`)
          }
        })

  test('far from zero it is x, or ends at its limit; NaN stays NaN', () => {
    const x = fromArray(
      Float32Array.of(-1e30, -200, -87, -20, -1e-30, 0, 1e-30, 19.9, 20.1, 1e30, Number.NaN),
      [1, 1, 11],
    )
    const one = aten.ones([1, 1, 11])
    const mish = [...F.activationShare(x, one, 'mish').numbers()]
    const selu = [...F.activationShare(x, one, 'selu').numbers()]
    const by = (t: Tensor) => [...t.to('float64').numbers()]
    for (const [name, own, expected] of [
      ['mish', mish, by(aten.mish(x.to('float64')))],
      ['selu', selu, by(aten.selu(x.to('float64')))],
    ] as const)
      for (const [i, value] of own.entries()) {
        const right = expected[i]!
        const near = Number.isNaN(right)
          ? Number.isNaN(value)
          : Math.abs(value - right) <= 1e-6 + 1e-6 * Math.abs(right)
        // e^-87 is the least that the kernel knows, 1.6e-38.
        assert.ok(
          near || (i === 0 && name === 'mish' && Math.abs(value) < 2e-8),
          `${name} of ${x.numbers()[i]}: ${value}, not ${right}`,
        )
      }
  })
})
