/** Training was stopped after a step, by its `signal`: an `AbortError`, as of every API that takes a signal. `saved` says in
 *  words what of it is kept, once that is known. */
export class Stopped extends Error {
  readonly code = 'ABORT_ERR'
  readonly saved: string | undefined
  constructor(saved?: string) {
    super(saved === undefined ? 'stopped' : `stopped; ${saved}`)
    this.name = 'AbortError'
    this.saved = saved
  }
}

/** Between two synchronous steps: signals, timers and streams have their turn, and a stop that was asked for is thrown. */
export async function turn(signal?: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => setImmediate(resolve))
  if (signal?.aborted) throw new Stopped()
}
