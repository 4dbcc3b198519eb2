import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { exportTable } from '../../src/export/table/export-table.ts'
import { loopbackHosts } from '../../src/serve/access.ts'
import { createHandler, type Handler, listen, load, type ServedTable } from '../../src/serve/index.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { type RowPrediction, rowPredictor } from '../../src/tabular/run/predict.ts'
import { embedder, otherRows, prepareReviews, reviewRows } from '../export/table-texts.make.ts'
import { prepare, type RawRow, rawRows, savedModel } from '../export/tables.make.ts'
import { browserPath, launch } from '../helpers/chromium.ts'
import { workspace } from '../helpers/cli.ts'
import { colourModel, modelFolder } from '../helpers/served.ts'

const frame = frameOfRows(rawRows(400))
const rows = rawRows(40, 5)
const files = modelFolder()
let stem: string
let file: string
let model: ServedTable
let handler: Handler
let trained: RowPrediction[]
before(async () => {
  stem = await savedModel(prepare(frame, 'kind'), 'trees')
  ;({ file } = await exportTable(stem, { check: false }))
  model = await load(file, { kind: 'table', threads: 1 })
  handler = await createHandler(model, { name: 'houses' })
  trained = await (await rowPredictor(stem))(rows)
})
after(async () => {
  await handler.close()
  files.remove()
})

const url = (path: string) => `http://localhost:8080${path}`
const post = (
  body: unknown,
  {
    path = '/predict',
    type,
    own = handler,
    more = {},
  }: { path?: string; type?: string | undefined; own?: Handler; more?: Record<string, string> } = {},
) =>
  own(
    new Request(url(path), {
      method: 'POST',
      headers: { ...(type === undefined ? {} : { 'content-type': type }), ...more },
      body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
    }),
  )
const form = 'application/x-www-form-urlencoded' // what curl -d says
interface Said {
  label: string
  probabilities: Record<string, number>
  error?: string
  status?: number
  unknown?: string[]
}
const same = (said: Said, wanted: RowPrediction) => {
  assert.ok(wanted.task === 'single', 'classes')
  assert.equal(said.label, wanted.label)
  for (const [name, p] of Object.entries(wanted.probabilities))
    assert.ok(Math.abs(said.probabilities[name]! - p) < 1e-6, `${name}: ${said.probabilities[name]}, trained ${p}`)
}

test("rows get the run's own answers: one, several, a list, CSV with any delimiter, and texts for all values", async () => {
  const [one, many, list] = [
    await post(rows[0], { type: form }),
    await post({ rows }, { type: form }),
    await post(rows, { type: 'application/json' }),
  ]
  same((await one.json()) as Said, trained[0]!)
  for (const response of [many, list]) {
    assert.equal(response.status, 200)
    const { predictions } = (await response.json()) as { predictions: Said[] }
    assert.equal(predictions.length, rows.length)
    for (const [i, said] of predictions.entries()) same(said, trained[i]!)
  }
  const names = Object.keys(rows[0]!)
  const quoted = (value: unknown) => `"${String(value ?? '').replaceAll('"', '""')}"`
  for (const [delimiter, end] of [
    [',', '\n'],
    [';', '\r\n'],
    ['\t', '\n'],
    ['|', '\n'],
  ] as const) {
    const text = [names, ...rows.map(row => names.map(name => row[name]))]
      .map(line => line.map(quoted).join(delimiter))
      .join(end)
    const response = await post(`\ufeff${text}${end}`, { type: 'text/csv; charset=utf-8' })
    const { predictions, error } = (await response.json()) as { predictions?: Said[]; error?: string }
    assert.equal(error, undefined)
    assert.ok(predictions, 'answers')
    assert.equal(predictions.length, rows.length, JSON.stringify(delimiter))
    for (const [i, said] of predictions.entries()) same(said, trained[i]!)
  }
})

