/** Training was stopped after a step, by its `signal`. */
export class Stopped extends Error {
  constructor() {
    super('stopped')
    this.name = 'Stopped'
  }
}

/** Between two synchronous steps: signals, timers and streams have their turn, and a stop that was asked for is thrown. */
export async function turn(signal?: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => setImmediate(resolve))
  if (signal?.aborted) throw new Stopped()
}
