import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import type { Sharp, SharpInput, SharpOptions } from 'sharp'
import { AnnealError } from '../../base/errors.ts'
import { pinLibraries } from '../../torch/index.ts'

type Library = typeof import('sharp').default

const require = createRequire(import.meta.url)
let loaded: Library | undefined

/** sharp, loaded when the first picture needs it; most JPEG files do not. */
export const sharp = (input: SharpInput, options?: SharpOptions): Sharp => library()(input, options)

function library(): Library {
  if (loaded) return loaded
  loaded = require('sharp') as Library
  // One thread per picture: decoding many pictures at once uses the cores better than many threads on one.
  loaded.concurrency(1)
  loaded.cache(false)
  if (!isMainThread) pinLibraries() // libvips' threads live longer than the worker that loaded it
  return loaded
}

/** The version of libvips, since another one may decode to other pixels. Its package gives it without loading the
 *  library. */
export const vipsVersion = (): string => packagedVersion() ?? library().versions.vips!

function packagedVersion(): string | undefined {
  const entry = require.resolve('sharp')
  // sharp prefers a libvips that was built here.
  if (existsSync(join(dirname(entry), '..', 'src', 'build'))) return undefined
  try {
    return createRequire(entry)(`@img/sharp-libvips-${process.platform}-${process.arch}/versions`).vips
  } catch {
    return undefined
  }
}

let running = 0
let alone: Promise<unknown> = Promise.resolve()
let waiting = 0
let idle = () => {}

/** Runs `work`, which decodes one picture by sharp. If it fails, it runs once more while no other picture is decoded,
 *  since libvips collects errors and warnings for the whole process: only then they surely belong to this picture. An
 *  AnnealError is our own reason and is thrown at once. */
export async function decodedAlone<T>(work: () => Promise<T>): Promise<T> {
  while (waiting > 0) await alone
  running++
  try {
    return await work()
  } catch (error) {
    if (error instanceof AnnealError) throw error
  } finally {
    running--
    if (running === 0) idle()
  }
  waiting++
  const turn = alone.then(async () => {
    while (running > 0) await new Promise<void>(resolve => (idle = resolve))
    try {
      return await work()
    } finally {
      waiting--
    }
  })
  alone = turn.catch(() => {})
  return turn
}
