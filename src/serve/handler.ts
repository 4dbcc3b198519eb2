import { type Context, Hono } from 'hono'
import { OptionError } from '../base/errors.ts'
import { json as jsonText } from '../base/json.ts'
import { checkValues } from '../base/option-table.ts'
import { version as annealVersion } from '../base/version.ts'
import { checkSource, checkToken } from './access.ts'
import { asJson, topOf } from './answers.ts'
import { type Body, readBody } from './body.ts'
import { Drift, driftGauges } from './drift.ts'
import { readHeader, reasonOf } from './header.ts'
import { picturesOf } from './inputs.ts'
import { countAnswer, countRefusal, makeMetrics } from './metrics.ts'
import type { ServedModel } from './model.ts'
import { type Answered, Models, type Picture, type Version, warmUp } from './models.ts'
import { openApi } from './openapi.ts'
import { type HandlerSettings, handlerOptions, limitsOf } from './options.ts'
import { contentSecurity, page } from './page.ts'
import { inferenceRequest, inferenceResponse, lengthHeader, modelMetadata, serverMetadata } from './protocol.ts'
import { BatchQueue, Budget } from './queue.ts'
import { type Reason, Refused } from './refused.ts'
import { type Trace, traced, traceOf } from './trace.ts'

/** What a handler is told. */
export interface HandlerOptions extends HandlerSettings {
  /** The name of the model in addresses and answers. Default: the name in its card. */
  name?: string
  /** The version of the model. Default: the digest of its weights. */
  version?: string
  /** The names with ports that requests may have as their Host, such as `localhost:8080`; a request of another page is
   *  refused too. Default: any, for a server that others reach. */
  hosts?: readonly string[]
  /** Loads the newest version, for `POST /admin/reload` and `reload()`. */
  load?: () => Promise<{ model: ServedModel; version?: string }>
  /** Another model that answers the same pictures in the shadow: disagreements are counted and logged. */
  shadow?: { model: ServedModel; version?: string }
  /** Takes each line of the log. */
  log?: (line: string) => void
}

/** A fetch handler that labels pictures: give it to your own server. */
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

const versionOf = (model: ServedModel) => model.card.digests.weights[0]?.slice(0, 12) || '1'

/** Makes a fetch handler that labels pictures with a model: `POST /predict`, the Open Inference Protocol below `/v2`,
 *  `/metrics`, `/openapi.json`, and a page at `/`. The model answers a made-up picture first; throws if it does not. */
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

/** What all routes share. */
class Site {
  readonly options: HandlerOptions
  readonly limits: ReturnType<typeof limitsOf>
  readonly metrics = makeMetrics()
  readonly models: Models
  readonly queue: BatchQueue<Picture, Answered>
  readonly held: Budget
  readonly log: (line: string) => void
  draining = false
  #open = 0
  #waitIdle: (() => void)[] = []
  #reloading = false
  #drift: { of: Version; window: Drift } | undefined

