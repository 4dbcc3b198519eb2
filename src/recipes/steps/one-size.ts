import type { Phase } from '../../runs/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import { said } from '../../train/objective.ts'
import type { StoredTensor } from '../../weights/index.ts'
import { beginsFrozen } from '../options.ts'
import { netTensors, type Prepared } from '../prepare/prepare.ts'
import type { Context } from '../run/context.ts'
import { asGood, type Best, validated } from './best-weights.ts'
import type { StageResult, Stopwatch } from './five-steps.ts'
import { isHeadState } from './head-state.ts'
import { useSnapshots } from './snapshots.ts'
import { trainHead } from './train-head.ts'
import { trainWhole, type WholeState } from './train-whole-net.ts'

/** Where one size begins, and how the best weights are kept. */
export interface StageOptions {
  /** Its number, from 0. */
  stage: number
  /** The size before it. */
  before?: StageResult | undefined
  /** The best weights of all sizes so far. */
  best?: Best | undefined
  keepBest(best: Best, evaluated?: Evaluation): void
  clock: Stopwatch
}

/** The steps at one size of pictures: the head, then the whole net. Goes on from the session's checkpoint, where that is
 *  of this stage. */
export async function trainStage(
  prepared: Prepared,
  context: Context,
  { stage, before, best, keepBest, clock }: StageOptions,
): Promise<StageResult> {
  const { session } = context
  const { objective, preprocessing } = prepared
  const { size } = preprocessing
  const phase = (name: string): Phase => (prepared.sizes.length > 1 ? { phase: name, size } : { phase: name })
  const headKey = stage === 0 ? 'head' : `head@${size}`
  const inner = session.inner()
  const headState = isHeadState(inner) ? inner : undefined
  const resumed = session.tensors({ going: headState !== undefined })
  if (resumed) loadNet(prepared, resumed)
  const headKnown = session.known(headKey) !== undefined
  const place = { epoch: before?.epochs ?? 0, size }
  // Of several sizes the best weights stay, the later ones where they are as good.
  const offer = (found: Best, evaluated?: Evaluation) => {
    if (!best || asGood(found, best)) keepBest(found, evaluated)
  }
  // A body from random weights is worth a head of its own at the second size, when it has been trained.
  const head =
    before || beginsFrozen(context.options)
      ? await session.once(headKey, () =>
          trainHead(prepared, context, {
            phase: phase('head'),
            key: headKey,
            before,
            from: headState && resumed ? { state: headState, tensors: resumed } : undefined,
            keepBest: found => offer({ ...found, ...place }),
          }),
        )
      : undefined
  clock.lap('head')
  const frozen: Best | undefined = head && { ...validated(head), ...place }
  if (head && !headKnown) {
    const where = stage === 0 ? '' : ` at ${size} px`
    session.emit({
      type: 'line',
      text: `frozen${where}: ${said(objective.metric, frozen!.score)}, loss ${head.loss.toFixed(4)}`,
    })
    session.know('at', stage)
    session.checkpoint({ step: head.step, epoch: head.epoch, tensors: netTensors(prepared) })
  }

  const wholeState = !headState && (headKnown || !head) ? session.inner<WholeState>() : undefined
  let whole: WholeState | undefined
  if (context.options.epochs !== 0) {
    whole = await trainWhole(prepared, context, {
      phase: phase('whole'),
      head,
      trained: before !== undefined || context.options.pretrained !== false,
      best: frozen,
      until: (stage + 1) / prepared.sizes.length,
      keepBest: offer,
      from: wholeState && resumed ? { state: wholeState, tensors: resumed } : undefined,
    })
  }
  let reached = (whole?.best ?? frozen)!
  if (whole?.snapshots)
    reached = await useSnapshots(prepared, context, {
      names: whole.snapshots,
      best: reached,
      epoch: whole.learner.epoch,
      keepBest: offer,
    })
  clock.lap('whole')
  return {
    size,
    best: reached,
    epochs: (whole?.learner ?? head)!.epoch,
    step: (whole?.learner ?? head)!.step,
    headLr: head?.lr,
  }
}

function loadNet({ net }: Prepared, tensors: ReadonlyMap<string, StoredTensor>): void {
  const own = new Map(
    Array.from(tensors).flatMap(([name, t]) => (name.startsWith('net.') ? [[name.slice(4), t] as const] : [])),
  )
  net.net.loadStateDict(own)
}
