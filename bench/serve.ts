/** The server under load, compared with bare onnxruntime-node and with FastAPI + onnxruntime in Python, in one run:
 *  node --import tsx bench/serve.ts [MODEL.onnx] [--python python3] [--seconds 5] [--threads CORES] [--quick]
 *
 *  Every request is one JPEG of 320 × 240 pixels. Bare: this process decodes by sharp and runs the session, nothing else, 1, 8 or 32
 *  pictures in work at a time. Server and FastAPI run in processes of their own; this process is their client, over
 *  connections that stay open, so server and client share the processors. FastAPI decodes by Pillow and runs the same file
 *  in its threads. Without MODEL, a net of six convolutions at 224 px with random weights. All nets have --threads.
 *  Rounds in turn, two of each. Writes bench/results/serve.json: pictures per second, p50 and p99 in milliseconds. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { rng } from '../src/base/random.ts'
import { type Card, cardKey, Graph } from '../src/onnx/index.ts'
import { importOrtNode } from '../src/runtime/ort-node.ts'
import { writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    quick: { type: 'boolean', default: false },
  },
})
const seconds = values.quick ? 1 : Number(values.seconds)
const work = mkdtempSync(join(tmpdir(), 'anneal-serve-bench-'))
const children: ChildProcess[] = []

/** A net of six convolutions with random weights that takes pictures of any size, as exported models do. */
function randomNet(): Uint8Array {
  const g = new Graph()
  const random = rng(7)
  const weights = (name: string, shape: number[]) => {
    const n = shape.reduce((a, b) => a * b)
    return g.floats(
      name,
      Float32Array.from({ length: n }, () => random.uniform(-1, 1) / Math.sqrt(n / shape[0]!)),
      shape,
    )
  }
  const image = g.input('image', 'uint8', ['N', 'H', 'W', 3])
  const sizes = g.ints('size', [224, 224])
  const fitted = g.add('Resize', [image, undefined, undefined, sizes], { mode: 'linear', antialias: 1, axes: [1, 2] })
  let x = g.add('Transpose', [g.add('Cast', [fitted], { to: 1 })], { perm: [0, 3, 1, 2] })
  x = g.add('Mul', [x, g.floats('scale', [1 / 128], [1])])
  let channels = 3
  for (const [width, stride] of [
    [32, 2],
    [64, 2],
    [64, 1],
    [128, 2],
    [128, 1],
    [256, 2],
  ] as const) {
    const settings = { kernel_shape: [3, 3], strides: [stride, stride], pads: [1, 1, 1, 1] }
    x = g.add('Relu', [g.add('Conv', [x, weights('weight', [width, channels, 3, 3])], settings)])
    channels = width
  }
  const pooled = g.add('Flatten', [g.add('GlobalAveragePool', [x])], { axis: 1 })
  const classes = Array.from({ length: 10 }, (_, i) => `class ${i}`)
  g.add('Softmax', [g.add('MatMul', [pooled, weights('head', [256, 10])])], { axis: 1 }, 'probabilities')
  g.output('probabilities', 'float', ['N', 10])
  const best = g.add('ArgMax', ['probabilities'], { axis: -1, keepdims: 0 })
  g.output(g.add('Gather', [g.strings('names', classes), best], { axis: 0 }, 'label'), 'string', ['N'])
  const input: Card['input'] = {
    name: 'image',
    channels: 3,
    mode: 'rgb',
    size: 224,
    short: 224,
    interpolation: 'bilinear',
    mean: [0, 0, 0],
    std: [1, 1, 1],
  }
  const card: Card = {
    format: 'anneal-model',
    version: 1,
    anneal: 'bench',
    name: 'bench',
    created: '',
    task: 'single',
    classes,
    architectures: ['bench'],
    input,
    metrics: { valid: {} },
    digests: { weights: ['bench'] },
    weights: 'float32',
  }
  return g.encode({ producer: 'bench', version: '1', metadata: { [cardKey]: JSON.stringify(card) } })
}

async function jpeg(): Promise<Uint8Array> {
  const random = rng(3)
  const small = Uint8Array.from({ length: 32 * 24 * 3 }, () => random.uniform(0, 255))
  const raw = { width: 32, height: 24, channels: 3 as const }
  return sharp(small, { raw }).resize(320, 240, { kernel: 'cubic' }).jpeg({ quality: 90 }).toBuffer()
}

