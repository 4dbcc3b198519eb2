import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import type { Card } from '../../src/onnx/index.ts'
import { Drift } from '../../src/serve/drift.ts'
import { type Answer, createHandler, type HandlerOptions, load, type ServedPictures } from '../../src/serve/index.ts'
import { colourModel, modelFolder, picture, testCard } from '../helpers/served.ts'

const files = modelFolder()
after(() => files.remove())

const names = (count: number) => Array.from({ length: count }, (_, i) => `class ${i}`)

/** An answer of one label. */
function answer(classes: readonly string[], label: number, probability = 0.9): Answer {
  const scores = new Float32Array(classes.length).fill((1 - probability) / (classes.length - 1))
  scores[label] = probability
  return { task: 'single', label: classes[label]!, probability, scores }
}

/** The drift of answers that are drawn with these shares, against validation with those. */
function drawn(
  shares: readonly number[],
  before: readonly number[],
  { answers = 1000, pictures = 200, seed = 1 } = {},
) {
  const classes = names(shares.length)
  const random = rng(seed, 0, 0)
  const draw = (of: readonly number[]) => {
    let left = random.uniform(
      0,
      of.reduce((a, b) => a + b, 0),
    )
    return Math.max(
      0,
      of.findIndex(share => (left -= share) < 0),
    )
  }
  const counts = before.map(() => 0)
  for (let i = 0; i < pictures; i++) counts[draw(before)]!++
  const labels = counts.map(n => n / pictures)
  const drift = new Drift(testCard({ classes, validation: { pictures, labels, confidence: 0.9 } }), 1000)
  for (let i = 0; i < answers; i++) drift.add(answer(classes, draw(shares)))
  return drift.measure().labels!
}

test('answers of the same population stay far below 0.1, with few classes and with many', () => {
  for (const count of [2, 10, 50, 100]) {
    const same = names(count).map(() => 1 / count)
    const found = Array.from({ length: 20 }, (_, seed) => drawn(same, same, { seed }))
    const mean = found.reduce((a, b) => a + b, 0) / found.length
    assert.ok(mean < 0.05 && Math.max(...found) < 0.2, `${count} classes: mean ${mean}, most ${Math.max(...found)}`)
  }
})

test('another mix of labels, a label that vanishes, and one that takes all go beyond 0.25', () => {
  const even = [0.25, 0.25, 0.25, 0.25]
  assert.ok(drawn([0.6, 0.2, 0.1, 0.1], even) > 0.25, 'another mix')
  assert.ok(drawn([0.34, 0.33, 0.33, 0], even) > 0.25, 'one vanishes')
  assert.ok(drawn([1, 0, 0, 0], even) > 2, 'one takes all')
  const mild = drawn([0.3, 0.27, 0.23, 0.2], even, { pictures: 2000 })
  assert.ok(mild < 0.1, `a mild change gives ${mild}`)
})

test('the index of known counts is that of its formula', () => {
  const classes = names(2)
  const drift = new Drift(testCard({ classes, validation: { pictures: 1000, labels: [0.5, 0.5] } }), 1000)
  for (let i = 0; i < 1000; i++) drift.add(answer(classes, i < 800 ? 0 : 1))
  const [p, q] = [800.5 / 1001, 200.5 / 1001]
  const plain = (p - 0.5) * Math.log(p / 0.5) + (q - 0.5) * Math.log(q / 0.5)
  assert.ok(Math.abs(drift.measure().labels! - (plain - 0.002)) < 1e-12, `${drift.measure().labels}`)
})

