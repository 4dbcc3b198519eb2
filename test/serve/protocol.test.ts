import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createHandler, type Handler, load } from '../../src/serve/index.ts'
import { colourModel, modelFolder, picture } from '../helpers/served.ts'

const files = modelFolder()
let handler: Handler
before(async () => {
  const model = await load(files.write('model.onnx', colourModel()), { threads: 1 })
  handler = await createHandler(model, { version: '7' })
})
after(async () => {
  await handler.close()
  files.remove()
})

const get = async (path: string) => {
  const response = await handler(new Request(`http://localhost${path}`))
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const infer = (body: object | Uint8Array, headers: Record<string, string> = {}, path = '/v2/models/colours/infer') =>
  handler(
    new Request(`http://localhost${path}`, {
      method: 'POST',
      body: body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body),
      headers,
    }),
  )
interface Output {
  name: string
  datatype: string
  shape: number[]
  data: unknown[]
  parameters?: { binary_data_size: number }
}
const outputs = async (response: Response) => {
  const body = (await response.json()) as { outputs: Output[]; id?: string; error?: string }
  assert.equal(response.status, 200, body.error)
  return body
}
const pixels = (...colours: [number, number, number][]) => colours.flatMap(c => [c, c].flat())

test('metadata and health of the protocol', async () => {
  assert.deepEqual((await get('/v2')).body.extensions, ['binary_tensor_data', 'classification'])
  assert.deepEqual((await get('/v2/health/live')).body, { live: true })
  assert.deepEqual((await get('/v2/health/ready')).body, { ready: true })
  assert.deepEqual((await get('/v2/models/colours/ready')).body, { name: 'colours', ready: true })
  assert.deepEqual((await get('/v2/models/colours/versions/7/ready')).body, { name: 'colours', ready: true })
  const { body } = await get('/v2/models/colours')
  assert.deepEqual(body.versions, ['7'])
  assert.deepEqual(body.outputs, [
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
    { name: 'label', datatype: 'BYTES', shape: [-1] },
    { name: 'features', datatype: 'FP32', shape: [-1, 3] },
  ])
  for (const path of ['/v2/models/other', '/v2/models/colours/versions/8', '/v2/models/other/ready']) {
    const { status, body } = await get(path)
    assert.equal(status, 404, path)
    assert.match(String(body.error), /there is no (model|version)/)
  }
})

test('pixels are answered, flat or nested, with the id and all outputs', async () => {
  const flat = { name: 'image', shape: [2, 1, 2, 3], datatype: 'UINT8', data: pixels([255, 0, 0], [0, 0, 255]) }
  const nested = {
    ...flat,
    data: [
      [
        [
          [255, 0, 0],
          [255, 0, 0],
        ],
      ],
      [
        [
          [0, 0, 255],
          [0, 0, 255],
        ],
      ],
    ],
  }
  for (const input of [flat, nested]) {
    const { id, outputs: all } = await outputs(await infer({ id: 'a', inputs: [input] }))
    assert.equal(id, 'a')
    assert.deepEqual(
      all.map(o => [o.name, o.shape]),
      [
        ['probabilities', [2, 3]],
        ['label', [2]],
        ['features', [2, 3]],
      ],
    )
    assert.deepEqual(all[1]!.data, ['10 red', 'blue'])
    assert.deepEqual(all[2]!.data, [255, 0, 0, 0, 0, 255])
  }
})

test('files are answered as BYTES: base64 in JSON, and binary after it', async () => {
  const [red, blue] = [await picture('red'), await picture('blue', 50, 20, 'png')]
  const text = { name: 'image', shape: [2], datatype: 'BYTES', data: [red, blue].map(b => b.toString('base64')) }
  const asked = { inputs: [text], outputs: [{ name: 'label' }] }
  assert.deepEqual((await outputs(await infer(asked))).outputs[0]!.data, ['10 red', 'blue'])

  const raw = Buffer.concat(
    [red, blue].flatMap(b => {
      const length = Buffer.alloc(4)
      length.writeUInt32LE(b.length)
      return [length, b]
    }),
  )
  const input = { name: 'image', shape: [2], datatype: 'BYTES', parameters: { binary_data_size: raw.length } }
  const head = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }))
  const path = '/v2/models/colours/versions/7/infer'
  const body = Buffer.concat([head, raw])
  const response = await infer(body, { 'inference-header-content-length': String(head.length) }, path)
  assert.equal(response.headers.get('content-type'), 'application/octet-stream')
  const n = Number(response.headers.get('inference-header-content-length'))
  const bytes = Buffer.from(await response.arrayBuffer())
  const about = JSON.parse(bytes.subarray(0, n).toString()) as { outputs: Output[] }
  const [p, label, features] = about.outputs
  assert.deepEqual(
    [p!, label!, features!].map(o => [o.data, o.parameters!.binary_data_size]),
    [
      [undefined, 24],
      [undefined, 4 + 6 + 4 + 4],
      [undefined, 24],
    ],
  )
  assert.equal(bytes.length, n + 24 + 18 + 24)
  assert.ok(bytes.readFloatLE(n) > 0.9, 'the first probability is that of red')
  assert.equal(bytes.readUInt32LE(n + 24), 6)
  assert.equal(bytes.subarray(n + 28, n + 34).toString(), '10 red')
})

