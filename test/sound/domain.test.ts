import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { recipeFor } from '../../src/api/recipe.ts'
import { writeReport } from '../../src/report/index.ts'
import { type Interpretation, readRun } from '../../src/runs/index.ts'
import { loadSoundClassifier, predictSounds, readSound, type SoundPrediction, sounds } from '../../src/sound/index.ts'
import { speechEmbedding } from '../../src/sound/models/speech-embedding.ts'
import { manualSeed } from '../../src/torch/index.ts'
import { storedTensors } from '../../src/train/saved-model.ts'
import { writeSafetensors } from '../../src/weights/index.ts'
import { makers, wav } from './sound.make.ts'

let root = ''
let folder = ''
let weights = ''
const recipe = recipeFor(sounds)
const rates = [8000, 16_000, 22_050, 44_100]

before(() => {
  root = mkdtempSync(join(tmpdir(), 'anneal-sounds-'))
  folder = join(root, 'recordings')
  for (const [name, make] of Object.entries(makers)) {
    mkdirSync(join(folder, name), { recursive: true })
    for (let n = 0; n < 10; n++)
      writeFileSync(
        join(folder, name, `${n}.wav`),
        wav([make(n, 0.5 + n / 20, rates[n % 4]!)], { rate: rates[n % 4]! }),
      )
  }
  manualSeed(7) // a body with random weights, as a file
  weights = join(root, 'body.safetensors')
  writeSafetensors(weights, storedTensors(speechEmbedding().stateDict()))
})
after(() => rmSync(root, { recursive: true, force: true }))

const options = () => ({ weights, model: 'speech-embedding', views: 1, precision: 'float32' as const })

test('recordings of four classes are learned; file, bytes and samples give the same answer', async () => {
  const out = join(root, 'run')
  const result = await recipe.train(folder, { ...options(), epochs: 0, out }, { writeReport })
  assert.ok(result.metrics.accuracy! >= 0.75, `accuracy ${result.metrics.accuracy}`)
  const { config, events } = readRun(out)
  assert.equal(config?.model, 'speech-embedding')
  const choices = new Map(
    events.flatMap(e => (e.type === 'choice' ? [[e.what, `${e.value}: ${e.reason}`] as const] : [])),
  )
  assert.match(choices.get('window')!, /^1\.55 s: recordings last 0\.50 s to 0\.95 s/)
  assert.match(choices.get('mixed rates')!, /8000 Hz \(\d+\)/)

  const file = join(folder, 'noise', '3.wav')
  const inputs = [file, new Uint8Array(readFileSync(file)), { samples: makers.noise!(3, 0.65, 44_100), rate: 44_100 }]
  const told: SoundPrediction[] = []
  for await (const p of predictSounds(out, inputs)) told.push(p)
  assert.equal(told[0]!.file, file)
  assert.ok(Math.abs(told[0]!.seconds - 0.65) < 1e-3, `${told[0]!.seconds} s`)
  assert.deepEqual([...told[1]!.scores], [...told[0]!.scores], 'bytes')
  const off = Math.max(...told[2]!.scores.map((v, i) => Math.abs(v - told[0]!.scores[i]!)))
  assert.ok(off < 1e-3, `samples: off by ${off}`) // the file has 16 bits
  const generic = []
  for await (const p of recipe.predict(out, inputs)) generic.push(p)
  assert.deepEqual(
    generic.map(p => [...p.scores]),
    told.map(p => [...p.scores]),
    'recipeFor(sounds).predict',
  )

  const evaluated = await recipe.evaluate(out, folder, {})
  assert.equal(evaluated.samples, 40)
  assert.ok(evaluated.metrics.accuracy! >= 0.8, `evaluated ${evaluated.metrics.accuracy}`)
})

