import { call } from '../call.ts'
import { cat, empty, zeros } from '../create.ts'
import {
  attention,
  dropout as drop,
  stochasticDepth as dropSamples,
  globalAvgPool,
  globalMaxPool,
} from '../functional.ts'
import { noGrad } from '../grad.ts'
import { ownKernels } from '../kernels.ts'
import { aten, type Layer, type Tensor } from '../tensor.ts'
import { kaimingUniform_, uniform_, xavierUniform_ } from './init.ts'
import { type Children, type Module, module, parameter } from './module.ts'
import { isChannelsLast } from './norm-act.ts'

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
  const self: Module = module({}, x => (self.training && p > 0 ? drop(x, p) : x), { kind: 'Dropout' })
  return self
}

/** In training each sample of x [N, …] is zero with probability p, the others scaled by 1 / (1 - p): placed before
 *  a residual sum, it skips the block for these samples (Huang et al. 2016, arXiv:1603.09382). */
export function stochasticDepth(p: number): Module {
  const self: Module = module({}, x => (self.training && p > 0 ? dropSamples(x, p) : x), { kind: 'StochasticDepth' })
  return self
}

/** x [N, S, dim] → the same: each of S places attends to all others, in `heads` heads (Vaswani et al. 2017,
 *  arXiv:1706.03762). Query, key and value are one matrix under torch's names; initialised as torch's
 *  MultiheadAttention. */
export function selfAttention(dim: number, heads: number): Module {
  const out_proj = linear(dim, dim)
  noGrad(() => out_proj.own.parameters.bias!.zero_())
  const self: Module = module(
    { out_proj },
    x => {
      const { in_proj_weight, in_proj_bias } = self.own.parameters
      const [n = 0, places = 0] = x.shape
      const all = aten.linear(x, in_proj_weight!, { bias: in_proj_bias! }) // [N, S, 3 · dim]
      const [q, k, v] = aten.unbind(all.reshape(n, places, 3, heads, dim / heads).permute(2, 0, 3, 1, 4)) // [N, heads, S, d]
      return out_proj(attention(q!, k!, v!).transpose(1, 2).reshape(n, places, dim))
    },
    {
      kind: 'SelfAttention',
      parameters: {
        in_proj_weight: parameter(xavierUniform_(empty([3 * dim, dim]))),
        in_proj_bias: parameter(zeros([3 * dim])),
      },
    },
  )
  return self
}

/** One trained tensor and its function of x: `learned(zeros([c]), (x, w) => x.add(w))`. Its name in the state is its
 *  name as a child, as of a bare Parameter in torch. */
export function learned(value: Tensor, fn: (x: Tensor, weight: Tensor) => Tensor): Module {
  const self: Module = module({}, x => fn(x, self.own.parameters['']!), {
    kind: 'Learned',
    parameters: { '': parameter(value) },
  })
  return self
}

/** The identity as a module. */
export const identity = (): Module => module({}, x => x, { kind: 'Identity' })

/** An activation or pooling as a module, for lists of modules. */
export const layer = (fn: Layer, kind = 'Layer'): Module => module({}, x => fn(x), { kind })

/** Modules one after another, named '0', '1', … as torch's Sequential. */
export const sequential = (...modules: Module[]): Module => chain(Object.fromEntries(modules.entries()))

/** Modules one after another under given names, as torch's Sequential of an OrderedDict. */
export function chain(modules: Children): Module {
  const inOrder = Object.values(modules)
  return module(modules, x => x.pipe(...inOrder), { kind: 'Sequential' })
}

/** [N, C, H, W] → [N, 2C]: the maximum and the mean of each channel, in this order, as fastai's
 *  AdaptiveConcatPool2d. */
export const concatPool: Layer = x => {
  const own = x.device === 'cpu' && ownKernels(x.dtype) && isChannelsLast(x) && x.shape.every(n => n > 0)
  return own ? call('anneal::concat_pool', x) : cat([globalMaxPool(x), globalAvgPool(x)], 1)
}
