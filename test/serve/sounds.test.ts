import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { exportSound } from '../../src/export/sound/export-sound.ts'
import { probeSound } from '../../src/onnx/index.ts'
import { loopbackHosts } from '../../src/serve/access.ts'
import { createHandler, type Handler, listen, load, type ServedSounds } from '../../src/serve/index.ts'
import { loadSoundClassifier } from '../../src/sound/index.ts'
import type { Prediction } from '../../src/train/prediction.ts'
import { savedSound, spectrogram } from '../export/sounds.make.ts'
import { browserPath, camera, launch } from '../helpers/chromium.ts'
import { colourModel, modelFolder } from '../helpers/served.ts'
import { makers, wav } from '../sound/sound.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-serve-sounds-'))
const files = modelFolder()
const recordings = [
  wav([makers.tone!(1, 0.3, 8000)], { rate: 8000 }),
  wav([makers.noise!(2, 0.9, 44_100), makers.chirp!(2, 0.9, 44_100)], { rate: 44_100 }),
  wav([probeSound(16_000 * 4, 16_000)], { bits: 32, tag: 3 }),
]
let model: ServedSounds
let handler: Handler
let trained: Prediction[]
before(async () => {
  const stem = savedSound()
  const { file } = await exportSound(stem, { check: false })
  model = await load(file, { kind: 'sound', threads: 1 })
  handler = await createHandler(model, { name: 'ear', maxSeconds: 6 })
  const classifier = loadSoundClassifier(stem, { precision: 'float32' })
  trained = []
  for await (const one of classifier.predictAll(recordings)) trained.push(one)
  classifier.close()
})
after(async () => {
  await handler.close()
  files.remove()
  rmSync(folder, { recursive: true, force: true })
})

const url = (path: string) => `http://localhost:8080${path}`
const curl = 'application/x-www-form-urlencoded' // what curl --data-binary says
type Body = string | Uint8Array | FormData | object
const post = (
  body: Body,
  {
    path = '/predict',
    type,
    own = handler,
    more = {},
  }: { path?: string; type?: string; own?: Handler; more?: Record<string, string> } = {},
) =>
  own(
    new Request(url(path), {
      method: 'POST',
      headers: { ...(type === undefined ? {} : { 'content-type': type }), ...more },
      body: (typeof body === 'string' || body instanceof Uint8Array || body instanceof FormData
        ? body
        : JSON.stringify(body)) as string,
    }),
  )
interface Said {
  label: string
  probabilities: Record<string, number>
  file?: string
  error?: string
  status?: number
}
const same = (said: Said, wanted: Prediction, bound = 1e-4) => {
  assert.ok(wanted.task === 'single', 'classes')
  assert.equal(said.label, wanted.label, said.error)
  for (const [name, p] of Object.entries(wanted.probabilities))
    assert.ok(Math.abs(said.probabilities[name]! - p) < bound, `${name}: ${said.probabilities[name]}, trained ${p}`)
}
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const json = 'application/json'

test("recordings get the run's own answers: bytes, files of a form, base64, samples", async () => {
  for (const [i, bytes] of recordings.entries())
    for (const type of [curl, 'audio/wav', 'application/octet-stream', 'audio/x-wav; codecs=1', '']) {
      const response = await post(bytes, { type })
      assert.equal(response.status, 200, type)
      same((await response.json()) as Said, trained[i]!)
    }
  const form = new FormData()
  for (const [i, bytes] of recordings.entries()) form.append('file', new Blob([Buffer.from(bytes)]), `${i}.wav`)
  const answers = async (body: Body, type?: string) =>
    ((await (await post(body, type === undefined ? {} : { type })).json()) as { predictions: Said[] }).predictions
  for (const [i, said] of (await answers(form)).entries()) {
    assert.equal(said.file, `${i}.wav`)
    same(said, trained[i]!)
  }
  const listed = await answers({ sounds: recordings.map(base64) }, json)
  assert.equal(listed.length, 3)
  for (const [i, said] of listed.entries()) same(said, trained[i]!)
  same((await (await post({ sound: base64(recordings[1]!) }, { type: json })).json()) as Said, trained[1]!)
  const raw = { samples: Array.from(probeSound(16_000 * 4, 16_000)), sampleRate: 16_000 }
  same((await (await post(raw, { type: json })).json()) as Said, trained[2]!)
  // Many at once share batches by their lengths, and each gets its own answer.
  const many = await Promise.all(
    Array.from({ length: 24 }, (_, i) => post(recordings[i % 3]!, { type: curl }).then(r => r.json() as Promise<Said>)),
  )
  for (const [i, said] of many.entries()) same(said, trained[i % 3]!)
})

