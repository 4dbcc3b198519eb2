import { percent } from '../../base/format.ts'
import type { Judged } from '../../train/linear/probe.ts'
import { type Augmentation, augmentation } from '../augment/index.ts'
import { strengths, type Trial, type TrialId } from './trials.ts'

/** What one change does to frozen features of held-out pictures. Shares in [0, 1]; accuracies of several labels are
 *  balanced, of numbers R². */
export interface SenseRow {
  id: TrialId
  change: string
  /** Accuracy of a probe that learnt from plain pictures, on plain ones and on changed ones. */
  plain: number
  changed: number
  /** How much it loses by the change, and the standard error of that (paired by picture). */
  drop: number
  error: number
  /** Accuracy of a probe that learnt from changed pictures too, on plain ones and on changed ones. */
  learntPlain: number
  learntChanged: number
  /** How often a picture and its changed view are told apart; 0.5 is chance. And its standard error. */
  told: number
  toldError: number
  /** Whether it makes sense, and why. */
  chosen: boolean
  reason: string
}

/** From what on a change does not make sense. Measured with tf_efficientnet_lite0 at 128 px: upside-down photos of
 *  clothes lying on the floor are told from upright ones in 91 % and 16 points fewer are recognised; turned pictures of
 *  forests from above in 75 % (their shadows all fall one way) and 2.5 points, of blood cells in 75 % (the lamp's light
 *  falls off to one side), the same forests turned at random before in 50 % and 0.
 *  - told: pictures that are told from their changed view this often have a right way up
 *  - drop: points that a symmetry may lose in any case, and `most` where its error is so large that it could be chance
 *  - oneClass: points that no single class may lose by it
 *  - usual, strong: points that may be lost in spite of learning, by a change of the usual strength and by a stronger one
 *  - cost: points of plain pictures that learning from changed ones may cost */
const limits = { told: 0.85, drop: 0.05, most: 0.15, oneClass: 0.5, usual: 0.1, strong: 0.03, cost: 0.03 } as const

/** The table's row of a change, with the verdict. In doubt (few pictures, large errors) a symmetry is left out and the
 *  usual change by degrees is kept: the first says something about the world, the second is what everyone does. Where
 *  classes are not `known` to the features, views that are told apart are all that there is to judge by. */
export function senseRow(
  trial: Trial,
  judged: Judged,
  { of, classes, known }: { of: Int32Array; classes: readonly string[]; known: boolean },
): SenseRow {
  const drop = paired(judged.plain, judged.changed)
  const lost = paired(judged.plain, judged.learntChanged)
  const cost = paired(judged.plain, judged.learntPlain)
  const told = paired(judged.told)
  const points = (share: number) => `${(100 * share).toFixed(1)} points`
  const beyond = (limit: number, { mean, error }: Paired, sure: number) => mean > Math.max(limit, sure * error)
  const confused = trial.symmetry && known ? lostClass(judged, of, classes) : undefined
  const against =
    trial.symmetry && told.mean + told.error > limits.told
      ? `told from plain pictures in ${percent(told.mean, 0)}`
      : !known
        ? undefined
        : trial.symmetry
          ? drop.mean > limits.most || beyond(limits.drop, drop, 2)
            ? `${points(drop.mean)} fewer are recognised`
            : confused && `${confused} is no longer recognised`
          : (trial.usual ? beyond(limits.usual, lost, 2.5) : lost.mean > limits.strong)
            ? `${points(lost.mean)} fewer are recognised, even when learnt`
            : undefined
  const reason =
    against ?? (known && beyond(limits.cost, cost, 2.5) ? `learning it costs ${points(cost.mean)}` : undefined)
  const blind = !known && !trial.symmetry
  return {
    id: trial.id,
    change: trial.change,
    plain: average(judged.plain),
    changed: average(judged.changed),
    drop: drop.mean,
    error: drop.error,
    learntPlain: average(judged.learntPlain),
    learntChanged: average(judged.learntChanged),
    told: told.mean,
    toldError: told.error,
    chosen: reason === undefined && (!blind || trial.usual === true),
    reason:
      reason ??
      (blind
        ? `not to be judged${trial.usual ? ', the usual' : ''}`
        : trial.symmetry
          ? `looks the same${known ? ', and is recognised' : ''}`
          : 'still recognised'),
  }
}

interface Paired {
  mean: number
  error: number
}
const average = (values: Float64Array): number => values.reduce((a, b) => a + b, 0) / values.length

/** The mean difference of pairs (of values, without `b`), and its standard error. */
function paired(a: Float64Array, b?: Float64Array): Paired {
  const difference = b ? a.map((v, i) => v - b[i]!) : a
  const mean = average(difference)
  const variance = average(difference.map(v => (v - mean) ** 2)) * (a.length / Math.max(1, a.length - 1))
  return { mean, error: Math.sqrt(variance / a.length) }
}

