import { plural } from '../../base/format.ts'
import { jsonObject, typeOf } from '../body.ts'
import { Refused } from '../refused.ts'

/** One picture of a request. */
export interface Given {
  /** The name of its file, if the client said one. */
  file?: string
  bytes: Uint8Array
}

/** The pictures of a request. `many`: the client asked in a form that holds several, so it gets a list. */
export interface GivenPictures {
  pictures: Given[]
  many: boolean
}

/** The ways in which `POST /predict` takes pictures, for messages. */
export const ways =
  'the bytes of a picture (image/* or application/octet-stream), multipart/form-data with files, or JSON {"image": base64} or {"images": [base64, …]}'

/** The pictures in the body of `POST /predict`. curl calls a raw body application/x-www-form-urlencoded, so such a body
 *  is taken by its bytes. Throws `Refused`. */
export async function picturesOf(
  contentType: string | null,
  body: Uint8Array,
  maxPictures: number,
): Promise<GivenPictures> {
  const type = typeOf(contentType)
  if (type === 'multipart/form-data') return { pictures: await filesOf(contentType!, body, maxPictures), many: true }
  if (type === 'application/json') return fromJson(body, maxPictures)
  if (type === '' || type.startsWith('image/') || type === 'application/octet-stream')
    return { pictures: [{ bytes: body }], many: false }
  if (type === 'application/x-www-form-urlencoded') {
    const first = Buffer.from(body.subarray(0, 1)).toString('latin1')
    if (first === '{' || first === '[')
      throw new Refused(415, 'type', "the body looks like JSON; say so with curl's -H 'content-type: application/json'")
    if (body.length === 0 || !/[^\x20-\x7e]/.test(Buffer.from(body.subarray(0, 64)).toString('latin1')))
      throw new Refused(415, 'type', `the body holds no picture; expected ${ways}`)
    return { pictures: [{ bytes: body }], many: false }
  }
  throw new Refused(415, 'type', `content-type ${type} is not taken; expected ${ways}`)
}

async function filesOf(contentType: string, body: Uint8Array, maxPictures: number): Promise<Given[]> {
  const [, quotedBoundary, plainBoundary] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? []
  const boundary = quotedBoundary ?? plainBoundary
  if (!boundary) throw new Refused(400, 'request', 'multipart/form-data without a boundary')
  checkCount(countParts(body, boundary, maxPictures + 8), maxPictures)
  let form: FormData
  try {
    form = await new Response(body, { headers: { 'content-type': contentType } }).formData()
  } catch {
    throw new Refused(400, 'request', 'the multipart body is cut off or malformed')
  }
  const files: Given[] = []
  for (const [name, value] of form) {
    if (typeof value === 'string')
      throw new Refused(
        400,
        'request',
        `the field "${name}" holds text where a file is expected; with curl: -F ${name}=@cat.jpg (an address is never fetched)`,
      )
    files.push({ file: value.name, bytes: new Uint8Array(await value.arrayBuffer()) })
  }
  if (files.length === 0)
    throw new Refused(400, 'request', 'the multipart body has no file; with curl: -F file=@cat.jpg')
  checkCount(files.length, maxPictures)
  return files
}

/** The parts of a multipart body, counted up to `most`. */
function countParts(body: Uint8Array, boundary: string, most: number): number {
  const mark = Buffer.from(`--${boundary}`)
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  let parts = 0
  for (let at = bytes.indexOf(mark); at >= 0 && parts <= most; at = bytes.indexOf(mark, at + mark.length)) parts++
  return parts - 1 // the last one closes
}

function checkCount(n: number, most: number): void {
  if (n > most)
    throw new Refused(413, 'pictures', `the request has more than ${plural(most, 'picture')}; send them in several`)
}

function fromJson(body: Uint8Array, maxPictures: number): GivenPictures {
  const value = jsonObject(body)
  const known = ['image', 'images']
  const keys = Object.keys(value)
  const expected = 'expected {"image": base64} or {"images": [base64, …]}'
  if (keys.length !== 1 || !known.includes(keys[0]!))
    throw new Refused(400, 'request', `got JSON with ${keys.join(', ').slice(0, 100) || 'nothing'}; ${expected}`)
  if ('image' in value) return { pictures: [{ bytes: fromBase64(value.image, 'image') }], many: false }
  const { images } = value
  if (!Array.isArray(images) || images.length === 0)
    throw new Refused(400, 'request', `images: expected a list of one picture or more; ${expected}`)
  checkCount(images.length, maxPictures)
  return { pictures: images.map((image, i) => ({ bytes: fromBase64(image, `images[${i}]`) })), many: true }
}

/** The bytes of a base64 text, also of a `data:` address. Anything else is refused: an address is never fetched. */
export function fromBase64(value: unknown, name: string): Uint8Array {
  if (typeof value !== 'string')
    throw new Refused(400, 'request', `${name}: expected base64 text, got ${value === null ? 'null' : typeof value}`)
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value))
    throw new Refused(
      400,
      'request',
      `${name}: an address is never fetched; send the bytes of the picture, in base64 here`,
    )
  const plain = value.replace(/^data:[^,]{0,200};base64,/, '').replace(/\s+/g, '')
  if (plain === '' || !/^[\w+/-]+={0,2}$/.test(plain))
    throw new Refused(400, 'request', `${name}: the text is not base64`)
  return Buffer.from(plain, 'base64')
}
