import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import * as web from 'onnxruntime-web/wasm'
import { exportSound } from '../../src/export/sound/export-sound.ts'
import { probeSound } from '../../src/onnx/index.ts'
import { load as loadOnEdge } from '../../src/runtime/edge.ts'
import { load, type Ort, type RunError } from '../../src/runtime/node.ts'
import { ownRate } from '../../src/runtime/sound/rate.ts'
import { loadSoundClassifier } from '../../src/sound/index.ts'
import { savedSound, savedSounds, spectrogram } from '../export/sounds.make.ts'
import { colourModel } from '../helpers/served.ts'
import { makers, wav } from '../sound/sound.make.ts'

const ort = web as unknown as Ort
const folder = mkdtempSync(join(tmpdir(), 'anneal-run-sounds-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Recordings of other rates, channels, depths and lengths, as bytes of files. */
const files: Record<string, Uint8Array> = {
  'short 8 kHz': wav([makers.tone!(1, 0.3, 8000)], { rate: 8000 }),
  'stereo 44.1 kHz': wav([makers.noise!(2, 0.9, 44_100), makers.chirp!(2, 0.9, 44_100)], { rate: 44_100 }),
  '24 bits 48 kHz': wav([makers.chirp!(3, 1.9, 48_000)], { rate: 48_000, bits: 24 }),
  'float 22.05 kHz, long': wav([probeSound(22_050 * 5, 22_050)], { rate: 22_050, bits: 32, tag: 3 }),
  'a little longer than a window': wav([probeSound(24_000, 16_000)]),
}

const cases = [
  ['speech, three classes', {}],
  [
    'spectrograms, several labels',
    { preprocessing: spectrogram, card: { task: 'multi', thresholds: [0.2, 0.5, 0.7] } },
  ],
  ['numbers', { card: { task: 'regression', classes: ['level'], scale: { mean: [3], std: [1], decimals: [0] } } }],
] as const

for (const [what, made] of cases)
  test(`${what}: files, bytes and samples get the run's own answers in Node and by WebAssembly`, async () => {
    const stem = savedSound(made as never)
    const { file } = await exportSound(stem, { check: false })
    const trained = loadSoundClassifier(stem, { precision: 'float32' })
    await using node = await load(file, { kind: 'sound', threads: 1 })
    await using edge = await loadOnEdge(new Uint8Array(readFileSync(file)), { ort, kind: 'sound' })
    for (const model of [node, edge]) {
      const together = await model.predict(Object.values(files))
      for (const [i, [name, bytes]] of Object.entries(files).entries()) {
        const expected = await trained.predict(bytes)
        const found = together[i]!
        const near = (a: number, b: number) => Math.abs(a - b) < 1e-4
        assert.equal(found.task, expected.task)
        for (const [c, score] of expected.scores.entries())
          assert.ok(near(found.scores[c]!, score), `${model.device}, ${name}: ${found.scores[c]}, ${score}`)
        if (found.task === 'single' && expected.task === 'single') assert.equal(found.label, expected.label)
        if (found.task === 'multi' && expected.task === 'multi') assert.deepEqual(found.labels, expected.labels)
        assert.ok(Math.abs(found.seconds - expected.seconds) < 1e-3, `${name}: ${found.seconds} s`)
        assert.equal(found.parts.length, expected.parts.length)
        for (const [p, part] of expected.parts.entries()) {
          for (const [c, score] of part.scores.entries())
            assert.ok(near(found.parts[p]!.scores[c]!, score), `${name}, window ${p}`)
          if (expected.parts.length > 1)
            assert.ok(near(found.parts[p]!.from, part.from), `${name}: where window ${p} is`)
        }
      }
      // The same sound as samples, as an AudioBuffer of two channels, as a Blob.
      const bytes = files['stereo 44.1 kHz']!
      const [left, right] = [makers.noise!(2, 0.9, 44_100), makers.chirp!(2, 0.9, 44_100)]
      const samples = left.map((v, i) => (v + right[i]!) / 2)
      const buffer = {
        numberOfChannels: 2,
        length: left.length,
        sampleRate: 44_100,
        getChannelData: (c: number) => [left, right][c]!,
      }
      for (const input of [{ samples, sampleRate: 44_100 }, buffer, new Blob([Buffer.from(bytes)])]) {
        const found = await model.predict(input)
        const off = Math.max(...found.scores.map((v, c) => Math.abs(v - together[1]!.scores[c]!)))
        assert.ok(off < 2e-3, `off by ${off}`) // the file has 16 bits
      }
      assert.deepEqual(await model.predict([]), [])
      const { features } = await model.predict(bytes, { features: true })
      assert.equal(features!.length, model.card.features, 'the features, if they are asked for')
      assert.equal((await model.predict(bytes)).features, undefined)
    }
    const path = join(folder, 'a.wav')
    writeFileSync(path, files['24 bits 48 kHz']!)
    const own = await node.predict(files['24 bits 48 kHz']!)
    assert.deepEqual((await node.predict(path)).scores, own.scores, 'the path of a file')
    assert.deepEqual((await node.predict(pathToFileURL(path))).scores, own.scores, 'its URL')
    trained.close()
  })

test('a stream gives the windows that training hears, whatever its pieces are', async () => {
  const stem = savedSound()
  const { file } = await exportSound(stem, { check: false })
  const trained = loadSoundClassifier(stem, { precision: 'float32' })
  await using model = await load(file, { kind: 'sound', threads: 1 })
  const sound = probeSound(48_000 * 4, 48_000)
  const pieces = (length: number) =>
    Array.from({ length: Math.ceil(sound.length / length) }, (_, i) => sound.slice(i * length, (i + 1) * length))
  for (const hop of [undefined, 0.2]) {
    const expected = []
    for await (const one of trained.predictStream(pieces(4800), { rate: 48_000, hop })) expected.push(one)
    for (const length of [128, 50_000]) {
      const found = []
      const options = { sampleRate: 48_000, ...(hop === undefined ? {} : { hop }) }
      for await (const one of model.predictStream(pieces(length), options)) found.push(one)
      assert.equal(found.length, expected.length, `hop ${hop}, pieces of ${length}`)
      assert.ok(found.length >= 4, `${found.length} answers`)
      for (const [i, one] of found.entries()) {
        assert.ok(
          Math.abs(one.from - expected[i]!.from) < 1e-9 && Math.abs(one.to - expected[i]!.to) < 1e-9,
          `${one.from}`,
        )
        for (const [c, score] of one.scores.entries())
          assert.ok(Math.abs(score - expected[i]!.scores[c]!) < 1e-4, `answer ${i}, class ${c}`)
      }
    }
  }
  trained.close()
  const stream = model.stream({ sampleRate: 16_000 })
  assert.deepEqual(await stream.push(new Float32Array(20_799)), [], 'less than a window')
  assert.equal((await stream.push(new Float32Array(1))).length, 1, 'the last sample of a window')
  assert.throws(() => model.stream({ sampleRate: 10 }), /the stream can not be used: the rate .* got 10; expected/)
  assert.throws(() => model.stream({ sampleRate: 16_000, hop: 0 }), /hop: got 0, expected the seconds/)
  await assert.rejects(stream.push([1, 2] as never), /samples are a Float32Array/)
})

test('what is no recording is refused, with its name and the reason', async () => {
  const { file } = await exportSound(savedSound(), { check: false })
  await using model = await load(file, { kind: 'sound', threads: 1, limitSeconds: 6 })
  const cut = files['short 8 kHz']!.slice(0, 2000)
  const bad: [unknown, RegExp][] = [
    [new Uint8Array(0), /^recording 2 of 2 can not be used: it is empty \(0 bytes\)\.$/],
    [Buffer.from('hello there'), /it is a text file/],
    [Buffer.from('\x89PNG\r\n\x1a\n and so on', 'latin1'), /it is a picture/],
    [cut, /it is cut off: its header announces 0\.30 s and 0\.12 s are there/],
    [wav([[]]), /it holds no samples/],
    [wav([new Float32Array(16_000 * 7)]), /it lasts 7\.0 s, and at most 6 s are taken at once/],
    [{ samples: new Float32Array(16_000 * 7), sampleRate: 16_000 }, /it lasts 7\.0 s/],
    [{ samples: new Float32Array(0), sampleRate: 16_000 }, /it holds no samples/],
    [
      { samples: new Float32Array(9), rate: 16_000 },
      /got undefined; expected .*\{ samples: Float32Array, sampleRate \}/,
    ],
    [{ samples: [0, 1], sampleRate: 16_000 }, /samples are a Float32Array/],
    [{ samples: Float32Array.of(0, 20_000), sampleRate: 16_000 }, /samples reach 2\.00e\+4, expected -1 to 1/],
    [{ data: 1 }, /it is an object of data; expected the bytes of a file/],
    [5, /it is 5; expected/],
    [null, /it is null/],
  ]
  const good = files['short 8 kHz']!
  for (const [input, message] of bad)
    await assert.rejects(model.predict([good, input as Uint8Array]), (error: RunError) => {
      assert.equal(error.kind, 'sound', String(error))
      assert.match(error.message, message)
      return true
    })
  await assert.rejects(
    model.predict(join(folder, 'nothing.wav')),
    /nothing\.wav can not be used: it can not be read \(ENOENT/,
  )
  await assert.rejects(model.predict(folder), /it is no regular file/)
  await assert.rejects(model.predictSamples([new Float32Array(9), new Float32Array(0)]), /recording 2 has no samples/)
  await assert.rejects(model.predict('https://example.com/a.wav'), /no address is fetched here/)
  await using edge = await loadOnEdge(new Uint8Array(readFileSync(file)), { ort, kind: 'sound' })
  await assert.rejects(edge.predict('a.wav'), /no address is fetched here/)
  await assert.rejects(
    edge.predict(Buffer.from('ID3 and an MP3 file')),
    /it is a file of MP3, and this runtime has no decoder for it; WAVE files are read/,
  )
})

test('the kind that is asked for is checked; aborting, disposing, devices, averages, damaged cards', async () => {
  const stem = savedSound()
  const { file } = await exportSound(stem, { check: false })
  await assert.rejects(load(file, { kind: 'text' }), /is a model of sounds, and kind: "text" expects one of texts/)
  await assert.rejects(load(colourModel(), { kind: 'sound' }), /is a model of pictures, and kind: "sound"/)
  await assert.rejects(load(file, { device: 'webgpu' }), /does not run on WebGPU/)
  const any = await load(file, { threads: 1 })
  assert.equal(any.kind, 'sound')
  if (any.kind !== 'sound') return
  assert.equal(any.card.input.rate, 16_000)
  const bytes = files['short 8 kHz']!
  await assert.rejects(any.predict(bytes, { signal: AbortSignal.abort(new Error('no longer')) }), /no longer/)
  await any.dispose()
  await assert.rejects(any.predict(bytes), /was disposed/)

  const average = await exportSound(savedSounds([{}, { preprocessing: spectrogram }]), { check: false })
  await using several = await load(average.file, { kind: 'sound', threads: 1 })
  assert.deepEqual((await several.predict(bytes)).parts, [], 'an average tells nothing of single windows')
  assert.throws(() => several.stream({ sampleRate: 16_000 }), /windows of different lengths, so it takes no stream/)

  // The card in other words of the same length.
  const changed = (from: string, to: string) => {
    const copy = readFileSync(file)
    const at = copy.indexOf(from)
    assert.ok(at > 0 && from.length === to.length, from)
    copy.write(to, at)
    const path = join(dirname(stem), 'changed.onnx')
    writeFileSync(path, copy)
    return load(path)
  }
  await assert.rejects(
    changed('"task":"single"', '"task":"simple"'),
    /its card says task "simple", expected single, multi/,
  )
  await assert.rejects(changed('"version":1', '"version":2'), /has version 2; this runtime reads version 1/)
  await assert.rejects(changed('"rate":16000', '"rate":-6000'), /its card says input/)
  await assert.rejects(
    changed('"name":"samples"', '"name":"samplez"'),
    /its one input is "samplez", but the graph has the inputs samples/,
  )
})

test('the rate of a compressed recording is read from its header', () => {
  const flac = new Uint8Array(64)
  flac.set([0x0a, 0xc4, 0x40], 18) // 44,100 in 20 bits
  assert.equal(ownRate(flac, 'FLAC'), 44_100)
  const vorbis = new Uint8Array(64)
  new DataView(vorbis.buffer).setUint32(40, 22_050, true)
  assert.equal(ownRate(vorbis, 'Ogg Vorbis'), 22_050)
  const mp3 = new Uint8Array(400)
  mp3.set(Buffer.from('ID3\x04\0\0\0\0\x01\x00', 'latin1')) // a tag of 128 bytes
  mp3.set([0xff, 0xfb, 0x94, 0x00], 138) // MPEG 1, layer III, 48 kHz
  assert.equal(ownRate(mp3, 'MP3'), 48_000)
  mp3.set([0xff, 0xf3, 0x40, 0x00], 138) // MPEG 2, 22.05 kHz
  assert.equal(ownRate(mp3, 'MP3'), 22_050)
  assert.equal(ownRate(Uint8Array.of(0xff, 0xf1, 0x60, 0, 0, 0), 'AAC'), 16_000)
  const m4a = new Uint8Array(200)
  m4a.set(Buffer.from('mp4a'), 100)
  new DataView(m4a.buffer).setUint16(128, 32_000)
  assert.equal(ownRate(m4a, 'MPEG-4'), 32_000)
  assert.equal(ownRate(new Uint8Array(100), 'Opus'), 48_000, 'what is not found')
  assert.equal(ownRate(new Uint8Array(100), 'FLAC'), 48_000, 'a rate that browsers do not take')
})
