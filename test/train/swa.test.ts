import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fromArray, liveTensors } from '../../src/torch/index.ts'
import { ensemble } from '../../src/train/ensemble.ts'
import { type Outputs, objective } from '../../src/train/objective.ts'
import { storedTensors } from '../../src/train/saved-model.ts'
import type { Source } from '../../src/train/source.ts'
import { Stopped } from '../../src/train/stop.ts'
import { recomputeBatchNorm, WeightMean } from '../../src/train/swa.ts'
import { outputsOf } from '../../src/train/tta.ts'
import { writeSafetensors } from '../../src/weights/index.ts'
import { formulaPicture } from '../golden/formula.ts'
import { assertFreed, close, fill, golden, small } from '../helpers/explain.ts'
import { source } from '../helpers/train.ts'

const numbersOf = (network: ReturnType<typeof small>) =>
  new Map(Array.from(network.net.stateDict(), ([name, t]) => [name, t.numbers()]))

test("the mean of weights is torch's AveragedModel's, and goes on where it was left", () => {
  const network = small()
  const alive = liveTensors()
  let mean = new WeightMean(network.net)
  for (let step = 0; step < 3; step++) {
    fill(network.net, `step ${step} `)
    mean.update()
    if (step > 0) continue
    const resumed = new WeightMean(network.net)
    resumed.restore(mean.tensors, mean.count)
    mean.restore(new Map())
    mean = resumed
  }
  assert.equal(mean.count, 3)
  for (const [name, expected] of Object.entries(golden.weightMean))
    close(mean.tensors.get(name)!.numbers(), expected, 1e-6, name)
  mean.restore(new Map())
  assert.equal(mean.count, 0)
  assertFreed(alive)
})

/** Batches of 4, 4 and 2 golden pictures, whatever samples are requested. */
function inTurn(): Source {
  const pixels = 3 * 8 * 8
  const x = formulaPicture([10, 3, 8, 8])
  let start = 0
  return {
    count: 10,
    batch(samples) {
      const rows = x.subarray(start * pixels, (start += samples.length) * pixels)
      return {
        x: fromArray(rows, [samples.length, 3, 8, 8]),
        y: fromArray(new BigInt64Array(samples.length), [samples.length]),
      }
    },
  }
}

test("statistics of BatchNorm are torch's update_bn's, whatever they were before", async () => {
  const network = small()
  await recomputeBatchNorm(network, source(20), { batchSize: 5 })
  const alive = liveTensors()
  assert.equal(await recomputeBatchNorm(network, inTurn(), { batchSize: 4 }), 2)
  const state = numbersOf(network)
  for (const [name, expected] of Object.entries(golden.batchNorm)) close(state.get(name)!, expected, 1e-5, name)
  assertFreed(alive)
  assert.ok(
    Array.from(network.net.modules()).every(([, m]) => !m.training && m.hooks.size === 0),
    'Array.from(network.net.modules()).every(([, m]) => !m.training && m…',
  )
})

test('what keeps its statistics is left alone; where all keep them nothing runs', async () => {
  const network = small()
  const before = numbersOf(network)
  const early = network.net.children.early!
  const trainMode = () => {
    network.net.train()
    early.eval()
  }
  assert.equal(await recomputeBatchNorm(network, inTurn(), { batchSize: 4, trainMode }), 1)
  const after = numbersOf(network)
  assert.deepEqual(after.get('early.1.running_mean'), before.get('early.1.running_mean'))
  assert.notDeepEqual(after.get('late.1.running_mean'), before.get('late.1.running_mean'))
  const nothing: Source = { count: 0, batch: () => assert.fail('asked for a batch') }
  assert.equal(await recomputeBatchNorm(network, nothing, { trainMode: () => network.net.eval() }), 0)
  await assert.rejects(recomputeBatchNorm(network, nothing), /at least 2 samples .* got 0/)
})

test('stopped half-way, the statistics are what they were', async () => {
  const network = small()
  const before = numbersOf(network)
  const alive = liveTensors()
  const stop = new AbortController()
  const data = source(20)
  const slow: Source = {
    count: 20,
    batch(samples, epoch) {
      setImmediate(() => stop.abort())
      return data.batch(samples, epoch)
    },
  }
  await assert.rejects(recomputeBatchNorm(network, slow, { batchSize: 4, signal: stop.signal }), Stopped)
  assert.deepEqual(numbersOf(network), before)
  assertFreed(alive)
})

test('an ensemble is the mean of its members, from files, and leaves the net as it was', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-members-'))
  try {
    const network = small()
    const own = numbersOf(network)
    const others = ['a', 'b'].map(name => fill(small().net, name).stateDict())
    const paths = others.map((state, i) => {
      const path = join(folder, `${i}.safetensors`)
      writeSafetensors(path, storedTensors(state))
      return path
    })
    const alive = liveTensors()
    const data = source(9)
    const each: Outputs[] = []
    const predict = async () => {
      each.push(await outputsOf(network, data, { objective: objective('single', ['a', 'b', 'c', 'd']) }))
      return each.at(-1)!
    }
    const got = await ensemble(network, paths, predict)
    assert.notDeepEqual(each[0], each[1])
    close(
      got,
      each[0]!.map((v, i) => (v + each[1]![i]!) / 2),
      1e-7,
    )
    const weighed = await ensemble(network, others, predict, { shares: [3, 1] })
    close(
      weighed,
      each[0]!.map((v, i) => 0.75 * v + 0.25 * each[1]![i]!),
      1e-7,
    )
    assert.deepEqual(numbersOf(network), own)
    assertFreed(alive)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a member of another architecture is named, and the net is as it was', async () => {
  const network = small()
  const own = numbersOf(network)
  const predict = () => outputsOf(network, source(3), { objective: objective('single', ['a', 'b', 'c', 'd']) })
  const other = small(5).net.stateDict()
  await assert.rejects(
    ensemble(network, [network.net.stateDict(), other], predict),
    /^AnnealError: member 2: .*head\.weight \[5,8\], expected \[4,8\]/,
  )
  assert.deepEqual(numbersOf(network), own)
  await assert.rejects(ensemble(network, [], predict), /got 0 members and shares of none/)
})
