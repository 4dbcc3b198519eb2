// Runs every operator of our own on small data, for the tests of threads, workers and failed allocations. As a program
// it writes the results to a file. As a worker it computes them again and again, and posts those that differ.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { rng } from '../../src/base/random.ts'
import { call, generator, grad, kernelSets, noGrad, rand, scope, type Tensor } from '../../src/torch/index.ts'
import { native } from '../../src/torch/native.ts'
import { augmentation, drawChange } from '../../src/vision/augment/index.ts'
import { pictureBatch } from '../../src/vision/batch.ts'

/** Results of an operator: output, gradients, and the tensors that it changes. */
export type Made = Record<string, Float32Array>

type Draw = (shape: number[], low?: number, high?: number) => Tensor
type Part = (draw: Draw, half: boolean) => { learns: Tensor[]; make: () => Tensor | Tensor[] }

const last = (t: Tensor) => t.contiguous('channels_last')
const layer = (draw: Draw, shape: number[]) => {
  const c = shape[0]!
  return [draw(shape), draw([c], 1, 2), draw([c], -1, 2), draw([c], -0.5, 0.5), draw([c], 0.5, 2)]
}
const learning = (layers: Tensor[][]) => layers.flatMap(l => l.slice(0, 3))

/** A block of n pictures: expand (or the stem), depthwise, project. */
function block(n: number, [h, w]: [number, number], training: boolean, { k = 3, stride = 1, stem = false } = {}): Part {
  return (draw, half) => {
    const [cin, mid, cout] = [stem ? 3 : 16, 48, stride === 1 && !stem ? 16 : 24]
    const x = last(draw([n, cin, h, w], -2, 2))
    const layers = [
      layer(draw, [mid, cin, ...(stem ? [3, 3] : [1, 1])]),
      layer(draw, [mid, 1, k, k]),
      layer(draw, [cout, mid, 1, 1]),
    ] as const
    const numbers = [half, training, 1e-3, 0.1]
    const residual = !stem && stride === 1
    const make = () => {
      const running = layers.map(l => l.map(t => (l.indexOf(t) > 2 ? t.clone() : t))) // training changes these
      return stem
        ? call('anneal::stem_block', x, ...running, stride, false, ...numbers)
        : call('anneal::inverted_residual', x, ...running, stride, false, residual, ...numbers)
    }
    return { learns: [...(stem ? [] : [x]), ...learning([...layers])], make }
  }
}
const conv3x3 =
  (n: number, h: number, w: number, c: number, k: number, each = c, stride = 1): Part =>
  (draw, half) => {
    const x = last(draw([n, c, h, w], -2, 2))
    const [weight, scale, bias] = [draw([k, each, 3, 3]), draw([k], 0.5, 1.5), draw([k])]
    const plus = last(draw([n, k, Math.ceil(h / stride), Math.ceil(w / stride)]))
    const make = () => call('anneal::conv3x3', x, weight, scale, bias, plus, 'relu', stride, half)
    return { learns: [x, weight, scale, bias, plus], make }
  }
/** A convolution of x by [outputs, k, stride], in these ways. */
const convBy =
  (shape: [number, number, number, number], [k, side, stride]: [number, number, number], ways: string[]): Part =>
  (draw, half) => {
    const [x, w, bias] = [last(draw(shape, -2, 2)), draw([k, shape[1], side, side]), draw([k])]
    const by = [...ways, ways[0]!]
    const make = () => call('anneal::conv_by', x, w, null, bias, null, 'relu', stride, side >> 1, 1, ...by, half)
    return { learns: [x, w, bias], make }
  }
const body =
  (n: number): Part =>
  (draw, half) => {
    const tensors = [
      ...[layer(draw, [32, 3, 3, 3]), layer(draw, [32, 1, 3, 3]), layer(draw, [16, 32, 1, 1])],
      ...[layer(draw, [96, 16, 1, 1]), layer(draw, [96, 1, 5, 5]), layer(draw, [24, 96, 1, 1])],
      ...[layer(draw, [48, 24, 1, 1])],
    ]
    const form = [...[1, 1, 0, 0], ...[0, 2, 0, 0], ...[2, 1, 0, 0]]
    const x = last(draw([n, 3, 40, 36], -2, 2))
    return { learns: [], make: () => noGrad(() => call('anneal::mobile_body', x, tensors.flat(), form, half, 1e-3)) }
  }

