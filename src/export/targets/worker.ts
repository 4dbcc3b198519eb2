import { ModelError } from '../../base/errors.ts'
import { bytes as size } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { AnyCard } from '../../runtime/card.ts'
import { type Files, packageJson, plainName, type TargetModel, unpublished, versionsOf } from './files.ts'
import { kindOf } from './kinds/index.ts'
import { probeFiles, serverTest } from './tests.ts'

/** The largest static file of Cloudflare Workers. */
const largestFile = 25 * 2 ** 20

const workerOf = (
  nouns: string,
  ways: readonly string[],
) => `// Predicts ${nouns} on Cloudflare Workers, and elsewhere where a fetch handler runs.
//
${ways.map((way, i) => (i === 0 ? `//   POST /predict            ${way}` : `//                            ${way}`)).join('\n')}
//   GET  /v2/health/ready
import { load } from '@anneal/run/edge'
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm'
import { inputOf, kind, maxBytes, options, takes } from './input.mjs'

let loading
/** The model, loaded once per isolate from the static files of the worker. */
function modelOf(env) {
  loading ??= env.ASSETS.fetch('https://assets/model.onnx')
    .then(async file => {
      if (!file.ok) throw new Error(\`assets/model.onnx: \${file.status}\`)
      return load(await file.arrayBuffer(), { kind, wasm, ...options })
    })
    .catch(error => {
      loading = undefined
      throw error
    })
  return loading
}

class Refused extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}
const refuse = (status, message) => {
  throw new Refused(status, message)
}

/** The body, read up to the limit. */
async function bodyOf(request) {
  const chunks = []
  let length = 0
  for await (const chunk of request.body ?? []) {
    length += chunk.length
    if (length > maxBytes) refuse(413, \`at most \${maxBytes} bytes are taken\`)
    chunks.push(chunk)
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

const rounded = value => Number(value.toPrecision(7))

/** An answer in the form of \`anneal serve\`. */
function asJson(prediction, top) {
  const { task, label, labels, probability, probabilities, values, unknown = [] } = prediction
  const more = unknown.length > 0 ? { unknown } : {}
  if (task === 'regression') return { values, ...more }
  const likeliest = Object.entries(probabilities).sort((a, b) => b[1] - a[1]).slice(0, top)
  const shown = { probabilities: Object.fromEntries(likeliest.map(([name, value]) => [name, rounded(value)])), ...more }
  return task === 'multi' ? { labels, ...shown } : { label, probability: rounded(probability), ...shown }
}

async function predict(request, env, url) {
  const top = Number(url.searchParams.get('top') ?? 5)
  if (!Number.isInteger(top) || top < 1) refuse(400, 'top: expected a whole number from 1')
  const type = (request.headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase()
  const model = await modelOf(env)
  const { card } = model
  const input = await inputOf(await bodyOf(request), { type, url, card, refuse })
  const found = await model.predict(input).catch(error => {
    throw ['picture', 'row', 'text', 'sound'].includes(error.kind) ? new Refused(422, error.message) : error
  })
  if (Array.isArray(found)) return Response.json({ predictions: found.map(one => asJson(one, top)), model: card.name })
  return Response.json({ ...asJson(found, top), model: card.name })
}

/** Compares all characters, so that the time tells nothing. */
function isToken(given, token) {
  let off = given.length ^ token.length
  for (let i = 0; i < given.length; i++) off |= given.charCodeAt(i) ^ token.charCodeAt(i % token.length)
  return off === 0
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url)
    try {
      if (url.pathname === '/v2/health/ready') return Response.json({ ready: Boolean(await modelOf(env)) })
      if (url.pathname !== '/predict') refuse(404, \`there is nothing here; POST /predict takes \${takes}\`)
      if (request.method !== 'POST') refuse(405, \`POST /predict takes \${takes}\`)
      const [, given = ''] = /^Bearer +(\\S+) *$/i.exec(request.headers.get('authorization') ?? '') ?? []
      if (env.ANNEAL_TOKEN && !isToken(given, env.ANNEAL_TOKEN)) refuse(401, 'send the header Authorization: Bearer TOKEN')
      return await predict(request, env, url)
    } catch (error) {
      const refused = error instanceof Refused
      if (!refused) console.error(error)
      const message = refused ? error.message : 'the worker failed to answer; its log says why'
      return Response.json({ error: message }, { status: refused ? error.status : 500 })
    }
  },
}
`

const elsewhere = `a server, which has no such limit: ${setting('to', 'docker')} or ${setting('to', 'lambda')}`

/** The most that a net for texts may take of a worker's memory of 128 MB, beside onnxruntime and the code: its weights are floats there,
 *  however they are stored. */
const mostOfNet = 40 * 2 ** 20

/** Throws a ModelError for a model that is too large for Cloudflare Workers, in its file or in memory. */
export function refuseForWorker({ card, bytes }: TargetModel): void {
  if (card.format === 'anneal-table-model' && card.texts) {
    const { net, parameters } = card.texts
    const columns = card.inputs.flatMap(({ name, kind }) => (kind === 'text' ? [name] : []))
    if (4 * parameters > mostOfNet)
      throw new ModelError(
        `the model reads the texts of ${columns.map(name => `"${name}"`).join(', ')} by ${net}, whose ${parameters.toLocaleString('en-US')} weights take ${size(4 * parameters)} of memory however they are stored. A worker of Cloudflare has 128 MB for all. Take ${elsewhere}; or train without such columns: ${setting('drop', columns.join(','))}.`,
      )
  }
  if (bytes > largestFile)
    throw new ModelError(
      `the model has ${(bytes / 2 ** 20).toFixed(1)} MiB; Cloudflare Workers take static files of at most 25 MiB. ${smaller(card)}, or ${elsewhere}.`,
    )
}

/** How a model gets smaller. */
const smaller = (card: AnyCard): string =>
  !('weights' in card)
    ? 'Train a smaller model'
    : card.weights === 'float32'
      ? `Take ${option('quantize')}, ${setting('weights', 'int8')} or ${setting('weights', 'float16')}, or a smaller net`
      : 'Take a smaller net'

/** A folder for Cloudflare Workers. Throws a ModelError for a model that is too large for them. */
export async function workerFiles({ card, bytes }: TargetModel): Promise<Files> {
  refuseForWorker({ card, bytes })
  const name = plainName(card.name)
  const kind = kindOf(card)
  const { files, packages, ways, limits } = kind.worker(card)
  return {
    'worker.mjs': workerOf(kind.nouns, ways),
    ...files,
    'wrangler.toml': `name = "${name}"
main = "worker.mjs"
compatibility_date = "2026-01-01"

[assets]
directory = "assets"
binding = "ASSETS"
run_worker_first = true # else everyone could fetch model.onnx
`,
    'package.json': packageJson(`${name}-worker`, {
      scripts: { start: 'wrangler dev', deploy: 'wrangler deploy', test: 'node test.mjs http://localhost:8787' },
      dependencies: { ...versionsOf(['@anneal/run', 'onnxruntime-web'], card), ...packages },
      devDependencies: { wrangler: '^4.0.0' },
    }),
    'test.mjs': serverTest,
    'README.md': readme(name, { bytes, limits, curl: kind.curl(card), more: 'weights' in card }),
    ...probeFiles(await kind.probes(card)),
  }
}

const readme = (
  name: string,
  { bytes, limits, curl, more }: { bytes: number; limits: string; curl: string; more: boolean },
) => `# ${name} on Cloudflare Workers

\`\`\`sh
npm install
npx wrangler dev                                  # then: node test.mjs http://localhost:8787
npx wrangler secret put ANNEAL_TOKEN              # without one the worker is open to all
npx wrangler deploy
curl -H "authorization: Bearer $ANNEAL_TOKEN" ${curl} https://${name}.ACCOUNT.workers.dev/predict
\`\`\`

- **Size.** The code with onnxruntime's WebAssembly is near 4 MB compressed: more than the 3 MB of Cloudflare's free plan, less than the
  10 MB of a paid one. The model (${size(bytes)}) is a static file, of at most 25 MiB${more ? '; `anneal export --quantize` and `--weights int8` make it smaller' : ''}.
${limits}
- \`wrangler.toml\` has no \`nodejs_compat\`: with it, onnxruntime-web takes the worker for Node.

${unpublished(['@anneal/run'])}`