test('the window slides, and says nothing before 100 answers', () => {
  const classes = names(2)
  const drift = new Drift(
    testCard({ classes, validation: { pictures: 500, labels: [0.5, 0.5], confidence: 0.9 } }),
    200,
  )
  for (let i = 0; i < 99; i++) drift.add(answer(classes, 0))
  assert.deepEqual(drift.measure(), {})
  drift.add(answer(classes, 0))
  assert.ok(drift.measure().labels! > 2, `${drift.measure().labels}`)
  for (let i = 0; i < 200; i++) drift.add(answer(classes, i % 2, 0.6))
  const { labels, confidence } = drift.measure()
  assert.ok(drift.answers === 200 && labels! < 0.01, `${labels}`)
  assert.ok(Math.abs(confidence! + 0.3) < 1e-6, `${confidence}`)
})

test('several labels: the label that changed most; numbers: the mean in standard deviations', () => {
  const classes = names(20)
  const labels = classes.map(() => 0.1)
  const many = new Drift(
    testCard({ task: 'multi', classes, validation: { pictures: 500, labels, confidence: 0.15 } }),
    1000,
  )
  for (let i = 0; i < 1000; i++) {
    const given = classes.filter((_, c) => (c === 7 ? i % 10 < 6 : (i + c) % 10 === 0))
    many.add({ task: 'multi', labels: given, scores: new Float32Array(20).fill(0.2) })
  }
  const { labels: most, confidence } = many.measure()
  assert.ok(most! > 1, `${most}`)
  assert.ok(Math.abs(confidence! - 0.05) < 1e-6, `${confidence}`)
  const values = { mean: [10, 5], std: [2, 1] }
  const numbers = new Drift(
    testCard({ task: 'regression', classes: ['a', 'b'], validation: { pictures: 50, values } }),
    100,
  )
  for (let i = 0; i < 150; i++) numbers.add({ task: 'regression', scores: Float32Array.of(11, 5) })
  assert.deepEqual(numbers.measure(), { values: [0.5, 0] })
})

test('a card without these numbers, or with numbers of other classes, gives no drift', () => {
  const odd = [
    undefined,
    { pictures: 9 },
    { pictures: 9, labels: [1] },
    { pictures: 9, values: { mean: [1], std: [] } },
  ]
  for (const validation of odd) {
    const card = testCard({
      classes: names(3),
      ...(validation && { validation: validation as Card['validation'] & {} }),
    })
    const drift = new Drift(card, 100)
    for (let i = 0; i < 100; i++) drift.add(answer(card.classes, 0))
    assert.deepEqual(drift.measure(), {}, JSON.stringify(validation))
  }
})

/** A handler for a model of colours, and functions that ask it. */
async function served(card: Card, options: HandlerOptions = {}) {
  const open = () => load(files.write('model.onnx', colourModel({ card })), { threads: 1 })
  const handler = await createHandler(await open(), {
    version: 'v1',
    load: async () => ({ model: await open(), version: 'v2' }),
    ...options,
  })
  const post = (body: Uint8Array, headers: Record<string, string> = {}) =>
    handler(new Request('http://localhost/predict', { method: 'POST', body: body as Uint8Array<ArrayBuffer>, headers }))
  const metrics = async () => (await handler(new Request('http://localhost/metrics'))).text()
  return { handler, post, metrics }
}
const value = (text: string, name: string) => Number(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1])

