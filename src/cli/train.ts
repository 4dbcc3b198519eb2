import { existsSync, statSync } from 'node:fs'
import { kindNamed } from '../api/domains.ts'
import { kinds } from '../api/kinds/list.ts'
import type { TrainOptions } from '../api/options.ts'
import { OptionError } from '../base/errors.ts'
import { bytes, quoted } from '../base/format.ts'
import type { Options } from '../base/option-table.ts'
import { flagOf } from '../base/options.ts'
import type { Notice } from '../base/progress.ts'
import { noteRun, startedBy } from '../launch/launched.ts'
import { readEnvironment } from '../ranks/environment.ts'
import { domainOf, readConfig, runPaths } from '../runs/index.ts'
import type { tableOnlyOptions } from '../tabular/options.ts'
import type { commandFlags } from './options.ts'
import { overFile, readOptionsFile } from './options-file.ts'
import { answerLost, type Lost, outlivesHangUp, workWithoutOutput } from './output.ts'
import { flat, printable } from './style.ts'
import { createReporter, type Reporter } from './terminal.ts'
import { asksForTable, isTable, trainRows } from './train-table.ts'

/** What `anneal train` takes beside the options of training. */
export type TrainFlags = Options<typeof commandFlags.train>

/** `anneal train`: the five steps over a folder, a model over the rows of a table, or what `--resume` left. */
export async function train(
  folder: string | undefined,
  typed: TrainOptions & Options<typeof tableOnlyOptions>,
  flags: TrainFlags,
): Promise<void> {
  const { resume, data, config, json } = flags
  if (resume !== undefined) {
    checkResumed(resume, { folder, typed, config })
    const places = { data, labels: typed.labels, clean: typed.clean }
    return drive({ json }, async (hooks, { resumeRun }) => resumeRun(resume, { ...hooks, places }))
  }
  if (data !== undefined)
    throw new OptionError(
      `train: --data says where the data of a run have moved to that goes on (--resume RUN); else name the folder alone: npx anneal train ${quoted(data)}`,
      { exitCode: 2 },
    )
  const file = config === undefined ? undefined : readOptionsFile(config)
  const pictures = folder ?? file?.data
  if (pictures === undefined)
    throw new OptionError(
      'train: give a folder of pictures, recordings or texts (npx anneal train FOLDER), a table (npx anneal train TABLE --target COLUMN), or a run to go on with (npx anneal train --resume RUN)',
      { exitCode: 2 },
    )
  if (folder === undefined) process.stderr.write(`training on ${flat(pictures)}, which ${flat(config!)} names\n`)
  const options: object = file ? overFile(file.options, typed) : typed
  const labelled = ['labels', 'labelRegex'].find(name => Object.hasOwn(options, name))
  const inTable = kinds.some(
    ({ name, inTables }) =>
      inTables !== undefined && (Object.hasOwn(options, inTables) || (options as TrainOptions).kind === name),
  )
  const rows = inTable ? undefined : asksForTable(options)
  if (rows !== undefined && labelled !== undefined)
    throw new OptionError(
      `${flagOf(rows)} trains on the rows of a table, ${flagOf(labelled)} on files; leave one of them out.`,
      { exitCode: 2 },
    )
  if (rows !== undefined || (!inTable && labelled === undefined && isTable(pictures)))
    return trainRows(pictures, options, given =>
      drive({ json }, (hooks, { trainTable }) => trainTable(pictures, given, hooks)),
    )
  await drive({ json }, async (hooks, { trainFolder }) => trainFolder(pictures, options as TrainOptions, hooks))
}

/** A run that goes on has its data and its settings; what may be given anew is where its files have moved to. */
function checkResumed(
  run: string,
  { folder, typed, config }: { folder: string | undefined; typed: TrainOptions; config: string | undefined },
): void {
  if (folder !== undefined)
    throw new OptionError(
      `train: --resume goes on with the data of ${run}; leave out ${folder}, or, where the data have moved there: --data ${folder}`,
      { exitCode: 2 },
    )
  const others = Object.keys({ ...typed, ...(config !== undefined && { config }) }).filter(
    name => name !== 'labels' && name !== 'clean',
  )
  if (others.length > 0)
    throw new OptionError(
      `train: --resume goes on with the settings of ${run}; leave out ${others.map(flagOf).join(', ')}`,
      { exitCode: 2 },
    )
}

type Recipes = typeof import('../api/index.ts')
type Hooks = import('../api/index.ts').TrainHooks

