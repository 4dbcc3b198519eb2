// Which kernels and which type a run computes with: chosen from measurements, separately for training and the frozen body.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { alone } from '../../src/ranks/ranks.ts'
import { choosePrecision } from '../../src/recipes/prepare/precision.ts'
import type { Prepared } from '../../src/recipes/prepare/prepared.ts'
import type { Context } from '../../src/recipes/run/context.ts'
import { frozenFeatures } from '../../src/recipes/steps/frozen-features.ts'
import { findAddon } from '../../src/setup/index.ts'
import { noiseNet, noiseSource } from '../../src/speed/timing.ts'
import { kernelCalls, kernelSetInUse, kernelSets, kernelsInUse, useKernels } from '../../src/torch/index.ts'
import { fastest } from '../../src/train/choose-kernels.ts'
import { computeBy, measureWays, type Way, waysHere } from '../../src/train/measure-kernels.ts'
import { augmentations } from '../../src/vision/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-precision-'))
const addon = findAddon()?.path // found before the tests change the cache folder
if (addon) process.env.ANNEAL_ADDON = addon
const before = process.env.ANNEAL_CACHE
process.env.ANNEAL_CACHE = folder
after(() => {
  if (before === undefined) delete process.env.ANNEAL_CACHE
  else process.env.ANNEAL_CACHE = before
  rmSync(folder, { recursive: true })
})
const lacks = kernelSets().length === 0 && 'no own kernels here'

const way = (precision: 'float32' | 'bfloat16', own: string | undefined, step: number, frozen: number): Way => ({
  precision,
  ...(own ? { kernels: 'own', set: own } : { kernels: 'aten' }),
  rates: { step, frozen },
})
/** Measurements of ResNet34 on a processor with AMX. */
const amx = [
  way('float32', undefined, 40, 120),
  way('float32', 'avx512', 55, 160),
  way('bfloat16', undefined, 78, 322),
  way('bfloat16', 'amx', 80, 282),
  way('bfloat16', 'avx512_bf16', 60, 200),
]

