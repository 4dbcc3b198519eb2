import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { dockerFiles } from '../../src/export/targets/docker.ts'
import type { Files, TargetModel } from '../../src/export/targets/files.ts'
import { refuseForeignFolder } from '../../src/export/targets/folder.ts'
import { lambdaFiles } from '../../src/export/targets/lambda.ts'
import { workerFiles } from '../../src/export/targets/worker.ts'
import { type Card, probePicture } from '../../src/onnx/index.ts'
import { load } from '../../src/runtime/node.ts'
import { colourModel, picture, testCard } from '../helpers/served.ts'
import { bundled, endServers, linkPackages, started, words } from '../helpers/targets.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'anneal-targets-'))
after(() => {
  endServers()
  rmSync(folder, { recursive: true, force: true })
})

/** A card whose probe is answered as its model answers it. */
async function probed(more: Partial<Card> = {}): Promise<{ card: Card; model: Uint8Array }> {
  const probe = { width: 64, height: 48, seed: 3 }
  const plain = testCard({ probe: { ...probe, outputs: [0, 0, 0] }, ...more })
  const loaded = await load(colourModel({ card: plain }), { kind: 'picture', threads: 1 })
  const { scores } = await loaded.predictPixels({ ...probe, channels: 3, data: probePicture(probe, 3) })
  await loaded.dispose()
  const card = { ...plain, probe: { ...probe, outputs: Array.from(scores) } }
  return { card, model: colourModel({ card }) }
}

/** Writes a target's folder, with the packages that its package.json asks for. */
async function written(
  name: string,
  write: (model: TargetModel) => Promise<Files>,
  more: Partial<Card> = {},
  place = 'model.onnx',
) {
  const { card, model } = await probed(more)
  const at = (...parts: string[]) => join(folder, name, ...parts)
  const files: Files = { ...(await write({ card, bytes: model.length })), [place]: model }
  mkdirSync(at('node_modules'), { recursive: true })
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(at(file)), { recursive: true })
    writeFileSync(at(file), content)
  }
  return { at, card, about: linkPackages(at), files }
}

