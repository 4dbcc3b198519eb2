import { createHash, timingSafeEqual } from 'node:crypto'
import { Refused } from './refused.ts'

const digest = (text: string) => createHash('sha256').update(text).digest()

/** Refuses a request without the token. Takes the same time for every wrong token. */
export function checkToken(request: Request, token: string | undefined): void {
  if (token === undefined) return
  const [, given] = /^Bearer +(\S+) *$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (given === undefined)
    throw new Refused(401, 'token', 'this server needs a token; send the header Authorization: Bearer TOKEN')
  if (!timingSafeEqual(digest(given), digest(token))) throw new Refused(401, 'token', 'the token is wrong')
}

/** Refuses a request that a foreign page makes, or that came by a foreign name. `hosts`: the names with ports that this
 *  server has, such as `localhost:8080`; undefined if it is open to others. */
export function checkSource(request: Request, hosts: readonly string[] | undefined): void {
  if (!hosts) return
  const host = (request.headers.get('host') ?? new URL(request.url).host).toLowerCase()
  if (!hosts.includes(host))
    throw new Refused(421, 'host', `this server answers only as ${hosts.join(', ')}; the request names ${host}`)
  const origin = request.headers.get('origin')
  const site = request.headers.get('sec-fetch-site') ?? 'none'
  if ((origin !== null && origin !== `http://${host}`) || !['none', 'same-origin'].includes(site))
    throw new Refused(403, 'origin', 'this server answers only to its own page and to programs')
}

/** The names of a server on the loopback address. */
export const loopbackHosts = (port: number): string[] =>
  ['localhost', '127.0.0.1', '[::1]'].flatMap(name => [`${name}:${port}`, ...(port === 80 ? [name] : [])])

/** Whether only this machine can reach an address. */
export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host)
