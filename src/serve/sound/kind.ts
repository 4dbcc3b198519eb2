import { AnnealError } from '../../base/errors.ts'
import { quoted } from '../../base/format.ts'
import { probeSound } from '../../onnx/probe-sound.ts'
import { bytesNeeded, describeSound, formatOf, formats } from '../../runtime/sound/formats.ts'
import { secondsOf } from '../../runtime/sound/length.ts'
import type { RawSound } from '../../runtime/types.ts'
import type { ServedSounds } from '../model.ts'
import { reasonOf } from '../reason.ts'
import { Refused } from '../refused.ts'
import { type Reading, type Recording, type ServedKind, settled } from '../served-kind.ts'
import { soundsOf, ways } from './bodies.ts'
import { page, policy } from './page.ts'
import { soundTensors } from './tensors.ts'

/** A recording of a request for the queue. Nothing is decoded. Throws `Refused`: 415 for bytes that are no recording, 422 for a
 *  header that can't be read, 413 for one that lasts too long. `where`: what the error calls it. */
function queued(recording: Uint8Array | RawSound, { waited, limits }: Reading, where = 'the recording'): Recording {
  const { maxSeconds } = limits
  if (recording instanceof Uint8Array) checkBytes(recording, maxSeconds, where)
  else {
    const { samples, sampleRate } = recording
    if (samples.length === 0) throw new Refused(422, 'recording', `${where} has no samples`)
    if (samples.length > maxSeconds * sampleRate) throw tooLong(where, samples.length / sampleRate, maxSeconds)
  }
  return { key: 'recording', pixels: 1, recording, maxSeconds, ...waited }
}

function checkBytes(bytes: Uint8Array, maxSeconds: number, where: string): void {
  const head = bytes.subarray(0, bytesNeeded)
  if (bytes.length === 0) throw new Refused(422, 'recording', `${where} has no bytes`)
  if (!formatOf(head))
    throw new Refused(
      415,
      'type',
      `${where} is none: ${describeSound(head)}. ${formats.map(({ name }) => name).join(', ')} are taken`,
    )
  let seconds: number | undefined
  try {
    seconds = secondsOf(bytes)
  } catch (error) {
    if (!(error instanceof AnnealError)) throw error
    throw new Refused(422, 'recording', `${where} can not be decoded: ${error.message}`)
  }
  if (seconds !== undefined && seconds > maxSeconds) throw tooLong(where, seconds, maxSeconds)
}

const tooLong = (where: string, seconds: number, most: number) =>
  new Refused(413, 'seconds', `${where} lasts ${seconds.toFixed(1)} s; at most ${most} s are taken`)

/** Recordings, decoded as in training. */
export const sounds: ServedKind = {
  noun: 'recording',
  sample: ({ card }: ServedSounds) => probeSound(card.input.windows[0]!, card.input.rate),
  compared: ({ card: a }: ServedSounds, { card: b }: ServedSounds) => [
    ['task', a.task, b.task],
    ['rate', `${a.input.rate}`, `${b.input.rate}`],
  ],
  async ready({ recording, maxSeconds }: Recording, model: ServedSounds) {
    try {
      return await model.decode(recording, { limitSeconds: maxSeconds })
    } catch (error) {
      const why = reasonOf(error).replace(/^the recording can not be used: /, '')
      return /^it lasts /.test(why)
        ? new Refused(413, 'seconds', `the recording is too long: ${why}`)
        : new Refused(422, 'recording', `the recording can not be decoded: ${why}`)
    }
  },
  key: (samples: Float32Array) => `${samples.length}`,
  predict: (model: ServedSounds, all: readonly Float32Array[], options) => model.predictSamples(all, options),
  said: (samples: Float32Array) => `recording of ${samples.length} samples`,
  async given(contentType, body, reading) {
    const { sounds: all, many } = await soundsOf(contentType, body, reading.limits.maxPictures)
    return {
      samples: settled(all, ({ recording }, i) => queued(recording, reading, many ? `recording ${i + 1}` : undefined)),
      many,
      about: all.map(({ file }) => (file === undefined ? {} : { file })),
    }
  },
  inputs: ({ card }: ServedSounds) => [
    { name: card.input.name, datatype: 'BYTES', shape: [-1] },
    { name: card.input.name, datatype: 'FP32', shape: [-1, -1] },
  ],
  async tensors(inputs, binary, reading) {
    const { card } = reading.model as ServedSounds
    const all = soundTensors(inputs, binary, { card, most: reading.limits.maxPictures })
    return all.map((recording, i) => queued(recording, reading, `recording ${i + 1}`))
  },
  bodies: (_, limits) => {
    const recording = { type: 'string', format: 'binary', description: 'A WAVE, FLAC, MP3, Ogg or M4A file.' }
    const coded = { type: 'string', contentEncoding: 'base64' }
    const files = { type: 'array', items: recording, maxItems: limits.maxPictures }
    const object = (properties: Record<string, object>) => ({
      type: 'object',
      properties,
      required: Object.keys(properties),
      additionalProperties: false,
    })
    const list = { type: 'array', items: coded, minItems: 1, maxItems: limits.maxPictures }
    const samples = { type: 'array', items: { type: 'number', minimum: -1, maximum: 1 }, minItems: 1 }
    const sampleRate = { type: 'integer', minimum: 1000, maximum: 768_000 }
    return {
      ways,
      content: {
        'audio/*': { schema: recording },
        'application/octet-stream': { schema: recording },
        'multipart/form-data': { schema: { type: 'object', properties: { file: files } } },
        'application/json': {
          schema: { oneOf: [object({ sound: coded }), object({ sounds: list }), object({ samples, sampleRate })] },
        },
      },
    }
  },
  page: (version, token) => ({ html: page(version, token), policy }),
  example: (_, address, more) => `curl --data-binary @a.wav${more} ${quoted(`${address}/predict`)}`,
}