/** Starts a server; resolves with its port, which the pattern finds in its output. */
function started(command: string, args: string[], pattern: RegExp): Promise<number> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  return new Promise((resolve, reject) => {
    let text = ''
    const read = (chunk: Buffer) => {
      text += chunk
      const port = pattern.exec(text)?.[1]
      if (port) resolve(Number(port))
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.on('exit', () => reject(new Error(`${command}: ${text.slice(-1000)}`)))
  })
}

interface Figures {
  perSecond: number
  p50: number
  p99: number
}
/** Keeps `concurrency` calls in work for some seconds. */
async function measure(call: () => Promise<unknown>, concurrency: number): Promise<Figures> {
  const times: number[] = []
  const loop = async (until: number, keep: boolean) => {
    while (performance.now() < until) {
      const began = performance.now()
      await call()
      if (keep) times.push(performance.now() - began)
    }
  }
  const all = (until: number, keep: boolean) =>
    Promise.all(Array.from({ length: concurrency }, () => loop(until, keep)))
  await all(performance.now() + 500 * Math.min(1, seconds), false) // warm
  const began = performance.now()
  await all(began + seconds * 1000, true)
  const taken = (performance.now() - began) / 1000
  times.sort((a, b) => a - b)
  const at = (share: number) => Number(times[Math.min(times.length - 1, Math.floor(share * times.length))]!.toFixed(2))
  return { perSecond: Number((times.length / taken).toFixed(1)), p50: at(0.5), p99: at(0.99) }
}

const agent = new Agent({ keepAlive: true })
const post = (port: number, body: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'image/jpeg', 'content-length': body.length }
    const made = request({ host: '127.0.0.1', port, path: '/predict', method: 'POST', agent, headers }, response => {
      response.resume()
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`port ${port}: ${response.statusCode}`)),
      )
    })
    made.on('error', reject)
    made.end(body)
  })

try {
  const file = positionals[0] ?? join(work, 'model.onnx')
  if (!positionals[0]) writeFileSync(file, randomNet())
  const picture = await jpeg()
  const threads = Number(values.threads)
  const ort = (await importOrtNode()) as typeof import('onnxruntime-node')
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: threads })
  const cli = new URL('../bin/anneal.mjs', import.meta.url).pathname
  const ours = await started(
    process.execPath,
    [cli, 'serve', file, '--port', '0', '--threads', values.threads],
    /address .*:(\d+)/,
  )
  const calls: Record<string, () => Promise<unknown>> = {
    bare: async () => {
      const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true })
      const pixels = new ort.Tensor('uint8', new Uint8Array(data), [1, info.height, info.width, info.channels])
      return session.run({ [session.inputNames[0]!]: pixels })
    },
    anneal: () => post(ours, picture),
  }
  if (values.python) {
    const rival = new URL('rivals/serve_fastapi.py', import.meta.url).pathname
    const port = await started(values.python, [rival, file, '8971', values.threads], /running on .*:(\d+)/i)
    calls.fastapi = () => post(port, picture)
  }
  const rounds: { name: string; concurrency: number; figures: Figures }[] = []
  for (const concurrency of [1, 8, 32])
    for (let round = 0; round < (values.quick ? 1 : 2); round++)
      for (const [name, call] of Object.entries(calls)) {
        const figures = await measure(call, concurrency)
        rounds.push({ name, concurrency, figures })
        process.stdout.write(
          `${String(concurrency).padStart(2)} at a time  ${name.padEnd(8)} ${figures.perSecond} pictures/s, p50 ${figures.p50} ms, p99 ${figures.p99} ms\n`,
        )
      }
  await session.release()
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  writeResult(
    'serve',
    {
      date: new Date().toISOString().slice(0, 10),
      machine: { cpu: cpus()[0]!.model, cores: cpus().length },
      versions: { node: process.versions.node, anneal: version },
      threads,
      model: positionals[0] ? 'given' : 'six convolutions at 224 px, random weights',
      seconds,
      rounds,
    },
    { quick: values.quick },
  )
} finally {
  for (const child of children) child.kill()
  agent.destroy()
  rmSync(work, { recursive: true, force: true })
}
