import { rate } from '../../base/format.ts'
import type { Phase } from '../../runs/index.ts'
import { featureSource } from '../../train/features.ts'
import { Learner, type Snapshot } from '../../train/learner.ts'
import { lrFind, usualSteps } from '../../train/rates/finder.ts'
import type { LabelledSource } from '../../train/source.ts'
import type { Prepared } from '../prepare/prepared.ts'
import { doubtsOf } from '../results/data-issues.ts'
import type { Context } from '../run/context.ts'
import { findingEvent } from '../run/record-events.ts'
import { isBetter, type Validated } from './best-weights.ts'
import { type ChosenL2, crossValidatedL2 } from './choose-l2.ts'
import { explainOptimum, headOptimum, penalties } from './fit-linear-head.ts'
import { type Features, frozenFeatures } from './frozen-features.ts'
import { HeadRun } from './head-run.ts'
import type { HeadState } from './head-state.ts'
import { planSearch, type SearchPlan } from './search-plan.ts'
import type { From, HeadResult, StageResult } from './types.ts'

/** Where the head of this size begins. */
export interface HeadOptions {
  /** The phase in the run's events. */
  phase: Phase
  /** The number of the size, from 0. */
  stage: number
  /** The size before it, whose head is trained further. Default: a fresh head. */
  before?: StageResult | undefined
  /** The state from which an interrupted phase goes on. */
  from?: From<HeadState> | undefined
  /** Called with the best head in the net. */
  keepBest(best: Validated): void
}

/** Steps 1 and 2: finds the learning rate and trains the head on the features, in cycles of one epoch, then to its
 *  optimum (the logistic regression of the last layer over all views). `keepBest` is called with the best head in the
 *  net; then the head from which the whole net begins is put into the net. At a later size the head trains on at the
 *  rate of the size before. */
export async function trainHead(prepared: Prepared, context: Context, options: HeadOptions): Promise<HeadResult> {
  const { phase, from } = options
  if (!from) context.session.emit({ type: 'phase', ...phase, phase: 'features' })
  const features = await frozenFeatures(prepared, context)
  const answers = prepared.source('train')
  const train = featureSource(features.train, answers, { views: features.views + 1 })
  const valid = featureSource(features.valid, prepared.source('valid'))
  // Features are few numbers: the head trains on the CPU, where they are, and goes back to its body's device at the
  // end.
  const { net, device } = prepared
  if (device !== 'cpu') net.head.to({ device: 'cpu' })
  const run = new HeadRun(prepared, context, { ...options, learn: headLearner(prepared, context, { train, valid }) })
  if (!from) run.state.lr = await headRate(run, context, options)
  await run.plannedCycles()
  const start = await toTheOptimum(run, prepared, context, { ...options, features, answers })
  const result = run.end(start, options.keepBest)
  train.dispose()
  valid.dispose()
  if (device !== 'cpu') net.head.to({ device })
  return result
}

/** A learner of the head alone, over features. */
function headLearner(
  { net, objective, classWeights, sampleWeights, batchSize, seed }: Prepared,
  { options }: Context,
  { train, valid }: Record<'train' | 'valid', ReturnType<typeof featureSource>>,
): Learner {
  return new Learner(
    { net: net.head, groups: [{ name: 'head', modules: [net.head] }] },
    {
      train,
      valid,
      classes: objective.names,
      objective,
      classWeights,
      sampleWeights,
      batchSize,
      evalBatchSize: 1024,
      seed,
      labelSmoothing: options.labelSmoothing ?? 0,
      ...(options.optimizer ? { optimizer: options.optimizer } : {}),
      ...(options.weightDecay === undefined ? {} : { weightDecay: options.weightDecay }),
    },
  )
}