/** Runs a training with the terminal, the signals and the report around it. */
export async function drive(
  flags: Pick<TrainFlags, 'json'>,
  start: (hooks: Hooks, recipes: Recipes) => Promise<{ run: string }>,
): Promise<void> {
  // Of several processes the first one shows the run.
  const follows = (readEnvironment()?.rank ?? 0) > 0
  const reporter = createReporter({ json: flags.json ?? false })
  const stop = new AbortController()
  let run = ''
  let stoppedBy: NodeJS.Signals | undefined
  const notes = runNotes()
  const interrupted = (signal: NodeJS.Signals) => {
    if (signal === 'SIGHUP' && outlivesHangUp) return notes.add(hangup)
    // A second time: at once. Not of a terminal that goes away, which tells a process and its shell, and the shell tells it again.
    if (stop.signal.aborted && signal === 'SIGHUP') return
    if (stop.signal.aborted) process.exit(exitCodes[signal])
    stop.abort()
    stoppedBy = signal
    reporter.close()
    if (!follows) process.stderr.write('stopping after this step …\n')
  }
  const unheard = workWithoutOutput(lost => {
    if (lost.stream === 'stdout' && !flags.json) process.stderr.write(`${withoutOutput(lost)}\n`)
    notes.add(withoutOutput(lost))
  })
  const recipes = await import('../api/index.ts')
  for (const signal of signals) process.on(signal, interrupted)
  try {
    const result = await start(
      {
        command: ['anneal', ...process.argv.slice(2)],
        signal: stop.signal,
        onEvent: event => reporter.event(event),
        onRun: (dir, warn) => {
          run = dir
          noteRun(dir)
          notes.to(warn)
        },
        report: notice => follows || tell(reporter, notice, flags.json ?? false),
        progress: (label, done, total) => reporter.progress({ label, done, total }),
        writeReport: async dir => (await import('../report/index.ts')).writeReport(dir),
      },
      recipes,
    )
    reporter.close()
    if (follows) return
    if (!flags.json) process.stdout.write(epilogue(result.run))
    else if (answerLost()) {
      process.stderr.write(`anneal: the run is done, but its events on stdout are not whole: see ${result.run}\n`)
      process.exitCode = 1
    }
  } catch (error) {
    reporter.close()
    if (!recipes.wasStopped(error)) throw error
    if (!follows && run === '') process.stderr.write('stopped before anything was trained.\n')
    else if (!follows)
      process.stderr.write(
        `${(error as Error).message}.\nGo on with:\n  ${startedBy()} train --resume ${flat(quoted(run))}\n`,
      )
    process.exit(exitCodes[stoppedBy ?? 'SIGINT'])
  } finally {
    unheard()
    for (const signal of signals) process.off(signal, interrupted)
  }
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const exitCodes: Record<string, number> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

const hangup = `a hang-up (SIGHUP) came; no terminal is attached, as under nohup, so training goes on. To stop it: kill -INT ${process.pid}`

const withoutOutput = ({ stream, reason }: Lost) =>
  `${stream} can not be written: ${reason}. Training goes on without it; the run's folder keeps every event.`

/** Notes for the run's events, kept until there is a run; each is noted once. */
function runNotes() {
  const all = new Set<string>()
  let warn: ((message: string) => void) | undefined
  return {
    add(note: string) {
      if (!all.has(note)) warn?.(note)
      all.add(note)
    },
    to(taker: (message: string) => void) {
      warn = taker
      for (const note of all) warn(note)
    },
  }
}

function tell(reporter: Reporter, notice: Notice, json: boolean): void {
  if ('line' in notice) {
    reporter.close()
    ;(json ? process.stderr : process.stdout).write(`${printable(notice.line).join('\n')}\n`)
  } else
    reporter.progress({
      label: `${notice.what}${notice.total ? ` (${bytes(notice.total)})` : ''}`,
      done: notice.done,
      total: notice.total ?? notice.done + 1,
    })
}

/** What `predict` takes after a run on files, as a placeholder: `PICTURE`, `RECORDING.wav`, `TABLE`. */
function fileWord(run: string, domain: string): string {
  const { files, inTables } = kindNamed(domain, run)
  const { data } = readConfig(run) ?? {}
  if (inTables !== undefined && data !== undefined && statSync(data, { throwIfNoEntry: false })?.isFile())
    return 'TABLE'
  return `${files.noun.one.toUpperCase()}${files.example ?? ''}`
}

function epilogue(run: string): string {
  const { report, best } = runPaths(run)
  const model = existsSync(best.weights) ? `${best.weights}, best.json` : best.about // the average of folds has no weights
  const domain = domainOf(readConfig(run) ?? {})
  const input = domain === 'tables' ? 'TABLE --out scores.csv' : fileWord(run, domain)
  return `\nreport   ${flat(report)}\nmodel    ${flat(model)}\npredict  npx anneal predict ${flat(quoted(run))} ${input}\n`
}
