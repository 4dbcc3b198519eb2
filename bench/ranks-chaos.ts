/** Harms groups of processes at random moments while they train, lets their runs go on, and checks what comes out:
 *  node --import tsx bench/ranks-chaos.ts [--rounds 12] [--seed 1] [--ranks 2,3,4] [--from 0] [--fault 'a rank is killed'] [--keep]
 *
 *  It needs Linux (/proc) and a built `anneal` (`npm run build`), and takes about half a minute a round. Each round starts `anneal launch
 *  --nproc N … train` on small pictures that this bench makes, waits for a moment that the seed chooses, from the start of the processes
 *  to the report, and harms the group (bench/ranks-faults.ts has the faults). One time in three the run that goes on is harmed too. At
 *  last the run goes on undisturbed with `--resume`, on as many ranks or on another number of them. Checked are:
 *
 *  - all processes end within seconds, or go on if they have to, and the output says which rank was the reason;
 *  - no process is left, and no temporary folder or lock after the last run;
 *  - metrics.csv has each epoch once, and events.jsonl each step;
 *  - the weights are those of a run that nobody disturbed: on the same number of ranks bit by bit, else to 1e-4. Those of the last
 *    layer, which is fitted to its optimum at the end, are told apart.
 *
 *  Prints a line for each round. Writes bench/results/ranks-chaos.json; with `--from` the rounds are added to those that are there. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { rng } from '../src/base/random.ts'
import { readWeights } from '../src/weights/index.ts'
import { emptyCache, measuredOn } from './machine.ts'
import { type Expected, faults, Group, pause } from './ranks-faults.ts'
import { writeResult } from './rival.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '12' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    ranks: { type: 'string', default: '2,3,4' },
    fault: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const [rounds, from, seed] = [values.rounds, values.from, values.seed].map(Number) as [number, number, number]
const counts = values.ranks.split(',').map(Number)
/** Seconds: of silence after which a rank is lost, that the launcher waits for the others, that ranks wait at the start. */
const [silence, grace, join_] = [6, 5, 20]
/** A group that is harmed has this long to end: whatever of these comes first, and some seconds of a slow machine. */
const ends = silence + grace + join_ + 15
/** How far weights of other numbers of ranks may be apart. */
const bounds = { trained: 1e-4, fitted: 1e-4 }

const folder = mkdtempSync(join(tmpdir(), 'anneal-chaos-'))
const path = (...parts: string[]) => join(folder, ...parts)
const cache = emptyCache()
const anneal = resolve('bin/anneal.mjs')

/** Three kinds of stripes, with noise. */
async function makePictures(): Promise<void> {
  for (const [k, kind] of ['wide', 'narrow', 'slanted'].entries()) {
    mkdirSync(path('photos', kind), { recursive: true })
    for (let n = 0; n < 24; n++) {
      const random = rng(seed, k, n)
      const pixels = Uint8Array.from({ length: 40 * 40 * 3 }, (_, i) => {
        const [x, y] = [Math.floor(i / 3) % 40, Math.floor(i / 120)]
        const wave = Math.sin([x / 4, x, (x + y) / 2][k]! + n)
        return 128 + 70 * wave + random.uniform(-40, 40)
      })
      await sharp(pixels, { raw: { width: 40, height: 40, channels: 3 } })
        .png()
        .toFile(path('photos', kind, `${n}.png`))
    }
  }
}

// SGD and no dropout: AdamW makes large steps of gradients that are 0 but for rounding, and masks differ by rank.
const settings = ['--model', 'squeezenet1_1', '--size', '32', '--batch', '12', '--precision', 'float32', '--seed', '3']
const same = ['--optimizer', 'sgd', '--dropout', '0', '--mixup', '0.3', '--epochs', '10']

let started = 0
/** Starts `anneal ARGS`, on several ranks with the launcher. */
function start(args: readonly string[], size: number, temporary: string): Group {
  mkdirSync(temporary, { recursive: true })
  const launch = size === 1 ? [] : ['launch', '--nproc', String(size), '--threads', '1', '--grace', String(grace)]
  return new Group([anneal, ...launch, ...args], {
    size,
    token: `${process.pid}-${started++}`,
    env: {
      ...process.env,
      ANNEAL_CACHE: cache,
      ANNEAL_THREADS: '1',
      OMP_NUM_THREADS: '1',
      ANNEAL_SILENCE_SECONDS: String(silence),
      ANNEAL_JOIN_SECONDS: String(join_),
      TMPDIR: temporary,
    },
  })
}

/** Runs it to its end, which has to be a good one. */
async function run(
  args: readonly string[],
  size: number,
  temporary: string,
): Promise<{ seconds: number; text: string }> {
  const group = start(args, size, temporary)
  const ended = await group.ended(240)
  if (!ended || group.code !== 0) {
    group.clear()
    throw new Error(
      `${ended ? `exit code ${group.code ?? group.signal}` : 'it does not end'}: ${args.join(' ')}\n${group.text}`,
    )
  }
  return { seconds: (performance.now() - group.began) / 1000, text: group.text }
}

