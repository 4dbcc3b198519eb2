import { duration, percent } from '../../base/format.ts'
import type { nn } from '../../torch/index.ts'
import type { EpochInfo } from '../../train/callback.ts'
import type { Session } from '../run/session.ts'

/** A rank for which the others wait longer than this share of an epoch, and than these seconds, is named. */
const [tooLong, least] = [0.25, 1]

/** After an epoch: throws if a rank has other weights than the first, and names a rank for which the others wait. */
export function checkRanks(session: Session, net: nn.Module, { epoch, seconds }: EpochInfo): void {
  const { ranks } = session
  if (ranks.alone) return
  ranks.compareTensors(`weights after epoch ${epoch}`, net.stateDict())
  const waits = ranks.waits()
  const slowest = waits.indexOf(Math.min(...waits))
  const wait = Math.min(...waits.filter((_, rank) => rank !== slowest)) - waits[slowest]!
  const share = wait / seconds
  if (ranks.isFirst && share > tooLong && wait > least)
    session.warn(
      `rank ${slowest} is slow: in epoch ${epoch} the others waited ${duration(wait)} for it, ${percent(share, 0)} of the time`,
    )
}