describe('the choice', () => {
  test('is made for steps and for the frozen body each', () => {
    assert.deepEqual(fastest(amx, 'auto', 'step'), {
      precision: 'bfloat16',
      by: { step: { kernels: 'own', set: 'amx' }, frozen: { kernels: 'aten' } },
    })
  })
  test('takes the faster set of own kernels of a type', () => {
    const ways = amx.map(w => (w.set === 'avx512_bf16' ? way('bfloat16', w.set, 110, 330) : w))
    const own = { kernels: 'own', set: 'avx512_bf16' } as const
    assert.deepEqual(fastest(ways, 'auto', 'step').by, { step: own, frozen: own })
    const mixed = amx.map(w => (w.set === 'avx512_bf16' ? way('bfloat16', w.set, 60, 330) : w))
    assert.deepEqual(fastest(mixed, 'auto', 'step').by, { step: { kernels: 'own', set: 'amx' }, frozen: own })
  })
  test("leaves own kernels only where libtorch's are faster by more than noise", () => {
    const ways = [way('float32', undefined, 102, 104), way('float32', 'avx2', 100, 100)]
    assert.deepEqual(fastest(ways, 'auto', 'step').by, {
      step: { kernels: 'own', set: 'avx2' },
      frozen: { kernels: 'aten' },
    })
  })
  test('of the type goes by the work that counts, and bfloat16 has to be worth its rounding', () => {
    const ways = [way('float32', undefined, 100, 100), way('bfloat16', undefined, 110, 300)]
    assert.equal(fastest(ways, 'auto', 'step').precision, 'float32')
    assert.equal(fastest(ways, 'auto', 'frozen').precision, 'bfloat16')
    assert.equal(fastest(ways, 'bfloat16', 'step').precision, 'bfloat16', 'as asked')
  })
  test('of a type that has no way of its own, or a net without layers for own kernels, is the usual one', () => {
    const own = { kernels: 'own' } as const
    const ways = [way('float32', undefined, 100, 100)]
    assert.deepEqual(fastest(ways, 'auto', 'step'), { precision: 'float32', by: { step: own, frozen: own } })
    assert.deepEqual(fastest(amx.slice(0, 2), 'bfloat16', 'step').by, { step: own, frozen: own })
  })

  const chosen = async (ways: Way[], options: { epochs?: number } = {}) => {
    let said: string[] = []
    const once = async (what: string) => (what === 'speeds' ? ways : { layers: [], plans: {} })
    const narrator = { once, emit() {}, choice: (...all: string[]) => void (said = all) }
    const back = computeBy({ kernels: kernelsInUse() })
    try {
      // If the speeds are known, the net is not measured.
      const given = { narrator, options, modelName: 'resnet34', net: {}, shape: [3, 128, 128], device: 'cpu' }
      const computed = await choosePrecision(given as unknown as Parameters<typeof choosePrecision>[0])
      return { ...computed, line: () => said.join(' | ') }
    } finally {
      back()
    }
  }
  test('is said with its figures', async () => {
    const here = [...kernelSets('float32'), ...kernelSets('bfloat16')]
    const ways = amx.filter(w => w.set === undefined || here.includes(w.set))
    const { line } = await chosen(ways)
    assert.match(line(), /^precision \| bfloat16, /)
    assert.match(
      line(),
      /measured, samples\/s in training steps and through the frozen body: float32 libtorch 40 and 120, /,
    )
    assert.match(line(), /bfloat16 libtorch 78 and 322/)
    if (kernelSets('bfloat16').includes('amx'))
      assert.match(line(), /own kernels \(amx\) in training steps, libtorch's kernels for the frozen body/)
  })
  test('ANNEAL_KERNELS=aten overrules what was measured', { skip: lacks }, async () => {
    process.env.ANNEAL_KERNELS = 'aten'
    try {
      const set = kernelSets('float32')[0]!
      const { by, line } = await chosen([way('float32', undefined, 1, 1), way('float32', set, 9, 9)])
      assert.deepEqual(by, { step: { kernels: 'aten' }, frozen: { kernels: 'aten' } })
      assert.match(line(), /float32, libtorch's kernels/)
    } finally {
      delete process.env.ANNEAL_KERNELS
    }
  })
})

describe('measuring', { skip: lacks }, () => {
  const net = () => noiseNet('mobilenet_v2', { size: 32, batchSize: 2, classes: 3, device: 'cpu' }, undefined)

  test('times both kinds of work in every way, each by its kernels, and leaves all as it was', async () => {
    const network = await net()
    const inUse = () => [kernelsInUse(), kernelSetInUse('float32'), kernelSetInUse('bfloat16')]
    const usual = inUse()
    const sets = waysHere().flatMap(w => w.set ?? [])
    const calls = () =>
      sets.map(s => [kernelCalls('mobile_body', s), kernelCalls('inverted_residual.backward', s)] as const)
    const then = calls()
    const ways = measureWays(network, waysHere(), { shape: [3, 32, 32], batch: 4 })
    for (const [i, [frozen, step]] of calls().entries()) {
      assert.ok(frozen > then[i]![0], `${sets[i]}: no frozen body`)
      assert.ok(step > then[i]![1], `${sets[i]}: no step`)
    }
    assert.deepEqual(
      ways.map(({ rates, ...w }) => w),
      waysHere(),
    )
    for (const { rates } of ways) assert.ok(rates.step > 0 && rates.frozen > 0, JSON.stringify(rates))
    assert.deepEqual(inUse(), usual, 'kernels and sets in use')
  })

  test('the frozen body is computed by its own kernels, steps go on by theirs', async () => {
    const network = await net()
    const source = noiseSource(8, { size: 32, batchSize: 4, classes: 3, device: 'cpu' })
    const features = (by: Prepared['by'], fingerprint: string) => {
      const prepared = { net: network, source: () => source, precision: 'float32', batchSize: 4, by, seed: 1 }
      const rest = { augmentation: augmentations.none, plain: true, data: { fingerprint }, preprocessing: {} }
      const run = { paths: { resume: join(folder, fingerprint) } }
      const session = { choice() {}, emit() {}, warn() {}, stands() {}, run, ranks: alone }
      const context = { session, options: { views: 0 }, progress() {} }
      const whole = { ...prepared, ...rest, modelName: 'mobilenet_v2', device: 'cpu' }
      return frozenFeatures(whole as unknown as Prepared, context as unknown as Context)
    }
    const own = { kernels: 'own', set: kernelSets('float32').at(-1)! } as const
    const [kernels, set] = [useKernels('own'), kernelSetInUse('float32')]
    try {
      const calls = kernelCalls('mobile_body')
      await features({ step: own, frozen: { kernels: 'aten' } }, 'one')
      assert.equal(kernelCalls('mobile_body'), calls, "libtorch's")
      assert.equal(kernelsInUse(), 'own', 'as before')
      const inSet = kernelCalls('mobile_body', own.set)
      await features({ step: { kernels: 'aten' }, frozen: own }, 'other')
      assert.ok(kernelCalls('mobile_body', own.set) > inSet, `ours, in ${own.set}`)
      assert.equal(kernelSetInUse('float32'), set, 'the set as before')
    } finally {
      useKernels(kernels)
      source.dispose()
    }
  })
})
