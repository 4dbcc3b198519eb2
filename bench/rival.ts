import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { median } from '../src/speed/timing.ts'

/** Environment of rival processes: the present one, without what Anneal set for itself and what would slow PyTorch
 *  down. */
export function rivalEnv(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE, OMP_NUM_THREADS, GOMP_SPINCOUNT, ATEN_CPU_CAPABILITY, ...env } =
    process.env
  return { ...env, ...more }
}

/** glibc keeps freed memory instead of returning it to the kernel. Anneal sets the same from inside. */
export const memoryKept = {
  GLIBC_TUNABLES: 'glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456',
}

/** A Python program that runs as long as the bench. It answers each line of JSON with a line of JSON. */
export class Rival {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  /** Its first line: what it says about itself. */
  about: Record<string, unknown> = {}

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  }

  /** Starts `bench/rivals/NAME` and waits until it is ready. */
  static async start(python: string, name: string, { env = {}, args = [] as string[] } = {}): Promise<Rival> {
    const child = spawn(python, [`bench/rivals/${name}`, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: rivalEnv(env),
    })
    const rival = new Rival(child)
    rival.about = await rival.#answer()
    return rival
  }

  async ask<T = { ms: number[] }>(question: object): Promise<T> {
    this.#child.stdin!.write(`${JSON.stringify(question)}\n`)
    return (await this.#answer()) as T
  }

  async #answer(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the rival ended before it answered; its own message is above')
    return JSON.parse(value) as Record<string, unknown>
  }

  end(): void {
    this.#child.stdin!.end()
  }
}

/** Seconds that a command takes, from its start to its end. */
export function runOnce(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const start = performance.now()
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: command === process.execPath ? { ...process.env, ...env } : rivalEnv(env),
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
  return { seconds: (performance.now() - start) / 1000, stdout }
}

/** Runs each part once in each round, in turn, so that other load on the machine affects all parts alike. Returns all
 *  values by name. */
export async function inTurn(
  rounds: number,
  parts: Readonly<Record<string, () => Promise<readonly number[]> | readonly number[]>>,
): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = Object.fromEntries(Object.keys(parts).map(name => [name, []]))
  for (let round = 0; round < rounds; round++)
    for (const [name, part] of Object.entries(parts)) {
      values[name]!.push(...(await part()))
      process.stdout.write(`  round ${round + 1} of ${rounds}, ${name}: ${median(values[name]!).toPrecision(4)}\n`)
    }
  return values
}

const rounded = (v: number) => Number(v.toPrecision(4))

/** Median, minimum and spread of the values of each name. */
export const figures = (values: Readonly<Record<string, readonly number[]>>) =>
  Object.fromEntries(
    Object.entries(values).map(([name, v]) => [
      name,
      { median: rounded(median(v)), least: rounded(Math.min(...v)), most: rounded(Math.max(...v)), n: v.length },
    ]),
  )

/** Ratio of the medians, `b` / `a`. */
export const ratio = (a: readonly number[], b: readonly number[]) => rounded(median(b) / median(a))

/** Writes bench/results/NAME.json. With `--quick` it only prints the result. */
export function writeResult(name: string, result: object, { quick = false } = {}): void {
  const text = `${JSON.stringify(result, null, 2)}\n`
  if (quick) {
    process.stdout.write(`${text}--quick: nothing is written\n`)
    return
  }
  mkdirSync('bench/results', { recursive: true })
  writeFileSync(`bench/results/${name}.json`, text)
}