test('the report plays the sounds that went wrong, beside their spectrograms and where the net listened', async () => {
  const { sounds: heard, samples } = JSON.parse(
    readFileSync(join(root, 'run', 'interpret.json'), 'utf8'),
  ) as Interpretation
  assert.equal(heard!.length, 8, 'the validation recordings')
  assert.equal(samples.length, 12, 'training sounds as the net hears them')
  const right = heard!.map(s => s.actual === s.predicted)
  assert.deepEqual(right, [...right].sort(), 'the wrong ones come first')
  for (const { file, audio, thumbnail, overlay } of heard!) {
    const played = await readSound(new Uint8Array(Buffer.from(audio, 'base64')))
    const original = await readSound(join(folder, file), { rate: 16_000 })
    const off = Math.max(...original.samples.map((v, i) => Math.abs(v - played.samples[i]!)))
    assert.ok(Math.abs(played.samples.length - original.samples.length) <= 1 && off < 1e-4, `${file}: off by ${off}`)
    for (const jpeg of [thumbnail, overlay]) assert.match(jpeg, /^\/9j\//, `${file}: a JPEG`)
  }
  const page = readFileSync(join(root, 'run', 'report.html'), 'utf8')
  assert.equal(page.split('<audio controls').length - 1, 8, 'players')
  assert.match(page, /media-src data:/)
  assert.ok(page.length < 3e6, `${page.length} bytes`)
})

test('a long recording is the mean over its windows, and a stream gives the same windows', async () => {
  const classifier = loadSoundClassifier(join(root, 'run'))
  const long = new Float32Array(16_000 * 4)
  long.set(makers.noise!(50, 2, 16_000))
  long.set(makers.tone!(51, 2, 16_000), 32_000)
  const whole = await classifier.predict({ samples: long, rate: 16_000 })
  assert.ok(whole.parts.length === 5, `${whole.parts.length} windows`)
  assert.equal(whole.parts.at(-1)!.to, 4)
  const mean = classifier.classes.map((_, c) => whole.parts.reduce((s, p) => s + p.scores[c]!, 0) / whole.parts.length)
  for (const [c, v] of mean.entries()) assert.ok(Math.abs(v - whole.scores[c]!) < 1e-5, `mean of class ${c}`)
  const pieces = Array.from({ length: 40 }, (_, i) => long.slice(i * 1600, (i + 1) * 1600))
  const heard = []
  for await (const p of classifier.predictStream(pieces, { rate: 16_000 })) heard.push(p)
  assert.ok(heard.length === 4, `${heard.length} answers`)
  for (const [i, p] of heard.entries()) {
    const part = whole.parts[i]!
    assert.equal(p.from, part.from, `window ${i}`)
    for (const [c, v] of p.scores.entries()) assert.ok(Math.abs(v - part.scores[c]!) < 1e-5, `window ${i}, class ${c}`)
  }
  const every = []
  for await (const p of classifier.predictStream(pieces, { rate: 16_000, hop: 0.1 })) every.push(p.from)
  assert.ok(
    every.length === 25 && Math.abs(every[1]! - 0.1) < 1e-9,
    `${every.length} answers, the second at ${every[1]}`,
  )
  await assert.rejects(classifier.predict({ samples: new Float32Array(0), rate: 16_000 }), /recording 1 .*no samples/)
  await assert.rejects(classifier.predict({ samples: long, rate: 0 }), /rate of samples is a whole number/)
  const broken = Float32Array.from(long, (v, i) => (i < 3 ? Number.NaN : v))
  await assert.rejects(classifier.predict({ samples: broken, rate: 16_000 }), /3 of its \d+ values are no numbers/)
  await assert.rejects(classifier.predict(wav([broken], { bits: 32, tag: 3 })), /3 of its \d+ values are no numbers/)
  await assert.rejects(classifier.predict({ samples: long.map(v => v * 32_768), rate: 16_000 }), /expected -1 to 1/)
  await assert.rejects(classifier.predict(join(folder, 'nothing.wav')), /nothing\.wav: it does not exist/)
  classifier.close()
})

test('a stopped run goes on to the same weights, also with masks, gain and MixUp in the whole net', async () => {
  const how = { ...options(), epochs: 1, mixup: 0.3, batchSize: 8 }
  await recipe.train(folder, { ...how, out: join(root, 'once') })
  const stop = new AbortController()
  const hooks = {
    signal: stop.signal,
    onEvent: (e: { type: string; phase?: string; step?: number }) => {
      if (e.type === 'batch' && e.phase === 'whole') stop.abort()
    },
  }
  await assert.rejects(recipe.train(folder, { ...how, out: join(root, 'twice') }, hooks as never))
  await recipe.resume(join(root, 'twice'))
  for (const name of ['best', 'last'])
    assert.ok(
      readFileSync(join(root, 'once', `${name}.safetensors`)).equals(
        readFileSync(join(root, 'twice', `${name}.safetensors`)),
      ),
      `${name}.safetensors`,
    )
})

/** A folder of class folders with these files. */
function folderOf(name: string, files: Record<string, Uint8Array>): string {
  const dir = join(root, name)
  for (const [file, bytes] of Object.entries(files)) {
    mkdirSync(join(dir, file, '..'), { recursive: true })
    writeFileSync(join(dir, file), bytes)
  }
  return dir
}
const some = (make: string, from: number, count = 6): Record<string, Uint8Array> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`${make}/${n}.wav`, wav([makers[make]!(from + n, 0.4, 16_000)])]),
  )
