import { RunError } from './errors.ts'
import type { Signal } from './types.ts'

/** The predictions of one model: they run one after another, in the order of their calls, until the model is disposed. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #disposed: Promise<void> | undefined

  /** Runs after all that wait. */
  run<T>(work: () => Promise<T>, signal?: Signal): Promise<T> {
    this.check(signal)
    const turn = this.#last.then(() => {
      throwIfAborted(signal)
      return work()
    })
    this.#last = turn.catch(() => {})
    return untilAborted(turn, signal)
  }

  /** Ends the model after the predictions that wait. */
  dispose(release: () => Promise<void>): Promise<void> {
    this.#disposed ??= this.#last.then(release)
    return this.#disposed
  }

  check(signal?: Signal): void {
    if (this.#disposed) throw new RunError('use', 'the model was disposed; load it again.')
    throwIfAborted(signal)
  }
}

/** Throws the reason of a signal that is aborted. */
export function throwIfAborted(signal?: Signal): void {
  if (signal?.aborted) throw signal.reason ?? new RunError('use', 'aborted')
}

/** The promise, or the reason of the signal as soon as it is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal?: Signal): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason ?? new RunError('use', 'aborted'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
