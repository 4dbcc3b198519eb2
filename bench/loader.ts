/** From JPEG files, and from the cache of decoded pictures, to normalised batches, compared with the loaders of
 *  torchvision and fastai:
 *  node --import tsx bench/loader.ts DATA [--size 128] [--rounds 5] [--python python3]
 *
 *  DATA holds one folder for each class. `cache`: batches of 64 on one thread, with each set of kernels in turn.
 *  `jpeg`: the first epoch, which decodes into an empty cache, and a later epoch, on all cores. The rivals
 *  (bench/rivals/loader.py) have the same number of workers. All do random resized crops and flips unless the name says
 *  otherwise. Writes bench/results/loader.json. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type Kernels, scope, setThreads, withKernels } from '../src/torch/index.ts'
import { inOrder } from '../src/train/source.ts'
import { augmentation } from '../src/vision/augment/index.ts'
import { openPictures, type Pictures } from '../src/vision/dataset.ts'
import { indexPictures } from '../src/vision/index.ts'
import { pictureSource } from '../src/vision/picture-source.ts'
import { emptyCache, measuredOn } from './machine.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '5' },
    python: { type: 'string' },
  },
})
const [dir] = positionals
if (!dir) throw new Error('loader: give a folder with one folder a class')
const size = Number(values.size)
const rounds = Array.from({ length: Number(values.rounds) }, (_, i) => i)
const short = Math.round(size / 0.875)
const workers = availableParallelism()
const normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
const crops = { flip: 0.5, minScale: 0.35 }
// prettier-ignore
const ways = {
  'centre crop': undefined,
  'random resized crop': augmentation(crops),
  'side-on': augmentation('side-on'),
  'side-on, warp, lighting': augmentation({ preset: 'side-on', maxWarp: 0.2, maxLighting: 0.2, saturation: 0.2 }),
}

const median = (list: readonly number[]) => list.toSorted((a, b) => a - b)[list.length >> 1]!
const rates = (seconds: readonly number[], count: number) => ({
  median: Math.round(count / median(seconds)),
  best: Math.round(count / Math.min(...seconds)),
})
const timed = async <T>(work: () => T | Promise<T>): Promise<{ seconds: number; result: T }> => {
  const start = performance.now()
  const result = await work()
  return { seconds: (performance.now() - start) / 1000, result }
}

function epoch(pictures: Pictures, way: keyof typeof ways, number: number): number {
  const source = pictureSource({
    picture: n => pictures.picture(n),
    samples: pictures.data.items,
    augmentation: ways[way],
    size,
    short,
    normalization,
  })
  for (const samples of inOrder(source.count, 64)) scope(() => void source.batch(samples, number))
  return source.count
}

/** Decodes everything into an empty cache, then runs one epoch from it. */
async function fromJpeg(way: keyof typeof ways) {
  const cache = emptyCache()
  process.env.ANNEAL_CACHE = cache
  try {
    const index = await indexPictures(dir!)
    const decode = await timed(() => openPictures(index, { short }))
    const batches = await timed(() => epoch(decode.result, way, 0))
    return {
      count: index.items.length,
      decode: decode.seconds,
      first: decode.seconds + batches.seconds,
      later: batches.seconds,
    }
  } finally {
    delete process.env.ANNEAL_CACHE
    rmSync(cache, { recursive: true, force: true })
  }
}

async function fromCache(pictures: Pictures) {
  setThreads(1)
  const result: Record<string, Record<Kernels, { median: number; best: number }>> = {}
  for (const way of Object.keys(ways) as (keyof typeof ways)[]) {
    const seconds: Record<Kernels, number[]> = { own: [], aten: [] }
    for (const round of [-1, ...rounds])
      for (const kernels of ['own', 'aten'] as const) {
        const took = await timed(() => withKernels(kernels, () => epoch(pictures, way, round + 1)))
        if (round >= 0) seconds[kernels].push(took.seconds)
      }
    const count = pictures.data.items.length
    result[way] = { own: rates(seconds.own, count), aten: rates(seconds.aten, count) }
    process.stdout.write(`cache, ${way}: ${JSON.stringify(result[way])} pictures/s on one core\n`)
  }
  setThreads(workers)
  return result
}

function rival(name: 'torchvision' | 'fastai') {
  const { OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE, ...env } = process.env
  const args = [
    'bench/rivals/loader.py',
    name,
    dir!,
    '--size',
    values.size,
    '--workers',
    String(workers),
    '--rounds',
    values.rounds,
  ]
  const { status, stdout, stderr } = spawnSync(values.python!, args, { encoding: 'utf8', env })
  if (status !== 0) throw new Error(stderr)
  const { seconds, count, versions } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
  const result = { ...rates(seconds, count), versions }
  process.stdout.write(`${name}: ${JSON.stringify(result)} pictures/s, ${workers} workers\n`)
  return result
}

const jpegs: Awaited<ReturnType<typeof fromJpeg>>[] = []
for (const _ of rounds) jpegs.push(await fromJpeg('random resized crop'))
const count = jpegs[0]!.count
const jpeg = {
  decode: rates(
    jpegs.map(j => j.decode),
    count,
  ),
  firstEpoch: rates(
    jpegs.map(j => j.first),
    count,
  ),
  laterEpoch: rates(
    jpegs.map(j => j.later),
    count,
  ),
}
process.stdout.write(`jpeg: ${JSON.stringify(jpeg)} pictures/s, ${workers} workers\n`)
const rivals = values.python ? { torchvision: rival('torchvision'), fastai: rival('fastai') } : undefined
const cache = emptyCache()
process.env.ANNEAL_CACHE = cache
const cached = await fromCache(await openPictures(await indexPictures(dir), { short }))
rmSync(cache, { recursive: true, force: true })

const ratios = rivals && {
  firstEpoch: {
    torchvision: jpeg.firstEpoch.median / rivals.torchvision.median,
    fastai: jpeg.firstEpoch.median / rivals.fastai.median,
  },
  laterEpoch: {
    torchvision: jpeg.laterEpoch.median / rivals.torchvision.median,
    fastai: jpeg.laterEpoch.median / rivals.fastai.median,
  },
}
const summary = {
  ...measuredOn(),
  pictures: count,
  size,
  short,
  workers,
  rounds: rounds.length,
  unit: 'pictures/s',
  cache: cached,
  jpeg,
  ...(rivals && { rivals, ratios }),
}
mkdirSync('bench/results', { recursive: true })
writeFileSync('bench/results/loader.json', `${JSON.stringify(summary, null, 2)}\n`)
