import { setMaxListeners } from 'node:events'
import { Refused } from './refused.ts'

/** A request's time: its signal is aborted when the client is gone, or when `seconds` are over. */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #client: AbortSignal
  /** The body has not come whole yet, so lateness is the client's. */
  reading = true

  constructor(client: AbortSignal, seconds: number) {
    this.#client = client
    setMaxListeners(0, this.#controller.signal) // each picture or row of a request listens
    this.#timer = setTimeout(() => {
      const late = this.reading
        ? new Refused(408, 'slow', `the body did not come whole within ${seconds} s`)
        : new Refused(504, 'time', `there was no answer within ${seconds} s`)
      this.#controller.abort(late)
    }, seconds * 1000)
    if (client.aborted) this.#gone()
    else client.addEventListener('abort', this.#gone, { once: true })
  }
  readonly #gone = () => this.#controller.abort(new Refused(499, 'gone', 'the client is gone'))
  get signal(): AbortSignal {
    return this.#controller.signal
  }
  end(): void {
    clearTimeout(this.#timer)
    this.#client.removeEventListener('abort', this.#gone)
  }
}
