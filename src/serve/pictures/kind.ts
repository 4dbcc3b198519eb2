import { quoted } from '../../base/format.ts'
import type { Pixels, ServedPictures } from '../model.ts'
import { reasonOf } from '../reason.ts'
import { Refused } from '../refused.ts'
import type { Given, Picture, Reading, ServedKind, Waited } from '../served-kind.ts'
import { formatNames, readHeader } from './header.ts'
import { picturesOf, ways } from './inputs.ts'
import { page, policy } from './page.ts'
import { pictureTensors } from './tensors.ts'

/** Pictures: files or pixels, decoded as in training. */
export const pictures: ServedKind = {
  noun: 'picture',
  sample({ card }: ServedPictures) {
    const { channels, size } = card.input
    const side = size + 32
    const data = Uint8Array.from({ length: side * side * channels }, (_, i) => (i * 97 + (i >> 7) * 31) & 255)
    return { data, width: side, height: side, channels }
  },
  compared({ card: a }: ServedPictures, { card: b }: ServedPictures) {
    return [
      ['task', a.task, b.task],
      ['channels', `${a.input.channels} ${a.input.mode}`, `${b.input.channels} ${b.input.mode}`],
    ]
  },
  async ready(picture: Picture, model: ServedPictures) {
    if ('raw' in picture) {
      const { channels } = model.card.input
      if (picture.raw.channels === channels) return picture.raw
      return new Refused(
        422,
        'picture',
        `the pixels have ${picture.raw.channels} channels; the model takes ${channels}`,
      )
    }
    try {
      return await model.decode(picture.bytes)
    } catch (error) {
      return new Refused(
        422,
        'picture',
        `the picture can not be decoded: ${reasonOf(error).replace(/^the picture can not be used: /, '')}`,
      )
    }
  },
  key: ({ width, height, channels }: Pixels) => `${width} ${height} ${channels}`,
  predict: (model: ServedPictures, all: readonly Pixels[], options) => model.predictPixels(all, options),
  said: ({ width, height }: Pixels) => `picture of ${width} x ${height}`,
  async given(contentType, body, { limits, waited }): Promise<Given> {
    const { pictures: all, many } = await picturesOf(contentType, body, limits.maxPictures)
    return {
      samples: await Promise.allSettled(all.map(({ bytes }) => queued(bytes, limits.maxPixels, waited))),
      many,
      about: all.map(({ file }) => (file === undefined ? {} : { file })),
    }
  },
  inputs: ({ card }: ServedPictures) => [
    { name: card.input.name, datatype: 'BYTES', shape: [-1] },
    { name: card.input.name, datatype: 'UINT8', shape: [-1, -1, -1, card.input.channels] },
  ],
  async tensors(inputs, binary, { model, limits: { maxPixels, maxPictures }, waited }: Reading) {
    const all = pictureTensors(inputs, binary, { card: (model as ServedPictures).card, maxPictures })
    return Promise.all(
      all.map(async (picture, i) => {
        if ('bytes' in picture)
          return queued(picture.bytes, maxPixels, waited).catch(error => Promise.reject(placed(error, i)))
        const { width, height } = picture.raw
        if (width * height > maxPixels) throw new Refused(413, 'pixels', `picture ${i}: ${width} x ${height} pixels`)
        return { key: `${width} ${height} raw`, pixels: width * height, raw: picture.raw, ...waited }
      }),
    )
  },
  bodies: (_, limits) => {
    const picture = { type: 'string', format: 'binary', description: `A ${formatNames.join(', ')} file.` }
    const coded = { type: 'string', contentEncoding: 'base64' }
    const files = { type: 'array', items: picture, maxItems: limits.maxPictures }
    const object = (properties: Record<string, object>) => ({
      type: 'object',
      properties,
      required: Object.keys(properties),
    })
    const list = { type: 'array', items: coded, maxItems: limits.maxPictures }
    return {
      ways,
      content: {
        'image/*': { schema: picture },
        'application/octet-stream': { schema: picture },
        'multipart/form-data': { schema: { type: 'object', properties: { file: files } } },
        'application/json': { schema: { oneOf: [object({ image: coded }), object({ images: list })] } },
      },
    }
  },
  page: (version, token) => ({ html: page(version, token), policy }),
  example: (_, address, more) => `curl --data-binary @cat.jpg${more} ${quoted(`${address}/predict`)}`,
}

/** A picture as the queue takes it. */
async function queued(bytes: Uint8Array, maxPixels: number, waited: Waited): Promise<Picture> {
  const { width, height } = await readHeader(bytes, maxPixels)
  return { key: `${width} ${height}`, pixels: width * height, bytes, ...waited }
}

/** The error of one picture of several, with its place. */
export function placed(error: unknown, i: number): unknown {
  if (!(error instanceof Refused)) return error
  const { status, reason, message, retryAfter } = error
  return new Refused(status, reason, `picture ${i}: ${message}`, retryAfter === undefined ? {} : { retryAfter })
}