/** The learning rate of the head: from the options, from the size before, or from a finder. */
async function headRate(
  { learn, within }: HeadRun,
  { domain, session, options, progress, signal }: Context,
  { phase, before }: HeadOptions,
): Promise<number> {
  const given = options.headLr ?? before?.headLr
  if (given !== undefined) {
    session.choice('head rate', rate(given), options.headLr === undefined ? 'that of the size before' : 'as asked')
    return given
  }
  session.emit({ type: 'phase', ...phase, phase: 'find' })
  session.stands(`the features of all ${domain.words.many}`, "the search for the head's learning rate")
  const onStep = (step: number) => progress('rates', step, usualSteps)
  const found = await within(() => lrFind(learn, { signal, onStep }))
  progress('', usualSteps, usualSteps)
  session.emit(findingEvent(phase, found))
  session.choice('head rate', rate(found.suggestion), found.chosen.reason)
  return found.suggestion
}

/** Fits the last layer to its optimum, and returns the head from which the whole net begins. A head with hidden layers
 *  or with the focal loss has no such optimum, and with very many classes the search would take hours: these heads
 *  train further epochs. */
async function toTheOptimum(
  run: HeadRun,
  prepared: Prepared,
  context: Context,
  { stage, before, features, answers }: HeadOptions & { features: Features; answers: LabelledSource },
): Promise<(Snapshot & { l2: number; crossValidated: boolean }) | undefined> {
  const { session, options, progress, signal } = context
  const { net, objective } = prepared
  const closed = (options.hidden ?? []).length === 0 && options.loss !== 'focal'
  const plan: SearchPlan = closed ? await searchPlan(prepared, context, { stage, features, answers }) : {}
  if (plan.reason !== undefined)
    session.choice('head search', plan.iterations === 0 ? 'by epochs' : 'limited', plan.reason)
  if (!closed || plan.iterations === 0) {
    await run.trainOn()
    return undefined
  }
  const chosen =
    plan.reason === undefined ? await chooseL2(run, prepared, context, { stage, features, answers }) : undefined
  const optimum = await run.stoppable(() =>
    headOptimum(run.learn, net, {
      features,
      answers,
      chosen,
      known: { tried: run.tried, searched: run.state.searched, point: run.point },
      onTried(tried, at) {
        run.took(tried, at)
        if (plan.reason !== undefined) progress('optimum of the head', tried.length, penalties.length)
      },
      iterations: plan.iterations,
      signal,
    }),
  )
  if (run.state.optimumKnown) run.learn.epoch = run.state.learner.epoch
  else {
    // The validation samples have not chosen the L2, so their few can't overrule the optimum by chance.
    const best = chosen !== undefined || isBetter(optimum.best, run.best)
    session.emit({ type: 'epoch', ...run.phase, ...optimum.epoch, best, optimum: true })
    explainOptimum(session, objective, optimum, chosen, prepared.domain.words.many)
    run.takeOptimum(optimum.best, best)
  }
  if (!before && plan.reason === undefined) {
    const find = () => doubtsOf(prepared, context, { features, l2: optimum.best.l2 })
    session.know('doubts', await run.stoppable(find, 'the search for labels that may be wrong'))
  }
  return { ...optimum.start, crossValidated: chosen !== undefined }
}

/** The strength of L2 by cross-validation; a resumed run must not choose again. */
async function chooseL2(
  run: HeadRun,
  { objective, classWeights: weights, seed, source }: Prepared,
  { session, signal }: Context,
  { stage, features, answers }: { stage: number; features: Features; answers: LabelledSource },
): Promise<ChosenL2 | undefined> {
  const groups = source('train').items.map(item => item.group)
  const how = { l2s: penalties, weights, groups, seed, signal }
  const choose = () => crossValidatedL2(objective, features, answers, how)
  const found = await run.stoppable(
    () => session.once(`head ${stage} l2`, async () => (await run.within(choose)) ?? null),
    'the choice of L2',
  )
  return found ?? undefined
}

/** The effort of the search. A ridge regression is solved directly for any number of targets. A resumed run must not
 *  plan again. */
async function searchPlan(
  { objective, net }: Prepared,
  { session }: Context,
  { stage, features, answers }: { stage: number; features: Features; answers: LabelledSource },
): Promise<SearchPlan> {
  if (objective.task === 'regression') return {}
  const rows = (features.views + 1) * answers.count
  const size = { rows, classes: objective.names.length, width: net.body.pooledFeatures, strengths: penalties.length }
  return session.once(`head ${stage} search`, () => planSearch(size))
}
