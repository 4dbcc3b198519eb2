import { percent } from '../../base/format.ts'
import { alignedRows } from '../../base/text.ts'
import type { Judged } from '../../train/linear/view-probe.ts'
import { type Augmentation, augmentation } from '../augment/index.ts'
import { strengths, type Trial, type TrialId } from './trials.ts'

/** The effect of one change on frozen features of held-out pictures. Shares in [0, 1]; for multi-label the accuracy is
 *  balanced accuracy, for regression R². */
export interface SenseRow {
  id: TrialId
  change: string
  /** Accuracy of a probe that learnt from plain pictures: on plain pictures and on changed ones. */
  plain: number
  changed: number
  /** The accuracy that it loses by the change, and the standard error of that loss (paired by picture). */
  drop: number
  error: number
  /** Accuracy of a probe that learnt from plain and changed pictures: on plain pictures and on changed ones. */
  learntPlain: number
  learntChanged: number
  /** How often a probe separates a picture from its changed view (0.5 is chance), and the standard error. */
  told: number
  toldError: number
  /** Whether the change makes sense, and why. */
  chosen: boolean
  reason: string
}

/** The limits beyond which a change does not make sense. Measured with tf_efficientnet_lite0 at 128 px: upside-down
 *  photos of clothes on the floor are told apart from upright ones in 91 %, and 16 points fewer are recognised; turned
 *  pictures of forests from above in 75 % (all their shadows fall one way), and 2.5 points fewer; turned blood cells in
 *  75 % (the light of the lamp falls off to one side); the same forests, turned at random before, in 50 %, and 0 points
 *  fewer.
 *  - told: pictures that are told apart from their changed view this often have a right way up
 *  - drop: the points that a symmetry may always lose; `most`: the points that it may lose if its error is so large that
 *    the loss could be chance
 *  - oneClass: the points that no single class may lose by it
 *  - usual, strong: the points that may be lost although the probe learnt the change, for the usual strength and for
 *    more
 *  - cost: the points of plain pictures that learning from changed ones may cost */
const limits = { told: 0.85, drop: 0.05, most: 0.15, oneClass: 0.5, usual: 0.1, strong: 0.03, cost: 0.03 } as const

/** The table's row for a change, with the verdict. If the result is unclear (few pictures, large errors), a symmetry is
 *  left out and a change by degrees of the usual strength is kept: a symmetry is a claim about the pictures, the usual
 *  changes are common practice. If the features do not separate the classes (`known` is false), only the share of views
 *  that are told apart decides. */
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
      ? `told apart from plain pictures in ${percent(told.mean, 0)}`
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
        ? `unclear${trial.usual ? ', the usual change' : ''}`
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

/** The mean difference of pairs (without `b`: the mean of the values), and its standard error. */
function paired(a: Float64Array, b?: Float64Array): Paired {
  const difference = b ? a.map((v, i) => v - b[i]!) : a
  const mean = average(difference)
  const variance = average(difference.map(v => (v - mean) ** 2)) * (a.length / Math.max(1, a.length - 1))
  return { mean, error: Math.sqrt(variance / a.length) }
}

/** A class that the change turns into other classes although the rest is recognised: left arrows among signs of all
 *  kinds. Its loss must be larger than the loss of so few pictures by chance, given the rate at which all pictures
 *  change. */
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

/** Whether the features are good enough to separate upright pictures from others, if there is a difference: at least
 *  one of the changes that resample every picture must be told apart. With ImageNet features (60 to 400 pictures) the
 *  best one is told apart in 81 to 97 %; with a body of random weights in 52 to 63 %, and that body found no up in
 *  photos either. */
export function seesEnough(rows: readonly SenseRow[]): boolean {
  const resampled = rows.filter(row => row.id === 'rotate20' || row.id === 'zoom1.3' || row.id === 'warp')
  return Math.max(...resampled.map(row => row.told)) >= 0.7
}

/** The augmentation from the verdicts: the changes that make sense, up to the strength that was tried; small changes of
 *  light and position always. */
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
    // There is no setting for quarter turns without mirrors, so any angle is allowed.
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

/** The reason in a sentence: whether the pictures have an up, a left and a right, and which other changes are left
 *  out. */
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
        : `the pictures partly have an up (${up.map(said).join('; ')})`
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
  return alignedRows(head, cells)
}
