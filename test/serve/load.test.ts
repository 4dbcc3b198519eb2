import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createHandler, type HandlerOptions, load, type ServedPictures } from '../../src/serve/index.ts'
import { colourModel, modelFolder, picture, testCard } from '../helpers/served.ts'

const files = modelFolder()
after(() => files.remove())
const path = files.write('model.onnx', colourModel())

type Slow = ServedPictures & { batches: number[]; disposed: boolean }

/** The colour model, slowed down; `batches` lists how many pictures each call had. */
async function slow(ms: number, file = path): Promise<Slow> {
  const model = await load(file, { kind: 'picture', threads: 1 })
  const batches: number[] = []
  const slowed: Slow = {
    card: model.card,
    batches,
    disposed: false,
    decode: bytes => model.decode(bytes),
    async predictPixels(pictures, options) {
      assert.ok(!slowed.disposed, 'a model that is disposed of is not asked')
      batches.push(pictures.length)
      await new Promise(resolve => setTimeout(resolve, ms))
      return model.predictPixels(pictures, options)
    },
    async dispose() {
      slowed.disposed = true
      await model.dispose()
    },
  }
  return slowed
}

async function serving(model: ServedPictures, options: HandlerOptions = {}) {
  const handler = await createHandler(model, options)
  const post = (bytes: Uint8Array, more: { signal?: AbortSignal; path?: string; token?: string } = {}) =>
    handler(
      new Request(`http://localhost${more.path ?? '/predict'}`, {
        method: 'POST',
        body: new Uint8Array(bytes),
        ...(more.signal ? { signal: more.signal } : {}),
        headers: more.token === undefined ? {} : { authorization: `Bearer ${more.token}` },
      }),
    )
  const metrics = async () => (await handler(new Request('http://localhost/metrics'))).text()
  return { handler, post, metrics }
}

test('pictures of one size share batches, in which each gets its own answer; other sizes get their own', async () => {
  const model = await slow(30)
  const { handler, post, metrics } = await serving(model, { maxBatch: 4 })
  const colours = ['red', '#00ff00', 'blue'] as const
  const pictures = await Promise.all(colours.map(c => picture(c)))
  const wide = await picture('blue', 90, 20)
  model.batches.length = 0
  const answers = await Promise.all([...Array(12).keys()].map(i => post(pictures[i % 3]!)).concat(post(wide)))
  const labels = await Promise.all(answers.map(async a => ((await a.json()) as { label: string }).label))
  const expected = ['10 red', '2 green', 'blue']
  assert.deepEqual(labels, [...Array(12).keys()].map(i => expected[i % 3]).concat('blue'))
  assert.ok(model.batches.includes(4), `batches of ${model.batches}`)
  assert.ok(Math.max(...model.batches) <= 4, `batches of ${model.batches}`)
  assert.equal(
    model.batches.reduce((a, b) => a + b),
    13,
  )
  assert.match(await metrics(), /anneal_batch_pictures_sum 13/)
  await handler.close()
})

test('a batch waits for others as long as it is told, and no longer', async () => {
  const model = await slow(0)
  const { handler, post } = await serving(model, { maxBatch: 3, maxWait: 150 })
  const red = await picture('red')
  await post(red)
  model.batches.length = 0
  await Promise.all([post(red), post(red)])
  assert.deepEqual(model.batches, [2])
  const began = performance.now()
  await Promise.all([post(red), post(red), post(red)])
  assert.deepEqual(model.batches, [2, 3])
  assert.ok(performance.now() - began < 140, 'a full batch does not wait')
  await handler.close()
})

test('a batch has no more pixels than the largest allowed picture', async () => {
  const model = await slow(20)
  const { handler, post } = await serving(model, { maxBatch: 8, maxPixels: 2500 })
  model.batches.length = 0
  const red = await picture('red', 40, 30)
  await Promise.all(Array.from({ length: 6 }, () => post(red)))
  assert.ok(Math.max(...model.batches) <= 2, `batches of ${model.batches}, of 1,200 pixels each`)
  await handler.close()
})

test('a full queue refuses with 503 and Retry-After, and answers all that it took', async () => {
  const { handler, post, metrics } = await serving(await slow(40), { maxBatch: 1, maxQueue: 3 })
  const red = await picture('red')
  const answers = await Promise.all(Array.from({ length: 12 }, () => post(red)))
  const refused = answers.filter(a => a.status === 503)
  assert.ok(refused.length > 0 && refused.length <= 9, `${refused.length} were refused`)
  for (const a of refused) assert.match(a.headers.get('retry-after') ?? '', /^[1-9]\d*$/)
  assert.equal(answers.filter(a => a.status === 200).length, 12 - refused.length)
  assert.match(await metrics(), new RegExp(`anneal_rejected_total\\{reason="queue"\\} ${refused.length}`))
  await handler.close()
})