test('what is no recording, or too long, is refused by name, and the others are answered', async () => {
  const form = new FormData()
  form.append('file', new Blob([Buffer.from(recordings[0]!)]), 'good.wav')
  form.append('file', new Blob(['hello']), 'bad.txt')
  const some = await post(form)
  assert.equal(some.status, 207)
  const { predictions } = (await some.json()) as { predictions: Said[] }
  same(predictions[0]!, trained[0]!)
  assert.deepEqual([predictions[1]!.status, predictions[1]!.file], [415, 'bad.txt'])
  assert.match(predictions[1]!.error!, /^recording 2 is none: it is a text file\. WAVE, FLAC, .* are taken/)
  const png = Buffer.from('\x89PNG\r\n\x1a\n0000000', 'latin1')
  const long = wav([new Float32Array(16_000 * 7)])
  for (const [body, type, status, message] of [
    [png, curl, 415, /^the recording is none: it is a picture/],
    ['hello there', curl, 415, /it is a text file/],
    ['', 'audio/wav', 422, /the recording has no bytes/],
    ['{"sound": ""}', curl, 415, /looks like JSON/],
    [
      recordings[0]!.slice(0, 2000),
      'audio/wav',
      422,
      /can not be decoded: it is cut off: its header announces 0\.30 s/,
    ],
    [wav([[]]), 'audio/wav', 422, /can not be decoded: it holds no samples/],
    [
      wav([new Float32Array(8000).fill(40)], { bits: 32, tag: 3 }),
      'audio/wav',
      422,
      /its values reach 40\.0, expected -1 to 1/,
    ],
    [long, 'audio/wav', 413, /the recording lasts 7\.0 s; at most 6 s are taken/],
    [recordings[0]!, 'image/png', 415, /content-type image\/png is not taken; expected the bytes of a recording/],
    [{ sound: 5 }, json, 400, /sound: expected base64 text, got number/],
    [{ sound: 'http://example.com/a.wav' }, json, 400, /an address is never fetched; send the bytes of the recording/],
    [{ sound: base64(Buffer.from('hello')) }, json, 415, /it is a text file/],
    [{ sounds: [] }, json, 400, /a list of one recording or more/],
    [{ image: 'aaaa' }, json, 400, /got JSON with image; expected the bytes of a recording/],
    [{ samples: [0, '1'], sampleRate: 16_000 }, json, 400, /samples\[1\]: expected a number, got "1"/],
    [
      { samples: [0, 1], sampleRate: '8000' },
      json,
      400,
      /sampleRate: expected the samples in a second, a whole number, got "8000"/,
    ],
    [{ samples: [0, 1], sampleRate: 0 }, json, 400, /sampleRate: .* a whole number, got 0$/],
    [{ samples: [0, 1], sampleRate: -8000 }, json, 400, /sampleRate: .* a whole number, got -8000$/],
    ['{"samples": [0, 1e999], "sampleRate": 16000}', json, 400, /samples\[1\]: expected a number .*, got Infinity/],
    [
      wav([[0.1, Number.NaN, 0.2, Number.POSITIVE_INFINITY]], { bits: 32, tag: 3 }),
      'audio/wav',
      422,
      /can not be decoded: 2 of its 4 values are no numbers \(NaN or infinite\); it is damaged/,
    ],
    [{ samples: [], sampleRate: 16_000 }, json, 422, /has no samples/],
    [
      { samples: [0, 1], sampleRate: 10 },
      json,
      422,
      /rate of samples is a whole number from 1000 to 768000 Hz, got 10/,
    ],
    [{ samples: [0, 20_000], sampleRate: 16_000 }, json, 422, /samples reach 2\.00e\+4/],
  ] as const) {
    const response = await post(body, { type })
    const { error } = (await response.json()) as Said
    assert.equal(response.status, status, `${error}`)
    assert.match(error!, message)
  }
  const few = await createHandler(model, { maxPictures: 2, maxBytes: 200_000 })
  const sounds = recordings.map(() => base64(recordings[0]!))
  assert.equal((await post({ sounds }, { own: few, type: json })).status, 413, 'too many')
  assert.equal((await post(recordings[2]!, { own: few, type: curl })).status, 413, 'too many bytes')
})

