import { RunError, reasonOf } from './errors.ts'
import type { Signal } from './types.ts'

interface Answer {
  ok: boolean
  status: number
  statusText: string
  headers: { get(name: string): string | null }
  arrayBuffer(): Promise<ArrayBuffer>
}

const place = 'put the model where static files are served from (Vite, Next: the folder public/).'

/** Fetches a model. Errors name the address, the status and what came. */
export async function fetchModel(url: string, signal?: Signal): Promise<Uint8Array> {
  const { fetch } = globalThis as unknown as { fetch: (url: string, init: object) => Promise<Answer> }
  let answer: Answer
  try {
    answer = await fetch(url, signal ? { signal } : {})
  } catch (cause) {
    if (signal?.aborted) throw cause
    const more = cause instanceof Error && cause.cause ? `; ${reasonOf(cause.cause)}` : ''
    throw new RunError(
      'model',
      `${url} can not be fetched (${reasonOf(cause)}${more}). Check the address, the network, and whether the server allows this page's origin (CORS).`,
      { cause },
    )
  }
  const type = answer.headers.get('content-type') ?? 'no type'
  if (!answer.ok)
    throw new RunError(
      'model',
      `${url} can not be fetched: the server answers ${answer.status} ${answer.statusText} (${type}). Check the address; in a web app, ${place}`,
    )
  if (/^text\/html/i.test(type))
    throw new RunError(
      'model',
      `${url} gives an HTML page (${answer.status}, ${type}), no model. A server often answers so where there is no such file: ${place}`,
    )
  try {
    return new Uint8Array(await answer.arrayBuffer())
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new RunError('model', `${url}: the answer breaks off (${reasonOf(cause)}). Load it again.`, { cause })
  }
}
