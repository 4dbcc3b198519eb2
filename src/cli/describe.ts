import { duration, plural, rate } from '../base/format.ts'
import { samples } from '../base/samples.ts'
import { columns, padded } from '../base/text.ts'
import {
  type EpochEvent,
  type LrFindEvent,
  metricInfo,
  metricsText,
  type PhaseEvent,
  phaseTitle,
  type RunEvent,
  type RunResult,
  type ScanEvent,
} from '../runs/index.ts'
import { flat, type Paint, plain, printable } from './style.ts'

const phases: Record<string, string | (() => string)> = {
  scan: () => `Scanning the ${samples.many}`,
  features: 'Computing the features of the frozen body',
  find: 'Finding the learning rate',
  head: 'Training the head',
  whole: 'Training the whole net',
  test: () => `Evaluating on the test ${samples.many}`,
  fold: 'Fold',
  net: 'Net',
  read: 'Reading the table',
  fit: 'Training',
  baselines: 'Training simpler models on the same rows, to compare',
  interpret: 'Looking at what the model uses',
}
const mostProblems = 10

/** The lines that a person reads about an event, without control characters. Batches and checkpoints have none, because they
 *  are progress; neither have epochs, which have their table, and an error, which the command prints as its last line. */
export function describe(event: RunEvent, paint: Paint = plain): string[] {
  switch (event.type) {
    case 'scan':
      return scan(event, paint)
    case 'line':
      return printable(event.text)
    case 'choice':
      return [`${paint('bold', flat(event.what))}: ${flat(event.value)} (${flat(event.reason)})`]
    case 'phase':
      return [paint('bold', phaseLine(event))]
    case 'lrFind':
      return [found(event)]
    case 'warning':
      return printable(`warning: ${event.message}`).map(line => paint('yellow', line))
    case 'resumed':
      return [`resuming from step ${event.step}`]
    case 'stopped':
      return printable(`stopped after step ${event.step}: ${event.reason}`).map(line => paint('yellow', line))
    case 'done':
      return summary(event.result, paint)
    case 'batch':
    case 'epoch':
    case 'checkpoint':
    case 'failed':
      return []
  }
}

/** `Training the head: epochs 1 to 3`. */
function phaseLine({ epochs, firstEpoch, ...phase }: PhaseEvent): string {
  const words = phases[phase.phase] ?? phase.phase
  const title = flat(phaseTitle({ ...phase, phase: typeof words === 'string' ? words : words() }))
  if (epochs === undefined) return title
  if (firstEpoch === undefined) return `${title}: ${plural(epochs, 'epoch')}`
  const last = firstEpoch + epochs - 1
  return `${title}: ${last > firstEpoch ? `epochs ${firstEpoch} to ${last}` : `epoch ${firstEpoch}`}`
}

function scan({ classes, problems, pictures, sample = 'picture' }: ScanEvent, paint: Paint): string[] {
  const total = (part: 'train' | 'valid' | 'test') =>
    pictures ? (pictures[part] ?? 0) : classes.reduce((sum, row) => sum + (row[part] ?? 0), 0)
  const parts = (['train', 'valid', 'test'] as const).flatMap(part =>
    part !== 'test' || total('test') > 0 ? [`${total(part).toLocaleString('en-US')} ${part}`] : [],
  )
  const all = total('train') + total('valid') + total('test')
  const kinds = classes.length > 0 ? ` in ${plural(classes.length, 'class', 'classes')}` : ''
  const head = `${plural(all, sample)}${kinds}: ${parts.join(', ')}`
  const listed = problems.slice(0, mostProblems).map(({ kind, file, reason }) => `  ${kind}: ${file}: ${reason}`)
  const more = problems.length - listed.length
  if (more > 0) listed.push(`  and ${more.toLocaleString('en-US')} more; the report lists all`)
  return [head, ...listed.map(line => paint('yellow', flat(line)))]
}

