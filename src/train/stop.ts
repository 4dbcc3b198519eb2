/** Training was stopped after a step by its `signal`: an `AbortError`, as in every API that takes a signal. `saved`
 *  says in words what is kept, once that is known. */
export class Stopped extends Error {
  readonly code = 'ABORT_ERR'
  readonly saved: string | undefined
  constructor(saved?: string) {
    super(saved === undefined ? 'stopped' : `stopped; ${saved}`)
    this.name = 'AbortError'
    this.saved = saved
  }
}

/** Called between two synchronous steps: lets signals, timers and streams run, and throws if a stop was requested. */
export async function turn(signal?: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => setImmediate(resolve))
  if (signal?.aborted) throw new Stopped()
}