test('bytes of all requests together are bounded', async () => {
  const red = await picture('red')
  const { handler, post } = await serving(await slow(60), { maxHeld: red.length * 2 + 10, maxBatch: 1 })
  const answers = await Promise.all(Array.from({ length: 5 }, () => post(red)))
  assert.deepEqual(answers.map(a => a.status).sort(), [200, 200, 503, 503, 503])
  assert.equal((await post(red)).status, 200)
  await handler.close()
})

test('a picture that waits too long is answered with 504 and leaves the queue', async () => {
  const model = await slow(600)
  const { handler, post, metrics } = await serving(model, { maxBatch: 1, timeout: 0.9 })
  const red = await picture('red')
  model.batches.length = 0
  const answers = await Promise.all(Array.from({ length: 5 }, () => post(red)))
  assert.deepEqual(answers.map(a => a.status).sort(), [200, 504, 504, 504, 504])
  const late = answers.find(a => a.status === 504)!
  const { error } = (await late.json()) as { error: string }
  assert.match(error, /no answer within 0\.9 s/)
  assert.match(await metrics(), /anneal_queue_depth 0/)
  await new Promise(resolve => setTimeout(resolve, 900))
  assert.deepEqual(model.batches, [1, 1], 'pictures that left the queue are not computed')
  await handler.close()
})

test('a client that goes leaves the queue, and the others are answered', async () => {
  const model = await slow(100)
  const { handler, post, metrics } = await serving(model, { maxBatch: 1 })
  const red = await picture('red')
  model.batches.length = 0
  const clients = Array.from({ length: 6 }, () => new AbortController())
  const answers: Promise<Response | Error>[] = []
  for (const { signal } of clients) {
    answers.push(post(red, { signal }).catch(error => error as Error))
    await new Promise(resolve => setTimeout(resolve, 8)) // so that they queue in this order
  }
  for (const client of clients.slice(2, 5)) client.abort()
  const statuses = (await Promise.all(answers)).map(a => (a instanceof Response ? a.status : 0))
  assert.deepEqual([statuses[0], statuses[1], statuses[5]], [200, 200, 200])
  assert.deepEqual(model.batches, [1, 1, 1])
  assert.match(await metrics(), /anneal_rejected_total\{reason="gone"\} 3/)
  await handler.close()
})

test('a body that comes too slowly is answered with 408', async () => {
  const { handler } = await serving(await slow(0), { timeout: 0.2 })
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new Uint8Array(10)) // and then nothing
    },
  })
  const init = { method: 'POST', body, duplex: 'half' } as ConstructorParameters<typeof Request>[1]
  const response = await handler(new Request('http://localhost/predict', init))
  assert.equal(response.status, 408)
  await handler.close()
})

test('the token is asked for everywhere but at health, page and description', async () => {
  const { handler, post } = await serving(await slow(0), { token: 's3cret' })
  const red = await picture('red')
  for (const token of [undefined, 'wrong', 's3cre', 's3cret1', '']) {
    const response = await post(red, token === undefined ? {} : { token })
    assert.equal(response.status, 401, `${token}`)
    assert.equal(response.headers.get('www-authenticate'), 'Bearer')
  }
  assert.equal((await post(red, { token: 's3cret' })).status, 200)
  const status = async (path: string) => (await handler(new Request(`http://a${path}`))).status
  for (const path of ['/', '/openapi.json', '/v2/health/live', '/v2/health/ready', '/v2/models/colours/ready'])
    assert.equal(await status(path), 200, path)
  for (const path of ['/metrics', '/v2', '/v2/models/colours', '/nothing']) assert.equal(await status(path), 401, path)
  await handler.close()
})

test('a foreign Host or Origin is refused where the server is for this machine', async () => {
  const { handler } = await serving(await slow(0), { hosts: ['localhost:8080'] })
  const status = async (headers: Record<string, string>) =>
    (await handler(new Request('http://localhost:8080/v2/health/live', { headers }))).status
  assert.equal(await status({}), 200)
  assert.equal(await status({ host: 'LOCALHOST:8080' }), 200)
  for (const host of ['evil.example', 'localhost', 'localhost:80', '127.0.0.1.nip.io:8080'])
    assert.equal(await status({ host }), 421, host)
  assert.equal(await status({ origin: 'http://localhost:8080' }), 200)
  for (const origin of ['http://evil.example', 'https://localhost:8080', 'null', 'http://localhost:3000'])
    assert.equal(await status({ origin }), 403, origin)
  assert.equal(await status({ 'sec-fetch-site': 'cross-site' }), 403)
  await handler.close()
})

