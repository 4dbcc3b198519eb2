import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import sharp from 'sharp'
import { createHandler, type Handler, load } from '../../src/serve/index.ts'
import { bomb, colourModel, modelFolder, picture, testCard } from '../helpers/served.ts'

const files = modelFolder()
let handler: Handler
before(async () => {
  const model = await load(files.write('model.onnx', colourModel()), { threads: 1 })
  handler = await createHandler(model, { maxBytes: 200_000, maxPixels: 100_000, maxPictures: 4, version: 'v1' })
})
after(async () => {
  await handler.close()
  files.remove()
})

const post = (body: BodyInit | Uint8Array, type?: string, path = '/predict') =>
  handler(
    new Request(`http://localhost${path}`, {
      method: 'POST',
      body: body as Uint8Array<ArrayBuffer>,
      headers: type === undefined ? {} : { 'content-type': type },
    }),
  )
type BodyInit = string | FormData

interface Prediction {
  label: string
  probability: number
  probabilities: Record<string, number>
  file?: string
  error?: string
  status?: number
}
const said = async (response: Response) => (await response.json()) as Prediction & { predictions: Prediction[] }

test('the bytes of a picture are answered, whatever a client calls them', async () => {
  const red = await picture('red')
  for (const type of [
    undefined,
    'image/jpeg',
    'image/png',
    'application/octet-stream',
    'application/x-www-form-urlencoded',
  ]) {
    const response = await post(red, type)
    const { label, probability } = await said(response)
    assert.deepEqual([response.status, label], [200, '10 red'], `${type}`)
    assert.ok(probability > 0.9, `${probability}`)
  }
  for (const format of ['png', 'webp', 'jpeg'] as const)
    assert.equal((await said(await post(await picture('blue', 31, 17, format), 'image/*'))).label, 'blue', format)
})

test('an answer names as many classes as asked, from the likeliest on, also where their names look like numbers', async () => {
  const green = await picture('#00ff00')
  const all = await (await post(green)).text()
  assert.match(all, /"probabilities":\{"2 green":[\d.]+,"(10 red|blue)":/)
  const text = await (await post(green, 'image/jpeg', '/predict?top=1')).text()
  assert.match(text, /"probabilities":\{"2 green":[\d.]+\}/)
  for (const top of ['0', '-1', 'x', '1.5', '']) {
    const response = await post(green, 'image/jpeg', `/predict?top=${top}`)
    assert.equal(response.status, 400, top)
    assert.match((await said(response)).error!, /top: expected a whole number from 1/)
  }
})

test('a form with several files gets an answer for each, and an error for each that is no picture', async () => {
  const form = (parts: [string, Uint8Array][]) => {
    const all = new FormData()
    for (const [name, bytes] of parts) all.append('file', new Blob([bytes as Uint8Array<ArrayBuffer>]), name)
    return all
  }
  const [red, blue] = [await picture('red'), await picture('blue', 64, 64)]
  const good = await post(
    form([
      ['a.jpg', red],
      ['b.jpg', blue],
    ]),
  )
  assert.equal(good.status, 200)
  assert.deepEqual(
    (await said(good)).predictions.map(p => [p.file, p.label]),
    [
      ['a.jpg', '10 red'],
      ['b.jpg', 'blue'],
    ],
  )
  const mixed = await post(
    form([
      ['a.jpg', red],
      ['cut.jpg', red.subarray(0, 40)],
      ['x.txt', Buffer.from('text')],
    ]),
  )
  const { predictions } = await said(mixed)
  assert.equal(mixed.status, 207)
  assert.deepEqual(
    predictions.map(p => p.status ?? p.label),
    ['10 red', 422, 415],
  )
  const none = await post(form([['x.txt', Buffer.from('text')]]))
  assert.equal(none.status, 415)
  const many = await post(form(Array.from({ length: 5 }, (_, i): [string, Uint8Array] => [`${i}.jpg`, red])))
  assert.equal(many.status, 413)
  assert.match((await said(many)).error!, /more than 4 pictures/)
})

test('JSON holds one picture or several in base64, also as a data address', async () => {
  const red = (await picture('red')).toString('base64')
  const blue = `data:image/jpeg;base64,${(await picture('blue')).toString('base64')}`
  assert.equal((await said(await post(JSON.stringify({ image: red }), 'application/json'))).label, '10 red')
  const several = await said(await post(JSON.stringify({ images: [red, blue] }), 'application/json; charset=utf-8'))
  assert.deepEqual(
    several.predictions.map(p => p.label),
    ['10 red', 'blue'],
  )
  for (const [body, message] of [
    ['{', /not valid JSON/],
    ['[]', /one JSON object/],
    ['{}', /got JSON with nothing/],
    ['{"image": 5}', /image: expected base64 text, got number/],
    ['{"image": "§§"}', /not base64/],
    ['{"image": "http://169.254.169.254/latest"}', /an address is never fetched/],
    ['{"images": ["file:///etc/passwd"]}', /an address is never fetched/],
    ['{"images": []}', /a list of one picture or more/],
    ['{"url": "x"}', /got JSON with url/],
    ['{"image": "QQ==", "images": []}', /got JSON with image, images/],
  ] as const) {
    const response = await post(body, 'application/json')
    assert.equal(response.status, 400, body)
    assert.match((await said(response)).error!, message)
  }
})

test('bodies that hold no picture are refused with what was expected', async () => {
  const red = await picture('red')
  const raw = { width: 200, height: 200, channels: 3 as const }
  const noise = await sharp(
    Uint8Array.from({ length: 120_000 }, (_, i) => (i * 7919) % 251),
    { raw },
  )
    .jpeg()
    .toBuffer()
  for (const [status, body, type, message] of [
    [415, 'hello', 'text/plain', /content-type text\/plain is not taken/],
    [
      415,
      'hello, this is no picture',
      'image/jpeg',
      /no picture that is known: it begins with 68 65 .*; JPEG, PNG, .* are read; it is a text that begins with "hello, this is n"/,
    ],
    [415, '<svg xmlns="http://www.w3.org/2000/svg"/>', 'image/svg+xml', /a file of SVG; JPEG, PNG/],
    [415, '{"image": ""}', 'application/x-www-form-urlencoded', /looks like JSON/],
    [415, 'file=cat.jpg', 'application/x-www-form-urlencoded', /holds no picture/],
    [422, '', 'image/jpeg', /no bytes/],
    [422, red.subarray(0, 20), 'image/jpeg', /header of the JPEG picture can not be read/],
    [422, red.subarray(0, red.length - 20), 'image/jpeg', /can not be (decoded|read)/],
    [422, noise.subarray(0, noise.length / 2), 'image/jpeg', /can not be decoded/],
    [422, (await picture('red', 40, 30, 'png')).subarray(0, 80), 'image/png', /can not be decoded|can not be read/],
    [413, bomb(50_000, 50_000), 'image/png', /50,000 x 50,000 pixels; at most 100,000/],
    [413, bomb(1000, 101), 'image/png', /pixels/],
    [422, bomb(100, 100), 'image/png', /can not be decoded/],
    [413, new Uint8Array(200_001), 'image/png', /at most 200 KB/],
    [400, 'x', 'multipart/form-data', /without a boundary/],
    [400, '--x\r\ncut off', 'multipart/form-data; boundary=x', /cut off or malformed/],
    [
      400,
      '--x\r\ncontent-disposition: form-data; name="file"\r\n\r\nhttp://a/b.jpg\r\n--x--\r\n',
      'multipart/form-data; boundary=x',
      /holds text where a file is expected/,
    ],
  ] as const) {
    const response = await post(body as string, type)
    const { error } = await said(response)
    assert.equal(response.status, status, `${type}: ${error}`)
    assert.match(error!, message)
  }
})

test('a compressed body is refused, and so is one that says a length it does not have', async () => {
  const red = await picture('red')
  for (const encoding of ['gzip', 'br', 'deflate', 'gzip, identity']) {
    const headers = { 'content-encoding': encoding }
    const response = await handler(
      new Request('http://localhost/predict', { method: 'POST', body: new Uint8Array(red), headers }),
    )
    assert.equal(response.status, 415, encoding)
  }
})

test('a body without end is refused at the limit, and its memory is given back', async () => {
  let sent = 0
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 10_000
        controller.enqueue(new Uint8Array(10_000))
      },
    })
  for (let i = 0; i < 3; i++) {
    sent = 0
    const init = { method: 'POST', body: endless(), duplex: 'half' }
    const response = await handler(new Request('http://localhost/predict', init as RequestInit))
    assert.equal(response.status, 413)
    assert.ok(sent < 400_000, `${sent} bytes were read`)
  }
  assert.equal((await post(await picture('red'))).status, 200)
})
type RequestInit = ConstructorParameters<typeof Request>[1]

