import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { resumeRun, type TrainHooks, type TrainOptions, trainFolder } from '../../src/api/index.ts'
import { rng } from '../../src/base/random.ts'
import type { Interpretation, RunEvent, RunResult } from '../../src/runs/index.ts'
import { findAddon } from '../../src/setup/index.ts'
import { bestThresholds } from '../../src/train/metrics.ts'
import type { ModelCard } from '../../src/vision/inference/saved.ts'
import { ownCache } from './cache.ts'

/** Options of every small training here: random weights, small pictures. */
export const small: TrainOptions & { model: 'squeezenet1_1' } = {
  model: 'squeezenet1_1',
  pretrained: false,
  size: 32,
  batchSize: 16,
  views: 1,
  precision: 'float32',
  lr: 1e-3,
}

/** A finished run and its events. */
export interface Trained {
  dir: string
  result: RunResult
  events: RunEvent[]
  card: ModelCard
  /** The cards of the best weights; one for each fold. */
  interpretation: Interpretation
}

/** A temporary folder with its own cache, in which this process trains. */
export function runsFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-recipe-'))
  process.env.ANNEAL_THREADS = '2' // the command runs with the same number
  process.env.ANNEAL_ADDON = findAddon()?.path // it lies in the previous cache
  process.env.ANNEAL_CACHE = ownCache(folder)
  const path = (...parts: string[]) => join(folder, ...parts)
  const json = (...parts: string[]) => JSON.parse(readFileSync(path(...parts), 'utf8'))
  const trained = async (name: string, drive: (hooks: TrainHooks) => Promise<RunResult>): Promise<Trained> => {
    const events: RunEvent[] = []
    const result = await drive({ onEvent: event => events.push(event) })
    const interpretation = existsSync(path(name, 'interpret.json')) ? json(name, 'interpret.json') : undefined
    return { dir: path(name), result, events, card: json(name, 'best.json'), interpretation }
  }
  return {
    path,
    json,
    /** Writes files, and makes their folders. */
    put(files: Record<string, string | Uint8Array>) {
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(path(name)), { recursive: true })
        writeFileSync(path(name), content)
      }
    },
    /** A digest of the bytes of a file. */
    digest: (...parts: string[]) =>
      createHash('sha256')
        .update(readFileSync(path(...parts)))
        .digest('hex'),
    /** Trains on a folder below this one, into the run `name`. */
    train: (data: string, name: string, options: TrainOptions = {}, hooks: TrainHooks = {}) =>
      trained(name, own => trainFolder(path(data), { ...small, ...options, out: path(name) }, { ...own, ...hooks })),
    resume: (name: string, hooks: TrainHooks = {}) => trained(name, own => resumeRun(path(name), { ...own, ...hooks })),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
export type RunsFolder = ReturnType<typeof runsFolder>

const marks = {
  red: (x: number, y: number) => `<circle cx="${x}" cy="${y}" r="6" fill="#e02020"/>`,
  green: (x: number, y: number) => `<rect x="${x - 6}" y="${y - 6}" width="12" height="12" fill="#20c020"/>`,
  blue: (x: number, y: number) => `<path d="M${x} ${y - 7} l7 13 h-14 z" fill="#3030f0"/>`,
}
/** The colours of marks in artificial pictures. */
export type Mark = keyof typeof marks
export const allMarks = Object.keys(marks) as Mark[]

/** A PNG picture of `side` pixels: grey noise with one mark of each given colour, each at its own place. It depends
 *  only on `n`. */
export async function marked(n: number, names: readonly Mark[], side = 40): Promise<Buffer> {
  const random = rng(11, n, names.length)
  const noise = Uint8Array.from({ length: side * side * 3 }, () => random.uniform(60, 150))
  const place = () => Math.round(random.uniform(8, side - 8))
  const svg = `<svg width="${side}" height="${side}">${names.map(name => marks[name](place(), place())).join('')}</svg>`
  return sharp(noise, { raw: { width: side, height: side, channels: 3 } })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer()
}

/** A grey PNG picture of a disc over dark noise. `brightness` is 0 to 255, `radius` is in pixels. */
export async function disc(n: number, brightness: number, radius: number, side = 40): Promise<Buffer> {
  const random = rng(12, n, 0)
  const noise = Uint8Array.from({ length: side * side * 3 }, () => random.uniform(0, 30))
  const [x, y] = [random.uniform(14, side - 14), random.uniform(14, side - 14)]
  const fill = `rgb(${[0, 0, 0].map(() => Math.round(brightness))})`
  const svg = `<svg width="${side}" height="${side}"><circle cx="${x}" cy="${y}" r="${radius}" fill="${fill}"/></svg>`
  return sharp(noise, { raw: { width: side, height: side, channels: 3 } })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer()
}

/** Fails if the thresholds are not those that give the best macro F1 on these held-out pictures. A label with its own
 *  threshold has the exact best one; the others have the common one or 0.5. probabilities, targets: [N × classes]. */
export function assertThresholds(
  found: readonly number[],
  probabilities: Float32Array,
  targets: Float32Array,
  within = 1e-5,
): void {
  const classes = found.length
  const best = bestThresholds(probabilities, targets, classes, { metric: 'f1', average: 'macro' })
  const shared = found.filter((_, c) => !best.classes[c]!.own)
  assert.ok(new Set(shared).size <= 1, `${shared}`)
  const expected = best.thresholds.map((t, c) => (best.classes[c]!.own ? [t] : [best.threshold, 0.5]))
  for (const [c, t] of found.entries())
    assert.ok(
      expected[c]!.some(e => Math.abs(t - e) <= within),
      `label ${c}: ${t}, expected ${expected[c]!.join(' or ')}`,
    )
}
