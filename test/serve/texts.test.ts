import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { exportText } from '../../src/export/text/export-text.ts'
import { loopbackHosts } from '../../src/serve/access.ts'
import { createHandler, type Handler, listen, load, type ServedTexts } from '../../src/serve/index.ts'
import { loadTextClassifier } from '../../src/text/run/predict.ts'
import type { Prediction } from '../../src/train/prediction.ts'
import { savedText } from '../export/texts.make.ts'
import { browserPath, launch } from '../helpers/chromium.ts'
import { colourModel, modelFolder } from '../helpers/served.ts'
import { madeTexts } from '../helpers/texts.ts'

const texts = [
  'good',
  'Überraschend gut – 最高です 🙂\nzwei Zeilen',
  ...madeTexts(40, { seed: 4, least: 1, most: 70 }).map(({ text }) => text),
]
const files = modelFolder()
let model: ServedTexts
let handler: Handler
let trained: Prediction[]
before(async () => {
  const stem = savedText()
  const { file } = await exportText(stem, { check: false })
  model = await load(file, { kind: 'text', threads: 1 })
  handler = await createHandler(model, { name: 'mood' })
  const classifier = loadTextClassifier(stem, { precision: 'float32' })
  trained = []
  for await (const one of classifier.predictAll(texts)) trained.push(one)
  classifier.close()
})
after(async () => {
  await handler.close()
  files.remove()
})

const url = (path: string) => `http://localhost:8080${path}`
const form = 'application/x-www-form-urlencoded' // what curl -d says
const post = (
  body: unknown,
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
      body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
    }),
  )
interface Said {
  label: string
  probabilities: Record<string, number>
  error?: string
  status?: number
}
const same = (said: Said, wanted: Prediction) => {
  assert.ok(wanted.task === 'single', 'classes')
  assert.equal(said.label, wanted.label)
  for (const [name, p] of Object.entries(wanted.probabilities))
    assert.ok(Math.abs(said.probabilities[name]! - p) < 1e-5, `${name}: ${said.probabilities[name]}, trained ${p}`)
}

test("texts get the run's own answers: one, several, a list, a body of text", async () => {
  for (const [body, type] of [
    [{ text: texts[1] }, form],
    [{ text: texts[1] }, 'application/json; charset=utf-8'],
    [{ text: texts[1] }, ''],
    [JSON.stringify(texts[1]), 'application/json'],
    [texts[1], 'text/plain'],
    [texts[1], 'text/plain; charset=utf-8'],
  ] as const) {
    const response = await post(body, { type })
    assert.equal(response.status, 200, type)
    same((await response.json()) as Said, trained[1]!)
  }
  for (const body of [{ texts }, texts]) {
    const response = await post(body, { type: form })
    const { predictions } = (await response.json()) as { predictions: Said[] }
    assert.equal(predictions.length, texts.length)
    for (const [i, said] of predictions.entries()) same(said, trained[i]!)
  }
  const { predictions } = (await (await post({ texts: ['good'] }, { type: form })).json()) as { predictions: Said[] }
  assert.equal(predictions.length, 1, 'a list of one gets a list')
})

test('a body of text is read by the charset that it says, and JSON that lies deep in itself is refused at once', async () => {
  for (const [body, type] of [
    [Buffer.from(texts[1]!, 'utf16le'), 'text/plain; charset=utf-16le'],
    [Buffer.from(texts[1]!), 'text/plain; charset="UTF-8"'],
  ] as const) {
    const response = await post(body, { type })
    assert.equal(response.status, 200, type)
    same((await response.json()) as Said, trained[1]!)
  }
  const latin = await Promise.all(
    [Buffer.from('schön', 'latin1'), 'schön'].map(async (body, i) =>
      (await post(body, { type: `text/plain${i === 0 ? '; charset=iso-8859-1' : ''}` })).text(),
    ),
  )
  assert.equal(latin[0], latin[1])
  const unknown = await post('good', { type: 'text/plain; charset=klingon' })
  assert.equal(unknown.status, 415)
  assert.match(((await unknown.json()) as Said).error!, /the charset klingon is not known; send the text in UTF-8/)
  const nested = await post(`${'['.repeat(1e6)}${']'.repeat(1e6)}`, { type: 'application/json' })
  assert.equal(nested.status, 400)
  assert.match(((await nested.json()) as Said).error!, /more than 100 lists and objects in each other/)
  const brackets = await post({ text: '[{"'.repeat(500) }, { type: form })
  assert.equal(brackets.status, 200, 'brackets inside of a text are no lists')
})