test('columns of texts: rows as JSON, CSV and tensors get the run’s own answers; curl, OpenAPI and the page know them', async () => {
  const stem = await savedModel(await prepareReviews(reviewRows(120), 'verdict'), 'trees')
  const { file } = await exportTable(stem, { embedder, check: false })
  const own = await load(file, { kind: 'table', threads: 1 })
  const reviews = await createHandler(own, { name: 'reviews' })
  const near = (said: Said, wanted: RowPrediction) => {
    assert.ok(wanted.task === 'single', 'classes')
    for (const [name, p] of Object.entries(wanted.probabilities))
      assert.ok(Math.abs(said.probabilities[name]! - p) < 1e-4, `${name}: ${said.probabilities[name]}, trained ${p}`)
  }
  const some = otherRows.slice(-6)
  const expected = await (await rowPredictor(stem, { embedder }))(some)
  const names = ['review', 'stars', 'shop', 'note']
  const quoted = (value: unknown) => `"${String(value ?? '').replaceAll('"', '""')}"`
  const csv = [names, ...some.map(row => names.map(name => row[name]))]
    .map(line => line.map(quoted).join(','))
    .join('\n')
  for (const response of [
    await post({ rows: some }, { type: form, own: reviews }),
    await post(csv, { type: 'text/csv', own: reviews }),
  ]) {
    const { predictions, error } = (await response.json()) as { predictions: Said[]; error?: string }
    assert.equal(error, undefined)
    for (const [i, said] of predictions.entries()) near(said, expected[i]!)
  }
  const about = (await (await reviews(new Request(url('/v2/models/reviews')))).json()) as { inputs: object[] }
  assert.deepEqual(about.inputs[0], { name: 'review', datatype: 'BYTES', shape: [-1, 1] })
  const tensor = (name: string, datatype: string) => {
    const data = some.map(row => (row[name] === '' ? null : row[name]))
    return { name, datatype, shape: [some.length, 1], data }
  }
  const inputs = [tensor('review', 'BYTES'), tensor('stars', 'FP64'), tensor('shop', 'BYTES'), tensor('note', 'BYTES')]
  const infer = await post({ inputs }, { path: '/v2/models/reviews/infer', type: 'application/json', own: reviews })
  const { outputs, error } = (await infer.json()) as { outputs: { name: string; data: number[] }[]; error?: string }
  assert.equal(error, undefined)
  const { data } = outputs.find(({ name }) => name === 'probabilities')!
  for (const [i, wanted] of expected.entries()) {
    assert.ok(wanted.task === 'single', 'classes')
    const p = wanted.probabilities[own.card.classes[0]!]!
    assert.ok(Math.abs(data[2 * i]! - p) < 1e-4, `row ${i}: ${data[2 * i]}, trained ${p}`)
  }
  const openapi = await (await reviews(new Request(url('/openapi.json')))).text()
  assert.match(openapi, /"review":\{"type":\["string","number","boolean","null"\],"description":"A text\."/)
  const page = await (await reviews(new Request(url('/')))).text()
  assert.match(page, /<textarea name="review" data-column="0" data-usual="This is an example sentence\."/)
  assert.match(page, /curl -d .*&quot;review&quot;:&quot;This is an example sentence\.&quot;/)
  await reviews.close()
})

test('CSV is read by its charset; a line without an end, and a number that the graph can not hold, are refused', async () => {
  const names = Object.keys(rows[0]!)
  const one: RawRow = { ...rows[0]!, kind: 'hüt "x"', town: 'town cé' }
  const line = names.map(name => `"${String(one[name] ?? '').replaceAll('"', '""')}"`).join(';')
  const [latin, utf8] = await Promise.all(
    (['latin1', 'utf8'] as const).map(async charset => {
      const body = Buffer.from(`${names.join(';')}\n${line}\n`, charset)
      const response = await post(body, {
        type: `text/csv; charset=${charset === 'latin1' ? 'windows-1252' : 'utf-8'}`,
      })
      return (await response.json()) as { predictions: Said[] }
    }),
  )
  assert.equal(utf8!.predictions[0]!.unknown, undefined, 'a word of training with an accent')
  assert.deepEqual(latin, utf8)
  const endless = await post('x'.repeat(5_000_000), { type: 'text/csv' })
  assert.equal(endless.status, 400)
  assert.match(
    ((await endless.json()) as Said).error!,
    /the CSV can not be read: Max Record Size.* of 200000 at line 1/,
  )
  for (const size of [1e39, -1e39, '1e39']) {
    const large = await post({ ...rows[0], size }, { type: form })
    assert.equal(large.status, 422, String(size))
    assert.match(
      ((await large.json()) as Said).error!,
      /^the row, "size": .*1e\+?39.* is beyond the numbers that the model takes/,
    )
  }
  const most = await post({ ...rows[0], size: 3.4e38 }, { type: form })
  assert.equal(most.status, 200, 'the largest numbers are answered')
})

test('a row that does not fit is 422 with row and column, and the others are answered', async () => {
  const bad: RawRow = { ...rows[1]!, size: 'large' }
  const alone = await post(bad, { type: form })
  assert.equal(alone.status, 422)
  assert.match(((await alone.json()) as Said).error!, /^the row, "size": "large" is not a number/)
  const some = await post({ rows: [rows[0], bad, { ...rows[2], colour: 'infrared' }] }, { type: form })
  assert.equal(some.status, 207)
  const { predictions } = (await some.json()) as { predictions: Said[] }
  same(predictions[0]!, trained[0]!)
  assert.match(predictions[1]!.error!, /^row 2, "size"/)
  assert.equal(predictions[1]!.status, 422)
  assert.deepEqual(predictions[2]!.unknown, ['colour'], 'a word that training did not have is named')
  const { size: _, ...lacking } = rows[0]!
  for (const [body, type, status, message] of [
    [lacking, form, 422, /lacks the column "size"/],
    [
      { ...rows[0], sizes: 3 },
      form,
      422,
      /has the column "sizes", which the model does not know\. Did you mean "size"/,
    ],
    [{ rows: [] }, form, 400, /a list of one row or more/],
    [{ rows, top: 3 }, form, 400, /rows: expected a list of rows and nothing beside it/],
    [[1], form, 422, /row 1 is a number/],
    ['{"size": 1', form, 400, /not valid JSON/],
    ['size=1', form, 415, /the body is no JSON; expected JSON: one row as/],
    [rows[0], 'text/plain', 415, /content-type text\/plain is not taken/],
    ['size,heat\n1', 'text/csv', 422, /row 1 \(line 2\) has 1 cell, and the first line has 2/],
    ['size,size\n1,2', 'text/csv', 422, /names the column "size" twice/],
    ['size,heat\n', 'text/csv', 400, /has no row below its first line/],
    ['size,heat\n1,2', 'text/csv', 422, /row 1 \(line 2\) lacks the columns/],
    [new Uint8Array([0x73, 0xff, 0x0a, 0x31]), 'text/csv', 400, /is not UTF-8/],
  ] as const) {
    const response = await post(body, { type })
    assert.equal(response.status, status, JSON.stringify(body).slice(0, 80))
    assert.match(((await response.json()) as Said).error!, message)
  }
  const few = await createHandler(model, { maxRows: 3 })
  assert.equal((await post({ rows }, { own: few, type: form })).status, 413)
  assert.equal((await post('a\n1\n1\n1\n1\n', { own: few, type: 'text/csv' })).status, 413)
})

test('Open Inference Protocol: a tensor for each column, in JSON and in binary, gets the same answers', async () => {
  const about = (await (await handler(new Request(url('/v2/models/houses')))).json()) as {
    inputs: { name: string; datatype: string; shape: number[] }[]
  }
  const types = Object.fromEntries(about.inputs.map(({ name, datatype }) => [name, datatype]))
  assert.deepEqual([types.size, types.colour, types.sold], ['FP64', 'BYTES', 'INT64'])
  const cell = (row: RawRow, name: string): string | number | null => {
    const value = row[name] ?? ''
    if (types[name] === 'BYTES') return String(value)
    if (value === '') return null
    if (types[name] === 'FP64') return Number(value)
    return Date.parse(`${value}${String(value).length > 10 ? 'Z' : ''}`) / 1000
  }
  const columns = about.inputs.map(({ name }) => ({ name, values: rows.map(row => cell(row, name)) }))
  const infer = async (body: unknown, more: Record<string, string> = {}) => {
    const response = await post(body, { path: '/v2/models/houses/infer', type: 'application/json', more })
    return {
      status: response.status,
      said: (await response.json()) as {
        error?: string
        outputs: { name: string; data: unknown[]; shape: number[] }[]
      },
    }
  }
  const checked = async (body: unknown, more: Record<string, string> = {}) => {
    const { status, said } = await infer(body, more)
    assert.equal(status, 200, said.error)
    const [probabilities, label] = said.outputs
    assert.deepEqual(probabilities!.shape, [rows.length, 3])
    assert.deepEqual(
      label!.data,
      trained.map(one => (one.task === 'single' ? one.label : '')),
    )
    const wanted = trained.flatMap(one => (one.task === 'single' ? Object.values(one.probabilities) : []))
    for (const [i, p] of probabilities!.data.entries())
      assert.ok(Math.abs(Number(p) - wanted[i]!) < 1e-6, `${i}: ${p}, trained ${wanted[i]}`)
  }
  const inputs = columns.map(({ name, values }) => ({
    name,
    shape: [rows.length, 1],
    datatype: types[name]!,
    data: values,
  }))
  await checked({ inputs })
  await checked({ inputs: inputs.map(one => ({ ...one, shape: [rows.length], data: one.data.map(value => [value]) })) })
  // Binary: numbers little-endian, texts with their length before them.
  const parts = columns.map(({ name, values }) => {
    if (types[name] === 'FP64')
      return Buffer.from(Float64Array.from(values, v => (v === null ? Number.NaN : Number(v))).buffer)
    if (types[name] === 'INT64')
      return Buffer.from(BigInt64Array.from(values, v => (v === null ? -(2n ** 63n) : BigInt(v))).buffer)
    return Buffer.concat(
      values.map(v => {
        const text = Buffer.from(String(v))
        const length = Buffer.alloc(4)
        length.writeUInt32LE(text.length)
        return Buffer.concat([length, text])
      }),
    )
  })
  const head = Buffer.from(
    JSON.stringify({
      inputs: inputs.map(({ data: _, ...one }, i) => ({ ...one, parameters: { binary_data_size: parts[i]!.length } })),
    }),
  )
  await checked(Buffer.concat([head, ...parts]), { 'inference-header-content-length': String(head.length) })
  for (const [body, status, message] of [
    [
      { inputs: inputs.map(one => (one.name === 'sold' ? { ...one, data: one.data.map(() => true) } : one)) },
      422,
      /row 1, "sold": true is no whole number of seconds since 1970/,
    ],
    [{ inputs: inputs.slice(1) }, 400, /a tensor for each column; missing: size \(FP64\)/],
    [{ inputs: [...inputs, { ...inputs[0]!, name: 'sizes' }] }, 400, /there is no input "sizes"\. Did you mean "size"/],
    [{ inputs: [...inputs, inputs[0]] }, 400, /"size" is there twice/],
    [
      { inputs: inputs.map((one, i) => (i ? one : { ...one, shape: [3], data: [1, 2, 3] })) },
      400,
      /has 40 rows, and "size" has 3/,
    ],
    [
      { inputs: inputs.map((one, i) => (i ? one : { ...one, datatype: 'COMPLEX' })) },
      400,
      /datatype COMPLEX is not taken/,
    ],
    [{ inputs: inputs.map((one, i) => (i ? one : { ...one, shape: [20, 2] })) }, 400, /expected \[N\] or \[N, 1\]/],
    [
      { inputs: inputs.map((one, i) => (i ? one : { ...one, datatype: 'BYTES', data: one.data.map(() => 'big') })) },
      422,
      /^row 1, "size": "big" is not a number/,
    ],
  ] as const) {
    const found = await infer(body)
    assert.equal(found.status, status, found.said.error)
    assert.match(found.said.error!, message)
  }
})

test('OpenAPI names the columns; metrics count rows, labels and unknown words', async () => {
  const found = (await (await handler(new Request(url('/openapi.json')))).json()) as {
    paths: Record<
      string,
      {
        post: {
          requestBody: {
            content: Record<
              string,
              {
                schema: { oneOf: { properties: Record<string, { description: string }>; required: string[] }[] }
                example: object
              }
            >
          }
        }
      }
    >
  }
  const { schema, example } = found.paths['/predict']!.post.requestBody.content['application/json']!
  const names = model.card.inputs.map(({ name }) => name)
  assert.deepEqual(schema.oneOf[0]!.required, names)
  for (const { name, kind, range } of model.card.inputs) {
    const { description } = schema.oneOf[0]!.properties[name]!
    assert.equal(/In training from \S+ to \S+\./.test(description), range !== undefined, `${name}: ${description}`)
    assert.equal(range !== undefined, kind === 'number' || kind === 'date', `${name}: the range of a ${kind}`)
  }
  assert.equal((await post(example, { type: form })).status, 200, 'the example is answered')
  const text = await (await handler(new Request(url('/metrics')))).text()
  assert.match(text, /anneal_batch_rows_sum [1-9]/)
  assert.match(text, /anneal_unknown_words_total\{column="colour"\} 1/)
  assert.match(text, /anneal_rejected_total\{reason="row"\} [1-9]/)
  assert.doesNotMatch(text, /pictures/)
})

test('a new version with other columns reads the rows anew; other kinds are refused, as a shadow too', async () => {
  const wide = await savedModel(prepare(frame, 'kind', { drop: ['cheap', 'price', 'worth', 'heat'] }), 'trees')
  const other = await load((await exportTable(wide, { check: false })).file, { kind: 'table', threads: 1 })
  const lines: string[] = []
  let next: () => Promise<{ model: Awaited<ReturnType<typeof load>> }> = async () => ({ model: other })
  const own = await createHandler(await load(file, { threads: 1 }), {
    load: () => next(),
    log: line => lines.push(line),
  })
  await own.reload()
  const { heat: _, ...narrow } = rows[0]!
  assert.equal((await post(narrow, { own, type: form })).status, 200)
  next = async () => ({ model: await load(files.write('colours.onnx', colourModel()), { threads: 1 }) })
  await assert.rejects(own.reload(), /takes a picture, and this server a row/)
  const shadow = { model: await load(files.write('colours.onnx', colourModel()), { threads: 1 }) }
  await assert.rejects(
    createHandler(model, { shadow }),
    /same kind as the model that answers; got picture, expected row/,
  )
  const twin = await createHandler(model, { shadow: { model: await load(file, { threads: 1 }) } })
  await post({ rows }, { own: twin, type: form })
  await twin.idle()
  await own.close()
})

test('the printed curl line and the page work', async () => {
  const server = await listen(port => createHandler(model, { name: 'houses', hosts: loopbackHosts(port) }), {
    host: '127.0.0.1',
    port: 0,
    maxConnections: 100,
    timeout: 10,
    maxBytes: 1e6,
  })
  const address = `http://127.0.0.1:${server.port}/`
  try {
    const html = await (await fetch(address)).text()
    for (const { name } of model.card.inputs) assert.ok(html.includes(`name="${name}"`), `a field for ${name}`)
    if (!browserPath) return
    const browser = await launch()
    try {
      const page = await browser.newPage({ viewport: { width: 360, height: 800 }, colorScheme: 'dark' })
      const wrong: string[] = []
      page.on('pageerror', error => wrong.push(String(error)))
      page.on('console', m => m.type() === 'error' && !m.text().includes('status of 4') && wrong.push(m.text()))
      page.on('request', r => {
        if (!r.url().startsWith(address) && !/^(data|blob):/.test(r.url())) wrong.push(r.url())
      })
      await page.goto(address)
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'fits a phone')
      const command = (await page.locator('pre').textContent())!
      const { stdout: said } = await promisify(execFile)('sh', ['-c', `${command} -s`])
      assert.match(said, /"label":/)
      await page.keyboard.press('Tab')
      assert.equal(await page.evaluate('document.activeElement.name'), 'size', 'the keyboard reaches the first field')
      await page.click('#usual')
      await page.keyboard.press('Enter')
      await page.locator('#answer h2').waitFor()
      assert.equal(
        await page.locator('#answer h2').textContent(),
        `kind: ${JSON.parse(said).label}`,
        'the usual values are those of the command',
      )
      await page.fill('[name=size]', 'large')
      await page.keyboard.press('Enter')
      await page.getByText('"size": "large" is not a number').waitFor()
      assert.equal(await page.getAttribute('[name=size]', 'aria-invalid'), 'true')
      await page.click('#clear')
      await page.click('button[type=submit]')
      await page.locator('#answer h2').waitFor()
      await page.evaluate(`document.querySelector('[name=town]').append(new Option('nowhere', 'nowhere', true, true))`)
      await page.click('button[type=submit]')
      await page.getByText('so the model knows nothing of it: town').waitFor()
      await page.getByText('Paste a row', { exact: true }).click()
      await page.fill('#pasted', JSON.stringify({ rows: [rows[1], rows[2]] }))
      await page.click('#fill')
      await page.getByText('The text has 2 rows; the first one is in the form.').waitFor()
      assert.ok(trained[1]!.task === 'single', 'classes')
      assert.equal(await page.locator('#answer h2').textContent(), `kind: ${trained[1]!.label}`)
      assert.deepEqual(wrong, [])
    } finally {
      await browser.close()
    }
  } finally {
    server.close()
  }
})

test('anneal serve takes a run on a table: it is exported first, and the printed line works as it is', async () => {
  const work = workspace()
  const run = dirname(stem)
  rmSync(join(run, 'model.onnx'), { force: true })
  const lines: string[] = []
  let listening = () => {}
  const started = new Promise<void>(resolve => (listening = resolve))
  const { child, ended } = work.start(['serve', run, '--port', '0', '--threads', '1'], {
    env: { ANNEAL_TOKEN: undefined },
    onLine(line) {
      lines.push(line)
      if (line.startsWith('access')) listening()
    },
  })
  try {
    await Promise.race([started, ended.then(e => Promise.reject(new Error(`it ended: ${e.stderr}`)))])
    assert.match(
      lines.find(line => line.startsWith('model '))!,
      /single, 3 classes, from \d+ columns, version [0-9a-f]{12}/,
    )
    const command = lines.find(line => line.startsWith('try it'))!.slice('try it'.length)
    const { stdout } = await promisify(execFile)('sh', ['-c', `${command} -s`])
    assert.ok(model.card.classes.includes((JSON.parse(stdout) as Said).label), stdout)
  } finally {
    child.kill('SIGTERM')
    await ended
    work.remove()
  }
})
