import { type Context, Hono } from 'hono'
import { checkValues } from '../base/option-table.ts'
import { version as annealVersion } from '../base/version.ts'
import { checkSource, checkToken } from './access.ts'
import { asJson, topOf } from './answers.ts'
import { type Body, readBody } from './body.ts'
import { Deadline } from './deadline.ts'
import { kindOf } from './kind.ts'
import { countRefusal } from './metrics.ts'
import type { Answered, ServedModel, Version } from './model.ts'
import { openApi } from './openapi.ts'
import { handlerOptions } from './options.ts'
import { placed } from './pictures/kind.ts'
import { inferenceRequest, inferenceResponse, lengthHeader, modelMetadata, serverMetadata } from './protocol.ts'
import { reasonOf } from './reason.ts'
import { type Reason, Refused } from './refused.ts'
import { answer, failure, headers, json } from './respond.ts'
import type { Sample } from './served-kind.ts'
import { type HandlerOptions, Site } from './site.ts'
import { traceOf } from './trace.ts'

export type { HandlerOptions } from './site.ts'

/** A fetch handler that answers with a model: give it to your own server. */
export interface Handler {
  (request: Request): Promise<Response>
  /** The name and version of the model that answers. */
  readonly model: { name: string; version: string }
  /** Counts a request or connection that was refused before it came here. */
  refused(reason: Reason): void
  /** Loads the newest version, lets it answer once, and swaps it in. Throws if it does not answer; the old one stays. */
  reload(): Promise<{ model: string; version: string }>
  /** From now on `ready` is answered with 503; everything else is answered as before. */
  drain(): void
  /** Waits until no request is open. */
  idle(): Promise<void>
  /** Disposes of the models. */
  close(): Promise<void>
}

/** Makes a fetch handler that answers with a model of pictures or of a table: `POST /predict`, the Open Inference Protocol below `/v2`,
 *  `/metrics`, `/openapi.json`, and a page at `/`. The model answers a made-up sample first; throws if it does not. */
export async function createHandler(model: ServedModel, options: HandlerOptions = {}): Promise<Handler> {
  checkValues(handlerOptions, options)
  const site = new Site(model, options)
  await site.open()
  const app = routes(site)
  const handle = async (request: Request) => app.fetch(request)
  return Object.defineProperty(
    Object.assign(handle, {
      refused: (reason: Reason) => countRefusal(site.metrics, reason),
      reload: () => site.reload(),
      drain: () => {
        site.draining = true
      },
      idle: () => site.idle(),
      close: () => site.models.close(),
    }),
    'model',
    { get: () => ({ name: site.models.current.name, version: site.models.current.version }) },
  ) as unknown as Handler
}

/** The routes with their methods. Those that are `open` need no token. */
const known: readonly [path: RegExp, route: string, method: 'GET' | 'POST', open?: true][] = [
  [/^\/$/, '/', 'GET', true],
  [/^\/openapi\.json$/, '/openapi.json', 'GET', true],
  [/^\/predict$/, '/predict', 'POST'],
  [/^\/metrics$/, '/metrics', 'GET'],
  [/^\/admin\/reload$/, '/admin/reload', 'POST'],
  [/^\/v2\/?$/, '/v2', 'GET'],
  [/^\/v2\/health\/(live|ready)$/, '/v2/health', 'GET', true],
  [/^\/v2\/models\/[^/]+(\/versions\/[^/]+)?\/ready$/, '/v2/models/ready', 'GET', true],
  [/^\/v2\/models\/[^/]+(\/versions\/[^/]+)?\/infer$/, '/v2/models/infer', 'POST'],
  [/^\/v2\/models\/[^/]+(\/versions\/[^/]+)?$/, '/v2/models', 'GET'],
]

function routes(site: Site): Hono {
  const { metrics, options, models } = site
  const app = new Hono()
  app.use(async (c, next) => {
    const [, route = 'other', method, open] = known.find(([path]) => path.test(c.req.path)) ?? []
    const began = performance.now()
    const trace = traceOf(c.req.raw)
    site.enter()
    try {
      checkSource(c.req.raw, options.hosts)
      if (!open) checkToken(c.req.raw, options.token)
      if (method && c.req.method !== method && !(method === 'GET' && c.req.method === 'HEAD'))
        c.res = answer({ error: `${c.req.method} is not answered here` }, { status: 405, more: { allow: method } })
      else await next()
    } catch (error) {
      c.res = failure(error, site, trace)
    } finally {
      site.leave()
    }
    if (trace) c.res.headers.set('traceparent', trace.header)
    metrics.requests.inc({ route, code: c.res.status })
    metrics.latency.observe({ route }, (performance.now() - began) / 1000)
  })
  app.onError((error, c) => failure(error, site, traceOf(c.req.raw)))
  app.notFound(() => answer({ error: 'there is nothing here; /openapi.json lists what there is' }, { status: 404 }))

  app.get('/', () => {
    const { html, policy } = kindOf(models.current.model).page(models.current, options.token !== undefined)
    const more = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy }
    return new Response(html, { headers: { ...headers, ...more } })
  })
  app.get('/openapi.json', () => answer(openApi(models.current, site.limits, options.token !== undefined)))
  app.get('/metrics', async () => {
    const text = await metrics.registry.metrics()
    return new Response(text, { headers: { ...headers, 'content-type': metrics.registry.contentType } })
  })
  app.post('/predict', c => predict(site, c))
  app.post('/admin/reload', async () => {
    if (options.token === undefined)
      throw new Refused(403, 'token', 'a new version is loaded only by who has a token, and this server has none')
    try {
      return answer(await site.reload())
    } catch (error) {
      if (error instanceof Refused) throw error
      return answer({ error: reasonOf(error) }, { status: 422 })
    }
  })

  app.get('/v2', () => answer(serverMetadata(annealVersion())))
  app.get('/v2/', () => answer(serverMetadata(annealVersion())))
  app.get('/v2/health/live', () => answer({ live: true }))
  app.get('/v2/health/ready', () => answer({ ready: !site.draining }, { status: site.draining ? 503 : 200 }))
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version'] as const) {
    const named = (c: Context) => checkName(models.current, c)
    app.get(path, c => {
      named(c)
      return answer(modelMetadata(models.current))
    })
    app.get(`${path}/ready`, c => {
      named(c)
      return answer({ name: models.current.name, ready: !site.draining }, { status: site.draining ? 503 : 200 })
    })
    app.post(`${path}/infer`, c => {
      named(c)
      return infer(site, c)
    })
  }
  return app
}

