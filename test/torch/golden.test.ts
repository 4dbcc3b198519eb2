import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { aten, F, nn, optim, type Tensor, tensor } from '../../src/torch/index.ts'

type Stored = { shape: number[]; values: number[] }
type Run = {
  mode: string
  shape: number[]
  output: number[]
  gradient: number[]
  gradients: Record<string, number[]>
  buffers: Record<string, number[]>
}
const golden = JSON.parse(readFileSync(new URL('../golden/torch.json', import.meta.url), 'utf8')) as {
  optimizers: { start: Record<string, Stored>; runs: Record<string, number[][]> }
  losses: { inputs: Record<string, Stored>; cases: Record<string, { value: number; gradient: number[] }> }
  layers: Record<string, { x: Stored; state: Record<string, Stored>; runs: Run[] }>
}

const of = ({ shape, values }: Stored): Tensor => tensor(values).reshape(...shape)
const leaf = (stored: Stored): Tensor => {
  const t = of(stored).clone()
  t.requiresGrad = true
  return t
}
function near(actual: readonly number[], expected: readonly number[], what: string, tolerance = 1e-5) {
  assert.equal(actual.length, expected.length, what)
  for (const [i, e] of expected.entries()) {
    const off = Math.abs(actual[i]! - e)
    assert.ok(off <= tolerance * Math.max(1, Math.abs(e)), `${what}[${i}]: ${actual[i]}, expected ${e}`)
  }
}

type Groups = { params: Tensor[]; lr?: number; weightDecay?: number; momentum?: number }[]
const makers: Record<string, (groups: Groups) => optim.Optimizer> = {
  sgd: groups => optim.sgd(groups, { lr: 0.1, momentum: 0 }),
  momentum: groups => optim.sgd([groups[0]!, { ...groups[1]!, momentum: 0.5 }], { lr: 0.1, momentum: 0.9 }),
  nesterov: groups => optim.sgd(groups, { lr: 0.1, momentum: 0.9, nesterov: true }),
  adam: groups => optim.adam(groups, { lr: 0.1 }),
  adamw: groups => optim.adamw(groups, { lr: 0.1, betas: [0.8, 0.99], eps: 1e-5 }),
}

for (const [name, steps] of Object.entries(golden.optimizers.runs))
  test(`${name}: ten steps of two groups, a parameter that joins at the fourth, saved and loaded at the sixth`, () => {
    const start = golden.optimizers.start
    const params = { first: leaf(start.first!), late: leaf(start.late!), second: leaf(start.second!) }
    const make = () =>
      makers[name]!([{ params: [params.first, params.late] }, { params: [params.second], lr: 0.03, weightDecay: 0.2 }])
    let optimizer = make()
    for (const [i, expected] of steps.entries()) {
      if (i === 5) {
        const { step, tensors } = optimizer.state()
        optimizer = make()
        optimizer.loadState({ step, tensors })
      }
      optimizer.zeroGrad()
      for (const [n, p] of Object.values(params).entries())
        if (p !== params.late || i >= 3)
          aten
            .sin(p)
            .mul(n + 1)
            .sum()
            .backward()
      optimizer.step()
      near(
        Object.values(params).flatMap(p => p.numbers()),
        expected,
        `${name}, step ${i + 1}`,
      )
    }
  })

test('losses and their gradients', () => {
  const { inputs, cases } = golden.losses
  const get = (name: string) => of(inputs[name]!)
  const [target, weight, soft, binary] = [get('target').to('int64'), get('weight'), get('probabilities'), get('binary')]
  const losses: Record<string, (x: Tensor) => Tensor> = {
    crossEntropy: x => F.crossEntropy(x, target),
    smoothed: x => F.crossEntropy(x, target, { labelSmoothing: 0.1 }),
    weighted: x => F.crossEntropy(x, target, { weight }),
    both: x => F.crossEntropy(x, target, { weight, labelSmoothing: 0.1 }),
    soft: x => F.crossEntropy(x, soft, { weight, labelSmoothing: 0.1 }),
    sum: x => F.crossEntropy(x, target, { weight, reduction: 'sum' }),
    bce: x => F.bceWithLogits(x, binary),
    bcePositive: x => F.bceWithLogits(x, binary, { posWeight: get('pos') }),
    bceWeighted: x => F.bceWithLogits(x, binary, { weight, reduction: 'sum' }),
    mse: x => F.mse(x, soft),
    mseSum: x => F.mse(x, soft, { reduction: 'sum' }),
  }
  assert.deepEqual(Object.keys(losses), Object.keys(cases))
  for (const [name, { value, gradient }] of Object.entries(cases)) {
    const x = leaf(inputs.logits!)
    const loss = losses[name]!(x)
    near([loss.item()], [value], name)
    loss.backward()
    near(x.grad!.numbers(), gradient, `gradient of ${name}`)
  }
  assert.deepEqual(F.crossEntropy(get('logits'), target, { reduction: 'none' }).shape, [6])
})

const layers: Record<string, () => nn.Module> = {
  conv: () => nn.conv2d(3, 4, 3, { stride: 2, padding: 1 }),
  grouped: () => nn.conv2d(4, 6, 3, { padding: 2, dilation: 2, groups: 2, bias: false }),
  linear: () => nn.linear(5, 3),
  linearNoBias: () => nn.linear(5, 3, { bias: false }),
  norm2d: () => nn.batchNorm2d(3),
  norm1d: () => nn.batchNorm1d(4, { eps: 1e-3, momentum: 0.3 }),
  dropout: () => nn.dropout(0.5),
}

for (const [name, { x, state, runs }] of Object.entries(golden.layers))
  test(`${name}: output, gradients and statistics, ${runs.map(r => r.mode).join(', ')}`, () => {
    const m = layers[name]!()
    assert.deepEqual([...m.stateDict().keys()], Object.keys(state))
    m.loadStateDict(new Map(Object.entries(state).map(([key, stored]) => [key, of(stored)])))
    for (const run of runs) {
      m.train(run.mode === 'train')
      m.zeroGrad()
      const input = leaf(x)
      const y = m(input)
      aten.sin(y).sum().backward()
      assert.deepEqual(y.shape, run.shape)
      near(y.numbers(), run.output, 'output')
      near(input.grad!.numbers(), run.gradient, 'gradient of the input')
      for (const [key, p] of m.namedParameters()) near(p.grad!.numbers(), run.gradients[key]!, `gradient of ${key}`)
      for (const [key, b] of m.namedBuffers()) near(b.numbers(), run.buffers[key]!, key)
    }
  })