test('the classification extension ranks value, index and label', async () => {
  const input = { name: 'image', shape: [1, 1, 2, 3], datatype: 'UINT8', data: pixels([0, 250, 100]) }
  const asked = { inputs: [input], outputs: [{ name: 'probabilities', parameters: { classification: 2 } }] }
  const [top] = (await outputs(await infer(asked))).outputs
  assert.deepEqual([top!.datatype, top!.shape], ['BYTES', [1, 2]])
  assert.match(String(top!.data[0]), /^0\.9\d+:1:2 green$/)
  assert.match(String(top!.data[1]), /^0\.0\d+:2:blue$/)
})

test('requests that do not fit are refused with the reason', async () => {
  const good = { name: 'image', shape: [1, 1, 2, 3], datatype: 'UINT8', data: pixels([1, 2, 3]) }
  const bytes = { name: 'image', shape: [1], datatype: 'BYTES', data: ['QQ=='] }
  for (const [status, body, message] of [
    [400, { inputs: [] }, /expected one tensor/],
    [400, {}, /expected one tensor/],
    [400, { inputs: [{ ...good, name: 'x' }] }, /no input "x"/],
    [400, { inputs: [{ ...good, datatype: 'FP32' }] }, /datatype FP32 is not taken/],
    [400, { inputs: [{ ...good, shape: [1, 2, 3] }] }, /expected the shape \[N, height, width, 3\]/],
    [400, { inputs: [{ ...good, shape: [1, 1, 2, 1] }] }, /expected the shape/],
    [400, { inputs: [{ ...good, shape: [1, 1, 5, 3] }] }, /the shape says 15 values, the data hold 6/],
    [400, { inputs: [{ ...good, shape: [1, 1e6, 1e6, 3] }] }, /the shape says/],
    [400, { inputs: [{ ...good, shape: [-1, 1, 2, 3] }] }, /whole numbers from 1/],
    [400, { inputs: [{ ...good, data: [1, 2, 3, 4, 5, 256] }] }, /from 0 to 255, got 256/],
    [400, { inputs: [{ ...good, data: 'x' }] }, /a list of numbers/],
    [413, { inputs: [{ ...good, shape: [1000, 1, 2, 3] }] }, /1000 pictures; at most 32/],
    [415, { inputs: [bytes] }, /picture 0: the body is no picture that is known/],
    [400, { inputs: [{ ...bytes, shape: [2] }] }, /the shape says 2, the data hold 1/],
    [400, { inputs: [{ ...bytes, data: ['http://a/b'] }] }, /an address is never fetched/],
    [400, { inputs: [{ ...bytes, parameters: { binary_data_size: 5 }, data: undefined }] }, /0 bytes follow/],
    [400, { inputs: [good], outputs: [{ name: 'x' }] }, /no output "x"; expected probabilities, label, features/],
    [
      400,
      { inputs: [good], outputs: [{ name: 'label', parameters: { classification: 1 } }] },
      /parameter of the output/,
    ],
    [400, { inputs: [good], id: 5 }, /id: expected text/],
  ] as const) {
    const response = await infer(body)
    const { error } = (await response.json()) as { error: string }
    assert.equal(response.status, status, error)
    assert.match(error, message)
  }
  for (const [length, message] of [
    ['9999', /the body has/],
    ['-1', /the body has/],
    ['x', /the body has/],
    ['2', /not valid JSON|expected one tensor|follow/],
  ] as const) {
    const response = await infer({ inputs: [good] }, { 'inference-header-content-length': length })
    assert.equal(response.status, 400, length)
    assert.match(((await response.json()) as { error: string }).error, message)
  }
  const cut = Buffer.from([200, 0, 0, 0, 1, 2])
  const input = { name: 'image', shape: [1], datatype: 'BYTES', parameters: { binary_data_size: 6 } }
  const head = Buffer.from(JSON.stringify({ inputs: [input] }))
  const headers = { 'inference-header-content-length': String(head.length) }
  const response = await infer(Buffer.concat([head, cut]), headers)
  assert.match(((await response.json()) as { error: string }).error, /end in the middle of a string/)
})
