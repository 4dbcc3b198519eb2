/** The programs of the accuracy bench: the real command of Anneal with any flags, and the rivals in Python. Each gets the
 *  same files and gives a prediction for every test picture. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { RunEvent, RunResult } from '../../src/runs/index.ts'
import { emptyCache } from '../machine.ts'
import { rivalEnv } from '../rival.ts'
import { type PictureSet, type Written, writeSet } from './data.ts'
import type { Predicted } from './scores.ts'

/** `anneal` with `flags`, run from `bin`; or a rival with its own arguments. */
export type Program = { name: string } & (
  | { kind: 'anneal'; flags: string[]; bin: string }
  | { kind: 'rival'; script: string; args: string[] }
)

/** The rivals by name. The probe fits on the training part alone; the others may use validation as they like. */
export const rivals: Record<string, { script: string; args: string[] }> = {
  probe: { script: 'accuracy_probe.py', args: [] },
  fastai: { script: 'accuracy_fastai.py', args: ['--epochs', '5'] },
  fastai20: { script: 'accuracy_fastai.py', args: ['--epochs', '20'] },
  timm: { script: 'accuracy_timm.py', args: [] },
}

/** The programs of `--with`, then one for each `--variant NAME=FLAGS`. Flags that start with `@FILE` run that
 *  bin/anneal.mjs, of another checkout. */
export function programsOf(names: readonly string[], variants: readonly string[]): Program[] {
  const listed = names.map((name): Program => {
    if (name === 'anneal') return { name, kind: 'anneal', flags: [], bin: 'bin/anneal.mjs' }
    const rival = rivals[name]
    if (!rival) throw new Error(`accuracy: no program ${name}; there are anneal, ${Object.keys(rivals).join(', ')}`)
    return { name, kind: 'rival', ...rival }
  })
  for (const variant of variants) {
    const [, name, text] = /^([\w.-]+)=(.*)$/s.exec(variant) ?? []
    if (name === undefined) throw new Error(`accuracy: --variant is NAME=FLAGS, got ${variant}`)
    if (listed.some(other => other.name === name)) throw new Error(`accuracy: there are two programs named ${name}`)
    const words = [...text!.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c!)
    const bin = words[0]?.startsWith('@') ? words.shift()!.slice(1) : 'bin/anneal.mjs'
    listed.push({ name, kind: 'anneal', flags: words, bin })
  }
  return listed
}

/** What all programs of a bench share. `size`: of the pictures; undefined is the model's own. */
export interface Setting {
  model: string
  weights: string
  size: number | undefined
  threads: number | undefined
  python: string
}

/** One finished run. `chosen`: what the program says it chose. */
export interface Ran {
  seconds: number
  predicted: Predicted
  chosen: Record<string, unknown>
}