const trained = (dir: string, more = {}) =>
  recipe.train(dir, { ...options(), epochs: 0, out: join(root, `run-of-${dir.split('/').at(-1)}`), ...more })

test('damaged, empty, silent, clipped and copied recordings are named; the rest is learned', async () => {
  const clipped = Float32Array.from({ length: 8000 }, (_, i) => Math.max(-1, Math.min(1, 3 * Math.sin(i / 9))))
  const dir = folderOf('mixed', {
    ...some('tone', 0, 12),
    ...some('noise', 0, 12),
    'tone/cut.wav': wav([makers.tone!(70, 0.5, 16_000)]).slice(0, 5000),
    'tone/empty.wav': new Uint8Array(0),
    'tone/none.wav': wav([[]]),
    'noise/text.wav': Buffer.from('this is no sound\n'),
    'noise/silent.wav': wav([new Float32Array(8000)]),
    'noise/loud.wav': wav([clipped]),
    'noise/copy.wav': wav([makers.noise!(3, 0.4, 16_000)]),
    'noise/dot.wav': wav([makers.noise!(9, 0.01, 16_000)]),
  })
  await assert.rejects(trained(dir), (error: Error) => {
    assert.match(error.message, /4 of the \d+ recordings in .* can not be used/)
    for (const part of [
      /tone\/cut\.wav: it is cut off/,
      /tone\/empty\.wav: it is empty/,
      /tone\/none\.wav: it holds no samples|tone\/none\.wav: .*no samples/,
      /noise\/text\.wav: it is a text file/,
    ])
      assert.match(error.message, part)
    return true
  })
  await trained(dir, { maxDamaged: 0.5 })
  const scan = readRun(join(root, 'run-of-mixed')).events.find(e => e.type === 'scan') as {
    problems: { kind: string; file: string; reason: string }[]
  }
  const kinds = Object.fromEntries(scan.problems.map(p => [p.file, p.kind]))
  assert.equal(kinds['noise/silent.wav'], 'silent')
  assert.equal(kinds['noise/loud.wav'], 'clipped')
  assert.equal(kinds['noise/dot.wav'], 'short')
  assert.ok(kinds['noise/copy.wav'] === 'duplicate' || kinds['noise/3.wav'] === 'duplicate', JSON.stringify(kinds))
})

test('folders that can not be learned are refused in words', async () => {
  await assert.rejects(trained(folderOf('one-class', some('tone', 0))), /two|one class|at least/)
  await assert.rejects(
    trained(folderOf('no-sound', { 'a/x.txt': Buffer.from('a'), 'b/y.txt': Buffer.from('b') })),
    /recordings/,
  )
  await assert.rejects(trained(join(root, 'nowhere')), /nowhere/)
  const dir = folderOf('names', { ...some('tone', 0), ...some('noise', 0) })
  await assert.rejects(trained(dir, { model: 'vit_b_16' }), /built for square pictures of one size/)
  await assert.rejects(trained(dir, { model: 'yamnet' }), /no model for sounds is called "yamnet".*speech-embedding/)
})

