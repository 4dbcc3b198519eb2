import { duration, plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import type { PairsPlan } from '../../domain/index.ts'
import { keep, noGrad } from '../../torch/index.ts'
import { evaluate } from '../../train/evaluate.ts'
import { computeFeatures } from '../../train/features.ts'
import { dealFolds, outputsFor } from '../../train/linear/out-of-fold.ts'
import { said } from '../../train/objective.ts'
import { meanOf, pairedDifference, sampleLosses } from '../../train/paired-losses.ts'
import { trainPairs } from '../../train/pairs.ts'
import { netTensors, type Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { type Best, type BestKeeper, validated } from './best-weights.ts'
import { penalties, refitHead } from './fit-linear-head.ts'
import type { HeadResult, Tuned } from './types.ts'

/** Folds of the comparison: two thirds of the samples train, the others tell. */
const folds = 3
/** Fewer samples of a class than this make too few pairs. */
const fewest = 4

/** Where it begins, and the keeper of the best weights. */
export interface TuneOptions {
  head: HeadResult
  frozen: Best
  keeper: BestKeeper
}

/** Trains the body by pairs of samples where there are few of them (`train/pairs.ts`), and compares it with the frozen body in
 *  folds over the training samples: both get a head at the strength of L2 that suits them best, and are judged by the losses
 *  of samples that they were not trained on, at the temperature that fits best. If the mean loss is lower, the body is trained
 *  on all training samples, and the net with its head is the best so far; else the net is as before. With very few samples of a class
 *  nothing is compared (`PairsPlan.few`). A run that was stopped
 *  meanwhile does this step again. */
export async function tuneByPairs(prepared: Prepared, context: Context, options: TuneOptions): Promise<Tuned> {
  const { session } = context
  const known = session.known('pairs')
  if (known) return known
  const { plan, few, reason } = planOf(prepared, context)
  if (!plan) {
    if (reason !== undefined) session.choice('pairs', 'left out', reason)
    return {}
  }
  const { many } = prepared.domain.words
  session.stands('the head over the frozen body', `the training by pairs of ${many}`)
  const start = session.run.seconds
  const clock = clockOf(context, start)
  if (few !== undefined && !clock())
    return takeFew(prepared, context, { plan: { ...plan, ...plan.few }, few, start, options })
  // The first of several ranks compares: batches of pairs are too small to share.
  const comparing = async () => (await compare(prepared, context, { plan, clock })) ?? null
  const compared = await session.ranks.fromFirst('pairs compared', comparing, context.signal)
  if (!compared) {
    session.choice('pairs', 'left out', `${setting('minutes', context.options.minutes)} leaves no time for them`)
    session.know('pairs', {})
    return {}
  }
  const { frozen, tuned, difference } = compared
  const { l2 } = tuned
  const saw = `${plural(folds, 'fold')} of the training ${many}: mean loss ${tuned.loss.toFixed(3)} with pairs, ${frozen.loss.toFixed(3)} without (difference ${difference.mean.toFixed(3)} ± ${difference.error.toFixed(3)}); accuracy ${(100 * tuned.accuracy).toFixed(1)} % and ${(100 * frozen.accuracy).toFixed(1)} %`
  if (!(difference.mean < 0)) {
    session.choice('pairs', 'not taken', saw)
    session.know('pairs', {})
    return {}
  }
  const found = await take(prepared, context, { plan, l2, trainings: folds + 1, options })
  return taken(prepared, context, { found, l2, why: saw, start, options })
}

/** The strength of L2 of a head without one of its own. */
const usualL2 = 0.3

/** Trains the body by pairs without a comparison, since there are too few samples for one. few: the fewest of a class. */
async function takeFew(
  prepared: Prepared,
  context: Context,
  { plan, few, start, options }: { plan: PairsPlan; few: number; start: number; options: TuneOptions },
): Promise<Tuned> {
  const { l2 = usualL2 } = options.head
  const found = await take(prepared, context, { plan, l2, trainings: 1, options })
  const why = `a class has ${plural(few, `training ${prepared.domain.words.one}`, `training ${prepared.domain.words.many}`)}, and folds tell nothing with so few; ${plural(plan.steps, 'step')}`
  return taken(prepared, context, { found, l2, why, start, options })
}

/** Writes down that pairs are taken. */
function taken(
  prepared: Prepared,
  { session }: Context,
  { found, l2, why, start, options }: { found: Best; l2: number; why: string; start: number; options: TuneOptions },
): Tuned {
  session.choice(
    'pairs',
    'taken',
    `${why}; on validation: ${said(prepared.objective.metric, found.score)}, loss ${found.loss.toFixed(3)}; ${duration(session.run.seconds - start)}`,
  )
  session.know('pairs', { best: found, l2 })
  const { epoch, step } = options.head
  session.checkpoint({ step, epoch, tensors: netTensors(prepared) })
  return { best: found, l2 }
}

/** The plan where pairs are to be tried, and `few`, the fewest samples of a class, if they are too few to compare; else why not, where that
 *  needs a word. */
function planOf(
  { pairs: plan, objective, source, domain }: Prepared,
  { options }: Context,
): { plan?: PairsPlan; few?: number; reason?: string } {
  if (!plan || plan.asked === false) return {}
  const { task, names } = objective
  const { many } = domain.words
  const asked = plan.asked === true
  const refused = (reason: string) => (asked ? { reason } : {})
  if (task !== 'single') return refused(`pairs need one class for each of the ${many}`)
  if ((options.hidden ?? []).length > 0 || options.loss === 'focal')
    return refused('pairs go with the head that is one linear layer with the usual loss')
  const { targets, count } = source('train')
  if (!asked && (options.epochs === 0 || count >= plan.below * names.length)) return {}
  const counts = names.map((_, c) => Array.from(targets).filter(y => y === c).length)
  const least = Math.min(...counts)
  if (least < fewest) return { reason: `a class has ${plural(least, 'training sample')}; ${fewest} are needed` }
  return plan.few && least < plan.few.below ? { plan, few: least } : { plan }
}

/** Whether the time for pairs is over: half of what is left of the minutes, since the whole net comes after them. */
function clockOf({ options, session }: Context, start: number): () => boolean {
  const { minutes } = options
  if (minutes === undefined) return () => false
  const end = start + Math.max(0, minutes * 60 - start) / 2
  return () => session.run.seconds > end
}

/** How well a way predicts samples that it was not trained on. */
interface Judged {
  loss: number
  accuracy: number
  l2: number
}

/** Compares the frozen body with bodies that were trained by pairs, in the same folds. Afterwards the net is as before.
 *  Undefined if the time was over. */
async function compare(
  prepared: Prepared,
  { session, signal, progress }: Context,
  { plan, clock }: { plan: PairsPlan; clock: () => boolean },
): Promise<{ frozen: Judged; tuned: Judged; difference: ReturnType<typeof pairedDifference> } | undefined> {
  const { objective, net, seed, source, classWeights: weights, batchSize, precision } = prepared
  const train = source('train')
  const classes = objective.names.length
  const labels = Int32Array.from(train.targets)
  const groups = groupsOf(prepared)
  const fold = dealFolds(labels, train.count, { folds, seed, task: 'single', groups })
  const outputs = () => penalties.map(() => new Float32Array(train.count * classes))
  const [before, after] = [outputs(), outputs()]
  const features = () => computeFeatures(net, train, { batchSize: Math.max(32, batchSize), precision, signal })
  const frozen = await features()
  const restore = bodyAsItIs(prepared)
  const total = (folds + 1) * plan.steps
  try {
    for (let k = 0; k < folds; k++) {
      const rows = (wanted: boolean) => Array.from(fold.keys()).filter(i => (fold[i] === k) === wanted)
      const [rest, own] = [rows(false), rows(true)]
      const how = { rest, own, classes, l2s: penalties, weights, signal }
      const put = (into: Float32Array[], found: Float32Array[]) => {
        for (const [i, values] of found.entries())
          for (const [at, row] of own.entries())
            into[i]!.set(values.subarray(at * classes, (at + 1) * classes), row * classes)
      }
      put(before, await outputsFor(frozen, labels, how))
      const onStep = (step: number) => progress('pairs', k * plan.steps + step, total)
      await trainPairs(net, train, { ...plan, rows: rest, precision, seed: seed + k, signal, onStep })
      put(after, await outputsFor(await features(), labels, how))
      restore.back()
      if (clock()) return undefined
    }
  } finally {
    restore.drop()
  }
  session.stands('the head over the frozen body', 'the training by pairs')
  const [a, b] = [judge(before, labels, classes), judge(after, labels, classes)]
  return { frozen: a.judged, tuned: b.judged, difference: pairedDifference(b.losses, a.losses) }
}

/** Temperatures that are tried: bodies that were trained by pairs are too sure, and temperature is fitted after training. */
const temperatures = [1, 1.5, 2, 3, 5, 8]

/** The best strength of L2, and how well it predicts, at the temperature that fits best. */
function judge(
  outputs: readonly Float32Array[],
  labels: Int32Array,
  classes: number,
): { judged: Judged; losses: Float64Array } {
  const tried = outputs.flatMap((rows, i) =>
    temperatures.map(t => {
      const losses = sampleLosses(tempered(rows, classes, t), labels, classes, { task: 'single' })
      return { i, losses, loss: meanOf(losses) }
    }),
  )
  const best = tried.reduce((x, y) => (y.loss < x.loss ? y : x))
  let right = 0
  for (const [i, label] of labels.entries()) {
    const row = outputs[best.i]!.subarray(i * classes, (i + 1) * classes)
    if (row.indexOf(Math.max(...row)) === label) right++
  }
  const judged = { loss: best.loss, accuracy: right / labels.length, l2: penalties[best.i]! }
  return { judged, losses: best.losses }
}

/** Probabilities as they are where logits are divided by a temperature. */
function tempered(rows: Float32Array, classes: number, temperature: number): Float32Array {
  if (temperature === 1) return rows
  const out = rows.map(p => Math.max(p, 1e-12) ** (1 / temperature))
  for (let from = 0; from < out.length; from += classes) {
    const row = out.subarray(from, from + classes)
    const sum = row.reduce((x, y) => x + y, 0)
    for (let c = 0; c < classes; c++) row[c]! /= sum
  }
  return out
}

/** Trains the body on all training samples, and fits its head. trainings: how many there are, with those of the folds. */
async function take(
  prepared: Prepared,
  { session: { ranks }, signal, progress }: Context,
  {
    plan,
    l2,
    trainings,
    options: { frozen, keeper },
  }: { plan: PairsPlan; l2: number; trainings: number; options: TuneOptions },
): Promise<Best> {
  const { net, objective, source, seed, precision, batchSize, classWeights: weights, device } = prepared
  const train = source('train')
  const rows = Array.from({ length: train.count }, (_, i) => i)
  const total = trainings * plan.steps
  const onStep = (step: number) => progress('pairs', total - plan.steps + step, total)
  const training = async () => {
    await trainPairs(net, train, { ...plan, rows, precision, seed, signal, onStep })
    return true
  }
  await ranks.fromFirst('pairs trained', training, signal)
  ranks.copyFirst(net.body.stateDict().values())
  progress('', total, total)
  const features = await computeFeatures(net, train, { batchSize: Math.max(32, batchSize), precision, signal, ranks })
  if (device !== 'cpu') net.head.to({ device: 'cpu' })
  await refitHead(net, objective, { train: features, views: 0 }, train, { l2, weights, signal })
  if (device !== 'cpu') net.head.to({ device })
  ranks.copyFirst(net.head.stateDict().values())
  const how = { objective, batchSize, precision, device, signal, ranks }
  const evaluation = await evaluate(net.net, source('valid'), how)
  const found = { ...validated(evaluation), epoch: frozen.epoch, size: frozen.size }
  keeper.offer(found, { evaluated: evaluation, over: frozen })
  return found
}

/** Numbers of the groups of training samples, where there are enough of them for the folds. */
function groupsOf({ source }: Prepared): Int32Array | undefined {
  const numbers = new Map<string, number>()
  const own = Int32Array.from(source('train').items, ({ group }, i) => {
    const name = group === undefined ? `alone ${i}` : `in ${group}`
    const number = numbers.get(name) ?? numbers.size
    numbers.set(name, number)
    return number
  })
  return numbers.size >= folds ? own : undefined
}

/** The weights of the body, to put them back. */
function bodyAsItIs({ net }: Prepared): { back(): void; drop(): void } {
  const kept = noGrad(() => new Map(Array.from(net.body.stateDict(), ([name, t]) => [name, keep(t.detach().clone())])))
  return {
    back: () => void noGrad(() => net.body.loadStateDict(kept)),
    drop: () => {
      for (const t of kept.values()) t.dispose()
    },
  }
}
