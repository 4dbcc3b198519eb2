import { jsonObject, typeOf } from '../body.ts'
import { Refused } from '../refused.ts'
import { checkCount, filesOf, fromBase64, type Upload, type Uploads } from '../uploads.ts'

const taken: Uploads = { noun: 'picture', many: 'pictures', example: 'cat.jpg' }

/** The pictures of a request. `many`: the client asked in a form that holds several, so it gets a list. */
export interface GivenPictures {
  pictures: Upload[]
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
  if (type === 'multipart/form-data')
    return { pictures: await filesOf(contentType!, body, maxPictures, taken), many: true }
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

function fromJson(body: Uint8Array, maxPictures: number): GivenPictures {
  const value = jsonObject(body)
  const known = ['image', 'images']
  const keys = Object.keys(value)
  const expected = 'expected {"image": base64} or {"images": [base64, …]}'
  if (keys.length !== 1 || !known.includes(keys[0]!))
    throw new Refused(400, 'request', `got JSON with ${keys.join(', ').slice(0, 100) || 'nothing'}; ${expected}`)
  if ('image' in value) return { pictures: [{ bytes: fromBase64(value.image, 'image', 'picture') }], many: false }
  const { images } = value
  if (!Array.isArray(images) || images.length === 0)
    throw new Refused(400, 'request', `images: expected a list of one picture or more; ${expected}`)
  checkCount(images.length, maxPictures, taken)
  return { pictures: images.map((image, i) => ({ bytes: fromBase64(image, `images[${i}]`, 'picture') })), many: true }
}
