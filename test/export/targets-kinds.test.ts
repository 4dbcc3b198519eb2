import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import {
  type ExportedFolder,
  exportSoundFolder,
  exportTableFolder,
  exportTextFolder,
} from '../../src/export/targets/index.ts'
import { probeSound } from '../../src/onnx/index.ts'
import type { AnyCard } from '../../src/runtime/card.ts'
import { loadSoundClassifier } from '../../src/sound/index.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { rowPredictor } from '../../src/tabular/run/predict.ts'
import { loadTextClassifier } from '../../src/text/run/predict.ts'
import { type At, bundled, endServers, linkPackages, started } from '../helpers/targets.ts'
import { madeTexts } from '../helpers/texts.ts'
import { makers, wav } from '../sound/sound.make.ts'
import { savedSound } from './sounds.make.ts'
import { embedder, otherRows, prepareReviews, reviewRows } from './table-texts.make.ts'
import { prepare, rawRows, savedModel } from './tables.make.ts'
import { savedText } from './texts.make.ts'

const home = mkdtempSync(join(tmpdir(), 'anneal-target-kinds-'))
after(() => {
  endServers()
  rmSync(home, { recursive: true, force: true })
})

type Target = 'docker' | 'lambda' | 'worker'
interface Request {
  type: string
  body: Uint8Array<ArrayBuffer> | string
}
interface Answer {
  label?: string
  labels?: string[]
  error?: string
  probabilities?: Record<string, number>
  values?: Record<string, number>
}
interface Case {
  what: string
  /** A saved model. */
  saved: () => string | Promise<string>
  folder: (stem: string, how: { to: Target; out: string; check: false }) => Promise<ExportedFolder<AnyCard>>
  requests: Request[]
  /** The answers of the trained model to the requests. */
  trained: (stem: string) => Promise<Answer[]>
  /** A line of the README. */
  curl: RegExp
  /** What the worker refuses. */
  refused: [what: string, request: Request, status: number, says: RegExp][]
  /** The one folder that is tried; the others have nothing of their own for it. */
  only?: Target
  /** Several samples in one request, where a worker takes them. */
  list?: (requests: readonly Request[]) => Request
}

