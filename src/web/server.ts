import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AnnealError, RunError } from '../base/errors.ts'
import type { Decision } from '../data/labels/decisions.ts'
import { type Content, contentOf } from './contents.ts'
import { decide, decisionsOf } from './decide.ts'
import { contentSecurity, page, summary } from './page.ts'
import type { Review } from './review.ts'

/** A review page that is served until `close`. */
export interface Served {
  /** Its address, with the access token. */
  url: string
  /** Resolves when Done is clicked on the page, or after `close`. */
  ended: Promise<void>
  close(): Promise<void>
}

/** The largest size of a request, in bytes. */
const mostBytes = 64 << 10

class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Serves a review only to this machine: on the loopback address, with a random token in the path. Refuses another
 *  Host, a foreign Origin and unknown paths. Reads only the listed samples. */
export async function serveReview(review: Review, { port = 0 }: { port?: number } = {}): Promise<Served> {
  const token = randomBytes(24).toString('base64url')
  let end = () => {}
  const ended = new Promise<void>(resolve => {
    end = resolve
  })
  const server = createServer((request, response) => {
    answer(request, response, { review, token, end }).catch((error: Error) => {
      const status = error instanceof Refused ? error.status : error instanceof AnnealError ? 422 : 500
      if (response.headersSent) response.destroy()
      else send(response, status, json, JSON.stringify({ error: error.message }))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'is in use; choose another one, or leave --port out' : cause.message
      reject(new RunError(`port ${port} ${why}`, { cause }))
    })
    server.listen(port, '127.0.0.1', resolve)
  })
  const close = async () => {
    end()
    server.closeAllConnections()
    await new Promise<void>(resolve => server.close(() => resolve()))
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${token}/`, ended, close }
}

interface Site {
  review: Review
  token: string
  end: () => void
}

async function answer(request: IncomingMessage, response: ServerResponse, { review, token, end }: Site): Promise<void> {
  const path = admitted(request, token)
  const listed = /^(\w+)\/(\d{1,9})$/.exec(path)
  if (request.method === 'POST') {
    if (path === 'decide') return send(response, 200, json, JSON.stringify(await decided(request, review)))
    if (path === 'done') {
      await body(request)
      response.once('finish', end)
      return send(
        response,
        200,
        json,
        JSON.stringify({ summary: `${summary(decisionsOf(review.run))}. You can close this page.` }),
      )
    }
  } else {
    if (path === '') return send(response, 200, 'text/html; charset=utf-8', page(review, decisionsOf(review.run)))
    if (listed?.[1] === review.noun.one) {
      const sample = review.samples[Number(listed[2])]
      const content = sample && (await contentOf(review, sample.file))
      if (!content) throw new Refused(404, `this ${review.noun.one} does not exist any more`)
      return sendPart(request, response, content)
    }
  }
  throw new Refused(404, 'there is nothing here')
}

/** The path after the token. Throws if the request does not come from the page itself. */
function admitted(request: IncomingMessage, token: string): string {
  const { method = '', url = '', headers, socket } = request
  const hosts = ['127.0.0.1', 'localhost'].map(host => `${host}:${socket.localPort}`)
  if (!hosts.includes(headers.host ?? '')) throw new Refused(421, 'this server answers only on the loopback address')
  if (!['GET', 'HEAD', 'POST'].includes(method)) throw new Refused(405, `${method} is not answered here`)
  const [, given = '', path = ''] = /^\/([^/]*)\/([^?#]*)$/.exec(url) ?? []
  const [a, b] = [Buffer.from(given), Buffer.from(token)]
  if (a.length !== b.length || !timingSafeEqual(a, b)) throw new Refused(404, 'there is nothing here')
  const site = headers['sec-fetch-site'] ?? 'none'
  const own = headers.origin === `http://${headers.host}`
  if (!['none', 'same-origin'].includes(String(site)) || (method === 'POST' ? !own : headers.origin && !own))
    throw new Refused(403, 'this server answers only to its own page')
  if (method === 'POST' && !/^application\/json(;|$)/i.test(headers['content-type'] ?? ''))
    throw new Refused(415, 'expected application/json')
  return path
}

async function decided(request: IncomingMessage, review: Review): Promise<{ decision: Decision; summary: string }> {
  const { number, action, label, reason } = await body(request)
  const listed = Number.isInteger(number) ? review.samples[number as number] : undefined
  if (!listed) throw new Refused(422, `there is no ${review.noun.one} ${JSON.stringify(number)} on the list`)
  if (action !== 'keep' && action !== 'drop' && action !== 'relabel')
    throw new Refused(422, `got action ${JSON.stringify(action)}; expected "keep", "drop" or "relabel"`)
  const labels = [label ?? []].flat()
  if (!labels.every(l => typeof l === 'string' || typeof l === 'number'))
    throw new Refused(422, 'labels are names or numbers')
  const why = review.sections.some(s => s.kind === reason) ? String(reason) : ''
  const [decision] = decide(review, [{ file: listed.file, action, label: labels as string[], reason: why }])
  return { decision: decision!, summary: summary(decisionsOf(review.run)) }
}

async function body(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength
    if (bytes > mostBytes) throw new Refused(413, `a request has at most ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // The error is thrown below.
  }
  throw new Refused(400, 'expected one JSON object')
}

const json = 'application/json; charset=utf-8'

/** Sends a content, or the part of it that is asked for: a player asks for parts when one jumps in a recording. */
function sendPart({ headers }: IncomingMessage, response: ServerResponse, { type, bytes }: Content): void {
  const asked = /^bytes=(\d{1,12})-(\d{0,12})$/.exec(headers.range ?? '')
  const from = Number(asked?.[1])
  if (!asked || from >= bytes.length) {
    send(response, 200, type, bytes, { 'accept-ranges': 'bytes' })
    return
  }
  const to = Math.min(bytes.length - 1, asked[2] ? Number(asked[2]) : bytes.length - 1)
  const range = { 'content-range': `bytes ${from}-${to}/${bytes.length}` }
  send(response, 206, type, bytes.subarray(from, Math.max(from, to) + 1), range)
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  content: string | Buffer,
  more: Record<string, string> = {},
): void {
  response.writeHead(status, {
    ...more,
    'content-type': type,
    'content-length': Buffer.byteLength(content),
    'content-security-policy': type.startsWith('text/html') ? contentSecurity : "default-src 'none'",
    'cache-control': 'no-store',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  })
  response.end(response.req.method === 'HEAD' ? undefined : content)
}