test('wrong methods and paths are told what there is', async () => {
  const get = await handler(new Request('http://localhost/predict'))
  assert.deepEqual([get.status, get.headers.get('allow')], [405, 'POST'])
  assert.equal((await handler(new Request('http://localhost/metrics', { method: 'DELETE' }))).status, 405)
  assert.equal((await handler(new Request('http://localhost/nothing'))).status, 404)
  assert.equal((await handler(new Request('http://localhost/v2', { method: 'HEAD' }))).status, 200)
})

test('several labels and numbers are answered by their names', async () => {
  const one = async (card: ReturnType<typeof testCard>) => {
    const model = await load(files.write(`${card.task}.onnx`, colourModel({ card })), { threads: 1 })
    const own = await createHandler(model)
    const answer = await own(
      new Request('http://a/predict', { method: 'POST', body: new Uint8Array(await picture('#ff00ff')) }),
    )
    const text = await answer.text()
    const metrics = await (await own(new Request('http://a/metrics'))).text()
    await own.close()
    return { text, metrics, answer: JSON.parse(text) }
  }
  const multi = await one(testCard({ task: 'multi', thresholds: [0.6, 0.6, 0.6] }))
  assert.deepEqual(multi.answer.labels, ['10 red', 'blue'])
  assert.match(multi.metrics, /anneal_predictions_total\{label="blue"\} 1/)
  const regression = await one(testCard({ task: 'regression', classes: ['r', 'g', 'b'] }))
  assert.match(regression.text, /"values":\{"r":5\.\d+,"g":0[^,]*,"b":5\.\d+\}/)
})

test('metrics count requests, answers, confidence, batches and refusals', async () => {
  const text = await (await handler(new Request('http://localhost/metrics'))).text()
  for (const line of [
    /^anneal_requests_total\{route="\/predict",code="200"\} \d+$/m,
    /^anneal_request_duration_seconds_bucket\{le="1",route="\/predict"\} \d+$/m,
    /^anneal_queue_depth 0$/m,
    /^anneal_queue_wait_seconds_count \d+$/m,
    /^anneal_batch_pictures_count \d+$/m,
    /^anneal_predictions_total\{label="10 red"\} \d+$/m,
    /^anneal_confidence_bucket\{le="0.99"\} \d+$/m,
    /^anneal_rejected_total\{reason="pixels"\} 2$/m,
    /^anneal_rejected_total\{reason="encoding"\} 4$/m,
    /^anneal_model_info\{model="colours",digest="0123456789abcdef",version="v1"\} 1$/m,
  ])
    assert.match(text, line)
})
