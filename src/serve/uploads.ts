import { plural } from '../base/format.ts'
import { type Reason, Refused } from './refused.ts'

/** One file of a request. */
export interface Upload {
  /** The name of its file, if the client said one. */
  file?: string
  bytes: Uint8Array
}

/** What is uploaded, for messages. */
export interface Uploads {
  noun: string
  /** The reason of a refusal of too many. */
  many: Reason
  /** The name of a file. */
  example: string
}

/** The files of a body of multipart/form-data. Throws `Refused`. */
export async function filesOf(contentType: string, body: Uint8Array, most: number, what: Uploads): Promise<Upload[]> {
  const [, quotedBoundary, plainBoundary] = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? []
  const boundary = quotedBoundary ?? plainBoundary
  if (!boundary) throw new Refused(400, 'request', 'multipart/form-data without a boundary')
  checkCount(countParts(body, boundary, most + 8), most, what)
  let form: FormData
  try {
    form = await new Response(body, { headers: { 'content-type': contentType } }).formData()
  } catch {
    throw new Refused(400, 'request', 'the multipart body is cut off or malformed')
  }
  const files: Upload[] = []
  for (const [name, value] of form) {
    if (typeof value === 'string')
      throw new Refused(
        400,
        'request',
        `the field "${name}" holds text where a file is expected; with curl: -F ${name}=@${what.example} (an address is never fetched)`,
      )
    files.push({ file: value.name, bytes: new Uint8Array(await value.arrayBuffer()) })
  }
  if (files.length === 0)
    throw new Refused(400, 'request', `the multipart body has no file; with curl: -F file=@${what.example}`)
  checkCount(files.length, most, what)
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

/** Throws `Refused` for more samples than a request may have. */
export function checkCount(n: number, most: number, { noun, many }: Uploads): void {
  if (n > most) throw new Refused(413, many, `the request has more than ${plural(most, noun)}; send them in several`)
}

/** The bytes of a base64 text, also of a `data:` address. Anything else is refused: an address is never fetched. */
export function fromBase64(value: unknown, name: string, noun: string): Uint8Array {
  if (typeof value !== 'string')
    throw new Refused(400, 'request', `${name}: expected base64 text, got ${value === null ? 'null' : typeof value}`)
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value))
    throw new Refused(
      400,
      'request',
      `${name}: an address is never fetched; send the bytes of the ${noun}, in base64 here`,
    )
  const plain = value.replace(/^data:[^,]{0,200};base64,/, '').replace(/\s+/g, '')
  if (plain === '' || !/^[\w+/-]+={0,2}$/.test(plain))
    throw new Refused(400, 'request', `${name}: the text is not base64`)
  return Buffer.from(plain, 'base64')
}