const train = (out: string) => [
  ...['train', path('photos'), ...settings, ...same],
  ...['--weights', path('body', 'best.safetensors'), '--out', out],
]

/** Runs that nobody disturbs, by the number of ranks. */
const undisturbed = new Map<number, { out: string; seconds: number }>()
async function reference(size: number): Promise<{ out: string; seconds: number }> {
  const out = path(`undisturbed-${size}`)
  if (!undisturbed.has(size)) {
    const { seconds } = await run(train(out), size, path('tmp-undisturbed'))
    undisturbed.set(size, { out, seconds })
  }
  return undisturbed.get(size)!
}

const numbers = (run: string, file: string) =>
  new Map(
    [...readWeights(join(run, file))].flatMap(([name, t]) =>
      t.dtype === 'float32' ? [[name, new Float32Array(Uint8Array.from(t.data).buffer)] as const] : [],
    ),
  )
/** How far the weights of two runs are apart at most, relative to 1 and to their size: those that training made, and those
 *  of the last layer, which is fitted to its optimum afterwards. */
function apart(a: string, b: string): { trained: number; fitted: number } {
  const most = { trained: 0, fitted: 0 }
  for (const file of ['best.safetensors', 'last.safetensors']) {
    const [x, y] = [numbers(a, file), numbers(b, file)]
    for (const [name, own] of x) {
      const kind = file.startsWith('best') && name.startsWith('head.2.') ? 'fitted' : 'trained'
      const other = y.get(name)!
      for (const [j, v] of own.entries()) most[kind] = Math.max(most[kind], Math.abs(v - other[j]!) / (1 + Math.abs(v)))
    }
  }
  return most
}

const linesOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [])
const epochsOf = (run: string) =>
  linesOf(join(run, 'metrics.csv'))
    .slice(1)
    .map(line => Number(line.split(',')[0]))
const stepsOf = (run: string) =>
  linesOf(join(run, 'events.jsonl'))
    .map(line => JSON.parse(line) as { type: string; step: number })
    .filter(({ type }) => type === 'batch')
    .map(({ step }) => step)
/** Where a run stands: its phase, and the step where there is one. */
function place(out: string): string {
  const events = linesOf(join(out, 'events.jsonl')).map(
    line => JSON.parse(line) as { type: string; phase?: string; step?: number },
  )
  const [phase, last] = [events.findLast(e => e.type === 'phase')?.phase, events.at(-1)]
  return phase === undefined ? 'start' : last?.type === 'batch' ? `${phase}, step ${last.step}` : phase
}

/** What happened in one attempt to train. */
interface Attempt {
  ranks: number
  fault: string
  at: string
  /** Seconds from the fault to the end of the last process. */
  endedAfter: number
  /** The line that says why. */
  said: string
}

/** Starts a run or goes on with it, harms it, and looks how it ends. `wrong` gets what should not be. */
async function harmed(
  { round, turn, size, out, name }: { round: number; turn: number; size: number; out: string; name: string },
  wrong: string[],
): Promise<Attempt> {
  const random = rng(seed, round, turn)
  const { seconds } = await reference(size)
  const moment = random.uniform(0.03, turn === 0 ? 0.95 : 0.6) * seconds
  const group = start(begun(out) ? ['train', '--resume', out] : train(out), size, path(`tmp-${round}`))
  while (performance.now() - group.began < moment * 1000 && group.processes().length > 0) await pause(20)
  if (group.ranks().size < size) await pause(500)
  const at = place(out)
  const before = group.processes().length
  const hit = performance.now()
  const expected: Expected =
    before === 0 ? { done: 'nothing: it had ended', survives: true } : await faults[name]!.hit(group, random)
  const harmedFor = (performance.now() - hit) / 1000
  const ended = await group.ended(expected.survives ? 240 : ends)
  const endedAfter = (performance.now() - hit) / 1000 - (expected.survives ? harmedFor : 0)
  const about = `${expected.done} (${at}, ${size} ranks)`
  if (!ended) wrong.push(`${about}: processes are left: ${group.processes().join(', ')}\n${group.text}`)
  group.clear()
  const whole = existsSync(join(out, 'result.json'))
  const well = group.code === 0
  if (expected.survives && !well) wrong.push(`${about}: it did not survive: ${group.code}\n${group.text}`)
  // Who stops a launch before the ranks have begun is told nothing but the exit code.
  const early = !begun(out) && /launcher|SIGTERM/.test(expected.done)
  if (!expected.survives && !well && !early && expected.says && !expected.says.test(group.text))
    wrong.push(`${about}: the reason is not said\n${group.text}`)
  if (well && !whole) wrong.push(`${about}: exit code 0 without a result\n${group.text}`)
  const said = group.text.split('\n').findLast(line => expected.says?.test(line)) ?? ''
  return { ranks: size, fault: expected.done, at, endedAfter: Number(endedAfter.toFixed(1)), said: said.slice(0, 200) }
}
const begun = (out: string) => existsSync(join(out, 'config.json'))

