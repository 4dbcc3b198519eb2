/** Measures one point of bench/growth.ts. It runs in its own process, so that its memory can be measured:
 *  growth-parts.ts PART N */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Cost of the work of size `n`. `bytes`: its peak memory, without what the process had loaded before. `residentBytes`:
 *  peak memory of the whole process. `heapBytes`: what JavaScript still held at its end. */
export interface GrowthPoint {
  n: number
  seconds: number
  bytes: number
  residentBytes: number
  heapBytes: number
}

/** The parts that can grow. */
export type Part = 'pictures' | 'head' | 'metrics' | 'report' | 'size' | 'batch'

/** Measures one part at each `n`, each in its own process. */
export const measurePart = (part: Part, ns: readonly number[]): GrowthPoint[] =>
  ns.map(n => {
    const node = ['--expose-gc', '--max-old-space-size=8192', '--import', 'tsx']
    const args = [...node, 'bench/growth-parts.ts', part, String(n)]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
    if (status !== 0) throw new Error(`${part} at ${n}: ${stderr}`)
    return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as GrowthPoint
  })

/** Each part loads what it needs and returns its work. The work returns what it holds, and its seconds if it timed
 *  itself. */
const parts: Record<Part, (n: number) => Promise<() => Promise<{ held: unknown; seconds?: number }>>> = {
  /** An index of n pictures in 100 classes with a random split, from paths as a listing has them. */
  async pictures(n) {
    const { indexRows } = await import('../src/data/labels/index-rows.ts')
    const { pictureFiles: fileKind } = await import('../src/vision/decode/formats.ts')
    const dir = '/data/photos'
    const classes = Array.from({ length: 100 }, (_, c) => [`class ${c}`])
    return async () => {
      // Through bytes, because names of files come as bytes: each becomes one flat string.
      const path = (i: number) => Buffer.from(`${dir}/class ${i % 100}/IMG_${10_000_000 + i}.jpg`).toString()
      const files = Array.from({ length: n }, (_, i) => path(i))
      const labels = files.map((_, i) => classes[i % 100]!)
      const answers = { task: 'single' as const, labels, targets: [], choices: [] }
      const found = { files: files.map((_, i) => i), where: (row: number) => `line ${row + 2}`, source: 'labels.csv' }
      const start = performance.now()
      const listing = { dir, files, raw: new Map<number, Uint8Array>(), problems: [], fileKind }
      const index = indexRows({ listing, answers, ...found, problems: [], choices: [] }, {})
      if (index.items.length !== n) throw new Error(`${index.items.length} of ${n} pictures`)
      return { held: [index, listing], seconds: (performance.now() - start) / 1000 }
    }
  },
  /** The head over n classes: an epoch over 4,096 samples of 128 features, and validation. */
  async head(n) {
    const { createHead } = await import('../src/train/network.ts')
    const { Learner } = await import('../src/train/learner.ts')
    const { featureSource } = await import('../src/train/features.ts')
    const { rng } = await import('../src/base/random.ts')
    const random = rng(1)
    const features = Float32Array.from({ length: 4096 * 128 }, () => random.uniform(-1, 1))
    const answers = { count: 4096, targets: Int32Array.from({ length: 4096 }, (_, i) => i % n) }
    const classes = Array.from({ length: n }, (_, c) => `class ${c}`)
    return async () => {
      const head = createHead(128, n)
      const source = featureSource(features, answers)
      const learning = { train: source, valid: source, classes, batchSize: 32, evalBatchSize: 1024 }
      const learn = new Learner({ net: head, groups: [{ name: 'head', modules: [head] }] }, learning)
      return { held: await learn.fit(1, { lr: 1e-3 }) }
    }
  },
  /** The validation metrics for uneven classes, over 4,096 pictures and n classes. */
  async metrics(n) {
    const { objective } = await import('../src/train/objective.ts')
    const classes = Array.from({ length: n }, (_, c) => `class ${c}`)
    const targets = Int32Array.from({ length: 4096 }, (_, i) => i % n)
    const outputs = Float32Array.from({ length: 4096 * n }, (_, i) => (i * 2654435761) % 1000)
    const { score } = objective('single', classes, { uneven: true })
    return async () => ({ held: score(outputs, targets) })
  },
  /** The report of a run with n classes. */
  async report(n) {
    const { makeRun } = await import('../test/helpers/report.ts')
    const { writeReport } = await import('../src/report/index.ts')
    const dir = mkdtempSync(join(tmpdir(), 'anneal-growth-'))
    makeRun(join(dir, 'run'), { classes: Array.from({ length: n }, (_, c) => `class ${c}`), test: false })
    return async () => {
      try {
        const start = performance.now()
        await writeReport(join(dir, 'run'))
        return { held: undefined, seconds: (performance.now() - start) / 1000 }
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    }
  },
  /** A training step of 8 pictures of n px. */
  size: n => step({ size: n, batchSize: 8 }),
  /** A training step of n pictures of 96 px. */
  batch: n => step({ size: 96, batchSize: n }),
}

async function step(shape: { size: number; batchSize: number }) {
  const { median, noiseNet, timeSteps } = await import('../src/speed/timing.ts')
  const by = { ...shape, classes: 10, precision: 'float32', kernels: 'own', steps: 3 } as const
  const net = await noiseNet('tf_efficientnet_lite0', { size: 32, batchSize: 2, classes: 10 })
  return async () => ({ held: net, seconds: median(await timeSteps(net, by)) / 1000 })
}

if (process.argv[1]?.endsWith('growth-parts.ts')) {
  const [part, n] = [process.argv[2] as Part, Number(process.argv[3])]
  const work = await parts[part](n)
  const before = process.memoryUsage().rss
  const start = performance.now()
  const { held, seconds = (performance.now() - start) / 1000 } = await work()
  const residentBytes = 1024 * process.resourceUsage().maxRSS
  globalThis.gc?.()
  const heapBytes = process.memoryUsage().heapUsed
  const point: GrowthPoint = { n, seconds, bytes: Math.max(0, residentBytes - before), residentBytes, heapBytes }
  // Uses `held` once more, so that the garbage collector can not free it earlier.
  process.stdout.write(`${JSON.stringify(held === null ? {} : point)}\n`)
}
