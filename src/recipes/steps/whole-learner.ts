import { plural, rate } from '../../base/format.ts'
import { fromArray, type Tensor } from '../../torch/index.ts'
import { Learner } from '../../train/learner.ts'
import type { StoredTensor } from '../../weights/index.ts'
import { keepsStatistics } from '../options.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { chooseFactor, chooseRates, secondsPerEpoch } from './layer-rates.ts'
import type { WholeOptions, WholeState } from './types.ts'

/** A learner of the whole net, unfrozen: augmented samples, averaged weights, BatchNorm and dropout as they suit. */
export function wholeLearner(
  { net, objective, source, batchSize, seed, precision, classWeights, sampleWeights }: Prepared,
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
    labelSmoothing: options.labelSmoothing ?? (objective.task === 'single' ? 0.1 : 0),
    averageSteps: head ? Math.min(500, Math.max(20, stepsPerEpoch)) : 0,
    weightDecay: options.weightDecay ?? 0.01,
    ...(options.optimizer ? { optimizer: options.optimizer } : {}),
  })
  session.stands(
    head ? 'the features and the trained head' : 'the data as they were read',
    'the search for the learning rates',
  )
  learn.unfreeze()
  learn.bnFreeze = keepsStatistics(options, { samples: train.count, batchSize })
  learn.dropout = options.dropout !== undefined || !head?.logistic
  return learn
}

/** Chooses the learning rates, and says in the log what the whole phase does. */
export async function beginWhole(
  learn: Learner,
  prepared: Prepared,
  context: Context,
  { phase, head, trained, best }: Pick<WholeOptions, 'phase' | 'head' | 'trained' | 'best'>,
): Promise<WholeState> {
  const { options, signal } = context
  const factor = await chooseFactor(prepared, context, head)
  const rates = await chooseRates(learn, context, { phase, head, trained, ...factor })
  const stepsPerEpoch = Math.max(1, Math.round(learn.train.count / prepared.batchSize))
  const slowest = options.minutes === undefined ? 0 : await secondsPerEpoch(learn, stepsPerEpoch, signal)
  explainBeginning(learn, prepared, context, { head, rates })
  return {
    kind: 'whole',
    lrs: rates.lrs,
    cycle: 0,
    cycleLen: options.cycleLen ?? 2,
    epochsDone: 0,
    history: [],
    best,
    slowest,
    learner: { epoch: head?.epoch ?? 0, step: head?.step ?? 0 },
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
    head ? 'the head is trained; now everything is' : 'from random weights everything is trained from the start',
  )
  session.choice(
    'BatchNorm',
    learn.bnFreeze ? 'statistics kept' : 'statistics follow the batch',
    options.bnFreeze !== undefined
      ? 'as asked'
      : learn.bnFreeze
        ? `${plural(learn.train.count, domain.words.one)} in batches of ${batchSize} make poorer statistics than those of pretraining`
        : (options.pretrained ?? true)
          ? `there are ${domain.words.many} enough for statistics of their own`
          : 'a net from random weights has no statistics yet',
  )
  session.choice('rates', rates.lrs.map(rate).join(', '), rates.reason)
  if (!learn.dropout)
    session.choice('dropout', 'off', 'the head is at the optimum of its L2; dropout would only blur it')
  const { averageSteps } = learn.options
  session.choice(
    'weights',
    averageSteps ? 'averaged' : 'not averaged',
    averageSteps
      ? `validated and kept as their mean over the last ${plural(averageSteps, 'step')} or so`
      : 'from random ones they change so fast that their mean is behind',
  )
}

/** All that a fit's next step depends on: weights, their average, the optimizer's state, the random state. */
export function tensorsOf(learn: Learner): Map<string, Tensor> {
  const all = new Map<string, Tensor>()
  for (const [name, t] of learn.network.net.stateDict()) all.set(`net.${name}`, t)
  for (const [name, t] of learn.average?.tensors ?? []) all.set(`average.${name}`, t)
  for (const [name, t] of learn.optimizerTensors()) all.set(`optimizer.${name}`, t)
  all.set('random', learn.randomState())
  return all
}

/** Puts back what `tensorsOf` gave. */
export function restoreWhole(learn: Learner, state: WholeState, stored: ReadonlyMap<string, StoredTensor>): void {
  const part = (prefix: string) =>
    new Map(
      Array.from(stored).flatMap(([name, t]) =>
        name.startsWith(prefix)
          ? [[name.slice(prefix.length), fromArray(t.data, t.shape, { dtype: t.dtype })] as const]
          : [],
      ),
    )
  learn.network.net.loadStateDict(part('net.'))
  learn.average?.restore(part('average.'))
  if (state.fit) learn.restoreOptimizer(state.lrs, part('optimizer.'), state.fit.optimizerStep)
  const random = stored.get('random')
  if (random) learn.restoreRandom(fromArray(random.data, random.shape, { dtype: random.dtype }))
}
