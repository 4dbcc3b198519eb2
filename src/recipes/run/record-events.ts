import type { LrFindEvent, Phase } from '../../runs/index.ts'
import type { BatchInfo, Callback, EpochInfo } from '../../train/callback.ts'
import type { RateFinding } from '../../train/rates/finder.ts'
import type { Session } from './session.ts'

/** Writes every batch and epoch of a fit into the session; `isBest` judges an epoch, and may keep its weights. */
export function recorder(session: Session, phase: Phase, isBest: (info: EpochInfo) => boolean): Callback {
  return {
    order: -10,
    afterBatch: info => recordBatch(session, phase, info),
    afterEpoch: info => recordEpoch(session, phase, info, isBest(info)),
  }
}

/** Writes a batch into the session. */
export function recordBatch(session: Session, phase: Phase, info: BatchInfo): void {
  const { step, epoch, loss, smooth, lrs, momentum } = info
  session.emit({ type: 'batch', ...phase, step, epoch, loss, smooth, lrs, momentum })
}

/** Writes an epoch into the session. */
export function recordEpoch(session: Session, phase: Phase, info: EpochInfo, best: boolean): void {
  const { epoch, step, trainLoss, validLoss, metrics, seconds, lrs } = info
  session.emit({ type: 'epoch', ...phase, epoch, step, trainLoss, validLoss, metrics, seconds, lrs, best })
}

/** The result of the rate finder as an event of the run. */
export function findingEvent(phase: Phase, { lrs, losses, smoothed, suggestions, chosen }: RateFinding): LrFindEvent {
  return { type: 'lrFind', ...phase, lrs, losses, smoothed, suggestions, chosen: chosen.lr, how: chosen.rule }
}
