import type { RawSound } from '../../runtime/types.ts'
import { jsonObject, typeOf } from '../body.ts'
import { Refused } from '../refused.ts'
import { checkCount, filesOf, fromBase64, type Uploads } from '../uploads.ts'

/** One recording of a request. */
export interface GivenSound {
  /** The name of its file, if the client said one. */
  file?: string
  recording: Uint8Array | RawSound
}

const taken: Uploads = { noun: 'recording', many: 'recordings', example: 'a.wav' }

/** The ways in which `POST /predict` takes recordings, for messages. */
export const ways =
  'the bytes of a recording (audio/* or application/octet-stream), multipart/form-data with files, or JSON {"sound": base64}, {"sounds": [base64, …]} or {"samples": [from -1 to 1, …], "sampleRate": 16000}'

/** The recordings in the body of `POST /predict`; `many`: it gets a list. curl calls a raw body
 *  application/x-www-form-urlencoded, so such a body is taken by its bytes. Throws `Refused`. */
export async function soundsOf(
  contentType: string | null,
  body: Uint8Array,
  most: number,
): Promise<{ sounds: GivenSound[]; many: boolean }> {
  const type = typeOf(contentType)
  if (type === 'multipart/form-data') {
    const files = await filesOf(contentType!, body, most, taken)
    return {
      sounds: files.map(({ bytes, file }) => ({ recording: bytes, ...(file === undefined ? {} : { file }) })),
      many: true,
    }
  }
  if (type === 'application/json') return fromJson(body, most)
  const open = type === '' || type === 'application/octet-stream' || type === 'application/x-www-form-urlencoded'
  // MPEG-4 and WebM files that hold sound alone are often called films.
  if (!open && !/^(audio|video)\//.test(type) && type !== 'application/ogg')
    throw new Refused(415, 'type', `content-type ${type} is not taken; expected ${ways}`)
  const first = String.fromCharCode(body[0] ?? 0)
  if (type === 'application/x-www-form-urlencoded' && (first === '{' || first === '['))
    throw new Refused(415, 'type', "the body looks like JSON; say so with curl's -H 'content-type: application/json'")
  return { sounds: [{ recording: body }], many: false }
}

function fromJson(body: Uint8Array, most: number): { sounds: GivenSound[]; many: boolean } {
  const value = jsonObject(body)
  const keys = Object.keys(value).sort().join(', ')
  if (keys === 'sound') return { sounds: [{ recording: fromBase64(value.sound, 'sound', 'recording') }], many: false }
  if (keys === 'sampleRate, samples') return { sounds: [{ recording: rawSound(value) }], many: false }
  if (keys !== 'sounds')
    throw new Refused(400, 'request', `got JSON with ${keys.slice(0, 100) || 'nothing'}; expected ${ways}`)
  const { sounds } = value
  if (!Array.isArray(sounds) || sounds.length === 0)
    throw new Refused(400, 'request', 'sounds: expected a list of one recording or more, in base64')
  checkCount(sounds.length, most, taken)
  return {
    sounds: sounds.map((one, i) => ({ recording: fromBase64(one, `sounds[${i}]`, 'recording') })),
    many: true,
  }
}

function rawSound({ samples, sampleRate }: Record<string, unknown>): RawSound {
  if (!Array.isArray(samples))
    throw new Refused(400, 'request', 'samples: expected a list of numbers from -1 to 1, of one channel')
  const odd = samples.findIndex(v => typeof v !== 'number')
  if (odd >= 0)
    throw new Refused(400, 'request', `samples[${odd}]: expected a number, got ${JSON.stringify(samples[odd])}`)
  const infinite = samples.findIndex(v => !Number.isFinite(v))
  if (infinite >= 0)
    throw new Refused(400, 'request', `samples[${infinite}]: expected a number from -1 to 1, got ${samples[infinite]}`)
  if (!Number.isInteger(sampleRate) || !((sampleRate as number) > 0))
    throw new Refused(
      400,
      'request',
      `sampleRate: expected the samples in a second, a whole number, got ${JSON.stringify(sampleRate)}`,
    )
  return { samples: Float32Array.from(samples), sampleRate: sampleRate as number }
}
