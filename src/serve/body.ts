import { untilAborted } from '../base/abort.ts'
import { bytes as bytesText } from '../base/format.ts'
import type { Budget } from './queue.ts'
import { Refused } from './refused.ts'

/** The bytes of a request, which count against the budget until `release`. */
export interface Body {
  bytes: Uint8Array
  release(): void
}

const tooLarge = (maxBytes: number, got: string) =>
  new Refused(413, 'bytes', `the request has ${got}; at most ${bytesText(maxBytes)} are taken`)

/** Reads the body of a request. Refuses what is too large, from its header or while it comes, and what is compressed.
 *  Stops when the signal is aborted. */
export async function readBody(
  request: Request,
  { maxBytes, held, signal }: { maxBytes: number; held: Budget; signal: AbortSignal },
): Promise<Body> {
  const encoding = request.headers.get('content-encoding') ?? 'identity'
  if (encoding.trim().toLowerCase() !== 'identity')
    throw new Refused(415, 'encoding', `Content-Encoding: ${encoding} is not taken; send the bytes as they are`)
  const announced = Number(request.headers.get('content-length') ?? 0)
  if (announced > maxBytes) throw tooLarge(maxBytes, bytesText(announced))
  const chunks: Uint8Array[] = []
  let total = 0
  const release = () => {
    held.give(total)
    total = 0
  }
  const reader = request.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined
  try {
    for (;;) {
      const { done, value } = reader ? await untilAborted(reader.read(), signal) : { done: true, value: undefined }
      if (done || !value) break
      if (total + value.byteLength > maxBytes) throw tooLarge(maxBytes, 'more bytes than that')
      held.take(value.byteLength)
      total += value.byteLength
      chunks.push(value)
    }
    return { bytes: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), release }
  } catch (error) {
    release()
    void reader?.cancel().catch(() => {})
    if (error instanceof Refused) throw error
    if (signal.aborted) throw signal.reason
    throw new Refused(400, 'request', `the request broke off: ${error instanceof Error ? error.message : error}`)
  }
}

/** The type of a body without its parameters, lower case. */
export const typeOf = (header: string | null) => (header ?? '').split(';')[0]!.trim().toLowerCase()

/** The text of a body by the charset of its type; UTF-8 where it says none. what: what the error calls it. Throws `Refused`. */
export function textOf(contentType: string | null, body: Uint8Array, what: string): string {
  const [, given] = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType ?? '') ?? []
  const charset = given ?? 'utf-8'
  let decoder: InstanceType<typeof TextDecoder>
  try {
    decoder = new TextDecoder(charset, { fatal: true })
  } catch {
    throw new Refused(415, 'type', `the charset ${charset.slice(0, 40)} is not known; send ${what} in UTF-8`)
  }
  try {
    return decoder.decode(body)
  } catch {
    const other = given === undefined ? '; say another charset in content-type, or send UTF-8' : ''
    throw new Refused(400, 'request', `${what} is not ${charset.toUpperCase()}${other}`)
  }
}

/** Lists and objects in each other, at most. Deeper JSON takes seconds to read, in which nobody else gets an answer. */
const deepest = 100

/** Whether lists and objects lie deeper in each other than that. */
function isDeep(body: Uint8Array): boolean {
  const [quote, backslash, list, object, endList, endObject] = [0x22, 0x5c, 0x5b, 0x7b, 0x5d, 0x7d]
  let depth = 0
  for (let at = 0, text = false; at < body.length; at++) {
    const byte = body[at]
    if (byte === quote) text = !text
    else if (text && byte === backslash) at++
    else if (!text && (byte === list || byte === object)) {
      if (++depth > deepest) return true
    } else if (!text && (byte === endList || byte === endObject)) depth--
  }
  return false
}

/** The value in a JSON body. */
export function jsonOf(body: Uint8Array): unknown {
  if (isDeep(body))
    throw new Refused(400, 'request', `the JSON has more than ${deepest} lists and objects in each other`)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new Refused(400, 'request', 'the body is not valid JSON')
  }
}

/** The object in a JSON body. */
export function jsonObject(body: Uint8Array): Record<string, unknown> {
  const value = jsonOf(body)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new Refused(400, 'request', 'expected one JSON object')
}
