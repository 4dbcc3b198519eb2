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

/** The value in a JSON body. */
export function jsonOf(body: Uint8Array): unknown {
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
