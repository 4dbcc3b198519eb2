import { type BatchEvent, formatEvent, type PhaseEvent, phaseTitle, type RunEvent } from '../runs/events.ts'
import { barLine, type Progress, progressLine } from './bar.ts'
import { describe, epochLine, epochTable } from './describe.ts'
import { type Out, type Paint, paintFor, redraws, unicode } from './style.ts'

/** Reports the progress of a run to a person or a program. */
export type Reporter = {
  /** Takes an event of the run as it happens. */
  event(event: RunEvent): void
  /** Reports work that leaves no event, such as a download or the decoding of pictures; `done === total` ends it. */
  progress(progress: Pick<Progress, 'label' | 'done' | 'total'>): void
  /** Clears the line that is being redrawn: call it before printing anything else, and at the end. */
  close(): void
}

/** `out` and `err` are stdout and stderr; `now` gives milliseconds. */
export type ReporterOptions = {
  json?: boolean
  out?: Out
  err?: Out
  env?: NodeJS.ProcessEnv
  now?: () => number
}

/** Prints a bar and a table on a terminal, plain lines in a log or a pipe, and one JSON event per line with `json`. */
export function createReporter({
  json = false,
  out = process.stdout,
  err = process.stderr,
  env = process.env,
  now = () => performance.now(),
}: ReporterOptions = {}): Reporter {
  if (json) return jsonReporter(out, err)
  const paint = paintFor(out, env)
  return redraws(out, env) ? barReporter(out, now, paint, unicode(env)) : lineReporter(out, now, paint)
}

/** Writes each event as one line on `out`; the last line has the fields of the result beside `type` and `t`. Nothing else is
 *  written there. `err` gets the warnings and nothing else. */
function jsonReporter(out: Out, err: Out): Reporter {
  return {
    event(event) {
      if (event.type === 'warning') err.write(`${describe(event).join('\n')}\n`)
      if (event.type !== 'done') out.write(formatEvent(event))
      else out.write(`${JSON.stringify({ type: event.type, t: event.t, ...event.result })}\n`)
    },
    progress() {},
    close() {},
  }
}

const logEveryMs = 10_000

/** Writes one line per event, and progress at most every 10 seconds. */
function lineReporter(out: Out, now: () => number, paint: Paint): Reporter {
  const batches = batchProgress()
  const works = workProgress(now)
  let last = now()
  const write = (lines: string[]) => {
    for (const line of lines) out.write(`${line}\n`)
  }
  const sometimes = (progress: Progress) => {
    if (now() - last < logEveryMs) return
    last = now()
    write([progressLine(progress)])
  }
  return {
    event(event) {
      if (event.type === 'phase') batches.begin(event)
      if (event.type === 'batch') sometimes(batches.step(event))
      else write(event.type === 'epoch' ? [epochLine(event)] : describe(event, paint))
    },
    progress(progress) {
      if (progress.done !== progress.total) sometimes(works(progress))
    },
    close() {},
  }
}

const redrawEveryMs = 80

/** Writes lines and a table that stay, and below them one bar that is redrawn in place. */
function barReporter(out: Out, now: () => number, paint: Paint, box: boolean): Reporter {
  const batches = batchProgress()
  const works = workProgress(now)
  const table = epochTable(paint)
  let bar: Progress | undefined
  let drawn = false
  let last = Number.NEGATIVE_INFINITY
  const clear = () => {
    if (drawn) out.write('\r\x1b[K')
    drawn = false
  }
  const draw = () => {
    // One column stays free: a full line makes some terminals wrap, and the next redraw would miss it.
    if (bar) out.write(`\r${barLine(bar, { width: (out.columns || 80) - 1, paint, unicode: box })}\x1b[K`)
    drawn = bar !== undefined
    last = now()
  }
  const show = (progress: Progress) => {
    bar = progress
    if (now() - last >= redrawEveryMs || progress.done === progress.total) draw()
  }
  const write = (lines: string[]) => {
    if (lines.length === 0) return
    clear()
    out.write(lines.map(line => `${line}\n`).join(''))
  }
  const end = () => {
    clear()
    bar = undefined
    last = Number.NEGATIVE_INFINITY
  }
  return {
    event(event) {
      if (event.type === 'batch') return show(batches.step(event))
      if (event.type === 'phase') {
        batches.begin(event)
        table.restart()
        end()
      }
      if (event.type === 'stopped' || event.type === 'failed' || event.type === 'done') end()
      write(event.type === 'epoch' ? table.row(event) : describe(event, paint))
      if (bar && !drawn) draw()
    },
    progress(progress) {
      if (progress.done === progress.total) end()
      else show(works(progress))
    },
    close: end,
  }
}

/** Follows the batches of a phase. The time left is estimated from the batches so far, in seconds of work. */
function batchProgress() {
  let total: number | undefined
  let began: { t: number; step: number } | undefined
  return {
    begin({ steps }: PhaseEvent): void {
      total = steps
      began = undefined
    },
    step({ t, epoch, step, smooth, lrs, ...phase }: BatchEvent & { t: number }): Progress {
      // The first batch also warms caches up, so the clock starts at its end.
      began ??= { t, step }
      const done = step - began.step + 1
      if (total !== undefined && done > total) total = undefined // a head that trains on while it improves
      const perStep = (t - began.t) / (step - began.step)
      const left = total === undefined || done < 2 ? undefined : Math.max(0, total - done) * perStep
      return {
        label: `${phaseTitle(phase)}, epoch ${epoch}`,
        done,
        total,
        loss: smooth,
        lr: lrs.at(-1),
        secondsLeft: left,
      }
    },
  }
}

/** Follows work by its label. The time left is estimated from the share that is done. */
function workProgress(now: () => number) {
  let began: { label: string; at: number; done: number } | undefined
  return (progress: Pick<Progress, 'label' | 'done' | 'total'>): Progress => {
    const { label, done, total } = progress
    if (began?.label !== label || done < began.done) began = { label, at: now(), done }
    const elapsed = (now() - began.at) / 1000
    const share = done - began.done
    return {
      label,
      done,
      total,
      secondsLeft: total && share > 0 && elapsed > 1 ? (elapsed / share) * (total - done) : undefined,
    }
  }
}
