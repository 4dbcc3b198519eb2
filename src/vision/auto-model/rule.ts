import { duration } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import { alignedRows } from '../../base/text.ts'
import type { Task } from '../../data/index.ts'
import { leadingMetric } from '../../runs/index.ts'
import { meanOf, pairedDifference } from '../../train/paired-losses.ts'

/** What a linear probe on the frozen features of a net reached on pictures of folds that it did not learn from. */
export interface Probe {
  /** The leading metric of the task: accuracy, mAP or R². */
  score: number
  /** The loss of each picture: log loss, or squared error of standardised targets. [N] */
  losses: readonly number[]
}

/** A net that `auto` may choose, with what is known of it so far. */
export interface Contender {
  name: string
  /** Side of its pictures in pixels. */
  size: number
  /** Why it is left out, if it is. */
  out?: string
  /** Training steps in pictures per second, and the whole run in seconds. */
  speed?: { step: number; seconds: number }
  probe?: Probe
}

/** A net, and how it compares with the best of the faster ones. */
export interface Judged extends Contender {
  /** The best of the faster nets, how much lower the loss is than its loss, and the standard error of that difference
   *  (paired by picture). */
  against?: { name: string; gain: number; error: number }
  verdict: string
}

/** What the choice depends on beside the nets. */
export interface Terms {
  task: Task
  /** The time for the whole run in seconds, and whether it was asked for. */
  budget: number
  asked: boolean
  /** How many training pictures the probes were computed on. */
  pictures: number
  folds: number
}

/** A slower net is taken if its loss is lower by more than so many standard errors of the difference. None are asked for:
 *  slower candidates are also the better ones on ImageNet, and a sample of some hundred pictures is too small to prove it. */
const margin: number = 0
const isBetter = ({ gain, error }: { gain: number; error: number }) => gain > margin * error
const by = margin === 0 ? '' : ` by more than ${margin === 1 ? 'one standard error' : `${margin} standard errors`}`

/** How much lower the loss is now. */
function lower(before: readonly number[], now: readonly number[]): { gain: number; error: number } {
  const { mean: gain, error } = pairedDifference(before, now)
  return { gain, error }
}

/** Whether the whole run of a net ends within the budget. */
export const fits = ({ speed }: Contender, budget: number): boolean => speed !== undefined && speed.seconds <= budget

/** Chooses among nets with probes, from the fastest to the slowest run: a slower net is taken if its loss is lower than
 *  that of the best so far by more than a margin. Nets without a probe are only listed. */
export function chooseNet(contenders: readonly Contender[], terms: Terms): { chosen: Judged; rows: Judged[] } {
  const { budget } = terms
  const seconds = ({ speed }: Contender) => speed?.seconds ?? Number.POSITIVE_INFINITY
  const order = [...contenders].sort((a, b) => seconds(a) - seconds(b))
  let best: Contender | undefined
  const compared = order.map((net): Omit<Judged, 'verdict'> => {
    if (!net.probe || net.out !== undefined) return net
    const before = best
    const difference = before && lower(before.probe!.losses, net.probe.losses)
    if (!difference || isBetter(difference)) best = net
    return before && difference ? { ...net, against: { name: before.name, ...difference } } : net
  })
  const name = (best ?? order.find(net => net.out === undefined) ?? order[0]!).name
  const rows = compared.map((row): Judged => ({ ...row, verdict: verdictOf(row, { name, budget }) }))
  return { chosen: rows.find(row => row.name === name)!, rows }
}

function verdictOf(row: Omit<Judged, 'verdict'>, { name, budget }: { name: string; budget: number }): string {
  const { out, against } = row
  if (row.name === name) return 'chosen'
  if (out !== undefined) return `left out: ${out}`
  if (!fits(row, budget)) return `left out: its run would take longer than ${duration(budget)}`
  if (!row.probe) return 'not compared'
  if (against && !isBetter(against)) return `no: not better than ${against.name}${by}`
  return `no: ${name} is better`
}

const lossName = (task: Task) => (task === 'regression' ? 'squared error' : 'log loss')
const milliseconds = (step: number) => `${Number((1000 / step).toPrecision(2))} ms`

/** All nets as the lines of a table, the fastest first. */
export function netTable(rows: readonly Judged[], { task }: Pick<Terms, 'task'>): string[] {
  const metric = leadingMetric(task)
  const head = ['model', 'size', metric.name, lossName(task), 'lower by', 'a picture', 'whole run', 'verdict']
  return alignedRows(
    head,
    rows.map(({ name, size, probe, against, speed, verdict }) => [
      name,
      `${size} px`,
      probe ? metric.say(probe.score) : '',
      probe ? meanOf(probe.losses).toFixed(3) : '',
      against ? `${against.gain.toFixed(3)} ± ${against.error.toFixed(3)}` : '',
      speed ? milliseconds(speed.step) : '',
      speed ? duration(speed.seconds) : '',
      verdict,
    ]),
  )
}

/** Why this net, in one sentence. */
export function netReason({ chosen, rows }: { chosen: Judged; rows: readonly Judged[] }, terms: Terms): string {
  const others = rows.filter(row => row !== chosen && row.probe)
  const instead = `${option('model')} takes another`
  if (!chosen.probe || others.length === 0) return `${aloneReason(chosen, rows, terms)}; ${instead}`
  const { budget, asked, pictures, folds, task } = terms
  const metric = leadingMetric(task)
  const best = chosen.against?.name ?? others[0]!.name // the next one in speed
  const other = others.find(row => row.name === best)!
  const beside = (mine: string, theirs: string) => `${mine} (${best}: ${theirs})`
  const shown = [
    beside(`${metric.name} ${metric.say(chosen.probe.score)}`, metric.say(other.probe!.score)),
    beside(`${lossName(task)} ${meanOf(chosen.probe.losses).toFixed(3)}`, meanOf(other.probe!.losses).toFixed(3)),
    `${beside(milliseconds(chosen.speed!.step), milliseconds(other.speed!.step))} a picture in training`,
    `about ${duration(chosen.speed!.seconds)} of the ${duration(budget)} that ${asked ? `${option('minutes')} gives` : 'a run has by default'}`,
  ].join(', ')
  const why = chosen.against
    ? `it is better than the faster ${best}${by}`
    : `the fastest net, and no slower one is better${by}`
  return `${why}, in ${folds}-fold probes on ${pictures} training pictures: ${shown}; ${instead}`
}

/** The reason where no other net was compared. */
function aloneReason({ name, speed, out }: Judged, rows: readonly Judged[], { budget, asked }: Terms): string {
  const able = rows.filter(({ out }) => out === undefined)
  const limit = `${duration(budget)} that ${asked ? `${option('minutes')} gives` : 'a run has by default'}`
  if (out !== undefined) return `no candidate's weights can be had; ${out}`
  if (able.length <= 1) return 'the only candidate whose weights are here or can be fetched'
  const here = speed && `its run takes about ${duration(speed.seconds)} here`
  return speed && speed.seconds > budget
    ? `the fastest candidate; ${here}, longer than the ${limit} (more with ${option('minutes')})`
    : `${name} is the only candidate whose run ends within the ${limit}; ${here}`
}
