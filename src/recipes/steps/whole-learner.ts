import { duration, plural, rate } from '../../base/format.ts'
import { Learner } from '../../train/learner.ts'
import { keepsStatistics } from '../options.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { cycleReason, firstCycle } from './cycles.ts'
import { chooseFactor, chooseRates, secondsPerEpoch } from './layer-rates.ts'
import type { WholeOptions, WholeState } from './types.ts'

/** A learner of the whole net, unfrozen: with augmented samples, averaged weights, and fitting settings of BatchNorm
 *  and dropout. */
export function wholeLearner(
  { domain, net, objective, source, batchSize, seed, precision, classWeights, sampleWeights }: Prepared,
  { session, options }: Context,
  { head }: Pick<WholeOptions, 'head'>,
): Learner {
  const train = source('train', { augmented: true, mixed: true })
  const stepsPerEpoch = Math.max(1, Math.round(train.count / batchSize))
  const learn = new Learner(net, {
    train,
    valid: source('valid'),
    classes: objective.names,
    objective,
    classWeights,
    sampleWeights,
    batchSize,
    seed,
    precision,
    labelSmoothing: options.labelSmoothing ?? (objective.task === 'single' ? (domain.usual?.labelSmoothing ?? 0.1) : 0),
    averageSteps: head ? Math.min(500, Math.max(20, stepsPerEpoch)) : 0,
    weightDecay: options.weightDecay ?? 0.01,
    ranks: session.ranks,
    gradientType: options.gradients,
    syncBn: options.syncBn,
    ...(options.optimizer ? { optimizer: options.optimizer } : {}),
  })
  session.stands(head ? 'the features and the trained head' : 'the data', 'the search for the learning rates')
  learn.unfreeze()
  learn.bnFreeze = keepsStatistics(options, { samples: train.count, batchSize })
  learn.dropout = options.dropout !== undefined || !head?.logistic
  return learn
}

/** Chooses the learning rates, writes into the log what the phase of the whole net does, and returns its first
 *  state. */
export async function beginWhole(
  learn: Learner,
  prepared: Prepared,
  context: Context,
  { phase, head, trained, best }: Pick<WholeOptions, 'phase' | 'head' | 'trained' | 'best'>,
): Promise<WholeState> {
  const { options, signal } = context
  const factor = await chooseFactor(prepared, context, head)
  const rates = await chooseRates(learn, context, { phase, head, trained, usual: prepared.domain.usual, ...factor })
  const stepsPerEpoch = Math.max(1, Math.round(learn.train.count / prepared.batchSize))
  const measures = head !== undefined || options.minutes !== undefined
  const slowest = measures ? await secondsPerEpoch(learn, stepsPerEpoch, signal) : 0
  explainBeginning(learn, prepared, context, { head, rates })
  const cycleLen = firstCycle(options, learn.train.count, prepared.domain.usual)
  if (measures)
    context.session.choice(
      'first cycle',
      plural(cycleLen, 'epoch'),
      `${cycleReason(options, learn.train.count, prepared.domain.words.many)}; about ${duration(cycleLen * slowest)} here`,
    )
  learn.epoch = head?.epoch ?? 0
  learn.step = head?.step ?? 0
  learn.seed(1)
  return {
    kind: 'whole',
    lrs: rates.lrs,
    cycle: 0,
    cycleLen,
    epochsDone: 0,
    history: [],
    best,
    slowest,
    learner: learn.progress(),
  }
}

function explainBeginning(
  learn: Learner,
  { batchSize, domain }: Prepared,
  { session, options }: Context,
  { head, rates }: Pick<WholeOptions, 'head'> & { rates: { lrs: readonly number[]; reason: string } },
): void {
  session.choice(
    'unfreeze',
    `${learn.groups.length} layer groups`,
    head
      ? 'the head is trained; now all layers are trained'
      : 'a net from random weights trains all layers from the start',
  )
  const normed = [...learn.network.net.modules()].some(([, { kind }]) => kind === 'BatchNorm2d')
  if (normed || options.bnFreeze !== undefined)
    session.choice(
      'BatchNorm',
      learn.bnFreeze ? 'statistics kept' : 'statistics updated with each batch',
      options.bnFreeze !== undefined
        ? 'as asked'
        : learn.bnFreeze
          ? `${plural(learn.train.count, domain.words.one)} in batches of ${batchSize} give poorer statistics than those of pretraining`
          : (options.pretrained ?? true)
            ? `there are enough ${domain.words.many} to compute statistics from`
            : 'a net from random weights has no statistics yet',
    )
  session.choice('rates', rates.lrs.map(rate).join(', '), rates.reason)
  if (!learn.dropout)
    session.choice('dropout', 'off', 'the head is at the optimum of its L2; dropout would only add noise')
  const { averageSteps } = learn.options
  session.choice(
    'weights',
    averageSteps ? 'averaged' : 'not averaged',
    averageSteps
      ? `their mean over about the last ${plural(averageSteps, 'step')} is validated and saved`
      : 'a net from random weights changes too fast for a mean of its weights',
  )
}
