import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { rng } from '../../src/base/random.ts'
import { findAddon } from '../../src/setup/index.ts'
import { ownCache } from './cache.ts'

/** What runs the command: its source, so that one test file can be run without a build. `npm test` has just built the
 *  program that users run, which also starts faster; it sets ANNEAL_TEST_PROGRAM. */
export const program = process.env.ANNEAL_TEST_PROGRAM
  ? [process.env.ANNEAL_TEST_PROGRAM]
  : ['--import', import.meta.resolve('tsx'), fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))]

/** A temporary folder with its own cache (or the given one), in which the command runs. */
export function workspace({ cache }: { cache?: () => string | undefined } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-cli-'))
  const own = cache ? undefined : ownCache(folder)
  const env = (): NodeJS.ProcessEnv => ({
    ...process.env,
    ANNEAL_ADDON: findAddon()?.path,
    ANNEAL_CACHE: own ?? cache?.() ?? join(folder, 'cache'),
    ANNEAL_THREADS: '2',
    OMP_WAIT_POLICY: 'PASSIVE',
    NO_COLOR: undefined,
    FORCE_COLOR: undefined,
  })
  return {
    folder,
    path: (...parts: string[]) => join(folder, ...parts),
    /** Starts `anneal ARGS`. */
    start: (args: readonly string[], more: StartOptions = {}) => start(args, folder, { ...env(), ...more.env }, more),
    /** Runs `anneal ARGS` to its end. */
    run: (args: readonly string[], more: StartOptions = {}) =>
      start(args, folder, { ...env(), ...more.env }, more).ended,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
export type Workspace = ReturnType<typeof workspace>

export interface StartOptions {
  env?: NodeJS.ProcessEnv
  /** Receives each line of stdout as it comes. */
  onLine?: (line: string, process: ChildProcess) => void
  /** A shell line that runs before the command, such as `ulimit -f 100`. */
  before?: string
}
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  seconds: number
}

function start(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv, { onLine, before }: StartOptions) {
  const began = performance.now()
  const command = [process.execPath, ...program, ...args]
  const child = before
    ? spawn('bash', ['-c', `${before}; exec "$@"`, 'bash', ...command], { cwd, env })
    : spawn(command[0]!, command.slice(1), { cwd, env })
  const [stdout, stderr]: [string[], string[]] = [[], []]
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout.push(text)
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) onLine?.(line, child)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({
        code,
        signal,
        stdout: stdout.join(''),
        stderr: stderr.join(''),
        seconds: (performance.now() - began) / 1000,
      }),
    )
  })
  return { child, ended }
}

const shapes: Record<string, (colour: string) => string> = {
  circle: fill => `<circle cx="32" cy="32" r="20" fill="${fill}"/>`,
  square: fill => `<rect x="14" y="14" width="36" height="36" fill="${fill}"/>`,
  triangle: fill => `<path d="M32 8 L58 54 L6 54 Z" fill="${fill}"/>`,
}

/** One PNG picture of 64 pixels: a shape over noise, in a hue near that of its class. */
export async function shape(name: string, n: number): Promise<Buffer> {
  const random = rng(5, Object.keys(shapes).indexOf(name), n)
  const noise = Uint8Array.from({ length: 64 * 64 * 3 }, () => random.uniform(40, 200))
  const hue = 120 * Object.keys(shapes).indexOf(name) + random.uniform(-50, 50)
  const svg = `<svg width="64" height="64">${shapes[name]!(`hsl(${Math.round(hue)},70%,50%)`)}</svg>`
  return sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer()
}

/** Class folders of shapes. */
export async function shapeFolder(
  dir: string,
  count = 24,
  names: readonly string[] = Object.keys(shapes),
): Promise<void> {
  for (const name of names) {
    mkdirSync(join(dir, name), { recursive: true })
    for (let n = 0; n < count; n++) await sharp(await shape(name, n)).toFile(join(dir, name, `${n}.png`))
  }
}

/** Options of every small training here. */
export const small = ['--model', 'squeezenet1_1', '--no-pretrained', '--size', '64', '--batch', '16', '--views', '1']