  constructor(model: ServedModel, options: HandlerOptions) {
    this.options = options
    this.limits = limitsOf(options)
    this.log = options.log ?? (() => {})
    const first = { model, name: options.name ?? model.card.name, version: options.version ?? versionOf(model) }
    this.models = new Models(first, { metrics: this.metrics, log: this.log })
    this.held = new Budget(this.limits.maxHeld)
    const { depth, batch, wait } = this.metrics
    this.queue = new BatchQueue(pictures => this.models.answer(pictures), this.limits, {
      depth: n => depth.set(n),
      batch: waited => {
        batch.observe(waited.length)
        for (const seconds of waited) wait.observe(seconds)
      },
    })
    driftGauges(this.metrics.registry, () => {
      const { version, model } = this.models.current
      return { drift: this.#window(), version, targets: model.card.classes }
    })
  }

  /** The last answers of the model that answers now. */
  #window(): Drift {
    const of = this.models.current
    if (this.#drift?.of !== of) this.#drift = { of, window: new Drift(of.model.card, this.limits.driftWindow) }
    return this.#drift.window
  }

  /** Counts an answer for the metrics. */
  count({ answer, by }: Answered): void {
    countAnswer(this.metrics, answer, by.model.card.classes.length)
    if (by === this.models.current) this.#window().add(answer)
  }

  async open(): Promise<void> {
    await warmUp(this.models.current)
    const { shadow } = this.options
    if (!shadow) return
    const version = { ...shadow, name: 'shadow', version: shadow.version ?? versionOf(shadow.model) }
    await warmUp(version)
    this.models.shadow(version)
  }

  async reload(): Promise<{ model: string; version: string }> {
    const { load } = this.options
    if (!load) throw new OptionError('createHandler: there is nothing to load again; give it the option load')
    if (this.#reloading) throw new Refused(409, 'request', 'another version is being loaded; try again when it is done')
    this.#reloading = true
    const { name, version: before } = this.models.current
    try {
      const { model, version = versionOf(model) } = await load()
      const next: Version = { model, name, version }
      try {
        await warmUp(next)
      } catch (error) {
        await model.dispose()
        throw error
      }
      const note = changes(this.models.current.model.card.classes, model.card.classes)
      this.models.swap(next)
      this.metrics.reloads.inc({ result: 'swapped' })
      this.log(`reload: version ${version} answers now, instead of ${before}${note}`)
      return { model: name, version }
    } catch (error) {
      this.metrics.reloads.inc({ result: 'refused' })
      this.log(`reload: refused, version ${before} goes on: ${reasonOf(error)}`)
      throw error
    } finally {
      this.#reloading = false
    }
  }

  enter(): void {
    this.metrics.open.set(++this.#open)
  }
  leave(): void {
    this.metrics.open.set(--this.#open)
    if (this.#open === 0) for (const go of this.#waitIdle.splice(0)) go()
  }
  idle(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : new Promise(resolve => this.#waitIdle.push(resolve))
  }
}

/** What changed in the classes of a new version, in words. */
function changes(before: readonly string[], after: readonly string[]): string {
  const [gone, come] = [before.filter(c => !after.includes(c)), after.filter(c => !before.includes(c))]
  if (gone.length + come.length === 0) return ''
  const list = (names: readonly string[]) => `${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`
  return `; its classes differ${come.length > 0 ? `, new: ${list(come)}` : ''}${gone.length > 0 ? `, gone: ${list(gone)}` : ''}`
}

/** A request's time: its signal is aborted when the client is gone, or when `seconds` are over. */
class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #client: AbortSignal
  /** The body has not come whole yet, so lateness is the client's. */
  reading = true

  constructor(client: AbortSignal, seconds: number) {
    this.#client = client
    this.#timer = setTimeout(() => {
      const late = this.reading
        ? new Refused(408, 'slow', `the body did not come whole within ${seconds} s`)
        : new Refused(504, 'time', `there was no answer within ${seconds} s`)
      this.#controller.abort(late)
    }, seconds * 1000)
    if (client.aborted) this.#gone()
    else client.addEventListener('abort', this.#gone, { once: true })
  }
  readonly #gone = () => this.#controller.abort(new Refused(499, 'gone', 'the client is gone'))
  get signal(): AbortSignal {
    return this.#controller.signal
  }
  end(): void {
    clearTimeout(this.#timer)
    this.#client.removeEventListener('abort', this.#gone)
  }
}

const json = 'application/json; charset=utf-8'
const headers = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

function answer(value: unknown, { status = 200, more = {} }: { status?: number; more?: Record<string, string> } = {}) {
  return new Response(jsonText(value), { status, headers: { ...headers, 'content-type': json, ...more } })
}

/** The answer to a request that failed. */
function failure(error: unknown, { metrics, log }: Site, trace?: Trace): Response {
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
    const more = { ...headers, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': contentSecurity }
    return new Response(page(models.current, options.token !== undefined), { headers: more })
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

/** A picture as the queue takes it. */
async function queued(
  bytes: Uint8Array,
  maxPixels: number,
  waited: Pick<Picture, 'signal' | 'features' | 'trace'>,
): Promise<Picture> {
  const { width, height } = await readHeader(bytes, maxPixels)
  return { key: `${width} ${height}`, pixels: width * height, bytes, ...waited }
}

/** Answers pictures, all or none in the queue. */
async function answered(site: Site, pictures: readonly Picture[], signal: AbortSignal) {
  const results = await Promise.allSettled(site.queue.add(pictures, signal))
  if (signal.aborted) throw signal.reason
  for (const result of results) if (result.status === 'fulfilled') site.count(result.value)
  return results
}

const predict = (site: Site, c: Context): Promise<Response> =>
  withBody(site, c, async (body, signal) => {
    const { maxPictures, maxPixels } = site.limits
    const top = topOf(new URL(c.req.url))
    const { pictures, many } = await picturesOf(c.req.header('content-type') ?? null, body, maxPictures)
    const waited = { signal, trace: traceOf(c.req.raw)?.id }
    const heads = await Promise.allSettled(pictures.map(({ bytes }) => queued(bytes, maxPixels, waited)))
    const good = heads.flatMap(head => (head.status === 'fulfilled' ? [head.value] : []))
    const results = good.length > 0 ? await answered(site, good, signal) : []
    const all = heads.map(head => (head.status === 'fulfilled' ? results.shift()! : head))
    if (!many) return answer(one(all[0]!, top))
    const failed = all.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
    const unexpected = failed.find(reason => !(reason instanceof Refused))
    if (unexpected) throw unexpected
    for (const { reason } of failed as Refused[]) countRefusal(site.metrics, reason)
    const predictions = all.map((result, i) => {
      const file = pictures[i]!.file
      const of = file === undefined ? {} : { file }
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
    const { maxPictures, maxPixels } = site.limits
    const { card } = site.models.current.model
    const request = inferenceRequest(body, c.req.header(lengthHeader) ?? null, { card, maxPictures })
    const features = request.outputs.some(({ name }) => name === 'features')
    const waited = { signal, features, trace: traceOf(c.req.raw)?.id }
    const pictures = await Promise.all(
      request.pictures.map(async (picture, i) => {
        if ('bytes' in picture)
          return queued(picture.bytes, maxPixels, waited).catch(error => Promise.reject(placed(error, i)))
        const { width, height } = picture.raw
        if (width * height > maxPixels) throw new Refused(413, 'pixels', `picture ${i}: ${width} x ${height} pixels`)
        return { key: `${width} ${height} raw`, pixels: width * height, raw: picture.raw, ...waited }
      }),
    )
    const results = await answered(site, pictures, signal)
    const answers = results.map((result, i) => {
      if (result.status === 'rejected') throw placed(result.reason, i)
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

/** The error of one picture of several, with its place. */
function placed(error: unknown, i: number): unknown {
  if (!(error instanceof Refused)) return error
  const { status, reason, message, retryAfter } = error
  return new Refused(status, reason, `picture ${i}: ${message}`, retryAfter === undefined ? {} : { retryAfter })
}
