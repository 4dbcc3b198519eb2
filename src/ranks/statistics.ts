import { aten, cat, type nn, noGrad, scope } from '../torch/index.ts'
import type { Ranks } from './ranks.ts'

/** After a step in which BatchNorm took its statistics from each rank's own share: the running statistics become their mean
 *  over the ranks, so that all have the same net. */
export function shareStatistics(ranks: Ranks, net: nn.Module): void {
  const buffers = Array.from(net.modules()).flatMap(([, m]) =>
    m.kind.startsWith('BatchNorm') && m.training ? [m.own.buffers.running_mean!, m.own.buffers.running_var!] : [],
  )
  if (buffers.length === 0) return
  noGrad(() =>
    scope(() => {
      const all = cat(buffers).div(ranks.size)
      ranks.sum(all)
      let at = 0
      const parts = buffers.map(b => all.narrow(0, (at += b.numel) - b.numel, b.numel))
      aten._foreach_copy_(buffers, parts)
    }),
  )
}
