/** Training was stopped after a step, by its `signal`; `saved` says in words what of it is kept, once that is known. */
export class Stopped extends Error {
  readonly saved: string | undefined
  constructor(saved?: string) {
    super(saved === undefined ? 'stopped' : `stopped; ${saved}`)
    this.name = 'Stopped'
    this.saved = saved
  }
}

/** Between two synchronous steps: signals, timers and streams have their turn, and a stop that was asked for is thrown. */
export async function turn(signal?: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => setImmediate(resolve))
  if (signal?.aborted) throw new Stopped()
}
