import { plural } from '../base/format.ts'
import { type Reason, Refused } from './refused.ts'

/** A picture or row that waits. Those with the same `key` may share a batch. */
export interface Queued {
  key: string
  /** Pixels of the picture when it is decoded; 1 for a row. A batch has no more pixels than the largest allowed picture. */
  pixels: number
}

/** What happens in the queue, for the metrics. */
export interface QueueEvents {
  depth?(waiting: number): void
  /** A batch starts: the seconds that each of its pictures waited. */
  batch?(waited: readonly number[]): void
}

/** How the queue makes batches. */
export interface QueueSettings {
  maxBatch: number
  /** Milliseconds. */
  maxWait: number
  maxQueue: number
  maxPixels: number
  /** What waits, in messages: `picture`, `row`. Default: `picture`. */
  noun?: string
}

interface Waiting<P, R> {
  picture: P
  since: number
  settle: (result: R | PromiseLike<R>) => void
  fail: (reason: unknown) => void
}

/** Batches in work at one time: one runs, the pictures of the other are decoded meanwhile. */
const atOnce = 2

/** Collects pictures into batches of one key. A picture whose signal is aborted leaves it at once. */
export class BatchQueue<P extends Queued, R> {
  readonly #work: (pictures: readonly P[]) => Promise<readonly (R | Error)[]>
  readonly #settings: QueueSettings
  readonly #events: QueueEvents
  #waiting: Waiting<P, R>[] = []
  #running = 0
  #timer: NodeJS.Timeout | undefined
  /** Seconds per picture, smoothed. */
  #pace = 0.05

  /** `work` answers a batch in order; an Error is the answer of one picture. */
  constructor(
    work: (pictures: readonly P[]) => Promise<readonly (R | Error)[]>,
    settings: QueueSettings,
    events: QueueEvents = {},
  ) {
    this.#work = work
    this.#settings = settings
    this.#events = events
  }

  get depth(): number {
    return this.#waiting.length
  }

  /** Adds the pictures of one request, all or none. Throws `Refused` if there is no room. */
  add(pictures: readonly P[], signal: AbortSignal): Promise<R>[] {
    const { maxQueue, noun = 'picture' } = this.#settings
    if (this.#waiting.length + pictures.length > maxQueue)
      throw new Refused(
        503,
        'queue',
        `${plural(this.#waiting.length, noun)} wait already, and the queue has room for ${maxQueue}; try again`,
        { retryAfter: Math.max(1, Math.ceil(this.#waiting.length * this.#pace)) },
      )
    const added = pictures.map(picture => this.#add(picture, signal))
    this.#events.depth?.(this.depth)
    this.#start()
    return added
  }

  #add(picture: P, signal: AbortSignal): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const leave = () => {
        const at = this.#waiting.indexOf(waiting)
        if (at >= 0) this.#waiting.splice(at, 1)
        this.#events.depth?.(this.depth)
        reject(signal.reason)
      }
      const done = () => signal.removeEventListener('abort', leave)
      const waiting: Waiting<P, R> = {
        picture,
        since: performance.now(),
        settle(result) {
          done()
          resolve(result)
        },
        fail(reason) {
          done()
          reject(reason)
        },
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.push(waiting)
    })
  }

  /** Starts batches as long as there is something to do. */
  #start(): void {
    clearTimeout(this.#timer)
    while (this.#running < atOnce && this.#waiting.length > 0) {
      const { maxBatch, maxWait, maxPixels } = this.#settings
      const first = this.#waiting[0]!
      const most = Math.max(1, Math.min(maxBatch, Math.floor(maxPixels / first.picture.pixels)))
      const batch = this.#waiting.filter(({ picture }) => picture.key === first.picture.key).slice(0, most)
      const left = maxWait - (performance.now() - first.since)
      if (batch.length < most && left > 0) {
        this.#timer = setTimeout(() => this.#start(), Math.ceil(left))
        return
      }
      const taken = new Set(batch)
      this.#waiting = this.#waiting.filter(one => !taken.has(one))
      this.#events.depth?.(this.depth)
      void this.#run(batch)
    }
  }

  async #run(batch: readonly Waiting<P, R>[]): Promise<void> {
    this.#running++
    const began = performance.now()
    this.#events.batch?.(batch.map(({ since }) => (began - since) / 1000))
    try {
      const results = await this.#work(batch.map(({ picture }) => picture))
      for (const [i, { settle, fail }] of batch.entries()) {
        const result = results[i]
        if (result instanceof Error) fail(result)
        else settle(result as R)
      }
    } catch (error) {
      for (const { fail } of batch) fail(error)
    }
    this.#pace = 0.8 * this.#pace + (0.2 * (performance.now() - began)) / 1000 / batch.length
    this.#running--
    this.#start()
  }
}

/** Bytes of all requests together, up to a limit. */
export class Budget {
  readonly #most: number
  #held = 0
  constructor(most: number) {
    this.#most = most
  }
  get held(): number {
    return this.#held
  }
  /** Throws `Refused` if there is no room for so many more. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#most) {
      const reason: Reason = 'memory'
      throw new Refused(503, reason, 'the server holds as many bytes of requests as it may; try again', {
        retryAfter: 1,
      })
    }
    this.#held += bytes
  }
  give(bytes: number): void {
    this.#held -= bytes
  }
}
