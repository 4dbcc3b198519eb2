import { rate } from '../base/format.ts'
import { lrFind } from '../train/finder.ts'
import type { Learner } from '../train/learner.ts'
import { findingEvent } from './events.ts'
import type { HeadResult } from './head.ts'
import type { Context } from './prepare.ts'

/** The rates between which a trained head is trained on. */
const [lowest, highest] = [1e-4, 1e-3]

/** The rates of the whole net, earliest group first, and why. Over a pretrained body they follow from the head's: it is
 *  trained by now, so a tenth of what was found for it (a finder over a trained net sees no fall to go by). A body from
 *  random weights is searched like any net. */
export async function chooseRates(
  learn: Learner,
  { session, options, signal }: Context,
  { head, factor }: { head: HeadResult; factor: number },
): Promise<{ lrs: number[]; reason: string }> {
  if (typeof options.lr === 'object') return { lrs: learn.rates(options.lr), reason: 'as asked' }
  const lower = factor === 1 ? 'the same for every group' : `each earlier group ${factor} times lower`
  const why =
    options.factor !== undefined
      ? ', as asked'
      : factor === 1
        ? ': none of them is pretrained'
        : ": photos are like ImageNet's (--factor 10 for medical or satellite pictures)"
  const found = async () => {
    const finding = await lrFind(learn, { steps: 60, signal })
    session.emit(findingEvent('whole', finding))
    return { lr: finding.suggestion, from: finding.chosen.reason }
  }
  const { lr, from } =
    options.lr !== undefined
      ? { lr: options.lr, from: 'as asked' }
      : options.pretrained === false
        ? await found()
        : { lr: Math.min(highest, Math.max(lowest, head.lr / 10)), from: headShare(head.lr) }
  return { lrs: learn.rates(lr, factor), reason: `${from}; ${lower}${why}` }
}

function headShare(headRate: number): string {
  const tenth = headRate / 10
  if (tenth > highest) return `a tenth of the head's would be ${rate(tenth)}, ${rate(highest)} is the most`
  if (tenth < lowest) return `a tenth of the head's would be ${rate(tenth)}, ${rate(lowest)} is the least`
  return "a tenth of the head's, which is trained already"
}

/** Seconds that an epoch will take, from six steps that leave no trace. */
export async function secondsPerEpoch(learn: Learner, stepsPerEpoch: number, signal?: AbortSignal): Promise<number> {
  const steps = 6
  const began = performance.now()
  await lrFind(learn, { steps, signal })
  return ((performance.now() - began) / 1000 / steps) * stepsPerEpoch * 1.15 // and its validation
}