const json = (body: unknown): Request => ({ type: 'application/json', body: JSON.stringify(body) })
const rows = rawRows(12, 5)
const texts = [
  'good',
  'Überraschend gut – 最高です 🙂',
  ...madeTexts(6, { seed: 4, least: 1, most: 70 }).map(one => one.text),
]
const recordings = [
  wav([makers.tone!(1, 0.3, 8000)], { rate: 8000 }),
  wav([makers.noise!(2, 0.9, 44_100), makers.chirp!(2, 0.9, 44_100)], { rate: 44_100 }),
  wav([probeSound(16_000 * 4, 16_000)], { bits: 32, tag: 3 }),
] as Uint8Array<ArrayBuffer>[]
const broken = wav([[0.1, Number.NaN]], { bits: 32, tag: 3 }) as Uint8Array<ArrayBuffer>
const long = wav([new Float32Array(8000 * 130)], { rate: 8000 }) as Uint8Array<ArrayBuffer>
const ofTexts = async (stem: string) => {
  const classifier = loadTextClassifier(stem, { precision: 'float32' })
  const found: Answer[] = []
  for await (const one of classifier.predictAll(texts)) found.push(one)
  classifier.close()
  return found
}
const ofSounds = async (stem: string) => {
  const classifier = loadSoundClassifier(stem, { precision: 'float32' })
  const found: Answer[] = []
  for await (const one of classifier.predictAll(recordings)) found.push(one)
  classifier.close()
  return found
}
const tableCase = (what: string, target: string, model: 'trees' | 'both'): Case => ({
  what,
  saved: () => savedModel(prepare(frameOfRows(rawRows(400)), target), model),
  folder: exportTableFolder,
  requests: rows.map(json),
  trained: async stem => (await rowPredictor(stem))(rows),
  curl: /-d '\{"size":[^']*\}' /,
  list: requests => json({ rows: requests.map(({ body }) => JSON.parse(body as string)) }),
  refused: [
    ['no JSON', { type: 'application/json', body: '{"size": NaN}' }, 400, /not valid JSON/],
    ['bytes', { type: 'application/octet-stream', body: new Uint8Array([1, 255]) }, 400, /not valid JSON/],
    ['an empty body', { type: '', body: '' }, 400, /not valid JSON/],
    ['a word for a number', json({ ...rows[0], size: 'large' }), 422, /the row, "size": "large" is not a number/],
    ['a number beyond 32 bits', json({ ...rows[0], size: 1e39 }), 422, /beyond the numbers that the model takes/],
    ['an unknown column', json({ ...rows[0], sizes: 1 }), 422, /"sizes", which the model does not know/],
    ['a list in a row', json({ ...rows[0], size: [1] }), 422, /a list is not a number/],
    ['rows in rows', json({ rows: [[rows[0]]] }), 422, /row 1 is a list/],
    ['a second row that is none', json([rows[0], null]), 422, /row 2 is null/],
    ['rows and more', json({ rows: [rows[0]], more: 1 }), 400, /expected JSON: a row/],
    ['no rows', json({ rows: [] }), 400, /a list of one row or more/],
    ['10,000 rows', json(Array.from({ length: 10_000 }, () => ({}))), 413, /10000 rows; at most 1000/],
    ['a large body', { type: '', body: 'x'.repeat(2_000_001) }, 413, /at most 2000000 bytes/],
  ],
})
const textCase = (what: string, made: Parameters<typeof savedText>[0]): Case => ({
  what,
  saved: () => savedText(made),
  folder: exportTextFolder,
  requests: texts.map(text => json({ text })),
  trained: ofTexts,
  curl: /-d '\{"text": "This is an example sentence\."\}' /,
  list: requests => json({ texts: requests.map(({ body }) => JSON.parse(body as string).text) }),
  refused: [
    ['an empty body', { type: 'application/json', body: '' }, 400, /not valid JSON; expected JSON: \{"text"/],
    ['an empty text', json({ text: ' ' }), 422, /the text is empty/],
    ['an empty text as it is', { type: 'text/plain', body: '' }, 422, /the text is empty/],
    ['bytes', { type: 'text/plain', body: new Uint8Array([0x67, 0xff]) }, 400, /not UTF-8/],
    ['a number', json({ text: 5 }), 422, /the text is a number/],
    ['an object', json({ text: { text: 'good' } }), 422, /the text is/],
    ['another name', json({ review: 'good' }), 400, /expected JSON: \{"text"/],
    ['null', json(null), 400, /expected JSON: \{"text"/],
    ['a second one that is none', json({ texts: ['good', null] }), 422, /text 2 is null/],
    ['more beside it', json({ texts: ['good'], top: 3 }), 400, /expected JSON: \{"text"/],
    ['no texts', json([]), 400, /a list of one text or more/],
    ['many texts', json(Array.from({ length: 101 }, () => 'good')), 413, /101 texts; at most 100/],
    ['a large body', { type: 'text/plain', body: 'x'.repeat(1_000_001) }, 413, /at most 1000000 bytes/],
  ],
})

const cases: Case[] = [
  textCase('texts', {}),
  textCase('texts with several labels', { card: { task: 'multi', thresholds: [0.2, 0.5, 0.7] } }),
  tableCase('a table, two classes, trees and a net', 'cheap', 'both'),
  tableCase('a table, numbers', 'worth', 'trees'),
  {
    what: 'a table with columns of texts',
    only: 'worker',
    saved: async () => savedModel(await prepareReviews(reviewRows(120), 'verdict'), 'realmlp'),
    folder: (stem, how) => exportTableFolder(stem, { ...how, embedder }),
    requests: otherRows.slice(-8).map(json),
    trained: async stem => (await rowPredictor(stem, { embedder }))(otherRows.slice(-8)),
    curl: /-d '\{"review":"This is an example sentence\."[^']*\}' /,
    list: requests => json({ rows: requests.map(({ body }) => JSON.parse(body as string)) }),
    refused: [['a list for a text', json({ ...otherRows[0], review: [1] }), 422, /"review": a list is not a text/]],
  },
  {
    what: 'sounds',
    saved: () => savedSound(),
    folder: exportSoundFolder,
    requests: recordings.map(body => ({ type: 'audio/wav', body })),
    trained: ofSounds,
    curl: /--data-binary @a\.wav /,
    refused: [
      ['nothing', { type: 'audio/wav', body: '' }, 422, /has no bytes/],
      ['a file that is cut off', { type: 'audio/wav', body: recordings[2]!.slice(0, 9000) }, 422, /it is cut off/],
      ['a text', { type: 'audio/wav', body: 'hello there' }, 422, /it is a text file/],
      [
        'another format',
        { type: '', body: Buffer.from(`fLaC${'\0'.repeat(60)}`) },
        422,
        /file of FLAC.*WAVE files are read/,
      ],
      ['values that are no numbers', { type: '', body: broken }, 422, /1 of its 2 values are no numbers/],
      ['a long one', { type: '', body: long }, 422, /lasts 130\.0 s, and at most 120 s/],
      ['samples that are none', json({ samples: [0, '1'], sampleRate: 16_000 }), 400, /samples\[1\]: got "1"/],
      ['samples beyond 1', json({ samples: [0, 20_000], sampleRate: 16_000 }), 422, /expected -1 to 1/],
      ['no rate', json({ samples: [0, 1] }), 400, /expected the bytes of a WAVE file, or JSON/],
      ['a rate of 0', json({ samples: [0, 1], sampleRate: 0 }), 422, /a whole number from 1000/],
      ['no JSON', { type: 'application/json', body: '{' }, 400, /not valid JSON/],
      ['null', json(null), 400, /has no samples/],
      ['a large body', { type: '', body: new Uint8Array(12_000_001) }, 413, /at most 12000000 bytes/],
    ],
  },
]

/** Compares the answers of a folder to real requests with those of the trained model. */
async function compare(
  { requests, trained }: Case,
  { stem, classes }: { stem: string; classes: readonly string[] },
  ask: (request: Request, query: string) => Promise<{ status: number; answer: Answer }>,
) {
  const wanted = await trained(stem)
  assert.equal(wanted.length, requests.length, 'an answer for each request')
  for (const [i, request] of requests.entries()) {
    const { status, answer } = await ask(request, `?top=${classes.length}`)
    assert.equal(status, 200, `request ${i}: ${answer.error}`)
    const [got, by] = [answer, wanted[i]!].map(one => one.probabilities ?? one.values!)
    for (const name of classes) {
      const [own, expected] = [got![name]!, by![name]!]
      const off = Math.abs(own - expected) / Math.max(1, Math.abs(expected))
      assert.ok(off < 2e-5, `request ${i}, ${name}: got ${own}, the trained model gives ${expected}`)
    }
    assert.equal(answer.label, wanted[i]!.label, `request ${i}`)
    assert.deepEqual(answer.labels, wanted[i]!.labels && [...wanted[i]!.labels], `request ${i}`)
  }
}

async function written(own: Case, to: Target) {
  const stem = await own.saved()
  const out = mkdtempSync(join(home, `${to}-`))
  const { card, kept } = await own.folder(stem, { to, out, check: false })
  assert.deepEqual(kept, [], 'nothing was there')
  const at: At = (...parts) => join(out, ...parts)
  const about = linkPackages(at)
  assert.match(readFileSync(at('README.md'), 'utf8'), own.curl, 'a line of curl for this kind')
  assert.ok(!readFileSync(at('README.md'), 'utf8').includes('cat.jpg'), 'no picture is sent')
  const { probes } = JSON.parse(readFileSync(at('probe.json'), 'utf8')) as { probes: { outputs: object }[] }
  assert.ok(probes.length >= 3, `${probes.length} requests in probe.json`)
  return { at, about, stem, classes: card.classes, probes: probes.length }
}

/** Makes the first expected answer of probe.json wrong. */
function spoil(at: At): void {
  const probe = JSON.parse(readFileSync(at('probe.json'), 'utf8'))
  const [name] = Object.keys(probe.probes[0].outputs)
  probe.probes[0].outputs[name!] += 0.5 * Math.max(1, Math.abs(probe.probes[0].outputs[name!]))
  writeFileSync(at('probe.json'), JSON.stringify(probe))
}

test('a folder of a model of another kind is refused, since its handler would be kept; one of the same kind is written again', async () => {
  const out = mkdtempSync(join(home, 'again-'))
  const how = { to: 'docker', out, check: false } as const
  const { folder } = await exportTextFolder(savedText(), how)
  await assert.rejects(
    exportSoundFolder(savedSound(), how),
    /is the folder of a model of texts, and this is one of recordings\. Choose an empty folder/,
  )
  writeFileSync(join(folder, 'Dockerfile'), 'FROM mine')
  const before = readFileSync(join(folder, 'probe.json'), 'utf8')
  const { kept } = await exportTextFolder(savedText({ seed: 9 }), how)
  assert.deepEqual(kept, ['Dockerfile'], 'what a person changed')
  assert.notEqual(readFileSync(join(folder, 'probe.json'), 'utf8'), before, 'the answers of the new model')
  writeFileSync(join(folder, 'model.onnx'), 'mine')
  await assert.rejects(exportTextFolder(savedText(), how), /has files, but no exported model\.onnx/)
  await assert.rejects(exportTextFolder(savedText(), { to: 'docker', check: false }), /is no run folder, so say where/)
  await assert.rejects(exportTextFolder(savedText(), { ...how, to: 'transformers' }), /this is a model of texts\. Take/)
})

function worker(own: Case): void {
  test('worker: the fetch handler answers as the trained model does', async () => {
    const { at, about, ...model } = await written(own, 'worker')
    assert.deepEqual(Object.keys(about.dependencies), ['@anneal/run', 'onnxruntime-web'])
    const fetched = await bundled(at)
    assert.deepEqual(await (await fetched('/v2/health/ready')).json(), { ready: true })
    const ask = async ({ type, body }: Request, query = '') => {
      const response = await fetched(`/predict${query}`, { method: 'POST', body, headers: { 'content-type': type } })
      return { status: response.status, answer: (await response.json()) as Answer }
    }
    await compare(own, model, ask)
    for (const [what, request, status, says] of own.refused) {
      const { status: got, answer } = await ask(request)
      assert.equal(got, status, `${what}: ${JSON.stringify(answer).slice(0, 200)}`)
      assert.match(answer.error!, says, what)
    }
    if (own.list) {
      const { answer } = await ask(own.list(own.requests), '?top=9')
      const { predictions } = answer as { predictions: Answer[] }
      assert.equal(predictions.length, own.requests.length, 'an answer for each')
      await compare(own, model, async request => ({
        status: 200,
        answer: predictions[own.requests.indexOf(request)]!,
      }))
    }
    const { probes, tolerance } = JSON.parse(readFileSync(at('probe.json'), 'utf8'))
    for (const [i, { file, type, body, outputs }] of probes.entries()) {
      const sent = file ? { type, body: readFileSync(at(file)) as Uint8Array<ArrayBuffer> } : json(body)
      const { answer } = await ask(sent, '?top=9')
      for (const [name, expected] of Object.entries<number>(outputs)) {
        const got = (answer.probabilities ?? answer.values!)[name]!
        const off = Math.abs(got - expected) / Math.max(1, Math.abs(expected))
        assert.ok(off <= tolerance, `request ${i + 1}, ${name}: got ${got}, expected ${expected}`)
      }
    }
  })
}

for (const own of cases)
  describe(own.what, () => {
    if (own.only) return worker(own)
    test('docker: the server answers as the trained model does, and its own test passes and can fail', async () => {
      const { at, about, probes, ...model } = await written(own, 'docker')
      const sound = own.what === 'sounds' ? ['audio-decode'] : []
      assert.deepEqual(Object.keys(about.dependencies), ['anneal', 'onnxruntime-node', ...sound])
      const server = await started(at, { ANNEAL_TOKEN: 's3cret' })
      await compare(own, model, async ({ type, body }, query) => {
        const headers = { authorization: 'Bearer s3cret', 'content-type': type }
        const response = await fetch(`${server.url}/predict${query}`, { method: 'POST', body, headers })
        return { status: response.status, answer: (await response.json()) as Answer }
      })
      const tested = () =>
        spawnSync(process.execPath, ['test.mjs', server.url], {
          cwd: at(),
          env: { ...process.env, ANNEAL_TOKEN: 's3cret' },
          encoding: 'utf8',
        })
      const passed = tested()
      assert.equal(passed.status, 0, passed.stderr)
      assert.match(passed.stdout, new RegExp(`\\(${probes} requests\\)`))
      spoil(at)
      assert.match(tested().stderr, /request 1, .*the exported model gave/, 'its test can fail')
      server.child.kill('SIGTERM')
      assert.equal(await server.ended, 0, server.stderr())
    })

    test('lambda: the handler answers as the trained model does, and its own test passes and can fail', async () => {
      const { at, ...model } = await written(own, 'lambda')
      const { handler } = await import(at('handler.mjs'))
      const http = { method: 'POST', path: '/predict' }
      await compare(own, model, async ({ type, body }, query) => {
        const result = await handler(
          {
            version: '2.0',
            rawPath: '/predict',
            rawQueryString: query.slice(1),
            headers: { 'content-type': type },
            // Lambda gives bodies of text as they are.
            body: typeof body === 'string' ? body : Buffer.from(body).toString('base64'),
            isBase64Encoded: typeof body !== 'string',
            requestContext: { domainName: 'x.example.com', stage: '$default', http },
          },
          {},
        )
        return { status: result.statusCode, answer: JSON.parse(result.body) }
      })
      const tested = () =>
        spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'test.mjs'], {
          cwd: at(),
          env: { ...process.env, NODE_TEST_CONTEXT: undefined },
          encoding: 'utf8',
        })
      const passed = tested()
      assert.equal(passed.status, 0, passed.stdout)
      assert.match(passed.stdout, /^# pass 4$/m)
      spoil(at)
      assert.match(tested().stdout, /request 1, .*the exported model gave/, 'its test can fail')
    })

    worker(own)
  })
