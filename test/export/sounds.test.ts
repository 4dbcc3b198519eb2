import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { exportCommand } from '../../src/cli/export.ts'
import { checkFile, exportModel } from '../../src/export/export-model.ts'
import { load, runtimeNames } from '../../src/export/runtimes.ts'
import { checkSoundFile, exportSound } from '../../src/export/sound/export-sound.ts'
import { findSoundCard, probeSound, readCard } from '../../src/onnx/index.ts'
import { loadSoundClassifier } from '../../src/sound/index.ts'
import { readWeights, writeSafetensors } from '../../src/weights/index.ts'
import { type SavedSound, savedSound, savedSounds, soundRun, spectrogram } from './sounds.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-sounds-export-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Lengths on both sides of every bound: of a window, of what fits into one, of two and three. */
const lengthsOf = (window: number) => {
  const one = Math.floor(1.25 * window)
  const hop = Math.round(window / 2)
  const bounds = [window, one, window + hop, window + 2 * hop]
  return [1, 5000, ...bounds.flatMap(n => [n - 1, n, n + 1]), 5 * window + 17]
}

const several = { task: 'multi', thresholds: [0.2, 0.5, 0.7] } as const
const numbers = {
  task: 'regression' as const,
  classes: ['level', 'pitch'],
  scale: { mean: [1000, 3], std: [250, 1], decimals: [0, 0] },
} satisfies SavedSound['card']

const cases: [string, SavedSound][] = [
  ['the speech embedding, with a temperature', { card: { temperature: 1.7 } }],
  ['a net for pictures on spectrograms', { preprocessing: spectrogram }],
  ['several labels, a head of two layers', { card: { ...several, head: { hidden: [8], dropout: 0.1 } } }],
  ['numbers, by spectrograms', { preprocessing: spectrogram, card: numbers }],
]

for (const [what, made] of cases)
  test(`${what}: recordings of any length get the trained net's answers in each runtime, alone and together`, async () => {
    const stem = savedSound(made)
    const classifier = loadSoundClassifier(stem, { precision: 'float32' })
    const { file, card } = await exportSound(stem, { check: false })
    assert.equal(file, join(dirname(stem), 'model.onnx'))
    const bytes = readFileSync(file)
    const width = card.classes.length
    const unit = card.task === 'regression' ? 250 : 1
    const { rate } = card.input
    const [window] = card.input.windows as [number]
    const answers = new Set<string>()
    for (const runtime of runtimeNames) {
      const loaded = await load(runtime, bytes)
      for (const length of lengthsOf(window)) {
        // Two recordings of one length go together; the second is the end of a longer one.
        const pair = [probeSound(length, rate), probeSound(length + 9000, rate).slice(9000)]
        const data = Float32Array.from([...pair[0]!, ...pair[1]!])
        const found = await loaded.run({ samples: { data, dims: [2, length] } })
        const got = (found.probabilities ?? found.values)!.data as Float32Array
        // A picture of a click in silence hardly varies, and is divided by how much it does.
        const near = (a: number, b: number) =>
          Math.abs(a - b) <= (made.preprocessing === undefined ? 1e-5 : length < 1000 ? 3e-4 : 1e-4) * unit
        for (const [i, samples] of pair.entries()) {
          const trained = await classifier.predict({ samples, rate })
          const where = `${runtime}, ${length} samples, recording ${i}`
          for (let c = 0; c < width; c++)
            assert.ok(
              near(got[i * width + c]!, trained.scores[c]!),
              `${where}: ${got[i * width + c]}, ${trained.scores[c]}`,
            )
          if (trained.task === 'single') assert.equal((found.label!.data as string[])[i], trained.label, where)
          if (trained.task === 'multi')
            assert.deepEqual(
              Array.from((found.decided!.data as Uint8Array).slice(i * width, (i + 1) * width), Boolean),
              card.classes.map(name => trained.labels.includes(name)),
              where,
            )
          const { data: parts, dims } = found.parts!
          assert.deepEqual(dims, [2, trained.parts.length, width], where)
          for (const [w, part] of trained.parts.entries())
            for (let c = 0; c < width; c++)
              assert.ok(
                near((parts as Float32Array)[(i * dims[1]! + w) * width + c]!, part.scores[c]!),
                `${where}, window ${w}`,
              )
          answers.add(trained.scores[0]!.toPrecision(3))
        }
        assert.deepEqual(found.features!.dims, [2, card.features])
      }
      await loaded.release()
    }
    classifier.close()
    assert.ok(answers.size > 12, `the recordings have different answers: ${[...answers]}`)
  })