async function oneRound(round: number) {
  const random = rng(seed, round, 99)
  const out = path(`run-${round}`)
  const wrong: string[] = []
  const attempts: Attempt[] = []
  let size = counts[random.integer(counts.length)]!
  const first = size
  for (let turn = 0; turn === 0 || (turn < 3 && random.chance(1 / 3)); turn++) {
    if (existsSync(join(out, 'result.json'))) break
    if (turn > 0 && random.chance(0.5)) size = counts[random.integer(counts.length)]!
    const fitting = Object.keys(faults).filter(name => faults[name]!.needs <= size)
    const name =
      turn === 0
        ? (values.fault ?? fitting[(round + seed) % fitting.length]!)
        : fitting[random.integer(fitting.length)]!
    attempts.push(await harmed({ round, turn, size, out, name }, wrong))
  }
  const last = random.chance(0.5) ? size : [1, ...counts].filter(n => n !== size)[random.integer(counts.length)]!
  const whole = existsSync(join(out, 'result.json'))
  // Also where the run is whole: the next one on this machine removes what killed processes left.
  const next = whole ? train(path(`next-${round}`)) : begun(out) ? ['train', '--resume', out] : train(out)
  const { text } = await run(next, last, path(`tmp-${round}`)).catch((error: Error) => {
    wrong.push(`going on with ${last} ranks: ${error.message}`)
    return { text: '' }
  })
  const left = readdirSync(path(`tmp-${round}`))
  if (left.length > 0) wrong.push(`temporary files are left: ${left.join(', ')}`)
  const onSame = attempts.every(a => a.ranks === first) && (whole || last === first)
  const standard = (await reference(first)).out
  const result = {
    round,
    ranks: attempts.map(a => a.ranks).concat(whole ? [] : last),
    attempts,
    apart: { trained: Number.NaN, fitted: Number.NaN },
    onSame,
  }
  if (existsSync(join(out, 'result.json'))) {
    result.apart = apart(out, standard)
    const { trained, fitted } = result.apart
    if (onSame ? trained + fitted !== 0 : !(trained <= bounds.trained && fitted <= bounds.fitted))
      wrong.push(`the weights are ${trained} away, those of the last layer ${fitted}\n${text}`)
    for (const [what, of] of [['epochs', epochsOf], ['steps', stepsOf]] as const) // biome-ignore format: one line
      if (JSON.stringify(of(out)) !== JSON.stringify(of(standard)))
        wrong.push(`${what}: ${of(out).join(' ')}; undisturbed: ${of(standard).join(' ')}`)
    const files = readdirSync(out)
    const odd = files.filter(name => !readdirSync(standard).includes(name) && !(whole && name === 'lock.json'))
    if (odd.length > 0) wrong.push(`left in the run: ${odd.join(', ')}`)
  } else if (wrong.length === 0) wrong.push(`the run has no result\n${text}`)
  if (wrong.length === 0 && !values.keep) rmSync(out, { recursive: true, force: true })
  return { ...result, wrong }
}

await makePictures()
await run(
  ['train', path('photos'), ...settings, '--no-pretrained', '--epochs', '3', '--lr', '1e-3', '--out', path('body')],
  1,
  path('tmp-undisturbed'),
)
const all: Awaited<ReturnType<typeof oneRound>>[] = []
for (let round = from; round < from + rounds; round++) {
  const one = await oneRound(round)
  all.push(one)
  const what = one.attempts
    .map(a => `${a.ranks} ranks, ${a.at}: ${a.fault}, ended after ${a.endedAfter} s`)
    .join('; then ')
  process.stdout.write(
    `${round}  ${what}; went on with ${one.ranks.at(-1)}; weights ${one.apart.trained} and ${one.apart.fitted} away ${one.onSame ? '(same ranks)' : '(other ranks)'}${one.wrong.length === 0 ? '' : '  WRONG'}\n`,
  )
  for (const text of one.wrong) process.stdout.write(`    ${text.replaceAll('\n', '\n    ')}\n`)
}
const faulty = all.filter(({ wrong }) => wrong.length > 0)
process.stdout.write(`${all.length - faulty.length} of ${all.length} rounds as they should be\n`)
const file = 'bench/results/ranks-chaos.json'
const earlier =
  from > 0 && existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { rounds: typeof all }).rounds : []
if (!values.fault)
  writeResult('ranks-chaos', {
    ...measuredOn(),
    seed,
    bounds,
    rounds: [...earlier.filter(e => e.round < from), ...all],
  })
if (faulty.length === 0 && !values.keep) {
  rmSync(folder, { recursive: true, force: true })
  rmSync(cache, { recursive: true, force: true })
} else process.stdout.write(`kept: ${folder}\n`)
process.exitCode = faulty.length === 0 ? 0 : 1
