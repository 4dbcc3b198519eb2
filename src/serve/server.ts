import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { RunError } from '../base/errors.ts'
import { option } from '../base/options.ts'
import type { Handler } from './handler.ts'

/** Where a server listens, and how it ends. */
export interface ListenOptions {
  host: string
  port: number
  /** Further connections get no answer but that of `/v2/health` and `/metrics`, if they ask within a second. */
  maxConnections: number
  /** Seconds: how long a whole request may take to come. */
  timeout: number
  /** Larger bodies are not asked for (`Expect: 100-continue`). */
  maxBytes: number
}

/** A server that listens. */
export interface Listening {
  port: number
  /** Ends without losing a request: `ready` says 503 for `wait` seconds, while everything is still answered and
   *  connections are closed after their answer. Then no connection is taken any more, and the open requests are
   *  finished, up to `grace` seconds in all. Returns how many requests were cut off. */
  drain(times: { wait: number; grace: number }): Promise<number>
  /** Ends at once. */
  close(): void
}

/** Starts a server. `make` makes the handler, once the port is known. Throws if the port is in use. */
export async function listen(
  make: (port: number) => Promise<Handler>,
  { host, port, maxConnections, timeout, maxBytes }: ListenOptions,
): Promise<Listening> {
  const server = createServer({
    headersTimeout: Math.min(10_000, timeout * 1000),
    requestTimeout: timeout * 1000 + 1000, // the handler itself answers with 408 before
    keepAliveTimeout: 5000,
    connectionsCheckingInterval: Math.min(1000, timeout * 500),
    maxHeaderSize: 16 << 10,
  })
  server.maxConnections = maxConnections + spare
  server.setTimeout(timeout * 1000 + 5000)
  // Connections that come before the handler is there wait for it.
  let given: (handler: Handler) => void = () => {}
  const handler = new Promise<Handler>(resolve => {
    given = resolve
  })
  const open = new Set<ServerResponse>()
  const state = { draining: false, idle: () => {} }
  const answer = listenerOf(handler)
  const refused = () => void handler.then(made => made.refused('connections'))
  const beyond = connectionsBeyond(server, maxConnections, refused)
  const take = (request: IncomingMessage, response: ServerResponse) => {
    if (beyond.has(request.socket)) {
      response.shouldKeepAlive = false
      if (!ofMonitors.test(request.url ?? '')) return tooMany(response, maxConnections)
    }
    open.add(response)
    response.once('close', () => {
      open.delete(response)
      if (open.size === 0) state.idle()
    })
    if (state.draining) response.shouldKeepAlive = false
    answer(request, response)
  }
  server.on('request', take)
  server.on('checkContinue', (request, response) => {
    const length = Number(request.headers['content-length'] ?? 0)
    if (!(length > maxBytes || beyond.has(request.socket))) response.writeContinue()
    take(request, response)
  })
  server.on('drop', refused)
  await bind(server, host, port)
  const bound = (server.address() as AddressInfo).port
  try {
    given(await make(bound))
  } catch (error) {
    server.close()
    server.closeAllConnections()
    throw error
  }
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  const drain = async ({ wait, grace }: { wait: number; grace: number }): Promise<number> => {
    const until = performance.now() + grace * 1000
    state.draining = true
    for (const response of open) response.shouldKeepAlive = false
    ;(await handler).drain()
    await pause(Math.min(wait, grace))
    server.close()
    server.closeIdleConnections()
    const left = Math.max(0, until - performance.now())
    if (open.size > 0)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left)
        state.idle = () => {
          clearTimeout(timer) // it would keep the process alive
          resolve()
        }
      })
    const cut = open.size
    server.closeAllConnections()
    return cut
  }
  return { port: bound, drain, close }
}

/** Connections that are taken while all places are, for those who watch the server: a server under load is alive. */
const spare = 16
/** How long such a connection may take to ask, in milliseconds. */
const spareTime = 1000
const ofMonitors = /^\/(v2\/health\/(live|ready)|metrics)(\?|$)/

/** The open connections beyond `most`. Each is counted by `refused`, and closed if nothing is asked in time. */
function connectionsBeyond(server: Server, most: number, refused: () => void): ReadonlySet<Socket> {
  const beyond = new Set<Socket>()
  let count = 0
  server.on('connection', socket => {
    count++
    socket.once('close', () => {
      count--
      beyond.delete(socket)
    })
    if (count <= most) return
    beyond.add(socket)
    refused()
    const timer = setTimeout(() => socket.destroy(), spareTime)
    socket.once('close', () => clearTimeout(timer))
  })
  return beyond
}

function tooMany(response: ServerResponse, most: number): void {
  const body = JSON.stringify({ error: `the server has ${most} connections already; try again` })
  response.writeHead(503, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'retry-after': '1',
  })
  response.end(body)
}

const pause = (seconds: number) => new Promise<void>(resolve => setTimeout(resolve, seconds * 1000))

/** Calls the handler, as soon as it is there. */
function listenerOf(handler: Promise<Handler>) {
  return getRequestListener(async request => (await handler)(request), { overrideGlobalObjects: false })
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reasons: Record<string, string> = {
        EADDRINUSE: `is in use; choose another one by ${option('port')}`,
        EACCES: 'may not be taken by this user; choose one from 1024',
        EADDRNOTAVAIL: `can not be taken: this machine has no address ${host}`,
        ENOTFOUND: `can not be taken: there is no host ${host}`,
      }
      reject(new RunError(`port ${port} on ${host} ${reasons[cause.code ?? ''] ?? cause.message}`, { cause }))
    })
    server.listen(port, host, resolve)
  })
}
