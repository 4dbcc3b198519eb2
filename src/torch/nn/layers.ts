import { AnnealError } from '../../base/errors.ts'
import { aten } from '../aten.ts'
import { cat, empty, ones, zeros } from '../create.ts'
import { globalAvgPool, globalMaxPool } from '../functional.ts'
import { scope } from '../scope.ts'
import type { Layer, Tensor } from '../tensor.ts'
import { fans, kaimingUniform_, uniform_ } from './init.ts'
import { type Children, Module, module } from './module.ts'

const parameter = (t: Tensor): Tensor => {
  t.requiresGrad = true
  return t
}

/** x [N, cin, H, W] → [N, cout, H', W']. Initialised as torch does (Kaiming uniform). */
export function conv2d(
  cin: number,
  cout: number,
  k: number,
  {
    stride = 1,
    padding = 0,
    dilation = 1,
    groups = 1,
    bias = true,
  }: { stride?: number; padding?: number; dilation?: number; groups?: number; bias?: boolean } = {},
): Module {
  const weight = parameter(kaimingUniform_(empty([cout, cin / groups, k, k])))
  const bound = 1 / Math.sqrt(fans(weight)[0])
  const own = { weight, bias: bias ? parameter(uniform_(empty([cout]), -bound, bound)) : null }
  const options = { stride, padding, dilation, groups }
  const self: Module = module(
    {},
    x => aten.conv2d(x, self.own.parameters.weight!, { bias: self.own.parameters.bias!, ...options }),
    {
      kind: 'Conv2d',
      parameters: own,
      fuse: next =>
        next instanceof Module && next.kind === 'BatchNorm2d' && !next.training && next.hooks.size === 0
          ? folded(self, next, options)
          : undefined,
    },
  )
  return self
}

/** A convolution whose BatchNorm uses its running statistics is one convolution: weight·γ/√(σ²+ε), bias β − μγ/√(σ²+ε).
 *  Gradients flow to all of weight, γ and β; no pass over the activations is left. */
function folded(conv: Module, bn: Module, options: object): Layer {
  const forward: Layer = x => {
    const { weight, bias } = conv.own.parameters
    const { weight: gamma, bias: beta } = bn.own.parameters
    const { running_mean: mean, running_var: variance } = bn.own.buffers
    const scale = gamma!.mul(variance!.add(epsilons.get(bn)!).rsqrt())
    const shift = beta!.sub((bias ? mean!.sub(bias) : mean!).mul(scale))
    return aten.conv2d(x, weight!.mul(scale.reshape(-1, 1, 1, 1)), { bias: shift, ...options })
  }
  return x => scope(() => forward(x))
}

const epsilons = new WeakMap<Module, number>()

/** x [N, c, H, W], normalised over N, H, W (Ioffe & Szegedy 2015, arXiv:1502.03167). */
export const batchNorm2d = (c: number, options: BatchNormOptions = {}): Module => batchNorm('BatchNorm2d', c, options)
/** x [N, c], normalised over N. */
export const batchNorm1d = (c: number, options: BatchNormOptions = {}): Module => batchNorm('BatchNorm1d', c, options)

/** BatchNorm's own numbers; torch's defaults. */
export interface BatchNormOptions {
  eps?: number
  /** Share of the new batch in the running statistics. */
  momentum?: number
  /** Where the weight starts: 0 makes a residual block start as identity. */
  init?: number
}

function batchNorm(kind: string, c: number, { eps = 1e-5, momentum = 0.1, init = 1 }: BatchNormOptions): Module {
  const self: Module = module(
    {},
    x => {
      const { weight, bias } = self.own.parameters
      const { running_mean, running_var, num_batches_tracked } = self.own.buffers
      if (self.training) {
        // libtorch would go on, and leave NaN in the running variance for good.
        if (x.numel === c)
          throw new AnnealError(
            `${kind}: one value a channel (input [${x.shape}]) has no variance; train with batches of at least 2, or with larger pictures`,
          )
        num_batches_tracked!.add_(1)
      }
      return aten.batch_norm(x, weight!, bias!, running_mean!, running_var!, self.training, momentum, eps, true)
    },
    {
      kind,
      parameters: { weight: parameter(ones([c]).mul_(init)), bias: parameter(zeros([c])) },
      buffers: { running_mean: zeros([c]), running_var: ones([c]), num_batches_tracked: zeros([], { dtype: 'int64' }) },
    },
  )
  epsilons.set(self, eps)
  return self
}

/** x [..., cin] → [..., cout]. Initialised as torch does. */
export function linear(cin: number, cout: number, { bias = true } = {}): Module {
  const weight = parameter(kaimingUniform_(empty([cout, cin])))
  const bound = 1 / Math.sqrt(cin)
  const self: Module = module(
    {},
    x => aten.linear(x, self.own.parameters.weight!, { bias: self.own.parameters.bias! }),
    {
      kind: 'Linear',
      parameters: { weight, bias: bias ? parameter(uniform_(empty([cout]), -bound, bound)) : null },
    },
  )
  return self
}

/** In training each element is zero with probability p, the others scaled by 1/(1-p) (Srivastava et al. 2014). */
export function dropout(p = 0.5): Module {
  const self: Module = module({}, x => (self.training && p > 0 ? aten.dropout(x, p, true) : x), { kind: 'Dropout' })
  return self
}

/** x as it is, where a module is wanted. */
export const identity = (): Module => module({}, x => x, { kind: 'Identity' })

/** An activation or pooling as a module, where a list of modules wants one. */
export const layer = (fn: Layer, kind = 'Layer'): Module => module({}, x => fn(x), { kind })

/** Modules one after another, named '0', '1', … as torch's Sequential. */
export function sequential(...modules: Module[]): Module {
  return module(Object.fromEntries(modules.map((m, i) => [String(i), m])) as Children, x => x.pipe(...modules), {
    kind: 'Sequential',
  })
}

/** [N, C, H, W] → [N, 2C]: the maximum and the mean of each channel, in this order, as fastai's AdaptiveConcatPool2d. */
export const concatPool: Layer = x => cat([globalMaxPool(x), globalAvgPool(x)], 1)
