import { TensorError } from '../../base/errors.ts'
import { ones, zeros } from '../create.ts'
import { scope } from '../scope.ts'
import { aten, type Tensor } from '../tensor.ts'
import { type Module, module, parameter } from './module.ts'
import { actOf, type NormPass, normAct } from './norm-act.ts'
import { syncedOver } from './synced-norm.ts'

/** x [N, c, H, W], normalised over N, H, W (Ioffe & Szegedy 2015, arXiv:1502.03167). */
export const batchNorm2d = (c: number, options: BatchNormOptions = {}): Module => batchNorm('BatchNorm2d', c, options)
/** x [N, c], normalised over N. */
export const batchNorm1d = (c: number, options: BatchNormOptions = {}): Module => batchNorm('BatchNorm1d', c, options)

/** Options of BatchNorm, with torch's defaults. */
export interface BatchNormOptions {
  eps?: number
  /** The share of the new batch in the running statistics. */
  momentum?: number
  /** The initial weight; 0 makes a residual block begin as identity. */
  init?: number
}

const numbers = new WeakMap<Module, { eps: number; momentum: number }>()
/** The number that a BatchNorm adds to the variance, and the share of the new batch in its running statistics. */
export const numbersOf = (bn: Module): { eps: number; momentum: number } => numbers.get(bn)!

function batchNorm(kind: string, c: number, { eps = 1e-5, momentum = 0.1, init = 1 }: BatchNormOptions): Module {
  const self: Module = module({}, x => normalised(self, x), {
    kind,
    parameters: { weight: parameter(ones([c]).mul_(init)), bias: parameter(zeros([c])) },
    buffers: { running_mean: zeros([c]), running_var: ones([c]), num_batches_tracked: zeros([], { dtype: 'int64' }) },
    fuse: next => {
      const act = actOf(next)
      return act && (x => scope(() => normalised(self, x, { act })))
    },
  })
  numbers.set(self, { eps, momentum })
  return self
}

/** act(bn(x) + residual). */
export function normalised(bn: Module, x: Tensor, { act, residual }: Pick<NormPass, 'act' | 'residual'> = {}): Tensor {
  if (bn.training) {
    // libtorch would not throw, and would leave NaN in the running variance for ever.
    if (!syncedOver() && x.numel === bn.own.parameters.weight!.numel)
      throw new TensorError(
        `${bn.kind}: one value per channel (input [${x.shape}]) has no variance; train with batches of at least 2, or with larger pictures`,
      )
    bn.own.buffers.num_batches_tracked!.add_(1)
  }
  return normAct(bn, x, { ...numbersOf(bn), act, residual })
}

/** x [..., c], each row normalised over its c values (Ba et al. 2016, arXiv:1607.06450). */
export const layerNorm = (c: number, { eps = 1e-5 } = {}): Module =>
  layerNormOf('LayerNorm', c, eps, (x, norm) => norm(x))
/** x [N, c, H, W], each pixel normalised over its channels. In channels_last nothing is copied. */
export const layerNorm2d = (c: number, { eps = 1e-5 } = {}): Module =>
  layerNormOf('LayerNorm2d', c, eps, (x, norm) => norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))

function layerNormOf(
  kind: string,
  c: number,
  eps: number,
  forward: (x: Tensor, norm: (rows: Tensor) => Tensor) => Tensor,
): Module {
  const norm = (rows: Tensor) => {
    const { weight, bias } = self.own.parameters
    return aten.layer_norm(rows, [c], { weight: weight!, bias: bias!, eps })
  }
  const self: Module = module({}, x => forward(x, norm), {
    kind,
    parameters: { weight: parameter(ones([c])), bias: parameter(zeros([c])) },
  })
  return self
}
