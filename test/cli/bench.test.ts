import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { machine } from '../../src/setup/index.ts'
import { speedAdvice } from '../../src/speed/advice.ts'
import { median, noiseNet, timeFrozen, timeSteps } from '../../src/speed/timing.ts'
import type { BenchResult, Timing } from '../../src/speed/types.ts'
import { kernelSets, library, liveTensors } from '../../src/torch/index.ts'
import { workspace } from '../helpers/cli.ts'

const work = workspace()
after(() => work.remove())
const tiny = ['--model', 'mobilenet_v2', '--size', '32', '--batch', '2', '--steps', '2']

test('anneal bench --json: one line, whose numbers agree', async () => {
  const { code, stdout, stderr } = await work.run(['bench', ...tiny, '--json'])
  assert.equal(code, 0, stderr)
  assert.equal(stdout.trimEnd().split('\n').length, 1)
  const result = JSON.parse(stdout) as BenchResult
  const { timings, others, precision, kernels, stepMilliseconds } = result
  assert.deepEqual([result.model, result.size, result.batch], ['mobilenet_v2', 32, 2])
  assert.deepEqual([result.threads, result.libtorch], [2, library().version])
  assert.equal(result.instructionSets.includes('AVX-512'), machine().cpu.avx512)
  assert.ok(result.peakBytes > 50e6 && result.peakBytes < 4e9, `${result.peakBytes}`)
  assert.ok(
    result.coresBusy > 0 && result.coresBusy <= 2.2 * machine().cpu.cores,
    'result.coresBusy > 0 && result.coresBusy <= 2.2 * machine().cpu.cores',
  )
  const { cpu } = machine()
  const precisions = cpu.amx || cpu.avx512bf16 ? ['float32', 'bfloat16'] : ['float32']
  const seen = (what: (t: Timing) => string) => [...new Set(timings.map(what))].sort()
  assert.deepEqual(
    seen(t => t.precision),
    precisions.toSorted(),
  )
  assert.deepEqual(
    seen(t => t.kernels),
    kernelSets().length > 0 ? ['aten', 'own'] : ['aten'],
  )
  assert.deepEqual(
    seen(t => t.work),
    ['frozen body', 'training step'],
  )
  for (const t of [...timings, ...others]) {
    assert.ok(
      t.milliseconds.least > 0 && t.milliseconds.least <= t.milliseconds.median,
      't.milliseconds.least > 0 && t.milliseconds.least <= t.milliseconds.…',
    )
    assert.ok(
      Math.abs((t.imagesPerSecond * t.milliseconds.median) / (1000 * t.batch) - 1) < 0.01,
      'Math.abs((t.imagesPerSecond * t.milliseconds.median) / (1000 * t.ba…',
    )
  }
  assert.deepEqual(
    others.map(t => [t.size, t.batch]),
    [[32, 4]],
  )
  const taken = timings.find(t => t.work === 'training step' && t.precision === precision && t.kernels === kernels)!
  assert.deepEqual([result.imagesPerSecond, stepMilliseconds], [taken.imagesPerSecond, taken.milliseconds])
})

test('anneal bench for a person: a table and what training takes', async () => {
  const { code, stdout, stderr } = await work.run(['bench', ...tiny, '--precision', 'float32'], {
    env: { ANNEAL_THREADS: '1', ANNEAL_KERNELS: 'aten' },
  })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^mobilenet_v2, 32 px, batches of 2/)
  assert.match(stdout, /^training step +float32 +libtorch's +[\d.]+ +\d+ +\d+$/m)
  assert.match(stdout, /^frozen body +float32/m)
  assert.doesNotMatch(stdout, /^(training step|frozen body).* bfloat16 /m)
  assert.match(stdout, /^training takes float32 and libtorch's kernels: [\d.]+ images\/s \(as asked; measured, .*\)$/m)
  assert.match(stdout, /1 thread on/)
  if (machine().cpu.cores > 1) assert.match(stdout, /ANNEAL_THREADS allows 1 of \d+ cores/)
})

test('anneal bench --layers: each convolution in each way, and what is taken', {
  skip: kernelSets().length === 0 && 'no own kernels here',
}, async () => {
  const small = [
    '--model',
    'resnet18',
    '--size',
    '32',
    '--batch',
    '2',
    '--steps',
    '2',
    '--precision',
    'float32',
    '--layers',
  ]
  const { code, stdout, stderr } = await work.run(['bench', ...small], { env: { ANNEAL_THREADS: '1' } })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^convolutions, ms +taken +libtorch +product +own +tiles +fused$/m)
  assert.match(
    stdout,
    /^4 of 64 to 64, 3 x 3, 8 x 8, float32, batch 2 +forward +(libtorch|product|own) +[\d.]+ +[\d.]+ +[\d.]+/m,
  )
  assert.match(stdout, /^ +gradient of weights +(libtorch|product|own) +[\d.]+/m)
  const json = await work.run(['bench', ...small, '--json'], { env: { ANNEAL_THREADS: '1' } })
  assert.equal(json.code, 0, json.stderr)
  const { layers } = JSON.parse(json.stdout) as BenchResult
  assert.equal(
    layers!.reduce((sum, l) => sum + l.count, 0),
    20,
    'all convolutions of ResNet18',
  )
  for (const { name, taken, milliseconds } of layers!)
    for (const [product, ways] of Object.entries(milliseconds)) {
      const least = Math.min(...Object.values(ways))
      const way = taken[product as keyof typeof taken]
      if (Object.keys(ways).length > 0) assert.equal(ways[way], least, `${name}, ${product}: ${way} is the fastest`)
    }
  const shown = layers!.map(l => l.name)
  assert.ok(
    shown.every(name => stdout.includes(name)),
    'the same layers, measured once',
  )
})

