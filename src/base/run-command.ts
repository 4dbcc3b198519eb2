import { spawn } from 'node:child_process'

/** How a command ended: its exit code (`undefined` if it could not start) and its output. `missing`: there is no such
 *  command. */
export type Ran = { code: number | undefined; stdout: string; stderr: string; missing: boolean }

/** Runs a command without a shell and collects its output; `onOutput` is called with each piece. Never throws if the
 *  command fails or is missing. */
export function run(
  command: string,
  args: string[],
  { cwd, env, seconds, signal, onOutput }: RunOptions = {},
): Promise<Ran> {
  return new Promise(resolve => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      timeout: seconds === undefined ? undefined : seconds * 1000,
    })
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        text[name] += chunk
        onOutput?.(chunk)
      })
    child.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ ...text, stderr: text.stderr || error.message, code: undefined, missing: error.code === 'ENOENT' }),
    )
    child.on('close', code => resolve({ ...text, code: code ?? undefined, missing: false }))
  })
}

/** Options of {@link run}. */
export type RunOptions = {
  cwd?: string
  env?: Record<string, string>
  seconds?: number
  /** Ends the command. */
  signal?: AbortSignal | undefined
  onOutput?: (text: string) => void
}

/** The last lines of a log that are not empty, for an error message. */
export const lastLines = (text: string, count = 3): string =>
  text
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean)
    .slice(-count)
    .join(' | ')