test('Open Inference Protocol: files as BYTES and samples as FP32, in JSON and in binary', async () => {
  const about = (await (await handler(new Request(url('/v2/models/ear')))).json()) as Record<string, object[]>
  assert.deepEqual(about.inputs, [
    { name: 'samples', datatype: 'BYTES', shape: [-1] },
    { name: 'samples', datatype: 'FP32', shape: [-1, -1] },
  ])
  assert.deepEqual(about.outputs, [
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
    { name: 'label', datatype: 'BYTES', shape: [-1] },
    { name: 'features', datatype: 'FP32', shape: [-1, 192] },
  ])
  const infer = async (body: Body, more: Record<string, string> = {}) => {
    const response = await post(body, { path: '/v2/models/ear/infer', type: json, more })
    type Outputs = { name: string; data: unknown[]; shape: number[] }[]
    return { status: response.status, said: (await response.json()) as { error?: string; outputs: Outputs } }
  }
  const samples = probeSound(16_000 * 4, 16_000)
  const pair = Float32Array.from([...samples, ...samples])
  const binary = (tensor: object, bytes: Uint8Array): [Buffer, Record<string, string>] => {
    const head = Buffer.from(
      JSON.stringify({ inputs: [{ ...tensor, parameters: { binary_data_size: bytes.length } }] }),
    )
    return [Buffer.concat([head, bytes]), { 'inference-header-content-length': String(head.length) }]
  }
  const packed = Buffer.concat(
    recordings.map(bytes => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(bytes.length)
      return Buffer.concat([length, bytes])
    }),
  )
  const fp32 = { name: 'samples', datatype: 'FP32' }
  const asFiles = { name: 'samples', datatype: 'BYTES', shape: [3] }
  for (const [[body, more], wanted] of [
    [[{ inputs: [{ ...asFiles, data: recordings.map(base64) }] }, {}], trained],
    [binary(asFiles, packed), trained],
    [[{ inputs: [{ ...fp32, shape: [64_000], data: [...samples] }] }, {}], [trained[2]!]],
    [[{ inputs: [{ ...fp32, shape: [1, 64_000], data: [[...samples]] }] }, {}], [trained[2]!]],
    [binary({ ...fp32, shape: [2, 64_000] }, Buffer.from(pair.buffer)), [trained[2]!, trained[2]!]],
  ] as [[Body, Record<string, string>], Prediction[]][]) {
    const { status, said } = await infer(body, more)
    assert.equal(status, 200, said.error)
    const [probabilities, label, features] = said.outputs
    assert.deepEqual(
      label!.data,
      wanted.map(one => (one.task === 'single' ? one.label : '')),
    )
    for (const [i, p] of probabilities!.data.entries())
      assert.ok(Math.abs(Number(p) - wanted[Math.floor(i / 3)]!.scores[i % 3]!) < 1e-4, `${i}: ${p}`)
    assert.deepEqual(features!.shape, [wanted.length, 192])
  }
  for (const [body, status, message] of [
    [{ inputs: [] }, 400, /expected one tensor "samples" of BYTES \(files\) or FP32 \(samples at 16000 Hz\), got none/],
    [{ inputs: [{ ...fp32, name: 'pcm', shape: [1], data: [0] }] }, 400, /got "pcm"/],
    [{ inputs: [{ ...fp32, datatype: 'INT16', shape: [1], data: [0] }] }, 400, /datatype INT16 is not taken/],
    [{ inputs: [{ ...fp32, shape: [1, 1, 1], data: [0] }] }, 400, /expected the shape \[N, samples\] or \[samples\]/],
    [{ inputs: [{ ...fp32, shape: [3], data: [0] }] }, 400, /the shape says 3 values, the data hold 1/],
    [{ inputs: [{ ...fp32, shape: [1], data: ['a'] }] }, 400, /expected numbers from -1 to 1, got "a"/],
    [{ inputs: [{ ...fp32, shape: [100, 5], data: [] }] }, 413, /100 recordings; at most 32/],
    [{ inputs: [{ ...fp32, shape: [112_000], data: new Array(112_000).fill(0) }] }, 413, /recording 1 lasts 7\.0 s/],
    [{ inputs: [{ ...asFiles, shape: [1], data: [base64(Buffer.from('hello'))] }] }, 415, /recording 1 is none/],
  ] as const) {
    const found = await infer(body)
    assert.equal(found.status, status, found.said.error)
    assert.match(found.said.error!, message)
  }
})

