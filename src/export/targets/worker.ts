import { ModelError } from '../../base/errors.ts'
import { bytes as size } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import { serverTest } from './docker.ts'
import { type Files, packageJson, plainName, probeFiles, type TargetModel, unpublished, versionsOf } from './files.ts'

/** The largest static file of Cloudflare Workers. */
const largestFile = 25 * 2 ** 20

const worker = `// Predicts pictures on Cloudflare Workers, and elsewhere where a fetch handler runs.
//
//   POST /predict            a JPEG or PNG file: curl --data-binary @cat.jpg https://…/predict
//   POST /predict?width=W&height=H[&channels=C]      raw pixels, row by row
//   GET  /v2/health/ready
import { load } from '@anneal/run/edge'
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm'
import { decodeJpeg } from './jpeg.mjs'

const maxBytes = 10_000_000
const maxPixels = 12_000_000 // a worker has 128 MB of memory

let loading
/** The model, loaded once per isolate from the static files of the worker. */
function modelOf(env) {
  loading ??= env.ASSETS.fetch('https://assets/model.onnx')
    .then(async file => {
      if (!file.ok) throw new Error(\`assets/model.onnx: \${file.status}\`)
      return load(await file.arrayBuffer(), { kind: 'picture', wasm, limitPixels: maxPixels })
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

/** The body, read up to the limit. */
async function bodyOf(request) {
  const chunks = []
  let length = 0
  for await (const chunk of request.body ?? []) {
    length += chunk.length
    if (length > maxBytes) throw new Refused(413, \`at most \${maxBytes} bytes are taken\`)
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

/** Width and height of a JPEG file. Refuses a file without its end, of which the decoder would make up the rest. */
function jpegSize(bytes) {
  const word = at => bytes[at] * 256 + bytes[at + 1]
  const broken = () => new Refused(422, 'the JPEG file is cut off or corrupt')
  let size
  for (let at = 2; ; ) {
    // The next marker: in a scan it follows after data, where 0xff has a 0 or the number of a restart after it.
    at = bytes.indexOf(0xff, at)
    const mark = bytes[at + 1]
    if (at < 0 || mark === undefined) throw broken()
    if (mark === 0xd9 && size) return size
    if (mark === 0xff) at++
    else if (mark === 0 || (mark >= 0xd0 && mark <= 0xd8)) at += 2
    else {
      if (mark >= 0xc0 && mark <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(mark)) {
        if (bytes[at + 9] > 3) throw new Refused(422, 'the JPEG file is CMYK, which is not read here; send RGB')
        size = [word(at + 7), word(at + 5)]
      }
      at += 2 + word(at + 2)
    }
  }
}

/** What the model takes: raw pixels, the pixels of a JPEG file, or the bytes of a PNG file. */
async function pictureOf(request, url) {
  const bytes = await bodyOf(request)
  const { width, height, channels } = Object.fromEntries(url.searchParams)
  const limit = (w, h) => {
    if (w * h > maxPixels) throw new Refused(413, \`\${w} x \${h} pixels; at most \${maxPixels} are taken\`)
  }
  if (width !== undefined || height !== undefined) {
    limit(Number(width), Number(height))
    return { data: bytes, width: Number(width), height: Number(height), ...(channels && { channels: Number(channels) }) }
  }
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return bytes
  limit(...jpegSize(bytes))
  return decodeJpeg(bytes).catch(() => Promise.reject(new Refused(422, 'the JPEG file is cut off or corrupt')))
}

const rounded = value => Number(value.toPrecision(7))

/** An answer in the form of \`anneal serve\`. */
function asJson(prediction, top) {
  const { task, label, labels, probability, probabilities, values } = prediction
  if (task === 'regression') return { values }
  const likeliest = Object.entries(probabilities).sort((a, b) => b[1] - a[1]).slice(0, top)
  const shown = { probabilities: Object.fromEntries(likeliest.map(([name, value]) => [name, rounded(value)])) }
  return task === 'multi' ? { labels, ...shown } : { label, probability: rounded(probability), ...shown }
}

async function predict(request, env, url) {
  const top = Number(url.searchParams.get('top') ?? 5)
  if (!Number.isInteger(top) || top < 1) throw new Refused(400, 'top: expected a whole number from 1')
  const model = await modelOf(env)
  const picture = await pictureOf(request, url)
  const prediction = await model.predict(picture).catch(error => {
    throw error.kind === 'picture' ? new Refused(422, error.message) : error
  })
  return Response.json({ ...asJson(prediction, top), model: model.card.name })
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
      if (url.pathname !== '/predict') throw new Refused(404, 'there is nothing here; POST /predict takes a picture')
      if (request.method !== 'POST') throw new Refused(405, 'POST /predict takes a picture')
      const [, given = ''] = /^Bearer +(\\S+) *$/i.exec(request.headers.get('authorization') ?? '') ?? []
      if (env.ANNEAL_TOKEN && !isToken(given, env.ANNEAL_TOKEN))
        throw new Refused(401, 'send the header Authorization: Bearer TOKEN')
      return await predict(request, env, url)
    } catch (error) {
      if (!(error instanceof Refused)) console.error(error)
      const refused = error instanceof Refused
      const message = refused ? error.message : 'the worker failed to answer; its log says why'
      return Response.json({ error: message }, { status: refused ? error.status : 500 })
    }
  },
}
`

