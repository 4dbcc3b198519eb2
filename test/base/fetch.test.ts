import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fetchFile, needSpace, type Pinned } from '../../src/base/fetch.ts'
import type { Notice } from '../../src/base/progress.ts'

const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i + 7 * i) % 251))
const sha256 = createHash('sha256').update(body).digest('hex')
type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** A real server on this machine, and a folder to fetch to. */
async function serving(answer: Answer, work: (pinned: Pinned, folder: string, ranges: string[]) => Promise<void>) {
  const ranges: string[] = []
  const server = createServer((request, response) => {
    ranges.push(request.headers.range ?? '')
    answer(request, response, ranges.length)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const folder = mkdtempSync(join(tmpdir(), 'anneal-fetch-'))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`
  try {
    await work({ url, sha256, bytes: body.length, what: 'a test file', licence: 'CC0' }, folder, ranges)
  } finally {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const whole: Answer = (request, response) => {
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const head = {
    'content-length': body.length - from,
    'content-range': `bytes ${from}-${body.length - 1}/${body.length}`,
  }
  response.writeHead(from ? 206 : 200, head).end(body.subarray(from))
}

/** Sends a part of the file and closes the connection. */
const cutAt = (bytes: number, response: ServerResponse) => {
  response.writeHead(200, { 'content-length': body.length })
  response.write(body.subarray(0, bytes), () => setTimeout(() => response.destroy(), 30))
}

test('fetches once, says what, how large and under which licence, and leaves no other file', () =>
  serving(whole, async (pinned, folder, ranges) => {
    const to = join(folder, 'deep', 'file.bin')
    const notices: Notice[] = []
    const report = (notice: Notice) => notices.push(notice)
    assert.equal(await fetchFile(pinned, { to, report }), to)
    assert.deepEqual(readFileSync(to), body)
    assert.deepEqual(readdirSync(join(folder, 'deep')), ['file.bin'])
    assert.match('line' in notices[0]! ? notices[0].line : '', /fetching a test file \(300 KB, CC0\) from 127\.0\.0\.1/)
    const last = notices.at(-1)!
    assert.ok(
      'done' in last && last.done === body.length && last.total === body.length,
      `'done' in last && last.done === body.length && last.total === body.…`,
    )
    await fetchFile(pinned, { to })
    assert.equal(ranges.length, 1)
  }))

test('a cut connection goes on where it stopped', () =>
  serving(
    (request, response, count) => (count === 1 ? cutAt(100_000, response) : whole(request, response, count)),
    async (pinned, folder, ranges) => {
      const to = join(folder, 'file.bin')
      await fetchFile(pinned, { to, pauseSeconds: 0.01 })
      assert.deepEqual(readFileSync(to), body)
      assert.deepEqual(ranges, ['', 'bytes=100000-'])
    },
  ))

test('with a single try too: what has sent something is not given up', () =>
  serving(
    (request, response, count) => (count === 1 ? cutAt(100_000, response) : whole(request, response, count)),
    async (pinned, folder) => {
      const to = join(folder, 'file.bin')
      await fetchFile(pinned, { to, tries: 1, pauseSeconds: 0.01 })
      assert.deepEqual(readFileSync(to), body)
    },
  ))

test('a later call goes on with the part that an interrupted one left', () =>
  serving(whole, async (pinned, folder, ranges) => {
    const to = join(folder, 'file.bin')
    writeFileSync(`${to}.part`, body.subarray(0, 77_777))
    await fetchFile(pinned, { to })
    assert.deepEqual(readFileSync(to), body)
    assert.deepEqual(ranges, ['bytes=77777-'])
    assert.equal(existsSync(`${to}.part`), false)
  }))

test('a foreign part is thrown away and the file fetched from its start', () =>
  serving(whole, async (pinned, folder, ranges) => {
    const to = join(folder, 'file.bin')
    writeFileSync(`${to}.part`, Buffer.alloc(50_000, 1))
    await fetchFile(pinned, { to })
    assert.deepEqual(readFileSync(to), body)
    assert.deepEqual(ranges, ['bytes=50000-', ''])
  }))

test('a server that knows no ranges sends the whole again', () =>
  serving(
    (_, response) => response.writeHead(200, { 'content-length': body.length }).end(body),
    async (pinned, folder) => {
      const to = join(folder, 'file.bin')
      writeFileSync(`${to}.part`, body.subarray(0, 10))
      await fetchFile(pinned, { to })
      assert.deepEqual(readFileSync(to), body)
    },
  ))

test('a wrong digest is refused and nothing stays', () =>
  serving(
    (_, response) => response.end(Buffer.alloc(body.length, 3)),
    async (pinned, folder) => {
      await assert.rejects(
        fetchFile(pinned, { to: join(folder, 'f') }),
        /does not have the pinned digest sha256 .*deleted/,
      )
      assert.deepEqual(readdirSync(folder), [])
    },
  ))

test('an answer of another length is refused before it is read', () =>
  serving(
    (_, response) => response.end('<html>log in first</html>'),
    async (pinned, folder) => {
      await assert.rejects(fetchFile(pinned, { to: join(folder, 'f') }), /has 25 bytes, expected 300000/)
      assert.deepEqual(readdirSync(folder), [])
    },
  ))

test('404 is final: one request, one clear line, no file', () =>
  serving(
    (_, response) => response.writeHead(404).end('gone'),
    async (pinned, folder, ranges) => {
      await assert.rejects(fetchFile(pinned, { to: join(folder, 'f') }), /answered 404/)
      assert.equal(ranges.length, 1)
      assert.deepEqual(readdirSync(folder), [])
    },
  ))

test('a server that always cuts early is given up; only the part stays, for next time', () =>
  serving(
    (_, response) => cutAt(40_000, response),
    async (pinned, folder) => {
      const to = join(folder, 'file.bin')
      await assert.rejects(
        fetchFile(pinned, { to, tries: 2, pauseSeconds: 0.01 }),
        /could not fetch a test file.*2 tries/,
      )
      assert.deepEqual(readdirSync(folder), ['file.bin.part'])
    },
  ))

test('a server that never answers is left after connectSeconds', () =>
  serving(
    () => {},
    async (pinned, folder) => {
      const options = { to: join(folder, 'f'), connectSeconds: 0.2, tries: 1 }
      await assert.rejects(fetchFile(pinned, options), /nothing came for 0\.2 s/)
      assert.deepEqual(readdirSync(folder), [])
    },
  ))

test('two calls at once make one request', () =>
  serving(whole, async (pinned, folder, ranges) => {
    const to = join(folder, 'file.bin')
    await Promise.all([fetchFile(pinned, { to }), fetchFile(pinned, { to })])
    assert.equal(ranges.length, 1)
  }))

test('a disk without room is named before anything is fetched', () => {
  assert.throws(() => needSpace(tmpdir(), 1e18, 'libtorch'), /libtorch needs .* ANNEAL_CACHE/)
})
