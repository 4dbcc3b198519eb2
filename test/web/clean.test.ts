import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseHTML } from 'linkedom'
import sharp from 'sharp'
import { sha256 } from '../../src/base/digest.ts'
import { readDecisions } from '../../src/data/labels/decisions.ts'
import { command, decide, decisionsOf, reviewOf, serveReview } from '../../src/web/index.ts'
import { makeReview } from '../helpers/web.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-clean-'))
after(() => rmSync(root, { recursive: true, force: true }))
const made = await makeReview(root)
const served = await serveReview(reviewOf(made.dir))
after(() => served.close())
const { port, host, origin, pathname } = new URL(served.url)

interface Sent {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: string
}
interface Got {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** One raw request, with Host as the only header that a client would add. */
function ask({ method = 'GET', path = pathname, headers = {}, body = '' }: Sent = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers: { host, ...headers } }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
const post = (content: unknown, headers: Record<string, string> = {}, path = 'decide') =>
  ask({
    method: 'POST',
    path: pathname + path,
    headers: { origin, 'content-type': 'application/json', ...headers },
    body: typeof content === 'string' ? content : JSON.stringify(content),
  })

test('the address is on the loopback interface alone, its token long and new each time', async () => {
  assert.equal(new URL(served.url).hostname, '127.0.0.1')
  assert.match(pathname, /^\/[\w-]{32}\/$/)
  const again = await serveReview(reviewOf(made.dir))
  assert.notEqual(new URL(again.url).pathname, pathname)
  await again.close()
  await assert.rejects(fetch(again.url))
})

test('the page shows each kind with its pictures, names escaped, and asks no one else', async () => {
  const { status, headers, body } = await ask()
  assert.equal(status, 200)
  const markup = body.toString('utf8')
  const { document } = parseHTML(markup)
  assert.deepEqual(
    [...document.querySelectorAll('h2')].map(h => h.textContent),
    ['Labels that may be wrong', 'Pictures that are nearly the same', 'Pictures that the model gets most wrong'],
  )
  assert.equal(document.querySelectorAll('.picture').length, 7)
  assert.ok(!markup.includes('<i>.jpg'), 'a file name is text')
  assert.deepEqual(
    [...document.querySelectorAll('.several .words')].map(p => p.textContent),
    ['in train and valid', 'shirt', 'shirt'],
  )
  assert.doesNotMatch(markup, /https?:\/\//)
  const policy = String(headers['content-security-policy'])
  assert.match(policy, /default-src 'none'.*form-action 'none'.*frame-ancestors 'none'/)
  assert.doesNotMatch(policy, /unsafe|\*/)
  for (const [name, value] of Object.entries<string>({
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  }))
    assert.equal(headers[name], value)
  assert.equal((await ask({ method: 'HEAD' })).body.length, 0)
})

test('another Host, a wrong token and unknown paths get nothing', async () => {
  const before = existsSync(made.clean)
  for (const wrong of ['evil.example', `evil.example:${port}`, '127.0.0.1', '127.0.0.1:1', `[::1]:${port}`])
    assert.equal((await ask({ headers: { host: wrong } })).status, 421, wrong)
  assert.equal((await ask({ headers: { host: `localhost:${port}` } })).status, 200)
  const old = await new Promise<string>(resolve => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(`GET ${pathname} HTTP/1.0\r\n\r\n`))
    socket.once('data', data => resolve(data.toString()))
  })
  assert.match(old, /^HTTP\/1\.1 421 /, 'no Host at all')
  const token = pathname.slice(1, -1)
  for (const path of [
    '/',
    '/favicon.ico',
    pathname.slice(0, -1),
    `/${token.slice(0, -1)}/`,
    `/${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}/`,
    `//${token}/`,
    `/x/${token}/`,
    `/${token}/picture/`,
    `/${token}/picture/99`,
    `/${token}/picture/0x0`,
    `/${token}/picture/-1`,
    `/${token}/decide`,
    `/${token}/clean.jsonl`,
    `/${token}/../`,
    `/${token}/picture/../../../etc/passwd`,
    `/${token}/picture/%2e%2e%2f%2e%2e%2fsecret.jpg`,
    `/${token}/picture/0%00`,
    `http://${host}${pathname}`,
  ])
    assert.equal((await ask({ path })).status, 404, path)
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) assert.equal((await ask({ method })).status, 405, method)
  assert.equal(existsSync(made.clean), before)
})