test('evaluate counts recordings, not their windows, and answers as predict does', async () => {
  const dir = join(root, 'long')
  const names = Object.keys(makers)
  const files = names.flatMap((own, k) =>
    // The second of each has more of another class than of its own.
    [1, 0.3].map((share, n) => {
      mkdirSync(join(dir, own), { recursive: true })
      const samples = new Float32Array(16_000 * 4)
      samples.set(makers[own]!(60 + k, 4 * share, 16_000))
      if (share < 1) samples.set(makers[names[(k + 1) % names.length]!]!(70 + k, 2.8, 16_000), 16_000 * 1.2)
      writeFileSync(join(dir, own, `${n}.wav`), wav([samples]))
      return { own, file: join(dir, own, `${n}.wav`) }
    }),
  )
  const { samples, metrics } = await recipe.evaluate(join(root, 'run'), dir, {})
  const classifier = loadSoundClassifier(join(root, 'run'))
  let right = 0
  for (const { own, file } of files) {
    const told = await classifier.predict(file)
    if (told.task === 'single' && told.label === own) right++
  }
  classifier.close?.()
  assert.equal(samples, files.length)
  assert.ok(
    Math.abs(metrics.accuracy! - right / files.length) < 1e-9,
    `${metrics.accuracy}, by predict ${right} of ${files.length}`,
  )

  // A run says the same of its validation recordings.
  const split = join(root, 'split')
  cpSync(folder, join(split, 'train'), { recursive: true })
  cpSync(dir, join(split, 'valid'), { recursive: true })
  // As many of one window each
  for (const [i, { own, file }] of files.entries())
    writeFileSync(
      file.replace(dir, join(split, 'valid')).replace(/\d\.wav$/, 's$&'),
      wav([makers[own]!(90 + i, 0.7, 16_000)]),
    )
  const out = join(root, 'split-run')
  const { metrics: own, loss } = await recipe.train(split, { ...options(), epochs: 0, out })
  const again = await recipe.evaluate(out, join(split, 'valid'), {})
  assert.equal(again.samples, 2 * files.length)
  assert.ok(Math.abs(again.metrics.accuracy! - own.accuracy!) < 1e-9, `${again.metrics.accuracy}, ${own.accuracy}`)
  assert.ok(Math.abs(again.loss - loss) < 1e-3, `${again.loss}, ${loss}`)

  // So does its report, each recording once.
  const found = JSON.parse(readFileSync(join(out, 'interpret.json'), 'utf8')) as Interpretation
  const all = 2 * files.length
  assert.deepEqual(found.confusion, again.confusion, 'confusion')
  assert.equal(
    found.perClass.reduce((sum, { support }) => sum + support, 0),
    all,
    'recordings of all classes',
  )
  assert.equal(
    found.calibration!.before.bins.reduce((sum, { count }) => sum + count, 0),
    all,
    'recordings in the bins of the calibration',
  )
  const shown = { topLosses: found.topLosses, mostUncertain: found.mostUncertain, sounds: found.sounds! }
  for (const [what, list] of Object.entries({ ...shown, labelIssues: found.labelIssues! }))
    assert.equal(new Set(list.map(p => p.file)).size, list.length, `${what} has each recording once`)
  assert.equal(found.sounds!.length, 12, 'recordings to hear')
  const whole = loadSoundClassifier(out)
  for (const list of Object.values(shown))
    for (const p of list) {
      const told = await whole.predict(join(split, p.file))
      if (told.task !== 'single') throw new Error('a class was expected')
      assert.equal(p.predicted, told.label, p.file)
      assert.ok(
        Math.abs(p.probability - told.probability) < 1e-4,
        `${p.file}: ${p.probability}, by predict ${told.probability}`,
      )
    }
  whole.close()
  const accuracies = readRun(out).events.flatMap(e => (e.type === 'epoch' ? [e.metrics.accuracy!] : []))
  assert.ok(accuracies.length > 0, 'epochs')
  for (const accuracy of accuracies)
    assert.ok(Math.abs(accuracy * all - Math.round(accuracy * all)) < 1e-6, `${accuracy} of ${all} recordings`)
})