test('what is no text is refused by name, and the others are answered', async () => {
  const some = await post({ texts: [texts[0], ' \n', null, texts[2]] }, { type: form })
  assert.equal(some.status, 207)
  const { predictions } = (await some.json()) as { predictions: Said[] }
  same(predictions[0]!, trained[0]!)
  assert.deepEqual([predictions[1]!.status, predictions[1]!.error], [422, 'text 2 is empty; expected a text'])
  assert.match(predictions[2]!.error!, /^text 3 is null; expected a text/)
  same(predictions[3]!, trained[2]!)
  for (const [body, type, status, message] of [
    [{ text: '' }, form, 422, /^the text is empty/],
    ['  ', 'text/plain', 422, /^the text is empty/],
    [{ text: 7 }, form, 422, /^the text is a number/],
    [{ text: {} }, form, 422, /^the text is an object/],
    [{ text: ['a'] }, form, 400, /text: expected one text; several are \{"texts"/],
    [{ texts: 'a' }, form, 400, /texts: expected a list of texts; one text is/],
    [{ texts: [] }, form, 400, /a list of one text or more/],
    [{ texts: ['a'], top: 3 }, form, 400, /the object has texts, top; expected JSON: one text as \{"text"/],
    [{ review: 'a' }, form, 400, /the object has review; expected JSON/],
    [{}, 'application/json', 400, /got \{\}; expected JSON/],
    ['5', 'application/json', 400, /got 5; expected JSON/],
    ['null', 'application/json', 400, /got null; expected JSON/],
    ['{"text": "a"', form, 400, /not valid JSON/],
    ['a lovely film', form, 415, /the body is no JSON; expected .*With curl: -H 'content-type: text\/plain'/],
    ['<p>', 'text/html', 415, /content-type text\/html is not taken/],
    [new Uint8Array([0x67, 0xff]), 'text/plain', 400, /the text is not UTF-8/],
    [new Uint8Array([0x22, 0xff, 0x22]), 'application/json', 400, /not valid JSON/],
  ] as const) {
    const response = await post(body, { type })
    const { error } = (await response.json()) as Said
    assert.equal(response.status, status, `${JSON.stringify(body)}: ${error}`)
    assert.match(error!, message)
  }
  const few = await createHandler(model, { maxRows: 3 })
  assert.equal((await post({ texts }, { own: few, type: form })).status, 413)
})

test('Open Inference Protocol: texts as BYTES, in JSON and in binary, get the same answers', async () => {
  const about = (await (await handler(new Request(url('/v2/models/mood')))).json()) as Record<string, object[]>
  assert.deepEqual(about.inputs, [{ name: 'text', datatype: 'BYTES', shape: [-1] }])
  assert.deepEqual(about.outputs, [
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
    { name: 'label', datatype: 'BYTES', shape: [-1] },
    { name: 'features', datatype: 'FP32', shape: [-1, 32] },
  ])
  const infer = async (body: unknown, more: Record<string, string> = {}) => {
    const response = await post(body, { path: '/v2/models/mood/infer', type: 'application/json', more })
    type Outputs = { name: string; data: unknown[]; shape: number[] }[]
    return { status: response.status, said: (await response.json()) as { error?: string; outputs: Outputs } }
  }
  const n = texts.length
  const input = { name: 'text', datatype: 'BYTES', shape: [n], data: texts }
  const packed = Buffer.concat(
    texts.map(text => {
      const bytes = Buffer.from(text)
      const length = Buffer.alloc(4)
      length.writeUInt32LE(bytes.length)
      return Buffer.concat([length, bytes])
    }),
  )
  const { data: _, ...rest } = input
  const head = Buffer.from(JSON.stringify({ inputs: [{ ...rest, parameters: { binary_data_size: packed.length } }] }))
  for (const [body, more] of [
    [{ inputs: [input] }, {}],
    [{ inputs: [{ ...input, shape: [n, 1], data: texts.map(text => [text]) }] }, {}],
    [Buffer.concat([head, packed]), { 'inference-header-content-length': String(head.length) }],
  ] as const) {
    const { status, said } = await infer(body, more)
    assert.equal(status, 200, said.error)
    const [probabilities, label, features] = said.outputs
    assert.deepEqual(
      label!.data,
      trained.map(one => (one.task === 'single' ? one.label : '')),
    )
    for (const [i, p] of probabilities!.data.entries())
      assert.ok(Math.abs(Number(p) - trained[Math.floor(i / 3)]!.scores[i % 3]!) < 1e-5, `${i}: ${p}`)
    assert.deepEqual(features!.shape, [n, 32])
  }
  for (const [body, status, message] of [
    [{ inputs: [] }, 400, /expected one tensor "text" of BYTES, got none/],
    [{ inputs: [{ ...input, name: 'review' }] }, 400, /expected one tensor "text" of BYTES, got "review"/],
    [{ inputs: [input, input] }, 400, /got "text", "text"/],
    [{ inputs: [{ ...input, datatype: 'FP32' }] }, 400, /datatype FP32 is not taken/],
    [{ inputs: [{ ...input, shape: [3, 2] }] }, 400, /shape: expected \[N\] or \[N, 1\], got \[3,2\]/],
    [{ inputs: [{ ...input, shape: [2] }] }, 400, /the shape says 2, the data hold 42/],
    [{ inputs: [{ ...input, shape: [1], data: [''] }] }, 422, /^text 1 is empty/],
    [{ inputs: [{ ...input, shape: [2000] }] }, 413, /2000 texts; at most 1000/],
    [{ inputs: [{ ...input, parameters: { binary_data_size: 4 } }] }, 400, /binary_data_size is 4 beside data/],
  ] as const) {
    const found = await infer(body)
    assert.equal(found.status, status, found.said.error)
    assert.match(found.said.error!, message)
  }
})

test('OpenAPI says what is taken; metrics count texts and labels', async () => {
  const found = (await (await handler(new Request(url('/openapi.json')))).json()) as {
    paths: Record<string, { post: { requestBody: { content: Record<string, { example?: object }> } } }>
  }
  const { content } = found.paths['/predict']!.post.requestBody
  assert.deepEqual(Object.keys(content), ['application/json', 'text/plain'])
  assert.equal(
    (await post(content['application/json']!.example, { type: form })).status,
    200,
    'the example is answered',
  )
  const text = await (await handler(new Request(url('/metrics')))).text()
  assert.match(text, /anneal_batch_texts_sum [1-9]/)
  assert.match(text, /Texts that wait for a batch/)
  assert.match(text, /anneal_rejected_total\{reason="text"\} [1-9]/)
  assert.doesNotMatch(text, /pictures/i)
})

test('other kinds and tasks are refused as a shadow; several labels and numbers', async () => {
  const picture = await load(files.write('colours.onnx', colourModel()), { kind: 'picture' })
  await assert.rejects(
    createHandler(model, { shadow: { model: picture } }),
    /same kind as the model that answers; got picture/,
  )
  const made = async (card: object) =>
    load((await exportText(savedText({ card: card as never }), { check: false })).file, { kind: 'text', threads: 1 })
  const multi = await made({ task: 'multi', thresholds: [0, 0.5, 1] })
  await assert.rejects(
    createHandler(model, { shadow: { model: multi } }),
    /same task as the model that answers; got multi/,
  )
  const own = await createHandler(multi)
  const { labels } = (await (await post({ text: 'good' }, { own, type: form })).json()) as { labels: string[] }
  assert.ok(labels.includes('bad') && !labels.includes('최고'), labels.join())
  const numbers = await createHandler(
    await made({ task: 'regression', classes: ['stars'], scale: { mean: [3], std: [1], decimals: [1] } }),
  )
  const { values } = (await (await post({ text: 'good' }, { own: numbers, type: form })).json()) as {
    values: Record<string, number>
  }
  assert.ok(Math.abs(values.stars! - 3) < 50, JSON.stringify(values))
  await own.close()
  await numbers.close()
})

// Skipped if there is no browser.
if (browserPath)
  test('in Chromium: the page answers a text, names what is wrong, and asks nobody else', async () => {
    const own = await listen(async port => createHandler(model, { name: 'mood', hosts: loopbackHosts(port) }), {
      ...{ host: '127.0.0.1', port: 0, maxConnections: 100, timeout: 10, maxBytes: 1e6 },
    })
    const browser = await launch()
    try {
      const page = await browser.newPage({ viewport: { width: 380, height: 800 } })
      const wrong: string[] = []
      const home = `http://127.0.0.1:${own.port}/`
      page.on('pageerror', error => wrong.push(String(error)))
      page.on(
        'request',
        request => request.url().startsWith(home) || request.url().startsWith('data:') || wrong.push(request.url()),
      )
      await page.goto(home)
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'fits a phone')
      await page.locator('textarea').fill('good')
      await page.locator('button.main').click()
      const label = trained[0]!.task === 'single' ? trained[0]!.label : ''
      await page.locator('#answer h2').waitFor()
      assert.equal(await page.locator('#answer h2').textContent(), label)
      assert.equal(await page.locator('#answer tr').count(), 3)
      await page.locator('textarea').fill('  ')
      await page.locator('textarea').press('Control+Enter')
      await page.getByText('the text is empty; expected a text').waitFor()
      await page.locator('#clear').click()
      assert.equal(await page.locator('#answer').textContent(), '')
      assert.deepEqual(wrong, [])
    } finally {
      await browser.close()
      await own.drain({ wait: 0, grace: 1 })
    }
  })
