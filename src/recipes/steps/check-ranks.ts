import { duration, percent } from '../../base/format.ts'
import type { nn } from '../../torch/index.ts'
import type { EpochInfo } from '../../train/callback.ts'
import type { Session } from '../run/session.ts'

/** A rank for which the others wait longer than this share of an epoch is named. */
const tooLong = 0.25

/** After an epoch: throws if a rank has other weights than the first, and names a rank for which the others wait. */
export function checkRanks(session: Session, net: nn.Module, { epoch, seconds }: EpochInfo): void {
  const { ranks } = session
  if (ranks.alone) return
  ranks.compareTensors(`weights after epoch ${epoch}`, net.stateDict())
  const waits = ranks.waits()
  const least = Math.min(...waits)
  const others = waits.filter(w => w !== least)
  const wait = others.length > 0 ? Math.min(...others) - least : 0
  const share = wait / seconds
  if (share > tooLong)
    session.warn(
      `rank ${waits.indexOf(least)} is slow: in epoch ${epoch} the others waited ${duration(wait)} for it, ${percent(share, 0)} of the time`,
    )
}
