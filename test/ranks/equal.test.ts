import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import type { Case, Trained } from '../helpers/rank-train.ts'
import { runRanks } from '../helpers/ranks.ts'
import { root } from '../helpers/sources.ts'
import { helper } from '../helpers/typescript.ts'

function inOneProcess(c: Case): Trained {
  const env = {
    ...process.env,
    NODE_TEST_CONTEXT: undefined,
    CASE: JSON.stringify(c),
    ANNEAL_THREADS: '1',
    OMP_NUM_THREADS: '1',
  }
  const { stdout, stderr, status } = spawnSync(process.execPath, helper('rank-train.ts'), {
    cwd: root,
    encoding: 'utf8',
    env,
  })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}

const farthest = (a: readonly number[], b: readonly number[]) => {
  assert.equal(a.length, b.length, `${a.length} and ${b.length} numbers`)
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0)
}

/** Compares all that a group of `size` gave with what one process gave. */
async function compare(c: Case, size: number, within: number): Promise<void> {
  const one = inOneProcess(c)
  const all = await runRanks<Trained>(helper('rank-train.ts'), size, () => ({ CASE: JSON.stringify(c) }))
  assert.ok(one.losses.length >= 20, `${one.losses.length} steps`)
  assert.ok(farthest(one.losses.slice(0, 1), one.losses.slice(-1)) > 0.01, `nothing was learned: ${one.losses}`)
  for (const [rank, found] of all.entries()) {
    assert.ok(found.sent > 0, `rank ${rank} sent ${found.sent} bytes`)
    for (const what of ['weights', 'average', 'losses', 'probabilities', 'features', 'tta', 'found'] as const) {
      const far = farthest(found[what], one[what])
      assert.ok(far <= within, `${what} of rank ${rank} of ${size}: ${far} away`)
    }
    assert.ok(Math.abs(found.loss - one.loss) <= within, `loss ${found.loss}, ${one.loss}`)
    assert.deepEqual(found.weights, all[0]!.weights, `rank ${rank} has other weights than rank 0`)
  }
}

const cases: [string, Case][] = [
  ['one label of three, gradients clipped, weights averaged', { task: 'single', gradClip: 0.5, average: true }],
  ['class weights, which the mean loss is divided by', { task: 'single', classWeights: [1, 4, 0.5] }],
  [
    'several labels, statistics of BatchNorm kept, MixUp or CutMix',
    { task: 'multi', norm: true, frozenBn: true, mixup: 0.4, cutmix: 1 },
  ],
  ['numbers, gradients of two batches added up', { task: 'regression', accumulate: 2 }],
  ['statistics of BatchNorm over all processes', { task: 'single', norm: true, syncBn: true }],
]
for (const [name, c] of cases)
  test(`20 steps of 2 processes give the weights of one: ${name}`, () => compare(c, 2, 1e-5))

test('20 steps of 3 processes with uneven shares and MixUp give the weights of one', () =>
  compare({ task: 'single', norm: true, syncBn: true, average: true, count: 37, batchSize: 8, mixup: 0.4 }, 3, 1e-5))

test('batches too small to be shared out are computed by all', () =>
  compare({ task: 'single', norm: true, syncBn: true, batchSize: 3, count: 20 }, 2, 1e-5))

test('gradients in bfloat16 give nearly the weights of one process', () =>
  compare({ task: 'single', gradientType: 'bfloat16' }, 2, 0.05))

test('BatchNorm with the statistics of each process, and dropout: the ranks stay equal to each other', async () => {
  const c: Case = { task: 'single', norm: true, dropout: true }
  const all = await runRanks<Trained>(helper('rank-train.ts'), 2, () => ({ CASE: JSON.stringify(c) }))
  assert.deepEqual(all[0]!.weights, all[1]!.weights)
  assert.deepEqual(all[0]!.losses, all[1]!.losses)
})
