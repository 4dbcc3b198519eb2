import { rate } from '../../base/format.ts'
import type { Usual } from '../../domain/index.ts'
import type { Learner } from '../../train/learner.ts'
import { lrFind } from '../../train/rates/finder.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { findingEvent } from '../run/record-events.ts'
import type { HeadResult, WholeOptions } from './types.ts'

/** The rates of AdamW and Adam over a trained head, for batches of 16: of the last group of the body, of a body without
 *  BatchNorm, and of the head, which needs to follow only; each earlier group's is `ratio` times lower. AdamW divides
 *  each gradient by its size, so the notes' ratios of 3 and 10, which are for SGD, would freeze the early layers. Chosen
 *  on many data sets: `bench/accuracy.ts`. */
const adamOverHead = { body: 5e-4, withoutBatchNorm: 1e-4, head: 2e-4, ratio: 2.5, batch: 16 }

/** The lowest and the highest rate of SGD over a trained head, and over a body that began from random weights. */
const [lowest, highest] = [1e-4, 1e-3]

/** The range in which the rate finder searches for a net from random weights, and its steps: six per decade, since each
 *  costs as much as in training. `most`: the highest rate used; with few samples the loss falls fastest at rates where
 *  a restart undoes the cycle before. */
const adamRates = { start: 1e-5, end: 1, most: 3e-3 }
const sgdRates = { start: 1e-4, end: 10, most: 0.5 }
const wholeSteps = 30

/** How many times lower the rate of each layer group is than that of the next one, and why. */
export interface Factor {
  factor: number
  reason: string
}

/** The factor between layer groups: as the options ask (`factor`, `like`); else 2.5 for Adam, and for SGD 3 or 10 by
 *  how different the samples are from ImageNet; 1 over random weights. */
export async function chooseFactor(
  { domain, net, objective, source }: Prepared,
  { options, signal }: Pick<Context, 'options' | 'signal'>,
  head: HeadResult | undefined,
): Promise<Factor> {
  const {
    factor = typeof options.like === 'number' ? options.like : undefined,
    like = 'auto',
    pretrained = true,
  } = options
  if (factor !== undefined) return { factor, reason: 'as asked' }
  if (like === 'imagenet') return { factor: 3, reason: `${domain.words.many} like those of pretraining, as asked` }
  if (like === 'different') return { factor: 10, reason: `${domain.words.many} unlike those of pretraining, as asked` }
  if (!pretrained || !head) return { factor: 1, reason: 'none of them is pretrained' }
  const { optimizer = 'adamw' } = options
  if (optimizer !== 'sgd')
    return {
      factor: domain.usual?.rates.ratio ?? adamOverHead.ratio,
      reason: `${optimizer === 'adam' ? 'Adam' : 'AdamW'} divides each gradient by its size, so a small ratio is enough; the ratios of 3 and 10 are for SGD`,
    }
  const [train, valid] = [source('train'), source('valid')]
  const measured = await domain.likeness?.({ net, train, valid, objective, score: head.score, signal })
  return measured ?? { factor: 3, reason: 'the default' }
}

/** The rates of the whole net, earliest group first, and why. Over a pretrained body Adam's rates are fixed, and SGD's is a
 *  tenth of the head's (over a trained net the loss does not fall, so a finder finds nothing). For a net from random
 *  weights a finder runs over the whole net. */
export async function chooseRates(
  learn: Learner,
  { session, options, progress, signal }: Context,
  {
    phase,
    head,
    trained,
    usual,
    factor,
    reason,
  }: Pick<WholeOptions, 'phase' | 'head' | 'trained'> & Factor & { usual?: Usual | undefined },
): Promise<{ lrs: number[]; reason: string }> {
  if (typeof options.lr === 'object') return { lrs: learn.rates(options.lr), reason: 'as asked' }
  const lower = factor === 1 ? 'the same for every group' : `each earlier group ${factor} times lower`
  const found = async () => {
    const { most, ...within } = learn.options.optimizer === 'sgd' ? sgdRates : adamRates
    session.emit({ type: 'phase', ...phase, phase: 'find' })
    const onStep = (step: number) => progress('rates', step, wholeSteps)
    const finding = await lrFind(learn, { ...within, steps: wholeSteps, signal, onStep })
    progress('', wholeSteps, wholeSteps)
    session.emit(findingEvent(phase, finding))
    const { lr, reason } = finding.chosen
    return lr > most
      ? { lr: most, from: `the highest rate for random weights; the finder gave ${rate(lr)}, ${reason}` }
      : { lr, from: reason }
  }
  const overHead = head !== undefined && trained
  if (options.lr === undefined && overHead && options.pretrained !== false && learn.options.optimizer !== 'sgd')
    return adamRatesOverHead(learn, { factor, reason, usual })
  const { lr, from } =
    options.lr !== undefined
      ? { lr: options.lr, from: 'as asked' }
      : !overHead
        ? await found()
        : { lr: Math.min(highest, Math.max(lowest, head.lr / 10)), from: headShare(head.lr) }
  return { lrs: learn.rates(lr, factor), reason: `${from}; ${lower}: ${reason}` }
}

/** Adam's rates over a trained head. They grow with the root of the batch size, as the noise of a gradient shrinks. */
function adamRatesOverHead(
  learn: Learner,
  { factor, reason, usual }: Factor & { usual: Usual | undefined },
): { lrs: number[]; reason: string } {
  const { withoutBatchNorm, batch } = adamOverHead
  const { body, head } = usual?.rates ?? adamOverHead
  const normed = [...learn.network.net.modules()].some(([, m]) => m.kind === 'BatchNorm2d')
  const scale = Math.sqrt(learn.options.batchSize / batch)
  const last = learn.groups.length - 1
  const top = (normed || usual ? body : withoutBatchNorm) * scale
  const lrs = learn.groups.map((_, i) =>
    i === last ? (usual ? head * scale : Math.min(head * scale, top)) : top / factor ** (last - 1 - i),
  )
  const why = usual
    ? usual.rates.why
    : normed
      ? 'what proved best on many data sets'
      : 'lower for a body without BatchNorm'
  return {
    lrs,
    reason: `${why}; the head is trained already, so its rate is low; each earlier group of the body ${factor} times lower: ${reason}`,
  }
}

function headShare(headRate: number): string {
  const tenth = headRate / 10
  if (tenth > highest) return `a tenth of the head's would be ${rate(tenth)}; the highest allowed is ${rate(highest)}`
  if (tenth < lowest) return `a tenth of the head's would be ${rate(tenth)}; the lowest allowed is ${rate(lowest)}`
  return "a tenth of the head's, which is trained already"
}

/** Seconds that an epoch will take, estimated from six steps that are undone afterwards. */
export async function secondsPerEpoch(learn: Learner, stepsPerEpoch: number, signal?: AbortSignal): Promise<number> {
  const steps = 6
  const began = performance.now()
  await lrFind(learn, { start: 1e-8, end: 1e-7, steps, signal })
  return ((performance.now() - began) / 1000 / steps) * stepsPerEpoch * 1.15 // and its validation
}