test('a new version takes over under load without a gap; the old one finishes and is disposed of', async () => {
  const old = await slow(15)
  const turned = files.write('turned.onnx', colourModel({ order: [1, 2, 0] }))
  const next = await slow(15, turned)
  const lines: string[] = []
  const newest = async () => ({ model: next, version: 'two' })
  const { handler, post } = await serving(old, {
    version: 'one',
    token: 't',
    load: newest,
    maxBatch: 2,
    log: line => void lines.push(line),
  })
  const red = await picture('red')
  const answers: Promise<Response>[] = []
  for (let i = 0; i < 40; i++) {
    answers.push(post(red, { token: 't' }))
    if (i === 20) {
      const reload = await post(new Uint8Array(), { path: '/admin/reload', token: 't' })
      assert.deepEqual([reload.status, await reload.json()], [200, { model: 'colours', version: 'two' }])
    }
    await new Promise(resolve => setTimeout(resolve, 3))
  }
  const all = await Promise.all(answers.map(async a => (await (await a).json()) as { label: string; version: string }))
  assert.ok(
    all.every(a => a.label === (a.version === 'one' ? '10 red' : 'blue')),
    JSON.stringify(all),
  )
  const versions = new Set(all.map(a => a.version))
  assert.deepEqual([...versions], ['one', 'two'])
  assert.equal(old.disposed, true)
  assert.match(lines.join('\n'), /version two answers now, instead of one/)
  await handler.close()
  assert.equal(next.disposed, true)
})

test('a version that does not answer is refused, and the old one goes on', async () => {
  // The runtime refuses such a file itself; a handler takes models of any origin.
  const card = testCard({ classes: ['a', 'b', 'c', 'd'] })
  const liar = async () => Object.assign(await slow(0), { card })
  const bad = await liar()
  const loads = [async () => ({ model: bad }), () => Promise.reject(new Error('the file is cut off'))]
  const { handler, post } = await serving(await slow(0), { token: 't', load: () => loads.shift()!() })
  for (const message of [/gives 3 scores .* its card names 4 classes/, /the file is cut off/]) {
    const response = await post(new Uint8Array(), { path: '/admin/reload', token: 't' })
    assert.equal(response.status, 422)
    assert.match(((await response.json()) as { error: string }).error, message)
  }
  assert.equal(bad.disposed, true)
  assert.equal((await post(await picture('red'), { token: 't' })).status, 200)
  await handler.close()
  const { handler: open, post: ask } = await serving(await slow(0), { load: async () => ({ model: bad }) })
  assert.equal((await ask(new Uint8Array(), { path: '/admin/reload' })).status, 403)
  await open.close()
  await assert.rejects(createHandler(await liar()), /4 classes/)
  await assert.rejects(slow(0, files.write('liar.onnx', colourModel({ card }))), /there are 4 classes/)
})

test('a shadow model answers the same pictures; disagreements are counted and logged', async () => {
  const lines: string[] = []
  const shadow = { model: await slow(0, files.write('b.onnx', colourModel({ order: [0, 2, 1] }))), version: 'b' }
  const { handler, post, metrics } = await serving(await slow(0), { shadow, log: line => void lines.push(line) })
  for (const colour of ['red', 'blue', 'red', '#00ff00']) {
    await post(await picture(colour))
    await new Promise(resolve => setTimeout(resolve, 30))
  }
  const text = await metrics()
  assert.match(text, /anneal_shadow_pictures_total\{result="same"\} 2/)
  assert.match(text, /anneal_shadow_pictures_total\{result="different"\} 2/)
  assert.equal(lines.length, 2)
  assert.match(lines[0]!, /^shadow: blue 9\d\.\d %, b says 2 green 9\d\.\d %; picture of 40 x 30$/)
  await handler.close()
  const card = testCard({ task: 'regression' })
  const other = { model: await slow(0, files.write('c.onnx', colourModel({ card }))) }
  await assert.rejects(
    createHandler(await slow(0), { shadow: other }),
    /the same task .* got regression, expected single/,
  )
})

test('while the net computes, the thread of the server does other work', async () => {
  const model = await load(path, { kind: 'picture', threads: 1 })
  const [width, height] = [4000, 3000]
  const large = { data: new Uint8Array(width * height * 3).fill(200), width, height, channels: 3 }
  await model.predictPixels([large])
  let others = 0
  const timer = setInterval(() => others++, 1)
  const began = performance.now()
  await model.predictPixels([large, large])
  clearInterval(timer)
  const ms = performance.now() - began
  await model.dispose()
  assert.ok(others >= 5, `${others} timers in ${ms.toFixed(0)} ms: a timer of each millisecond was due`)
})

test('a model that is disposed of leaves the thread to the others', async () => {
  const [first, second] = [
    await load(path, { kind: 'picture', threads: 1 }),
    await load(path, { kind: 'picture', threads: 1 }),
  ]
  const one = { data: new Uint8Array(64 * 64 * 3).fill(90), width: 64, height: 64, channels: 3 }
  const [before] = await second.predictPixels([one])
  await first.dispose()
  await first.dispose()
  await assert.rejects(first.predictPixels([one]), /disposed/)
  const [again] = await second.predictPixels([one])
  assert.deepEqual(again!.scores, before!.scores)
  await second.dispose()
  await assert.rejects(load(files.write('no.onnx', new Uint8Array(9))), /no ONNX file/)
})
