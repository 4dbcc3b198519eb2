import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readObject, runPaths } from '../runs/index.ts'
import { fileOf, type Review } from './review.ts'

/** The content of a sample as an answer over HTTP. */
export interface Content {
  type: string
  bytes: Buffer
}

/** The longer side of an enlarged picture, in pixels; the most of a recording that is played, in seconds. */
const [side, mostSeconds] = [1024, 60]

/** A review with the whole texts of its table, so that they can be shown and their hashes be kept with decisions. Other
 *  reviews stay as they are, and so does one whose table is gone. */
export async function withTexts(review: Review): Promise<Review> {
  if (review.kind !== 'texts' || review.folder === review.data) return review
  const { textsOfTable } = await import('../text/read/text-table.ts')
  const card = readObject<{ preprocessing?: { columns?: { text?: string } } }>(runPaths(review.run).best.about)
  const column = card?.preprocessing?.columns?.text
  try {
    const { rows } = await textsOfTable(review.data, { column })
    return { ...review, texts: new Map(rows.map(({ name, text }) => [name.slice(review.folder.length + 1), text])) }
  } catch {
    return review
  }
}

/** A listed sample as the page shows it in full: undefined if it does not exist any more. It is decoded and encoded again,
 *  so that no original byte of a file is sent. */
export async function contentOf(review: Review, file: string): Promise<Content | undefined> {
  const text = review.texts?.get(file)
  if (text !== undefined) return asText(text)
  const path = fileOf(review, file)
  if (path === undefined) return undefined
  if (review.kind === 'texts') return asText(await readText(review, path))
  if (review.kind === 'sounds') return { type: 'audio/wav', bytes: await heard(path) }
  return { type: 'image/jpeg', bytes: await larger(path) }
}

const asText = (text: string): Content => ({ type: 'text/plain; charset=utf-8', bytes: Buffer.from(text, 'utf8') })

/** A file of text in the encoding that the run read it in. */
async function readText({ run }: Review, path: string): Promise<string> {
  const { decodeText } = await import('../text/read/decode.ts')
  const { settings } = readObject<{ settings?: { encoding?: string } }>(join(run, 'config.json')) ?? {}
  const decoded = decodeText(readFileSync(path), settings?.encoding)
  return 'fault' in decoded ? `(${decoded.fault})` : decoded.text
}

/** The first minute of a recording as a WAVE file of one channel. */
async function heard(path: string): Promise<Buffer> {
  const { readSound } = await import('../sound/decode/decode.ts')
  const { wavOf } = await import('../sound/interpret/wav.ts')
  const { samples, rate } = await readSound(path)
  return wavOf(samples.subarray(0, mostSeconds * rate), rate)
}

/** A picture as a JPEG. */
async function larger(path: string): Promise<Buffer> {
  const [{ loadPicture }, { smallJpeg }] = await Promise.all([
    import('../vision/decode/load-picture.ts'),
    import('../vision/interpret/picture.ts'),
  ])
  const picture = await loadPicture(path, { short: side, interpolation: 'bicubic', mode: 'keep' })
  return Buffer.from(await smallJpeg(picture, { side, quality: 88 }), 'base64')
}
