import type { Sharp, SharpOptions } from 'sharp'
import type { Card } from '../onnx/card.ts'
import { RunError, reasonOf } from './errors.ts'
import { type Format, formatOf } from './format.ts'
import { checkPixels } from './pixels.ts'
import type { RawPixels } from './types.ts'

type Library = typeof import('sharp').default

let loading: Promise<Library> | undefined

/** sharp, imported when the first picture needs it. */
function library(): Promise<Library> {
  loading ??= import('sharp').then(
    ({ default: sharp }) => {
      // Older ones ignore `autoOrient` without a word.
      const [major, minor] = sharp.versions.sharp!.split('.').map(Number)
      if (major === 0 && minor! < 35)
        throw new RunError(
          'backend',
          `sharp ${sharp.versions.sharp} is too old. Install it anew: npm install sharp@latest.`,
        )
      sharp.concurrency(1) // one thread per picture: many pictures at once use the cores better
      sharp.cache(false)
      return sharp
    },
    cause => {
      loading = undefined
      throw new RunError(
        'backend',
        `sharp, which decodes pictures, can't be imported (${reasonOf(cause)}). Install it: npm install sharp.`,
        { cause },
      )
    },
  )
  return loading
}

/** The formats that are read in Node. */
export const readInNode: readonly Format[] = ['JPEG', 'PNG', 'GIF', 'WebP', 'AVIF', 'TIFF']

/** Decodes a picture by training's rules: upright by EXIF; of an animation the first frame; CMYK by its profile, other
 *  profiles are left alone; 16 bits scaled to 8; transparency laid on white. Where the model was trained on channels as
 *  they are, those of the file. Pixels are counted before they are decoded. */
export async function decodeFile(bytes: Uint8Array, { input: { mode } }: Card, limit: number): Promise<RawPixels> {
  const format = await formatOf(bytes, readInNode)
  const jpeg = format === 'JPEG' ? await import('./jpeg.ts') : undefined
  if (jpeg) bytes = jpeg.mendedJpeg(bytes)
  if (format === 'TIFF') (await import('./tiff.ts')).checkTiff(bytes, mode === 'keep')
  if (format === 'AVIF' && bytes[11] === 0x73) {
    // The brand of a film, avis, is not read: avif gives its still picture.
    bytes = Uint8Array.from(bytes)
    bytes[11] = 0x66
  }
  const sharp = await library()
  const named = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await decodedAlone(work)
    } catch (error) {
      if (error instanceof RunError) throw error
      throw new RunError('picture', `its ${format} data are cut off or corrupt (${plain(error)})`, { cause: error })
    }
  }
  const header =
    (await jpeg?.usualHeader(bytes)) ?? (await named(() => sharp(bytes, { limitInputPixels: false }).metadata()))
  checkPixels(header.width, header.height, limit)
  const { space, hasProfile, channels = 3 } = header
  const keep = mode === 'keep'
  const cmyk = space === 'cmyk'
  const decode = (work: (input: Sharp) => Sharp, ignoreIcc: boolean) => {
    const attempt = (failOn: 'warning' | 'error') => {
      const options: SharpOptions = { failOn, autoOrient: true, limitInputPixels: limit, ignoreIcc }
      return named(() => work(sharp(bytes, options)).raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true }))
    }
    // Every warning of libjpeg counts as damage, except extra bytes before the end.
    if (format !== 'JPEG') return attempt('error')
    return attempt('warning').catch(error => {
      if (!/\d extraneous bytes before marker 0xd9/.test(String(error.cause ?? error))) throw error
      return attempt('error')
    })
  }
  if (keep || (cmyk && !hasProfile)) {
    // Converting to grey, libvips would drop transparency.
    const twice = space === 'b-w' && channels === 2
    const to = twice
      ? 'srgb'
      : header.depth === 'ushort' && space?.endsWith('16')
        ? space === 'grey16'
          ? 'b-w'
          : 'srgb'
        : (space ?? 'srgb')
    const { data, info } = await decode(
      input => (cmyk ? input.pipelineColourspace('cmyk') : input).toColourspace(to),
      true,
    )
    const raw = { data: data as Uint8Array, width: info.width, height: info.height, channels: info.channels as number }
    if (keep) return twice ? { ...raw, data: data.filter((_, i) => i % 4 === 0 || i % 4 === 3), channels: 2 } : raw
    return { ...raw, data: fromCmyk(data, info.channels), channels: 3 }
  }
  const { data, info } = await decode(input => {
    if (header.hasAlpha) input.flatten({ background: 'white' })
    return input.toColourspace('srgb')
  }, !cmyk)
  return { data, width: info.width, height: info.height, channels: info.channels }
}

/** Converts CMYK to RGB without a profile: (1 - ink) x (1 - black), as training does. */
function fromCmyk(data: Uint8Array, bands: number): Uint8Array {
  const out = new Uint8Array((data.length / bands) * 3)
  for (let from = 0, to = 0; from < data.length; from += bands)
    for (let c = 0; c < 3; c++) out[to++] = Math.round(((255 - data[from + c]!) * (255 - data[from + 3]!)) / 255)
  return out
}

const plain = (error: unknown): string =>
  String(error instanceof Error ? error.message : error)
    .split('\n')
    .map(line =>
      line
        .replace(/^Input (buffer|Buffer) has corrupt header: ?/, '')
        .replace(/^\w+: /, '')
        .trim(),
    )
    .find(line => line !== '') ?? 'its header is corrupt'

let running = 0
let alone: Promise<unknown> = Promise.resolve()
let waiting = 0
let idle = () => {}

/** Runs `work`, which decodes one picture by sharp. If it fails, it runs once more while no other picture is decoded:
 *  libvips collects errors and warnings for the whole process, so only then they surely belong to this picture. */
async function decodedAlone<T>(work: () => Promise<T>): Promise<T> {
  while (waiting > 0) await alone
  running++
  try {
    return await work()
  } catch (error) {
    if (error instanceof RunError || (running === 1 && waiting === 0)) throw error
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