test('what can not be measured is said in a line, and Ctrl-C ends it', async () => {
  for (const [args, reason] of [
    [['--size', '8'], /--size: expected a whole number from 32 to 2048, got 8/],
    [['--batch', '1'], /--batch: expected a whole number from 2 to 4096, got 1/],
    [['--steps', '0'], /--steps: expected a whole number from 1 to 10000, got 0/],
    [['--model', 'resnet35'], /resnet35.*resnet34/],
    [['--model', 'vit_b_16', '--size', '100'], /vit_b_16/],
  ] as const) {
    const { code, stderr } = await work.run(['bench', ...args])
    assert.equal(code, 1)
    assert.match(stderr, reason)
  }
  const { child, ended } = work.start(['bench', '--model', 'mobilenet_v2', '--size', '64', '--steps', '5000'])
  setTimeout(() => child.kill('SIGINT'), 4000)
  const { code, stdout, stderr } = await ended
  const results = stdout.replace(/^.*: \d+ of \d+ \(\d+ %\).*\n/gm, '') // a line of progress every few seconds
  assert.deepEqual([code, results], [130, ''])
  assert.match(stderr, /^stopped before the end/)
})

test('timing leaves no tensor behind', async () => {
  const shape = { size: 32, batchSize: 2, classes: 3 }
  const net = await noiseNet('squeezenet1_1', shape)
  const how = { ...shape, precision: 'float32', kernels: 'own', steps: 3 } as const
  const before = liveTensors()
  assert.equal((await timeSteps(net, how)).length, 3)
  assert.equal((await timeFrozen(net, how)).length, 3)
  for (const p of net.net.parameters()) p.grad = null
  assert.ok(liveTensors() <= before, `${liveTensors()} of ${before}`)
  assert.deepEqual([median([3, 1, 2]), median([4, 1, 2, 3])], [2, 2.5])
})

const step = (
  imagesPerSecond: number,
  { batch = 32, least = 1, ...more }: Partial<Timing> & { least?: number } = {},
): Timing => ({
  work: 'training step',
  precision: 'float32',
  kernels: 'own',
  batch,
  size: 224,
  imagesPerSecond,
  milliseconds: { median: (1000 * batch) / imagesPerSecond, least: (1000 * batch * least) / imagesPerSecond },
  ...more,
})
const measured: Omit<BenchResult, 'advice'> = {
  model: 'resnet34',
  size: 224,
  batch: 32,
  precision: 'float32',
  reason: '',
  kernels: 'own',
  imagesPerSecond: 10,
  stepMilliseconds: { median: 1, least: 1 },
  frozenImagesPerSecond: 1,
  peakBytes: 1,
  threads: 8,
  cores: 8,
  coresBusy: 8,
  waited: 0.01,
  cpu: '',
  instructionSets: ['AVX2', 'AVX-512', 'AMX'],
  libtorch: '',
  device: 'cpu',
  timings: [step(10), step(5, { kernels: 'aten' }), step(10.2, { precision: 'bfloat16' })],
  others: [step(10.1, { batch: 64 })],
}

test('advice says what was measured, and nothing where nothing is faster', () => {
  assert.deepEqual(speedAdvice(measured), [])
  const advice = (change: Partial<BenchResult>) => speedAdvice({ ...measured, ...change }).join('\n')
  const [own, aten] = [step(10), step(20, { kernels: 'aten' })]
  assert.match(
    advice({ timings: [own, aten] }),
    /^ANNEAL_KERNELS=aten selects .* 2\.0 times as fast in a training step/,
  )
  assert.match(advice({ timings: [aten, step(30)], kernels: 'aten' }), /without it a step is 50 % faster/)
  assert.match(advice({ timings: [own, step(34, { precision: 'bfloat16' })] }), /bfloat16"?: 3\.4 times as fast/)
  assert.match(advice({ threads: 12 }), /12 threads share 8 cores/)
  assert.match(advice({ waited: 0.23 }), /waited for a core in 23 % of the time/)
  assert.match(advice({ instructionSets: ['AVX2'] }), /no AVX-512;/)
  assert.match(advice({ instructionSets: ['AVX2', 'AVX-512'] }), /no instructions for bfloat16/)
  assert.match(advice({ others: [step(12, { batch: 64 })] }), /64: 20 % faster, with half as many steps/)
  assert.equal(advice({ others: [step(12, { batch: 64, least: 1.2 })] }), '', 'the least time does not say so')
  assert.match(advice({ others: [step(31, { size: 128 })] }), /128: 3\.1 times as fast, at some cost in accuracy/)
  assert.equal(advice({ waited: null, device: 'cuda', instructionSets: [] }), '')
})
