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

/** What every small training here is told: a net from random weights over small pictures. */
export const small: TrainOptions = {
  model: 'squeezenet1_1',
  pretrained: false,
  size: 32,
  batchSize: 16,
  views: 1,
  precision: 'float32',
  lr: 1e-3,
}

/** A run that has ended, with what it told. */
export interface Trained {
  dir: string
  result: RunResult
  events: RunEvent[]
  card: ModelCard
  /** What the run keeps of its best weights; folds have one each. */
  interpretation: Interpretation
}

/** A temp folder with a cache of its own, in which runs are trained in this process. */
export function runsFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-recipe-'))
  process.env.ANNEAL_THREADS = '2' // as the command is run with
  process.env.ANNEAL_ADDON = findAddon()?.path // which lies in the cache that was
  process.env.ANNEAL_CACHE = join(folder, 'cache')
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
    /** Writes files, folders made as needed. */
    put(files: Record<string, string | Uint8Array>) {
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(path(name)), { recursive: true })
        writeFileSync(path(name), content)
      }
    },
    /** A digest of a file's bytes. */
    digest: (...parts: string[]) =>
      createHash('sha256')
        .update(readFileSync(path(...parts)))
        .digest('hex'),
    /** Trains on a folder below into the run `name`. */
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
/** A colour that a made picture may have a mark of. */
export type Mark = keyof typeof marks
export const allMarks = Object.keys(marks) as Mark[]

/** A PNG of `side` pixels: grey noise with a mark of each colour given, at places of their own; a function of `n`. */
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

/** A grey PNG of a disc over dark noise: its brightness from 0 to 255 and its radius in pixels. */
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

/** Fails where thresholds are not those that these probabilities of held-out pictures give for macro F1: of labels that
 *  have one of their own the exact best, of the others the one for all or 0.5. probabilities, targets: [N × classes]. */
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