/** The key names the operator and what is special. */
const parts: Record<string, Part> = {
  'block, batch': block(8, [10, 8], true),
  'block, kept': block(8, [10, 8], false),
  'block of odd pictures, batch': block(16, [7, 7], true, { k: 5 }),
  'block of odd pictures, kept': block(16, [7, 7], false, { k: 5 }),
  'block at stride 2': block(8, [14, 12], true, { stride: 2 }),
  'block of one picture': block(1, [9, 11], true),
  'stem, batch': block(8, [20, 16], true, { stem: true }),
  'pointwise, relu6': (draw, half) => {
    const [x, l] = [last(draw([3, 24, 9, 10], -2, 2)), layer(draw, [72, 24, 1, 1])]
    const make = () =>
      call('anneal::pointwise_relu6', x, [...l.slice(0, 3), ...l.slice(3).map(t => t.clone())], half, true, 1e-3, 0.1)
    return { learns: [x, ...learning([l])], make }
  },
  conv3x3: conv3x3(2, 17, 18, 64, 32),
  'conv3x3 in groups of 4': conv3x3(2, 12, 13, 64, 64, 4),
  'conv3x3 in groups of 32, stride 2': conv3x3(3, 12, 12, 64, 64, 32, 2),
  'conv_by, few channels': convBy([2, 3, 30, 28], [40, 7, 2], ['own', 'libtorch', 'product']),
  'conv_by, one product each': convBy([2, 32, 13, 12], [64, 3, 2], ['product', 'product', 'product']),
  'conv_by, tiles': convBy([2, 64, 13, 12], [96, 3, 1], ['tiles', 'tiles', 'tiles']),
  'conv_by, ours': convBy([2, 64, 13, 12], [96, 3, 1], ['own', 'own', 'own']),
  concat_pool: (draw, half) => {
    const x = last(draw([5, 40, 4, 5])).to(half ? 'bfloat16' : 'float32')
    return { learns: [x], make: () => call('anneal::concat_pool', x) }
  },
  activation_share: draw => {
    const [x, a] = [draw([2, 30, 70], -4, 4), draw([2, 1, 70])] as const
    return { learns: [x, a], make: () => call('anneal::activation_share', x, a, 'mish') }
  },
  norm_act: (draw, half) => {
    const [x, plus] = [0, 1].map(() => last(draw([4, 72, 9, 9], -2, 2)).to(half ? 'bfloat16' : 'float32')) as [
      Tensor,
      Tensor,
    ]
    const [, gamma, beta, mean, variance] = layer(draw, [72, 1, 1, 1])
    const make = () =>
      call('anneal::norm_act', x, gamma, beta, mean!.clone(), variance!.clone(), plus, 'relu', true, 1e-3, 0.1)
    return { learns: [x, gamma!, beta!, plus], make }
  },
  'mobile_body, one picture': body(1),
  'mobile_body, five pictures': body(5),
  adam_: draw => {
    const of = (low: number) => [[3], [33, 17], [12_000]].map(shape => draw(shape, low))
    const lists = [of(-1), of(-1), of(-1), of(0)] as const
    const make = () => {
      const now = lists.map(list => list.map(t => t.clone()))
      call('anneal::adam_', ...now, 1e-2, 0.9, 0.99, 1e-5, 1e-2, true, 3)
      call('anneal::sgd_', now[0], now[1], now[2], 1e-2, 0.9, 1e-2, true)
      call('anneal::blend', now[3], now[0], 0.9)
      return now.flat()
    }
    return { learns: [], make }
  },
  view_batch: () => {
    const random = rng(3)
    const pictures = [40, 33, 100].map(height => {
      const data = Uint8Array.from({ length: height * 50 * 3 }, () => random.integer(256))
      return { data, height, width: 50, channels: 3 }
    })
    const drawn = augmentation('side-on,maxWarp=0.2,maxLighting=0.3,pLighting=1')
    const changes = pictures.map((_, i) => drawChange(drawn, 1, 2, i))
    const normalization = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.3] }
    const make = () => pictureBatch(pictures, changes, { normalization, channels: 3, size: 32 })
    return { learns: [], make }
  },
}
export const names: readonly string[] = Object.keys(parts)

/** Results of one of `names` with the kernels of an instruction set. */
export function made(name: string, set: string): Made {
  call('anneal::use_kernel_set', kernelSets('float32')[0])
  call('anneal::use_kernel_set', set)
  const g = generator(7)
  const draw: Draw = (shape, low = -1, high = 1) =>
    rand(shape, { generator: g })
      .mul(high - low)
      .add(low)
  return scope(() => {
    const half = kernelSets('bfloat16').includes(set)
    const { learns, make } = parts[name]!(draw, half)
    for (const t of learns) t.requiresGrad = true
    const out = [make()].flat()
    const y = out[0]!
    const weights = rand(y.shape, { generator: g }).to('float32')
    const gradients = learns.length > 0 ? grad([y.to('float32').mul(weights).sum()], learns) : []
    const plain = (t: Tensor | null) => Float32Array.from(t!.detach().to('float32').contiguous().data() as Float32Array)
    return Object.fromEntries([...out, ...gradients].map((t, i) => [`${name}, ${i}`, plain(t)]))
  })
}
/** All of them. */
export const madeBy = (set: string, threads: number): Made => {
  native.setThreads(threads)
  return Object.assign({}, ...names.map(name => made(name, set)))
}