test('an average of nets answers as the trained ones, each with windows and spectra of its own', async () => {
  const stem = savedSounds([{}, { preprocessing: spectrogram, card: { temperature: 0.8 } }, {}], { temperature: 1.3 })
  const classifier = loadSoundClassifier(stem, { precision: 'float32' })
  const { file, card } = await exportSound(stem, { check: false })
  assert.equal(card.features, undefined)
  assert.deepEqual(card.temperatures, [1, 0.8, 1])
  assert.deepEqual(card.input.windows, [20_800, 14_401, 20_800])
  const loaded = await load('onnxruntime-node', readFileSync(file))
  for (const length of [3000, 19_000, 26_001, 70_000]) {
    const samples = probeSound(length, 16_000)
    const trained = await classifier.predict({ samples, rate: 16_000 })
    const { probabilities } = await loaded.run({ samples: { data: samples, dims: [1, length] } })
    for (const [c, score] of trained.scores.entries())
      assert.ok(Math.abs((probabilities!.data as Float32Array)[c]! - score) < 1e-5, `${length} samples, class ${c}`)
  }
  await loaded.release()
  classifier.close()
  const rates = savedSounds([{}, { preprocessing: { ...spectrogram, rate: 32_000 } }])
  await assert.rejects(exportSound(rates, { check: false }), /hear recordings at 16000 and at 32000 Hz/)
})

test('weights in fewer bits give nearly the same answers in a smaller file', async () => {
  const stem = savedSound({ preprocessing: spectrogram })
  const whole = await exportSound(stem, { check: false })
  const sizes = [whole.bytes]
  // int8 is tried on weights that need no rounding: a net of random weights makes much of it.
  const even = savedSound({ preprocessing: spectrogram })
  roundToInt8(`${even}.safetensors`)
  const cases = [
    { weights: 'float16', stem, most: 0.05 },
    { weights: 'int8', stem: even, most: 1e-3 },
  ] as const
  for (const { weights, stem, most } of cases) {
    const out = join(folder, `${weights}.onnx`)
    const { bytes, card } = await exportSound(stem, { check: false, weights, out })
    assert.equal(card.weights, weights)
    sizes.push(bytes)
    const { probes } = await checkSoundFile(out)
    assert.ok(probes.length === 2 && probes.every(p => p.difference < most), `${weights}: ${JSON.stringify(probes)}`)
  }
  assert.ok(sizes[0]! > sizes[1]! && sizes[1]! > sizes[2]!, `${sizes} bytes`)
})

/** Gives the weights of layers values that int8 holds: whole numbers up to 127, times a scale for each output channel. */
function roundToInt8(path: string): void {
  const tensors = readWeights(path)
  for (const [name, { dtype, shape, data }] of tensors) {
    if (shape.length < 2) continue
    const values = new Float32Array(data.slice().buffer)
    const inner = values.length / shape[0]!
    for (let c = 0; c < values.length; c += inner) {
      const row = values.subarray(c, c + inner)
      const scale = row.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / 127
      for (const [i, v] of row.entries()) row[i] = Math.round(v / scale) * scale
    }
    tensors.set(name, { dtype, shape, data: new Uint8Array(values.buffer) })
  }
  writeSafetensors(path, tensors)
}

const data = join(folder, 'recordings')
const run = join(folder, 'run')
before(() => soundRun({ data, run, weights: join(folder, 'body.safetensors'), each: 10 }))