test('docker: what the container runs answers, is healthy, passes its own test, and drains on SIGTERM', async () => {
  const { at, about } = await written('docker', dockerFiles)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.equal(about.dependencies.anneal, `^${version}`)
  assert.deepEqual(Object.keys(about.dependencies), ['anneal', 'onnxruntime-node'])
  const server = await started(at, { ANNEAL_TOKEN: 's3cret' })
  const body = (await picture('red')) as Uint8Array<ArrayBuffer>
  const ask = (headers: Record<string, string>) => fetch(`${server.url}/predict`, { method: 'POST', body, headers })
  assert.equal((await ask({})).status, 401)
  const answer = await ask({ authorization: 'Bearer s3cret' })
  assert.equal(((await answer.json()) as { label: string }).label, '10 red')

  const health = words(readFileSync(at('Dockerfile'), 'utf8'), 'CMD').map(word =>
    word.replace(':8080', `:${server.port}`),
  )
  assert.equal(spawnSync(health[0]!, health.slice(1)).status, 0, 'healthy')
  const own = (env: NodeJS.ProcessEnv) =>
    spawnSync(process.execPath, ['test.mjs', server.url], {
      cwd: at(),
      env: { ...process.env, ...env },
      encoding: 'utf8',
    })
  const passed = own({ ANNEAL_TOKEN: 's3cret' })
  assert.equal(passed.status, 0, passed.stderr)
  const probe = readFileSync(at('probe.json'), 'utf8')
  const other = probe.replace(
    /("outputs": \{\s*"[^"]+": 0\.)(\d)/,
    (_, head, digit) => `${head}${(Number(digit) + 5) % 10}`,
  )
  assert.notEqual(other, probe, 'another answer')
  writeFileSync(at('probe.json'), other)
  assert.match(own({ ANNEAL_TOKEN: 's3cret' }).stderr, /the exported model gave 0\./, 'its test can fail')

  server.child.kill('SIGTERM')
  assert.equal(await server.ended, 0, server.stderr())
  assert.notEqual(spawnSync(health[0]!, health.slice(1)).status, 0, 'not healthy when it has ended')
})

test('docker: the image has no user root, no platform but its own, and none of what is not needed', async () => {
  const { at } = await written('image', dockerFiles)
  const text = readFileSync(at('Dockerfile'), 'utf8')
  assert.match(text, /^USER node$/m)
  assert.match(text, /--ignore-scripts/)
  const ignored = readFileSync(at('.dockerignore'), 'utf8').split('\n')
  for (const [, files] of text.matchAll(/^COPY ((?!--)[^\n]+) \.\/$/gm))
    for (const file of files!.split(' ').filter(file => !file.includes('*')))
      assert.ok(readdirSync(at()).includes(file) && !ignored.includes(file), `${file} is there to be copied`)
  // The shell line that removes other platforms, in a copy of the package's folders.
  const bin = join(at('try'), 'node_modules/onnxruntime-node/bin/napi-v6')
  for (const name of ['darwin/arm64', 'linux/x64', 'linux/arm64', 'win32/x64'])
    mkdirSync(join(bin, name), { recursive: true })
  const [, line] = /&& (cd node_modules\/onnxruntime-node[\s\S]*?fi)\n/.exec(text)!
  const { status, stderr } = spawnSync('sh', ['-c', line!], { cwd: at('try'), encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.deepEqual(readdirSync(bin), ['linux'])
  const arch = { x64: 'x64', arm64: 'arm64' }[process.arch as string]
  if (arch) assert.deepEqual(readdirSync(join(bin, 'linux')), [arch])
})

test('lambda: the handler answers events of four front doors, as its own test says, and refuses others', async () => {
  for (const [name, more] of [
    ['single', {}],
    ['multi', { task: 'multi', thresholds: [0.5, 0.5, 0.5] }],
    ['regression', { task: 'regression' }],
  ] as const) {
    const { at, about } = await written(`lambda-${name}`, lambdaFiles, more)
    assert.deepEqual(Object.keys(about.dependencies), ['anneal', 'hono', 'onnxruntime-node'])
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined, ANNEAL_TOKEN: 's3cret' }
    const own = spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'test.mjs'], {
      cwd: at(),
      env,
      encoding: 'utf8',
    })
    assert.equal(own.status, 0, own.stdout)
    assert.match(own.stdout, /^# pass 4$/m)
  }
  const { handler } = await import(join(folder, 'lambda-single', 'handler.mjs'))
  type Event = Record<string, unknown>
  const context = { domainName: 'x.example.com', stage: '$default', http: { method: 'POST', path: '/predict' } }
  const event = (more: Event): Event => ({
    version: '2.0',
    rawPath: '/predict',
    rawQueryString: '',
    headers: {},
    isBase64Encoded: true,
    requestContext: context,
    ...more,
  })
  const red = (await picture('red')).toString('base64')
  const answer = await handler(event({ body: red, headers: { 'content-type': 'image/jpeg' } }), {})
  assert.equal(JSON.parse(answer.body).label, '10 red')
  const broken = await handler(event({ body: red.slice(0, 4 * Math.floor(red.length / 8)) }), {})
  assert.equal(broken.statusCode, 422, broken.body)
  const large = await handler(event({ body: Buffer.alloc(6_100_000).toString('base64') }), {})
  assert.equal(large.statusCode, 413, large.body)
  const ping = await handler({ source: 'aws.events', 'detail-type': 'Scheduled Event' }, {})
  assert.equal(ping.statusCode, 200, 'an event that is no request wakes an instance up')
  // Binary tensors come back in base64, as Lambda wants them.
  const json = Buffer.from(
    JSON.stringify({
      inputs: [{ name: 'image', shape: [1], datatype: 'BYTES', data: [red] }],
      parameters: { binary_data_output: true },
    }),
  )
  const path = '/v2/models/colours/infer'
  const tensors = await handler(
    event({
      rawPath: path,
      body: json.toString('base64'),
      requestContext: { ...context, http: { method: 'POST', path } },
    }),
    {},
  )
  assert.deepEqual([tensors.statusCode, tensors.isBase64Encoded], [200, true], tensors.body)
})

test('worker: its fetch handler answers PNG and JPEG files and raw pixels, and refuses the rest', async () => {
  const { at, card, about } = await written('worker', workerFiles, {}, 'assets/model.onnx')
  assert.deepEqual(Object.keys(about.dependencies), ['@anneal/run', 'onnxruntime-web', '@jsquash/jpeg'])
  const fetched = await bundled(at)
  const post = async (
    body: Uint8Array | string,
    query = '',
    more: { env?: object; headers?: Record<string, string> } = {},
  ) => {
    const init = { method: 'POST', body: body as Uint8Array<ArrayBuffer>, headers: more.headers ?? {} }
    const response = await fetched(`/predict${query}`, init, more.env)
    return {
      status: response.status,
      ...((await response.json()) as { label?: string; error?: string; probabilities?: Record<string, number> }),
    }
  }
  assert.deepEqual(await (await fetched('/v2/health/ready')).json(), { ready: true })
  const probe = await post(readFileSync(at('probe.png')), '?top=3')
  for (const [i, name] of card.classes.entries()) {
    const [got, expected] = [probe.probabilities![name]!, card.probe!.outputs[i]!]
    assert.ok(Math.abs(got - expected) < 1e-5, `${name}: ${got}, the card has ${expected}`)
  }
  const jpeg = await picture('red', 60, 40)
  assert.equal((await post(jpeg)).label, '10 red')
  assert.equal((await post(await sharp(jpeg).jpeg({ progressive: true }).toBuffer())).label, '10 red', 'progressive')
  assert.equal((await post(Buffer.concat([jpeg, Buffer.from('and more')]))).label, '10 red', 'bytes after the end')
  const raw = await sharp(await picture('blue', 20, 10, 'png'))
    .raw()
    .toBuffer()
  assert.equal((await post(raw, '?width=20&height=10')).label, 'blue')
  assert.equal((await post(raw, '?width=20&height=10&channels=3')).label, 'blue')

  const wide = await sharp({ create: { width: 4100, height: 3000, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer()
  const cmyk = await sharp(jpeg).toColourspace('cmyk').jpeg().toBuffer()
  for (const [what, body, query, status, says] of [
    ['a JPEG file that is cut off', jpeg.subarray(0, jpeg.length - 30), '', 422, /cut off or corrupt/],
    ['the half of one', jpeg.subarray(0, jpeg.length / 2), '', 422, /cut off or corrupt/],
    ['a CMYK file', cmyk, '', 422, /CMYK/],
    ['a large picture', wide, '', 413, /4100 x 3000 pixels/],
    ['a large body', Buffer.alloc(10_000_001), '', 413, /at most 10000000 bytes/],
    ['no picture', 'hello', '', 422, /no picture that is known/],
    ['WebP', await picture('red', 9, 9, 'webp'), '', 422, /WebP/],
    ['nothing', '', '', 422, /empty/],
    ['pixels that do not fit', raw, '?width=20&height=11', 422, /600 values for 20 x 11/],
    ['a size that is none', raw, '?width=20&height=x', 422, /height is NaN/],
    ['top', jpeg, '?top=0', 400, /whole number from 1/],
  ] as const) {
    const answer = await post(body, query)
    assert.equal(answer.status, status, `${what}: ${answer.error}`)
    assert.match(answer.error!, says, what)
  }
  const env = { ANNEAL_TOKEN: 's3cret' }
  for (const [authorization, status] of [
    ['', 401],
    ['Bearer s3creT', 401],
    ['Bearer s3cret2', 401],
    ['Bearer s3cret', 200],
  ] as const)
    assert.equal((await post(jpeg, '', { env, headers: { authorization } })).status, status, authorization)
  assert.equal((await fetched('/model.onnx')).status, 404, 'the model is not given away')
  assert.equal((await fetched('/predict')).status, 405)
})

test('worker: a model that can not be read is tried again at the next request; one that is too large is not written', async () => {
  const { at } = await written('worker-broken', workerFiles, {}, 'assets/model.onnx')
  const fetched = await bundled(at)
  const body = (await picture('red')) as Uint8Array<ArrayBuffer>
  let file = new Response('none', { status: 503 })
  const env = { ASSETS: { fetch: async () => file } }
  const said = console.error
  console.error = () => {}
  const broken = await fetched('/predict', { method: 'POST', body }, env)
  console.error = said
  assert.equal(broken.status, 500)
  assert.deepEqual(await broken.json(), { error: 'the worker failed to answer; its log says why' })
  file = new Response(readFileSync(at('assets', 'model.onnx')))
  assert.equal((await fetched('/predict', { method: 'POST', body }, env)).status, 200)
  await assert.rejects(
    workerFiles({ card: testCard(), bytes: 27_000_000 }),
    /has 25\.7 MiB; .* at most 25 MiB\. Take quantize, weights: "int8"/,
  )
})

test('the empty folders of an export that was stopped are no foreign folder; a file is', t => {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-stopped-'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'assets'))
  refuseForeignFolder(folder, 'assets/model.onnx', 'anneal-text-model')
  writeFileSync(join(folder, 'assets', 'mine.txt'), 'mine')
  assert.throws(
    () => refuseForeignFolder(folder, 'assets/model.onnx', 'anneal-text-model'),
    /has files, but no exported assets\/model\.onnx/,
  )
})