/** |a - b| / |b| in the norm of all values; infinite if a value is NaN. */
export function apart(a: Float32Array, b: Float32Array): number {
  let [error, size] = [0, 0]
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  a.forEach((v, i) => {
    error += (v - b[i]!) ** 2
    size += b[i]! ** 2
  })
  const off = Math.sqrt(error / Math.max(size, 1e-12))
  return Number.isNaN(off) ? Number.POSITIVE_INFINITY : off
}

export interface Task {
  set: string
  threads: number
}
const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength)
/** Names of the results whose bits differ. */
const differing = (results: Made, expected: Made): string[] =>
  Object.keys(expected).filter(name => !results[name] || !bytes(results[name]!).equals(bytes(expected[name]!)))

// --- as a program: test/helpers/threads.ts made TASKS FILE, workers TASKS SECONDS, failing TASKS, threads []. TASKS is
// JSON.

/** Writes all results to the file, task by task. */
function write(tasks: Task[], file: string) {
  const results = tasks.flatMap(({ set, threads }) => Object.values(madeBy(set, threads)))
  writeFileSync(file, Buffer.concat(results.map(bytes)))
}
/** Reads results that `write` wrote. */
export function read(tasks: Task[], file: string, like: Made): Made[] {
  const all = readFileSync(file)
  const values = new Float32Array(all.buffer.slice(all.byteOffset, all.byteOffset + all.byteLength))
  let at = 0
  const next = (v: Float32Array) => {
    at += v.length
    return values.subarray(at - v.length, at)
  }
  return tasks.map(() => Object.fromEntries(Object.entries(like).map(([name, v]) => [name, next(v)])))
}

interface Work extends Task {
  seconds: number
  expected: Made
}
/** Computes everything again and again, in its own thread. */
const start = (work: Work): Promise<{ rounds: number; wrong: string[] }> =>
  new Promise((done, failed) => {
    const code = `import('tsx/esm/api').then(tsx => { tsx.register(); return import(${JSON.stringify(import.meta.url)}) })`
    const worker = new Worker(code, { eval: true, workerData: { work }, execArgv: [] })
    worker.on('message', done)
    worker.on('error', failed)
  })
function again({ set, threads, seconds, expected }: Work) {
  const wrong = new Set<string>()
  let rounds = 0
  for (const end = performance.now() + seconds * 1000; performance.now() < end; rounds++) {
    for (const name of differing(madeBy(set, threads), expected)) wrong.add(name)
    if (native.threads() !== threads) wrong.add(`threads: ${native.threads()}`)
  }
  parentPort!.postMessage({ rounds, wrong: [...wrong] })
}
/** Runs one thread for each task, all at once. Each result must have the same bits as the task alone. */
async function inWorkers(tasks: Task[], seconds: number) {
  const works = tasks.map(task => ({ ...task, seconds, expected: madeBy(task.set, task.threads) }))
  return await Promise.all(works.map(start))
}

/** Runs each operator with its first allocation failing, then its second, until all have failed once. */
function failing({ set, threads }: Task) {
  native.setThreads(threads)
  const [messages, wrong, results]: [string[], string[], Made] = [[], [], {}]
  for (const name of names)
    for (let n = 1; n < 1000; n++) {
      process.env.ANNEAL_TEST_NO_MEMORY = `${set}, ${name}:${n}`
      try {
        Object.assign(results, made(name, set))
        break
      } catch (error) {
        messages.push(`${name}: ${(error as Error).message}`)
      } finally {
        process.env.ANNEAL_TEST_NO_MEMORY = ''
      }
    }
  wrong.push(...differing(madeBy(set, threads), results))
  return { set, messages, wrong }
}

if (!isMainThread && workerData?.work) again(workerData.work as Work)
if (isMainThread && process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, json, more] = process.argv.slice(2)
  const tasks = JSON.parse(json!) as Task[]
  if (what === 'made') write(tasks, more!)
  else if (what === 'threads') console.log(native.threads())
  else console.log(JSON.stringify(what === 'workers' ? await inWorkers(tasks, Number(more)) : tasks.map(failing)))
}
