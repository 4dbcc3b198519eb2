import { RunError } from '../base/errors.ts'

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** A signal that Ctrl-C or a request to end aborts, with an error as its reason: it says what became of the result, and the
 *  command exits with 128 plus the number of the signal. A second one ends the process at once. */
export function untilStopped(result: string): AbortSignal {
  const stop = new AbortController()
  for (const name of Object.keys(exitCodes) as (keyof typeof exitCodes)[])
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(exitCodes[name])
      stop.abort(new RunError(`stopped by ${name}; ${result}`, { exitCode: exitCodes[name] }))
    })
  return stop.signal
}
