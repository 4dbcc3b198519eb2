import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as ort from 'onnxruntime-web/wasm'
import { addOutputs, floatFrom } from '../../src/export/outputs.ts'
import { Graph } from '../../src/onnx/index.ts'
import { fromArray, scope } from '../../src/torch/index.ts'
import { joinMembers } from '../../src/train/prediction.ts'
import { cardObjective, type ModelCard } from '../../src/train/saved-model.ts'

ort.env.wasm.numThreads = 1

const card = (own: Partial<ModelCard>): ModelCard => ({
  format: 'anneal-classifier',
  version: 1,
  architecture: 'none',
  head: { hidden: [], dropout: 0 },
  classes: ['owl', 'cat', 'dög'],
  preprocessing: {},
  metrics: {},
  anneal: '0',
  ...own,
})

/** Logits of three members for four pictures: [4, 3] each, some so large that a probability is 0 or 1 in float32. */
const logits = [
  [2, 1, 0, -3, 4, 4, 0.1, 0.2, 0.3, 120, -120, 3],
  [1, 1, 1, 9, -9, 2, 0.3, 0.2, 0.1, 130, -110, 2],
  [0, 5, 0, -1, 0, 1, 7, 7, 6.5, 140, -140, 0],
]
const shape = [4, 3]

async function answers(whole: ModelCard, members: readonly ModelCard[]) {
  const graph = new Graph()
  const made = members.map((member, m) => ({ logits: graph.input(`x${m}`, 'float', ['N', 3]), card: member }))
  addOutputs(graph, made, whole)
  const session = await ort.InferenceSession.create(graph.encode({ producer: 'anneal', version: '0' }))
  const inputs = members.map((_, m) => [`x${m}`, new ort.Tensor('float32', Float32Array.from(logits[m]!), shape)])
  const found = await session.run(Object.fromEntries(inputs))
  await session.release()
  return found
}

function trained(whole: ModelCard, members: readonly ModelCard[]): number[] {
  return scope(() => {
    const each = members.map((member, m) => {
      const x = fromArray(Float32Array.from(logits[m]!), shape)
      return cardObjective(member).activate(x.div(member.temperature ?? 1))
    })
    return Array.from(joinMembers({ card: whole }, each))
  })
}

const near = (got: ArrayLike<number>, expected: readonly number[], name: string, share = 3e-7) => {
  assert.equal(got.length, expected.length, name)
  for (const [i, e] of expected.entries())
    assert.ok(Math.abs(got[i]! - e) <= share * Math.max(1, Math.abs(e)), `${name}: output ${i} is ${got[i]}, not ${e}`)
}

for (const task of ['single', 'multi'] as const)
  for (const members of [1, 3])
    for (const temperature of [1, 0.4, 2.5])
      test(`${task}, ${members} nets, temperature ${temperature}: the graph answers as prediction does`, async () => {
        const thresholds = [0.5, 0.123, 0.9]
        const parts = [1.3, 0.7, 1]
          .slice(0, members)
          .map(t => card({ task, temperature: members === 1 ? temperature : t }))
        const whole =
          members === 1
            ? { ...parts[0]!, thresholds }
            : card({ task, temperature, thresholds, members: ['a', 'b', 'c'] })
        const found = await answers(whole, parts)
        const expected = trained(whole, parts)
        near(found.probabilities!.data as Float32Array, expected, 'probabilities', 1e-6)
        assert.deepEqual(found.probabilities!.dims, shape, 'shape')
        const rows = [0, 1, 2, 3].map(i => expected.slice(3 * i, 3 * i + 3))
        if (task === 'single')
          assert.deepEqual(
            found.label!.data,
            rows.map(row => whole.classes[row.indexOf(Math.max(...row))]),
          )
        else
          assert.deepEqual(
            Array.from(found.decided!.data as Uint8Array, Boolean),
            expected.map((p, i) => p >= thresholds[i % 3]!),
          )
      })

test('regression: values in their units, of one net and of a mean', async () => {
  const scale = { mean: [1e5, -3, 0.001], std: [2e4, 1, 1e-5] }
  for (const members of [1, 3]) {
    const parts = [1, 2, 3].slice(0, members).map(() => card({ task: 'regression', scale }))
    const whole = members === 1 ? parts[0]! : card({ task: 'regression', scale, members: ['a', 'b', 'c'] })
    const found = await answers(whole, parts)
    assert.deepEqual(Object.keys(found), ['values'])
    near(found.values!.data as Float32Array, trained(whole, parts), 'values')
  }
})

test('a probability of float32 reaches a threshold in the graph exactly where it does in double precision', () => {
  for (const t of [0.5, 0.1, 0.3, 1 / 3, 0.9999999, 1e-9, 0, 1, Math.fround(0.7)]) {
    const from = floatFrom(t)
    assert.equal(from, Math.fround(from), `${t}: a float32 number`)
    assert.ok(from >= t, `${t}: ${from} is not below`)
    const before = new Int32Array(Float32Array.of(from).buffer)
    before[0]!--
    if (t > 0) assert.ok(new Float32Array(before.buffer)[0]! < t, `${t}: the number before ${from} is below`)
  }
})