function checkName({ name, version }: Version, c: Context): void {
  const asked = { model: c.req.param('model'), version: c.req.param('version') }
  if (asked.model !== name)
    throw new Refused(404, 'request', `there is no model "${asked.model}"; this server has "${name}"`)
  if (asked.version !== undefined && asked.version !== version)
    throw new Refused(404, 'request', `there is no version "${asked.version}" of ${name}; it has ${version}`)
}

/** Reads a body, lets `work` answer it, and gives the memory back. */
async function withBody(
  { limits, held }: Site,
  c: Context,
  work: (body: Uint8Array, signal: AbortSignal) => Promise<Response>,
): Promise<Response> {
  const deadline = new Deadline(c.req.raw.signal, limits.timeout)
  let body: Body | undefined
  try {
    body = await readBody(c.req.raw, { maxBytes: limits.maxBytes, held, signal: deadline.signal })
    deadline.reading = false
    return await work(body.bytes, deadline.signal)
  } finally {
    deadline.end()
    body?.release()
  }
}

/** Answers samples, all or none in the queue. */
async function answered(site: Site, samples: readonly Sample[], signal: AbortSignal) {
  const results = await Promise.allSettled(site.queue.add(samples, signal))
  if (signal.aborted) throw signal.reason
  for (const result of results) if (result.status === 'fulfilled') site.count(result.value)
  return results
}

const predict = (site: Site, c: Context): Promise<Response> =>
  withBody(site, c, async (body, signal) => {
    const { limits } = site
    const { model } = site.models.current
    const top = topOf(new URL(c.req.url))
    const waited = { signal, trace: traceOf(c.req.raw)?.id }
    const type = c.req.header('content-type') ?? null
    const { samples, many, about } = await kindOf(model).given(type, body, { model, limits, waited })
    const good = samples.flatMap(sample => (sample.status === 'fulfilled' ? [sample.value] : []))
    const results = good.length > 0 ? await answered(site, good, signal) : []
    let next = 0
    const all = samples.map(sample => (sample.status === 'fulfilled' ? results[next++]! : sample))
    if (!many) return answer(one(all[0]!, top))
    const failed = all.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
    const unexpected = failed.find(reason => !(reason instanceof Refused))
    if (unexpected) throw unexpected
    for (const { reason } of failed as Refused[]) countRefusal(site.metrics, reason)
    const predictions = all.map((result, i) => {
      const of = about[i]!
      return result.status === 'fulfilled'
        ? { ...of, ...one(result, top) }
        : { ...of, error: (result.reason as Refused).message, status: (result.reason as Refused).status }
    })
    const status = failed.length === 0 ? 200 : failed.length < all.length ? 207 : (failed[0] as Refused).status
    const error = failed.length === all.length ? { error: (failed[0] as Refused).message } : {}
    return answer({ ...error, predictions }, { status })
  })

function one(result: PromiseSettledResult<Answered>, top: number): Record<string, unknown> {
  if (result.status === 'rejected') throw result.reason
  const { name, version } = result.value.by
  return { ...asJson(result.value, top), model: name, version }
}

const infer = (site: Site, c: Context): Promise<Response> =>
  withBody(site, c, async (body, signal) => {
    const { limits } = site
    const { model } = site.models.current
    const request = inferenceRequest(body, c.req.header(lengthHeader) ?? null, model.card)
    const features = request.outputs.some(({ name }) => name === 'features')
    const waited = { signal, features, trace: traceOf(c.req.raw)?.id }
    const kind = kindOf(model)
    const samples = await kind.tensors(request.inputs, request.binary, { model, limits, waited })
    const results = await answered(site, samples, signal)
    const answers = results.map((result, i) => {
      if (result.status === 'rejected') throw kind.noun === 'picture' ? placed(result.reason, i) : result.reason
      return result.value
    })
    const of = answers[0]!.by
    if (answers.some(({ by }) => by !== of))
      throw new Refused(503, 'request', 'a new version took over meanwhile; try again', { retryAfter: 1 })
    const { body: content, headerLength } = inferenceResponse(request, answers)
    return new Response(content as string, {
      headers: {
        ...headers,
        'content-type': headerLength === undefined ? json : 'application/octet-stream',
        ...(headerLength === undefined ? {} : { [lengthHeader]: String(headerLength) }),
      },
    })
  })