/** A class that the change turns into others while the rest is well: left arrows among signs of every kind. Its loss must
 *  be more than what so few pictures lose by chance, at the rate at which all of them change. */
function lostClass({ plain, changed }: Judged, of: Int32Array, classes: readonly string[]): string | undefined {
  const rate = average(plain.map((v, i) => (v - changed[i]!) ** 2))
  for (const [c, name] of classes.entries()) {
    const own = Array.from(of.keys()).filter(i => of[i] === c)
    if (own.length < 5) continue
    const drop = own.reduce((sum, i) => sum + plain[i]! - changed[i]!, 0) / own.length
    if (drop > Math.max(limits.oneClass, 3 * Math.sqrt(rate / own.length))) return name
  }
  return undefined
}

/** Whether features see pictures well enough to tell upright ones from others, if there is a difference: of the changes
 *  that resample every picture one must be told apart. Of ImageNet features (60 to 400 pictures) the best is in 81 to
 *  97 %, of a body of random weights in 52 to 63 %, which saw no up in photos either. */
export function seesEnough(rows: readonly SenseRow[]): boolean {
  const resampled = rows.filter(row => row.id === 'rotate20' || row.id === 'zoom1.3' || row.id === 'warp')
  return Math.max(...resampled.map(row => row.told)) >= 0.7
}

/** The augmentation that the verdicts make: what makes sense, as strong as it was tried; small changes of light and place
 *  always. */
export function fromVerdicts(rows: readonly SenseRow[]): Augmentation {
  const good = new Set(rows.filter(row => row.chosen).map(row => row.id))
  const [mirrored, half] = [good.has('mirrored'), good.has('half')]
  const vertical = good.has('vertical') && (half || !mirrored) // both mirrors together are half a turn
  const turns = half && good.has('quarter')
  const every = mirrored && vertical && turns
  const degrees = good.has('rotate20') ? 20 : good.has('rotate10') ? 10 : 0
  const zoom = good.has('zoom1.3') ? 1.3 : good.has('zoom1.1') ? 1.1 : 1
  const crop = good.has('crop')
  return augmentation({
    randomCrop: true,
    brightness: 0.05,
    contrast: 0.05,
    dihedral: every,
    flip: mirrored && !every ? 0.5 : 0,
    flipVertical: vertical && !every ? 0.5 : 0,
    // Turns without mirrors have no setting of their own: any angle includes them.
    maxRotate: turns && !mirrored && !vertical ? 180 : degrees,
    maxZoom: crop ? Math.min(zoom, 1.1) : zoom, // a crop enlarges too
    minScale: crop ? strengths.crop : 1,
    maxLighting: good.has('lighting') ? strengths.lighting : 0,
    saturation: good.has('colour') ? strengths.saturation : 0,
    hue: good.has('colour') ? strengths.hue : 0,
    grey: good.has('grey') ? 0.1 : 0,
    maxWarp: good.has('warp') ? strengths.warp : 0,
  })
}

/** Why, in a sentence: whether the pictures have an up, a left and a right, and what else is left out. */
export function senseReason(rows: readonly SenseRow[]): string {
  const row = (id: TrialId) => rows.find(r => r.id === id)
  const said = (id: TrialId) => {
    const { change, reason, told, chosen } = row(id)!
    return `${change}: ${reason}${chosen ? `, told apart in ${percent(told, 0)}` : ''}`
  }
  const up = (['vertical', 'half', 'quarter'] as const).filter(id => row(id) && !row(id)!.chosen)
  const first =
    up.length === 3
      ? `the pictures have an up (${said('half')})`
      : up.length === 0
        ? `the pictures have no up (${said('half')}; ${said('quarter')})`
        : `the pictures have an up in part (${up.map(said).join('; ')})`
  const sides = row('mirrored')!.chosen ? '' : `; and a left and a right (${said('mirrored')})`
  const out = rows.filter(r => !r.chosen && !['mirrored', 'vertical', 'half', 'quarter'].includes(r.id))
  return `${first}${sides}${out.length > 0 ? `; left out: ${out.map(r => r.change).join(', ')}` : ''}`
}

/** The table as lines of text. */
export function senseTable(rows: readonly SenseRow[]): string[] {
  const head = ['change', 'plain', 'changed', 'drop', 'learnt', 'told apart', 'verdict']
  const share = (v: number) => (100 * v).toFixed(1)
  const cells = rows.map(r => [
    r.change,
    share(r.plain),
    share(r.changed),
    `${share(r.drop)} ± ${share(r.error)}`,
    share(r.learntChanged),
    `${share(r.told)} ± ${share(r.toldError)}`,
    `${r.chosen ? 'yes' : 'no'}: ${r.reason}`,
  ])
  const widths = head.map((name, i) => Math.max(name.length, ...cells.map(row => row[i]!.length)))
  const line = (row: string[]) =>
    row
      .map((cell, i) => (i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  return [line(head), ...cells.map(line)]
}