test('the server has gauges of the drift; a new version begins anew; an old card has none', async () => {
  const validation = { pictures: 300, labels: [1 / 3, 1 / 3, 1 / 3], confidence: 0.95 }
  const { handler, post, metrics } = await served(testCard({ validation }), { driftWindow: 100 })
  const red = await picture('red', 8, 8, 'png')
  for (let i = 0; i < 99; i++) await (await post(red)).arrayBuffer()
  let text = await metrics()
  assert.equal(value(text, 'anneal_drift_answers'), 99)
  assert.doesNotMatch(text, /^anneal_drift_labels_psi\{/m, 'nothing from 99 answers')
  for (let i = 0; i < 3; i++) await (await post(red)).arrayBuffer()
  text = await metrics()
  assert.match(text, /^anneal_drift_labels_psi\{version="v1"\} \d/m)
  assert.ok(value(text, 'anneal_drift_labels_psi') > 2, text.slice(-900))
  assert.equal(value(text, 'anneal_drift_answers'), 100)
  assert.ok(Math.abs(value(text, 'anneal_drift_confidence')) < 0.06, text.slice(-900))
  await handler.reload()
  text = await metrics()
  assert.match(text, /^anneal_drift_answers\{version="v2"\} 0$/m)
  assert.doesNotMatch(text, /version="v1"/)
  await handler.close()

  const old = await served(testCard(), { driftWindow: 100 })
  for (let i = 0; i < 101; i++) await (await old.post(red)).arrayBuffer()
  text = await old.metrics()
  assert.equal(value(text, 'anneal_drift_answers'), 100)
  assert.doesNotMatch(text, /^anneal_drift_(labels_psi|confidence|values)\{/m)
  await old.handler.close()
})

const id = '4bf92f3577b34da6a3ce929d0e0e4736'
const parent = `00-${id}-00f067aa0ba902b7-01`

test('traceparent comes back with the answer, also of an error; an invalid one does not', async () => {
  const { handler, post } = await served(testCard())
  const red = await picture('red')
  assert.equal((await post(red, { traceparent: parent })).headers.get('traceparent'), parent)
  const refused = await post(Buffer.from('no picture'), { traceparent: parent })
  assert.deepEqual([refused.status, refused.headers.get('traceparent')], [415, parent])
  const later = `cc-${id}-00f067aa0ba902b7-01-what-comes`
  assert.equal((await post(red, { traceparent: later })).headers.get('traceparent'), later, 'a later version')
  for (const odd of [
    '',
    'x',
    `ff-${id}-00f067aa0ba902b7-01`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${id}-${'0'.repeat(16)}-01`,
    `00-${id.toUpperCase()}-00f067aa0ba902b7-01`,
    `${parent}-more`,
    `${parent}, ${parent}`,
    `cc-${id}-00f067aa0ba902b7-01-${'x'.repeat(500)}`,
  ])
    assert.equal((await post(red, { traceparent: odd })).headers.get('traceparent'), null, odd)
  await handler.close()
})

test('lines of the log name the trace: a failure, and a disagreement of the shadow', async () => {
  const log: string[] = []
  const said = async (pattern: RegExp) => {
    for (let i = 0; i < 100 && !log.some(line => pattern.test(line)); i++) await new Promise(go => setTimeout(go, 10))
    assert.match(log.join('\n'), pattern)
  }
  const other = await load(files.write('other.onnx', colourModel({ order: [1, 2, 0] })), { threads: 1 })
  const { handler, post } = await served(testCard(), {
    shadow: { model: other, version: 's' },
    log: line => log.push(line),
  })
  await post(await picture('red'), { traceparent: parent })
  await said(new RegExp(`^shadow: .*picture of 40 x 30 \\(trace ${id}\\)$`, 'm'))
  await post(await picture('#00ff00'))
  await said(/^shadow: .*picture of 40 x 30$/m)
  await handler.close()

  const model = await load(files.write('model.onnx', colourModel()), { kind: 'picture', threads: 1 })
  let broken = false
  const failing: ServedPictures = {
    card: model.card,
    decode: bytes => model.decode(bytes),
    predictPixels: (...args) => (broken ? Promise.reject(new Error('out of memory')) : model.predictPixels(...args)),
    dispose: () => model.dispose(),
  }
  const second = await createHandler(failing, { log: line => log.push(line) })
  broken = true
  const red = (await picture('red')) as Uint8Array<ArrayBuffer>
  const answer = await second(
    new Request('http://localhost/predict', { method: 'POST', body: red, headers: { traceparent: parent } }),
  )
  assert.deepEqual([answer.status, answer.headers.get('traceparent')], [500, parent])
  await said(new RegExp(`^error: out of memory \\(trace ${id}\\)$`, 'm'))
})