test('a request that another page makes is refused, and writes nothing', async () => {
  const body = { number: 0, action: 'drop' }
  const foreign: Record<string, string>[] = [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: `https://${host}` },
    { origin: `http://localhost:${port}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]
  for (const headers of foreign) assert.equal((await post(body, headers)).status, 403, JSON.stringify(headers))
  const bare = { method: 'POST', path: `${pathname}decide`, body: JSON.stringify(body) }
  assert.equal((await ask({ ...bare, headers: { 'content-type': 'application/json' } })).status, 403, 'no Origin')
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx'])
    assert.equal((await post(body, { 'content-type': type })).status, 415, type)
  assert.equal((await ask({ headers: { 'sec-fetch-site': 'cross-site' } })).status, 403)
  assert.equal((await ask({ headers: { origin: 'http://evil.example' } })).status, 403)
  assert.equal(existsSync(made.clean), false)
})

test('what is no decision is refused in words, and writes nothing', async () => {
  for (const [content, status, why] of [
    ['{', 400, /one JSON object/],
    ['[]', 400, /one JSON object/],
    [{ number: 99, action: 'drop' }, 422, /no picture 99/],
    [{ number: '0', action: 'drop' }, 422, /no picture "0"/],
    [{ file: '../secret.jpg', action: 'drop' }, 422, /no picture undefined/],
    [{ number: 0, action: 'delete' }, 422, /got action "delete"/],
    [{ number: 0, action: 'relabel', label: 'shrit' }, 422, /no class "shrit".*Did you mean "shirt"/],
    [{ number: 0, action: 'relabel', label: [] }, 422, /got 0 labels/],
    [{ number: 0, action: 'relabel', label: [{}] }, 422, /names or numbers/],
    [JSON.stringify({ number: 0, action: 'drop', more: 'x'.repeat(70_000) }), 413, /at most 65536 bytes/],
  ] as const) {
    const got = await post(content)
    assert.equal(got.status, status, JSON.stringify(content).slice(0, 80))
    assert.match(JSON.parse(got.body.toString()).error, why)
  }
  assert.equal(existsSync(made.clean), false)
})

test('half a request and a wild one leave the server alive', async () => {
  for (const bytes of [
    'POST ',
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    '\0\x16\x03\x01',
    `POST ${pathname}decide HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 50\r\n\r\n{`,
  ])
    await new Promise<void>(resolve => {
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write(bytes, () => setTimeout(() => socket.destroy(), 30)),
      )
      socket.on('error', () => {})
      socket.on('close', () => resolve())
    })
  assert.equal((await ask()).status, 200)
})

test('a listed picture is decoded and encoded anew; one outside the data folder or gone is not there', async () => {
  const { samples } = reviewOf(made.dir)
  const number = (file: string) => samples.findIndex(p => p.file === file)
  const { status, headers, body } = await ask({ path: `${pathname}picture/${number('train/hat/a.jpg')}` })
  assert.deepEqual([status, headers['content-type']], [200, 'image/jpeg'])
  const { width, height } = await sharp(body).metadata()
  assert.deepEqual([width, height], [96, 64])
  assert.notDeepEqual(body, readFileSync(join(made.data, 'train/hat/a.jpg')))
  for (const file of ['../secret.jpg', 'valid/hat/gone.jpg']) {
    assert.ok(number(file) >= 0, 'number(file) >= 0')
    assert.equal((await ask({ path: `${pathname}picture/${number(file)}` })).status, 404, file)
  }
})

test('decisions are appended with hash, reason and time; a later line wins; the pictures stay as they are', async () => {
  const stamps = () => made.files.map(f => statSync(join(made.data, f), { throwIfNoEntry: false })?.mtimeMs)
  const before = stamps()
  const first = await post({ number: 0, action: 'relabel', label: ['shirt'], reason: 'label issue' })
  assert.equal(first.status, 200)
  assert.equal(JSON.parse(first.body.toString()).summary, '1 decided: 0 left out, 1 relabelled, 0 kept')
  await post({ number: 1, action: 'drop', reason: '<script>' })
  await post({ number: 0, action: 'keep', reason: 'top loss' })
  const lines = readDecisions(made.clean) as (ReturnType<typeof readDecisions>[number] & {
    reason: string
    at: string
  })[]
  assert.deepEqual(
    lines.map(d => [d.file, d.action, d.label, d.reason]),
    [
      ['train/hat/a.jpg', 'relabel', 'shirt', 'label issue'],
      ['train/hat/b "<i>.jpg', 'drop', undefined, ''],
      ['train/hat/a.jpg', 'keep', undefined, 'top loss'],
    ],
  )
  assert.equal(lines[0]!.hash, sha256(readFileSync(join(made.data, 'train/hat/a.jpg'))))
  assert.ok(
    Math.abs(Date.parse(lines[0]!.at) - Date.now()) < 60_000,
    'Math.abs(Date.parse(lines[0]!.at) - Date.now()) < 60_000',
  )
  assert.deepEqual(
    [...decisionsOf(made.dir).values()].map(d => d.action),
    ['keep', 'drop'],
  )
  assert.deepEqual(stamps(), before)
  const page = (await ask()).body.toString()
  assert.match(page, /id="decisions">\{"0":\{"file":"train\/hat\/a\.jpg","action":"keep"/)
  assert.doesNotMatch(page, /"b "<i>/)
})

test('a run of several labels takes lists, one of numbers takes numbers', async () => {
  const multi = reviewOf((await makeReview(root, { task: 'multi', name: 'multi' })).dir)
  assert.deepEqual(
    multi.sections[0]!.entries.map(e => e.suggested),
    [
      ['hat', 'shirt'],
      ['hat', 't-shirt'],
    ],
  )
  const one = { file: 'train/hat/a.jpg', action: 'relabel' } as const
  assert.deepEqual(decide(multi, [{ ...one, label: ['shirt', 'hat', 'shirt'] }])[0]!.label, ['shirt', 'hat'])
  assert.deepEqual(decide(multi, [{ ...one, label: [] }])[0]!.label, [])
  const numbers = reviewOf((await makeReview(root, { task: 'regression', name: 'numbers' })).dir)
  assert.deepEqual(
    numbers.sections.map(s => s.kind),
    ['near duplicate', 'top loss'],
  )
  assert.equal(numbers.sections[1]!.entries[0]!.words, 'price: 3 → 9.25')
  assert.deepEqual(decide(numbers, [{ ...one, label: ['12.5'] }])[0]!.label, [12.5])
  assert.throws(() => decide(numbers, [{ ...one, label: [''] }]), /expected a number for each of price/)
  const { url, close } = await serveReview(numbers)
  const { document } = parseHTML(await (await fetch(url)).text())
  assert.equal(document.querySelectorAll('input[type=number]').length, 3)
  await close()
})

test('decisions that can not all be kept are not kept at all; a torn line is said, not overwritten', async () => {
  const { dir, clean } = await makeReview(root, { name: 'whole' })
  const review = reviewOf(dir)
  const good = { file: 'train/hat/a.jpg', action: 'drop' } as const
  assert.throws(() => decide(review, [good, { ...good, action: 'relabel', label: 'cap' }]), /no class "cap"/)
  assert.equal(existsSync(clean), false)
  decide(review, [good])
  const line = readFileSync(clean, 'utf8')
  writeFileSync(clean, line.trimEnd())
  decide(review, [{ ...good, action: 'keep' }])
  assert.equal(readDecisions(clean).length, 2)
  writeFileSync(clean, `${line}{"file":`)
  assert.throws(() => decisionsOf(dir), /clean\.jsonl, line 2/)
})

test('what is missing or damaged is left out or said', async () => {
  const { dir } = await makeReview(root, { name: 'damaged' })
  const path = join(dir, 'interpret.json')
  const whole = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(
    path,
    JSON.stringify({ ...whole, labelIssues: [null, 7, { file: 3 }], nearDuplicates: 'x', topLosses: [{}] }),
  )
  assert.deepEqual(reviewOf(dir).sections, [])
  writeFileSync(path, '{')
  assert.throws(() => reviewOf(dir), /interpret\.json: is not valid JSON; it can't be reviewed/)
  rmSync(path)
  assert.throws(() => reviewOf(dir), /there is no interpret\.json here yet/)
  assert.throws(() => reviewOf(join(root, 'nothing')), /there is no run here yet/)
  assert.equal(command({ data: "/a b's", run: 'runs/1/' }), `npx anneal train '/a b'\\''s' --clean runs/1/clean.jsonl`)
})

test('Done ends it, with what was decided', async () => {
  const got = await post({}, {}, 'done')
  assert.match(JSON.parse(got.body.toString()).summary, /2 decided: 1 left out, 0 relabelled, 1 kept\. You can close/)
  await served.ended
})
