import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import sharp from 'sharp'
import { findAddon } from '../../src/setup/index.ts'
import { ownCache } from './cache.ts'

/** A temporary folder with its own picture cache. It is removed after the test. */
export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-data-'))
  const addon = findAddon()?.path // it lies in the cache that was
  if (addon) process.env.ANNEAL_ADDON = addon
  const before = process.env.ANNEAL_CACHE
  process.env.ANNEAL_CACHE = ownCache(folder)
  t.after(() => {
    if (before === undefined) delete process.env.ANNEAL_CACHE
    else process.env.ANNEAL_CACHE = before
    rmSync(folder, { recursive: true, force: true })
  })
  return join(folder, 'data')
}

/** Pixels that differ for each seed and are smooth enough for JPEG. */
export function pixels(seed: number, width: number, height: number): Uint8Array {
  const data = new Uint8Array(width * height * 3)
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++, i++)
        data[i] = 128 + 100 * Math.sin(seed * 1.7 + (x * (c + 1)) / 9 + (y * (3 - c)) / 11 + seed * c)
  return data
}

export const raw = (seed: number, width = 48, height = 32) =>
  sharp(pixels(seed, width, height), { raw: { width, height, channels: 3 } })

export const jpeg = (seed: number, width = 48, height = 32): Promise<Buffer> =>
  raw(seed, width, height).jpeg({ quality: 90 }).toBuffer()

/** Writes files, and makes their folders. */
export function put(folder: string, files: Record<string, Uint8Array | string>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
}

/** `counts` pictures for each class, all different: `cat/0.jpg`, … */
export async function classFolders(folder: string, counts: Record<string, number>, seed = 1): Promise<void> {
  for (const [name, count] of Object.entries(counts))
    for (let i = 0; i < count; i++) put(folder, { [`${name}/${i}.jpg`]: await jpeg(seed++) })
}
