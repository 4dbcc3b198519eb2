import { int, number, text } from '../base/option-kinds.ts'
import { group, type Options } from '../base/option-table.ts'

// biome-ignore format: one option, one line or two
/** The options of `createHandler`, which `anneal serve` takes too. */
export const handlerOptions = {
  ...group('Batches', ['serve'], {
    maxBatch: int(1, 1024).flag('--max-batch <n>').otherwise('8 pictures, 256 rows of a table, 32 texts, or 8 recordings')
      .says('the most that the model sees at once; only pictures of equal width and height, and recordings of equal length, share a batch'),
    maxWait: number({ from: 0, to: 60_000 }, 'milliseconds').flag('--max-wait <ms>')
      .default(0, 'while a batch runs, the next one fills by itself')
      .says('how long a picture, row, text or recording waits for others to share its batch, in milliseconds'),
  }),
  ...group('Limits', ['serve'], {
    timeout: number({ above: 0, to: 3600 }, 'seconds').flag('--timeout <seconds>').default(30)
      .says('a request that takes longer is answered with 504, its body included'),
    maxQueue: int(1, 1_000_000).flag('--max-queue <n>').otherwise('256 pictures, 10000 rows, 1000 texts, or 256 recordings')
      .says('the most that wait; further ones are answered with 503 and Retry-After'),
    maxBytes: int(1).flag('--max-bytes <n>').default(20_000_000).says('the most bytes of a request; larger ones are answered with 413'),
    maxPixels: int(1).flag('--max-pixels <n>').default(64_000_000)
      .says('the most pixels of a picture, read from its header before it is decoded; larger ones are answered with 413'),
    maxPictures: int(1, 10_000).flag('--max-pictures <n>').default(32).says('the most pictures or recordings of a request; more are answered with 413'),
    maxSeconds: number({ above: 0, to: 36_000 }, 'seconds').flag('--max-seconds <n>').default(600)
      .says('the most seconds of a recording, read from the header of WAVE and FLAC files before they are decoded; longer ones are answered with 413'),
    maxRows: int(1, 1_000_000).flag('--max-rows <n>').default(1000).says('the most rows or texts of a request; more are answered with 413'),
    maxHeld: int(1).flag('--max-held <n>').default(256_000_000)
      .says('the most bytes of all requests together; further ones are answered with 503 and Retry-After'),
  }),
  ...group('Metrics', ['serve'], {
    driftWindow: int(100, 1_000_000).flag('--drift-window <n>').default(1000)
      .says('how many of the last answers are compared with validation, for the metrics of drift'),
  }),
  ...group('Access', ['serve'], {
    token: text('visible ASCII characters without blanks', 'texts', /^[\x21-\x7e]+$/).flag('--token <token>').otherwise('none').example('s3cret')
      .says('what a client has to send as `Authorization: Bearer TOKEN`; better given as ANNEAL_TOKEN, since others on the machine can see flags'),
  }),
}

/** The options of `createHandler` that are plain values. */
export type HandlerSettings = Options<typeof handlerOptions>

/** The limits with their values. */
export type Limits = Required<Omit<{ [K in keyof HandlerSettings]: NonNullable<HandlerSettings[K]> }, 'token'>>

/** What differs by the kind of a model: rows and texts are small. */
const usual: Record<string, Partial<Limits>> = {
  picture: { maxBatch: 8, maxQueue: 256 },
  row: { maxBatch: 256, maxQueue: 10_000 },
  text: { maxBatch: 32, maxQueue: 1000 },
  recording: { maxBatch: 8, maxQueue: 256 },
}

/** The settings with the defaults of those that are left out. `noun`: what the model takes. */
export function limitsOf(settings: HandlerSettings, noun: string): Limits {
  const { token, ...limits } = handlerOptions
  const own = { maxQueue: Math.max(settings.maxRows ?? 0, usual[noun]!.maxQueue!), maxBatch: usual[noun]!.maxBatch }
  return Object.fromEntries(
    Object.entries(limits).map(([name, entry]) => {
      const key = name as keyof Limits
      return [name, settings[key] ?? (key in own ? own[key as keyof typeof own] : entry.usual)]
    }),
  ) as unknown as Limits
}