test('a run is exported by the command, checked from file to label on its validation recordings, and checked again', async t => {
  let out = ''
  t.mock.method(process.stdout, 'write', (text: string) => {
    out += text
    return true
  })
  await exportCommand(run, {})
  assert.match(out, /in {3}samples {2}float32 \[recordings, samples\] at 16000 Hz, of any length; windows of \S+ s/)
  assert.match(
    out,
    /8 validation recordings, from file to answer, against the trained net in float32 \(accepted: 0\.0001\)/,
  )
  assert.match(out, /onnxruntime-node \S+ +100\.0 %/)
  assert.match(out, /onnxruntime-web \(wasm\) \S+ +100\.0 %/)
  const file = join(run, 'model.onnx')
  const bytes = readFileSync(file)
  const card = findSoundCard(bytes, file)!
  assert.deepEqual([...card.classes].sort(), ['chirp', 'clicks', 'noise', 'tone'])
  assert.deepEqual([card.input.rate, card.input.name, card.licence], [16_000, 'samples', 'Apache-2.0'])
  assert.equal(card.checks!.length, 2)
  for (const { difference, same, trained, exported, recordings } of card.checks!) {
    assert.ok(difference < 1e-5, `${difference}`)
    assert.deepEqual([same, exported, recordings], [1, trained, 8])
  }
  assert.ok(card.validation!.recordings >= 8, 'what the run answered on its validation recordings')
  out = ''
  await exportCommand(undefined, { check: file })
  assert.match(out, /^onnxruntime-node \S+: the answers to the made sounds of the card differ by \d/)
  out = ''
  await exportCommand(run, { check: file })
  assert.match(out, /validation recordings/)

  await assert.rejects(exportModel(run), /is a model of sounds, and a model of pictures is expected here/)
  await assert.rejects(checkFile(file), /is a model of sounds/)
  assert.throws(() => readCard(bytes, file), /is a model of sounds, and a model of pictures is expected here/)
  assert.equal((await exportSound(run, { check: false })).file, file, 'an exported model is written over')
})

test('a file that is not the model of its card or run is refused, and so are places without recordings', async () => {
  const stem = savedSound()
  const { file } = await exportSound(stem, { check: false })
  await assert.rejects(
    checkSoundFile(file, { run }),
    /is another model than .*: it answers single with chirp, noise, Ton, the run single with chirp, clicks/,
  )
  await assert.rejects(
    exportSound(stem, { out: join(folder, 'x.onnx') }),
    /no run that keeps a list of its recordings.*--no-check/,
  )
  const wrong = Buffer.from(readFileSync(file))
  wrong.write('9', wrong.indexOf('"outputs":[0.') + 13)
  writeFileSync(join(folder, 'wrong.onnx'), wrong)
  await assert.rejects(
    checkSoundFile(join(folder, 'wrong.onnx')),
    /its answers to the made sounds of its card differ by 0\.\d+; expected at most 0\.0001/,
  )
  // Another net under the run's card: the check against the run tells.
  const other = join(folder, 'other.onnx')
  await exportSound(savedSound({ card: { classes: ['chirp', 'clicks', 'noise', 'tone'] }, seed: 9 }), {
    check: false,
    out: other,
  })
  await assert.rejects(checkSoundFile(other, { run }), /is not the model of .*does not answer as the trained net does/)
  writeFileSync(join(folder, 'mine.txt'), 'mine')
  await assert.rejects(exportSound(run, { out: join(folder, 'mine.txt') }), /exists and is no exported model/)
  await assert.rejects(checkSoundFile(join(folder, 'mine.txt')), /no exported model of sounds/)
  renameSync(data, join(folder, 'moved'))
  await assert.rejects(exportSound(run), /its recordings were in .*recordings, which no longer exists.*data/)
  const { card } = await exportSound(run, { data: join(folder, 'moved'), runtimes: ['onnxruntime-node'] })
  assert.equal(card.checks!.length, 1, 'checked where the recordings are now')
})
