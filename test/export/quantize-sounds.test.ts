import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { exportCommand } from '../../src/cli/export.ts'
import { checkSoundFile, exportSound } from '../../src/export/sound/export-sound.ts'
import { openSoundModel } from '../../src/export/sound/model-graph.ts'
import { exportSoundPage } from '../../src/export/sound/page.ts'
import { quantizeSound } from '../../src/export/sound/quantize.ts'
import { findSoundCard } from '../../src/onnx/index.ts'
import { load as loadModel } from '../../src/runtime/node.ts'
import { savedSounds, soundRun, spectrogram, speech } from './sounds.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-quantize-sounds-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const data = join(folder, 'recordings')
const run = join(folder, 'run')
before(() => soundRun({ data, run, weights: join(folder, 'body.safetensors'), each: 16 }))

test('integers in the loop over windows: ranges from training recordings, checked from file to label', async t => {
  let out = ''
  t.mock.method(process.stdout, 'write', (text: string) => {
    out += text
    return true
  })
  const whole = await exportSound(run, { out: join(folder, 'whole.onnx'), check: false })
  const file = join(folder, 'quantised.onnx')
  await exportCommand(run, { quantize: true, out: file })
  assert.match(out, /quantised: .* layers compute with integers.*; ranges by \w+ on \d+ training recordings/)
  assert.match(out, /ms per recording/)
  const bytes = readFileSync(file)
  const { weights, quantization: q, checks, probe } = findSoundCard(bytes, file)!
  assert.equal(weights, 'quantized')
  assert.ok(q!.layers > 15, `${q!.layers} layers`)
  assert.ok(q!.float32.length > 0 || bytes.length < 0.6 * whole.bytes, `${bytes.length} of ${whole.bytes} bytes`)
  for (const { loss, tolerance } of checks!) {
    assert.ok(loss!.after - loss!.before <= loss!.allowed, JSON.stringify(loss))
    assert.equal(tolerance, undefined)
  }
  assert.equal(probe!.samples.length, 3)
  const { probes } = await checkSoundFile(file, { run })
  assert.ok(probes.length === 2 && probes.every(({ difference }) => difference < 0.1), JSON.stringify(probes))
  await assert.rejects(exportSound(run, { quantize: true, weights: 'int8' }), /weights: "int8".* quantize/)
})

test('the net alone takes spectra of windows, and answers as the trained net', async () => {
  for (const quantize of [false, true]) {
    const { file, card } = await exportSound(run, { net: true, quantize, out: join(folder, `net-${quantize}.onnx`) })
    assert.equal(card.input.name, 'spectra')
    assert.equal(card.input.net!.at(-1), 32)
    assert.equal(card.probe, undefined)
    for (const { difference, recordings } of card.checks!)
      assert.ok(recordings > 8 && (quantize || difference < 1e-5), `${difference}`)
    await assert.rejects(checkSoundFile(file), /holds the net alone, which takes no recordings/)
    await assert.rejects(loadModel(file, { kind: 'sound' }), /is a net alone .* takes the spectra of windows/)
  }
})

test('nets that hear differently have no one input, which is said', async () => {
  const stem = savedSounds([{ preprocessing: speech }, { preprocessing: spectrogram }])
  await assert.rejects(
    exportSound(stem, { net: true, check: false, out: join(folder, 'x.onnx') }),
    /net: its nets hear windows of 2 kinds/,
  )
  const model = openSoundModel(stem)
  const nothing = { held: 'valid' as const, of: () => assert.fail('no recordings are read') }
  await assert.rejects(quantizeSound(model, nothing), /quantize: its nets hear windows of 2 kinds/)
})

test('a page holds recordings of the run where that is asked for, classes in turn', async () => {
  const setupOf = (file: string) =>
    JSON.parse(/id="setup">([^<]*)</.exec(readFileSync(file, 'utf8'))![1]!) as {
      examples: { wav: string; label: string }[]
    }
  const [none, some] = [join(folder, 'none.html'), join(folder, 'some.html')]
  assert.equal((await exportSoundPage(run, { singleFile: none, check: false })).examples, 0)
  assert.deepEqual(setupOf(none).examples, [])
  const made = await exportSoundPage(run, { singleFile: some, check: false, examples: 4, quantize: true })
  assert.deepEqual([made.examples, made.part, made.card.weights], [4, 'valid', 'quantized'])
  const { examples } = setupOf(some)
  assert.equal(new Set(examples.map(({ label }) => label)).size, 4, 'each class once')
  for (const { wav: text } of examples) assert.equal(Buffer.from(text, 'base64').toString('latin1', 0, 4), 'RIFF')
})
