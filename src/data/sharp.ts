import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Sharp, SharpInput, SharpOptions } from 'sharp'

type Library = typeof import('sharp').default

const require = createRequire(import.meta.url)
let loaded: Library | undefined

/** sharp, loaded when the first picture needs it: most JPEG files never do. */
export const sharp = (input: SharpInput, options?: SharpOptions): Sharp => library()(input, options)

function library(): Library {
  if (loaded) return loaded
  loaded = require('sharp') as Library
  // One thread a picture: many pictures in flight use the cores better than many threads on one.
  loaded.concurrency(1)
  loaded.cache(false)
  return loaded
}

/** libvips' version: another one may decode to other pixels. Its own package tells it without being loaded. */
export const vipsVersion = (): string => packagedVersion() ?? library().versions.vips!

function packagedVersion(): string | undefined {
  const entry = require.resolve('sharp')
  // One built here is taken first.
  if (existsSync(join(dirname(entry), '..', 'src', 'build'))) return undefined
  try {
    return createRequire(entry)(`@img/sharp-libvips-${process.platform}-${process.arch}/versions`).vips
  } catch {
    return undefined
  }
}