test('OpenAPI says what is taken; metrics count recordings and labels; other kinds are refused as a shadow', async () => {
  const found = (await (await handler(new Request(url('/openapi.json')))).json()) as {
    paths: Record<string, { post: { requestBody: { content: Record<string, object> } } }>
  }
  assert.deepEqual(Object.keys(found.paths['/predict']!.post.requestBody.content), [
    'audio/*',
    'application/octet-stream',
    'multipart/form-data',
    'application/json',
  ])
  const text = await (await handler(new Request(url('/metrics')))).text()
  assert.match(text, /anneal_batch_recordings_sum [1-9]/)
  assert.match(text, /Recordings that wait for a batch/)
  assert.match(text, /anneal_rejected_total\{reason="recording"\} [1-9]/)
  assert.match(text, /anneal_rejected_total\{reason="seconds"\} [1-9]/)
  const picture = await load(files.write('colours.onnx', colourModel()), { kind: 'picture' })
  await assert.rejects(
    createHandler(model, { shadow: { model: picture } }),
    /same kind as the model that answers; got picture/,
  )
  const other = await exportSound(savedSound({ preprocessing: { ...spectrogram, rate: 32_000 } }), { check: false })
  const shadow = { model: await load(other.file, { kind: 'sound', threads: 1 }) }
  await assert.rejects(createHandler(model, { shadow }), /same rate as the model that answers; got 32000/)
})

// Skipped if there is no browser.
if (browserPath)
  test('in Chromium: the page answers files and the microphone, names what is wrong, and asks nobody else', async () => {
    const voice = join(folder, 'voice.wav')
    writeFileSync(voice, wav([makers.chirp!(4, 3, 48_000)], { rate: 48_000 }))
    writeFileSync(join(folder, 'a.wav'), recordings[0]!)
    writeFileSync(join(folder, 'bad.wav'), 'hello')
    const own = await listen(async port => createHandler(model, { name: 'ear', hosts: loopbackHosts(port) }), {
      ...{ host: '127.0.0.1', port: 0, maxConnections: 100, timeout: 10, maxBytes: 1e7 },
    })
    const browser = await launch([...camera, `--use-file-for-fake-audio-capture=${voice}`])
    try {
      const home = `http://127.0.0.1:${own.port}/`
      const context = await browser.newContext({ viewport: { width: 380, height: 800 } })
      await context.grantPermissions(['microphone'], { origin: home.slice(0, -1) })
      const page = await context.newPage()
      const wrong: string[] = []
      page.on('pageerror', error => wrong.push(String(error)))
      page.on(
        'console',
        message => message.type() === 'error' && !/415/.test(message.text()) && wrong.push(message.text()),
      )
      page.on(
        'request',
        request => /^(blob:|data:)/.test(request.url()) || request.url().startsWith(home) || wrong.push(request.url()),
      )
      await page.goto(home)
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'fits a phone')
      await page.locator('input[type=file]').setInputFiles(join(folder, 'a.wav'))
      await page.locator('li h2').waitFor()
      assert.equal(await page.locator('li h2').textContent(), trained[0]!.task === 'single' ? trained[0]!.label : '')
      assert.equal(await page.locator('li tr').count(), 3)
      await page.locator('input[type=file]').setInputFiles(join(folder, 'bad.wav'))
      await page.getByText('the recording is none: it is a text file').first().waitFor()
      await page.locator('#record').click()
      await page.getByText(/^1\.\d s$/).waitFor()
      await page.getByRole('button', { name: 'Stop and predict' }).click()
      await page.locator('li:first-child h2').waitFor()
      assert.match((await page.locator('li:first-child .file').textContent())!, /^microphone/)
      assert.equal(await page.locator('#record').getAttribute('aria-pressed'), 'false')
      assert.deepEqual(wrong, [])
    } finally {
      await browser.close()
      await own.drain({ wait: 0, grace: 1 })
    }
  })