/** A run of a program on a divided set; the folders it needs are removed at its end. `signal` ends it. */
export async function runProgram(
  program: Program,
  set: PictureSet,
  { seed, setting, signal }: { seed: number; setting: Setting; signal: AbortSignal },
): Promise<Ran> {
  const work = mkdtempSync(join(tmpdir(), 'anneal-accuracy-'))
  try {
    const run = program.kind === 'anneal' ? anneal : rival
    return await run(program as never, set, { seed, setting, signal, work })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

type Where = { seed: number; setting: Setting; signal: AbortSignal; work: string }

async function anneal(
  { flags, bin }: Program & { kind: 'anneal' },
  set: PictureSet,
  { seed, setting, signal, work }: Where,
): Promise<Ran> {
  const written = writeSet(join(work, 'set'), set, { links: true })
  const cache = emptyCache()
  const out = join(work, 'run')
  const { model, size, threads } = setting
  const env = { ...process.env, ANNEAL_CACHE: cache, ...(threads ? { ANNEAL_THREADS: String(threads) } : {}) }
  const call = (args: string[]) => command(process.execPath, [bin, ...args], { env, signal })
  try {
    await call(['--help']) // builds a checkout that was edited, outside the time
    // biome-ignore format: one option a line
    const { seconds, stdout } = await call([
      'train', written.folder,
      ...labelFlags(written),
      '--model', model,
      ...(size ? ['--size', String(size)] : []),
      '--seed', String(seed),
      '--out', out,
      '--json',
      ...flags,
    ])
    const test = written.paths
      .map(path => join(written.folder, path))
      .filter((_, i) => set.samples[i]!.split === 'test')
    const { stdout: lines } = await call(['predict', out, ...test, '--json'])
    const outputs = predictions(lines, test, set)
    return { seconds, predicted: predicted(set, outputs), chosen: chosenIn(stdout) }
  } finally {
    rmSync(cache, { recursive: true, force: true })
  }
}

function labelFlags({ reading }: Written): string[] {
  if (!reading) return []
  const { labels, labelColumn, targets = [], task, delimiter, splitColumn } = reading
  return [
    ...['--labels', labels, '--task', task!, '--split-column', String(splitColumn)],
    ...(labelColumn ? ['--label-column', String(labelColumn)] : []),
    ...(delimiter ? ['--delimiter', delimiter] : []),
    ...[targets].flat().flatMap(name => ['--targets', name.includes(',') ? `"${name}"` : name]),
  ]
}

/** The numbers for each test picture, from the lines of `anneal predict --json`. */
function predictions(stdout: string, test: readonly string[], { task, names }: PictureSet): number[][] {
  type Line = { file: string; probabilities?: Record<string, number>; values?: Record<string, number> }
  const found = new Map<string, number[]>()
  for (const line of stdout.trimEnd().split('\n')) {
    const { file, probabilities, values } = JSON.parse(line) as Line
    const numbers = (task === 'regression' ? values : probabilities) ?? {}
    const other = Object.keys(numbers).find(name => !names.includes(name))
    if (other !== undefined || Object.keys(numbers).length === 0)
      throw new Error(`anneal predict names ${other ?? 'nothing'} for ${file}, the set ${names.join(', ')}`)
    // A class without training pictures is none of the model's: it has probability 0.
    found.set(
      file,
      names.map(name => numbers[name] ?? (task === 'regression' ? Number.NaN : 0)),
    )
  }
  return test.map(file => {
    const numbers = found.get(file) ?? found.get(realpathSync(file))
    if (!numbers) throw new Error(`anneal predict has no line for ${file}`)
    return numbers
  })
}

/** What a run's events say it chose: the last value of each choice, the frozen phase, the result. */
export function chosenIn(stdout: string): Record<string, unknown> {
  const lines = stdout.trimEnd().split('\n')
  const { metrics, loss, test, epochs, seconds, model } = JSON.parse(lines.at(-1)!) as RunResult
  const choices: Record<string, string> = {}
  let frozen: string | undefined
  for (const line of lines.slice(0, -1)) {
    const event = JSON.parse(line) as RunEvent
    if (event.type === 'choice') choices[event.what] = event.value
    else if (event.type === 'line' && event.text.startsWith('frozen: ')) frozen = event.text.slice('frozen: '.length)
  }
  return { model, epochs, validation: { ...metrics, loss }, test, frozen, phases: seconds, choices }
}

async function rival(
  { script, args }: Program & { kind: 'rival' },
  set: PictureSet,
  { seed, setting, signal, work }: Where,
): Promise<Ran> {
  const { model, weights, size, threads, python } = setting
  const [manifest, outputs] = [join(work, 'set.json'), join(work, 'outputs.json')]
  const { task, names, samples } = set
  mkdirSync(work, { recursive: true })
  writeFileSync(manifest, JSON.stringify({ task, names, samples: samples.map(s => ({ ...s, file: resolve(s.file) })) }))
  // biome-ignore format: one option a line
  const { seconds, stdout } = await command(python, [
    join('bench/rivals', script),
    '--set', manifest,
    '--weights', weights,
    '--model', model,
    ...(size ? ['--size', String(size)] : []),
    '--seed', String(seed),
    '--out', outputs,
    ...args,
  ], { env: rivalEnv(threads ? { OMP_NUM_THREADS: String(threads) } : {}), signal })
  if (!existsSync(outputs)) throw new Error(`${script} wrote no predictions`)
  const rows = JSON.parse(readFileSync(outputs, 'utf8')) as number[][]
  return { seconds, predicted: predicted(set, rows), chosen: JSON.parse(stdout.trimEnd().split('\n').at(-1)!) }
}

/** Predictions of the test samples, in the set's order, with what is true. Throws for a missing number. */
export function predicted({ task, names, samples }: PictureSet, rows: readonly (readonly number[])[]): Predicted {
  const test = samples.filter(({ split }) => split === 'test')
  if (rows.length !== test.length) throw new Error(`got ${rows.length} predictions for ${test.length} test pictures`)
  const wrong = rows.findIndex(row => row.length !== names.length || !row.every(Number.isFinite))
  if (wrong >= 0) throw new Error(`the prediction for ${test[wrong]!.file} is ${JSON.stringify(rows[wrong])}`)
  const truth = test.flatMap(({ labels, values }) =>
    task === 'single'
      ? [labels[0]!]
      : task === 'multi'
        ? names.map((_, label) => (labels.includes(label) ? 1 : 0))
        : [...values!],
  )
  return { task, columns: names.length, files: test.map(({ file }) => file), truth, outputs: rows.flat() }
}

/** Runs a command to its end; throws with the end of its messages if it fails or if `signal` ends it. */
function command(
  program: string,
  args: readonly string[],
  { env, signal }: { env: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<{ seconds: number; stdout: string }> {
  const start = performance.now()
  return new Promise((done, failed) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGTERM' })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', text => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
    child.on('error', error => {
      if (!signal.aborted) failed(error) // an ended program is waited for, because it may still write
    })
    child.on('close', code => {
      const seconds = (performance.now() - start) / 1000
      const said = stderr.trimEnd().split('\n').slice(-5).join('\n')
      if (signal.aborted) failed(signal.reason)
      else if (code === 0) done({ seconds, stdout })
      else failed(new Error(said || `exit code ${code}`))
    })
  })
}

/** What a run depends on, short: the same key is the same question. */
export function keyOf(
  program: Program,
  set: PictureSet,
  { seed, setting }: { seed: number; setting: Setting },
): string {
  const { python: _, weights: __, ...shared } = setting
  const { name: ___, ...asked } = program
  const samples = set.samples.map(({ file, labels, values, split }) => [file, labels, values, split])
  return createHash('sha256')
    .update(JSON.stringify({ asked, shared, seed, task: set.task, names: set.names, samples }))
    .digest('hex')
    .slice(0, 16)
}
