import { aten, nn, type Tensor } from '../../../torch/index.ts'
import type { Objective } from '../../../train/objective.ts'

/** A net whose members [N, members, outputs] are trained apart and predict together: in training it returns theirs; else one row
 *  of outputs [N, outputs], whose activation is the mean of the members' activations. */
export function predictingTogether(net: nn.Module, task: 'single' | 'regression'): nn.Module {
  const self: nn.Module = nn.module({ net }, x => {
    const raw = net(x)
    if (self.training) return raw
    if (task === 'regression') return raw.mean(1)
    return aten.logsumexp(aten.log_softmax(raw, 2), [1]).sub(Math.log(raw.shape[1]!))
  })
  return self
}

/** The objective of such a net from that of one net. In training each member has its own loss: the loss is their mean, not the
 *  loss of the mean. */
export function memberByMember(single: Objective): Objective {
  const loss =
    (of: Objective['loss']): Objective['loss'] =>
    (x, y, { reduction = 'mean', ...options } = {}) => {
      if (x.shape.length === 2) return of(x, y, { ...options, reduction })
      const [rows = 0, members = 0, outputs = 0] = x.shape
      const kept = reduction === 'none' ? 'none' : 'mean'
      const losses = of(x.reshape(-1, outputs), repeated(y, members), { ...options, reduction: kept })
      if (reduction === 'none') return losses.reshape(rows, members).mean(1)
      return reduction === 'mean' ? losses : losses.mul(rows)
    }
  return { ...single, loss: loss(single.loss), plainLoss: loss(single.plainLoss) }
}

/** The targets of each row, once for each member. */
function repeated(y: Tensor, members: number): Tensor {
  const [rows = 0, ...rest] = y.shape
  const each = y.unsqueeze(1).expand(rows, members, ...rest)
  return each.reshape(-1, ...rest)
}
