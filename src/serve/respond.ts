import { json as jsonText } from '../base/json.ts'
import { countRefusal } from './metrics.ts'
import { reasonOf } from './reason.ts'
import { Refused } from './refused.ts'
import type { Site } from './site.ts'
import { type Trace, traced } from './trace.ts'

/** The type of JSON. */
export const json = 'application/json; charset=utf-8'
/** The headers of every answer. */
export const headers = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

/** An answer of JSON. */
export function answer(
  value: unknown,
  { status = 200, more = {} }: { status?: number; more?: Record<string, string> } = {},
): Response {
  return new Response(jsonText(value), { status, headers: { ...headers, 'content-type': json, ...more } })
}

/** The answer to a request that failed. */
export function failure(error: unknown, { metrics, log }: Site, trace?: Trace): Response {
  if (!(error instanceof Refused)) {
    log(`error: ${reasonOf(error)}${traced(trace?.id)}`)
    return answer({ error: 'the server failed to answer; its log says why' }, { status: 500 })
  }
  countRefusal(metrics, error.reason)
  return answer(
    { error: error.message },
    {
      status: error.status,
      more: {
        ...(error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) }),
        ...(error.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      },
    },
  )
}
