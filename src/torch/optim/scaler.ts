import { full, zeros } from '../create.ts'
import { noGrad } from '../grad.ts'
import { scope } from '../scope.ts'
import { aten, type Tensor } from '../tensor.ts'

/** The state of a scaler, for a checkpoint: its factor, and for how many steps gradients have been finite with it. */
export interface ScalerState {
  scale: number
  good: number
}

const growthInterval = 2000

/** Multiplies the loss, so that small gradients are not 0 in float16 (Micikevicius et al. 2018, arXiv:1710.03740), with
 *  the values of torch.amp.GradScaler: it begins at 2¹⁶, is halved if a gradient overflows, and doubled after 2,000
 *  steps without overflow. */
export class GradScaler {
  state: ScalerState

  constructor(state: ScalerState = { scale: 2 ** 16, good: 0 }) {
    this.state = state
  }

  scaled(loss: Tensor): Tensor {
    return loss.mul(this.state.scale)
  }

  /** Divides gradients by the factor, in place, and adapts the factor. Returns whether all are finite; if not, the step
   *  must be skipped. */
  unscale(grads: readonly Tensor[]): boolean {
    if (grads.length === 0) return true
    const { scale, good } = this.state
    const finite = noGrad(() =>
      scope(() => {
        const { device } = grads[0]!
        const found = zeros([1], { device })
        aten._amp_foreach_non_finite_check_and_unscale_(grads, found, full([1], 1 / scale, { device }))
        return found.item() === 0
      }),
    )
    if (!finite) this.state = { scale: scale / 2, good: 0 }
    else if (good + 1 === growthInterval) this.state = { scale: scale * 2, good: 0 }
    else this.state = { scale, good: good + 1 }
    return finite
  }
}