function found({ suggestions, chosen, how }: LrFindEvent): string {
  const offered = (['steep', 'valley', 'minimum'] as const).flatMap(rule =>
    suggestions[rule] === undefined ? [] : [`${rule} ${rate(suggestions[rule])}`],
  )
  return `learning rate ${rate(chosen)} by the rule "${flat(how)}" (suggestions: ${offered.join(', ') || 'none'})`
}

function summary(
  { run, task, epochs, seconds, test, choseOnValid = [], sample = 'picture', leading: first, ...valid }: RunResult,
  paint: Paint,
): string[] {
  const { total, ...spent } = seconds
  const by = Object.entries(spent).map(([phase, s]) => `${phase} ${duration(s)}`)
  const time = total === undefined ? '' : ` in ${duration(total)}`
  return [
    paint(
      'green',
      `valid ${metricsText(valid.metrics, { task, first })}, loss ${valid.loss.toFixed(4)}, after ${plural(epochs, 'epoch')}${time}`,
    ),
    ...(choseOnValid.length > 0
      ? [`  the validation samples also chose: ${choseOnValid.join(', ')}; new samples may do worse`]
      : []),
    ...(by.length > 0 ? [`  ${by.join(', ')}`] : []),
    ...(test
      ? [
          paint(
            'green',
            `test ${metricsText(test.metrics, { task, first })}, loss ${test.loss.toFixed(4)}, ${plural(test.samples, sample)}`,
          ),
        ]
      : []),
    ...printable(run),
  ]
}

/** Six decimals, as fastai prints them. Amounts in the targets' unit have seven digits where six decimals would hide them. */
function cell(value: number, name = ''): string {
  if (!Number.isFinite(value)) return name !== '' ? 'undefined' : String(value).toLowerCase()
  const size = Math.abs(value)
  const hidden = name !== '' && metricInfo(name).unit === 'amount' && value !== 0 && (size < 1e-2 || size >= 1e7)
  return hidden ? String(Number(value.toPrecision(7))) : value.toFixed(6)
}
const clock = (seconds: number) => {
  const s = Math.round(seconds)
  return `${String(Math.floor(s / 60)).padStart(2, '0')}:${String(s % 60).padStart(2, '0')}`
}

/** The cells of an epoch, with the names and the format of fastai. */
const epochCells = (event: EpochEvent): [name: string, value: string][] => [
  ['epoch', event.optimum ? 'optimum' : String(event.epoch)],
  ['train_loss', cell(event.trainLoss)],
  ['valid_loss', cell(event.validLoss)],
  ...Object.entries(event.metrics).map(([name, value]): [string, string] => [flat(name), cell(value, name)]),
  ['time', clock(event.seconds)],
]

/** A table that grows row by row: each call gives the epoch's line, and the header before it where the columns changed. */
export function epochTable(paint: Paint = plain): { row(event: EpochEvent): string[]; restart(): void } {
  let header = ''
  return {
    row(event) {
      const cells = epochCells(event)
      const width = (name: string) => Math.max(9, columns(name))
      const names = cells.map(([name]) => padded(name, width(name))).join('  ')
      const values = cells
        .map(([name, value]) => value.padEnd(width(name)))
        .join('  ')
        .trimEnd()
      const line = event.best ? `${values}     ${paint('green', 'best')}` : values
      const lines = names === header ? [line] : [paint('bold', names.trimEnd()), line]
      header = names
      return lines
    },
    restart() {
      header = ''
    },
  }
}

/** An epoch as one line of a log: `head, epoch 2: train_loss 0.532100, …, time 00:14, best`. The head's optimum is no
 *  epoch: `head: optimum: train_loss …`. */
export function epochLine(event: EpochEvent): string {
  const [, ...cells] = epochCells(event).map(([name, value]) => `${name} ${value}`)
  const when = event.optimum
    ? `${flat(phaseTitle(event))}: optimum`
    : `${flat(phaseTitle(event))}, epoch ${event.epoch}`
  return `${when}: ${cells.join(', ')}${event.best ? ', best' : ''}`
}