const jpeg = `// Decodes JPEG files by libjpeg's code (mozjpeg), as training does, and turns them upright by their EXIF data.
import wasm from '@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm'
import decode, { init } from '@jsquash/jpeg/decode.js'

// The decoder makes one, and workers have none.
globalThis.ImageData ??= class ImageData {
  constructor(data, width, height) {
    Object.assign(this, { data, width, height })
  }
}

let started
/** The pixels of a JPEG file: RGBA. */
export async function decodeJpeg(bytes) {
  await (started ??= init(wasm))
  const { data, width, height } = await decode(bytes, { preserveOrientation: true })
  return { data, width, height, channels: 4 }
}
`

/** A folder for Cloudflare Workers. Throws a ModelError for a model that is too large for them. */
export async function workerFiles({ card, bytes }: TargetModel): Promise<Files> {
  if (bytes > largestFile)
    throw new ModelError(
      `the model has ${(bytes / 2 ** 20).toFixed(1)} MiB; Cloudflare Workers take static files of at most 25 MiB. ${card.weights === 'float32' ? `Take ${setting('weights', 'float16')} or ${setting('weights', 'int8')}, or a smaller net` : 'Take a smaller net'}.`,
    )
  const name = plainName(card.name)
  return {
    'worker.mjs': worker,
    'jpeg.mjs': jpeg,
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
      dependencies: { ...versionsOf(['@anneal/run', 'onnxruntime-web'], card), '@jsquash/jpeg': '^1.6.0' },
      devDependencies: { wrangler: '^4.0.0' },
    }),
    'test.mjs': serverTest,
    'README.md': readme(name, bytes),
    ...(await probeFiles(card)),
  }
}

const readme = (name: string, bytes: number) => `# ${name} on Cloudflare Workers

\`\`\`sh
npm install
npx wrangler dev                                  # then: node test.mjs http://localhost:8787
npx wrangler secret put ANNEAL_TOKEN              # without one the worker is open to all
npx wrangler deploy
curl -H "authorization: Bearer $ANNEAL_TOKEN" --data-binary @cat.jpg https://${name}.ACCOUNT.workers.dev/predict
\`\`\`

- **Size.** The code with onnxruntime's WebAssembly is near 4 MB compressed: more than the 3 MB of Cloudflare's free plan, less than the
  10 MB of a paid one. The model (${size(bytes)}) is a static file, of at most 25 MiB; \`anneal export --weights int8\` makes it smaller.
- **Memory.** A worker has 128 MB for the code, the model and the picture, so pictures have at most 12 megapixels and 10 MB.
- **Time.** It computes in one thread. Send pictures that are made smaller first, but keep the short side at twice the size of the net.
- **Files.** JPEG and PNG files, and raw pixels. For other formats change \`jpeg.mjs\`, or decode before sending.
- \`wrangler.toml\` has no \`nodejs_compat\`: with it, onnxruntime-web takes the worker for Node.

${unpublished(['@anneal/run'])}`
