import type { nn, Tensor } from '../torch/index.ts'
import type { LayerGroup } from './network.ts'

/** Splits parameters into those with and without weight decay. As in timm (`param_groups_weight_decay`, Apache-2.0),
 *  weights of convolutions and linear layers have it; parameters of one dimension (biases, norms) and a model's bare
 *  parameters do not: ConvNeXt's layer_scale (one dimension in timm, [C, 1, 1] in torchvision), and in a ViT the class
 *  token and the position embeddings, which timm names in `no_weight_decay`. */
export function byDecay(modules: readonly nn.Module[]): { decayed: Tensor[]; plain: Tensor[] } {
  const bare = new Set(
    modules.flatMap(m =>
      Array.from(m.modules()).flatMap(([, { kind, own }]) => (kind === 'Learned' ? Object.values(own.parameters) : [])),
    ),
  )
  const params = modules.flatMap(m => m.parameters())
  const isDecayed = (p: Tensor) => p.shape.length > 1 && !bare.has(p)
  return { decayed: params.filter(isDecayed), plain: params.filter(p => !isDecayed(p)) }
}

/** The optimizer's parameter groups for the layer groups that train: two for each, with and without weight decay.
 *  `group` is the number of the layer group. */
export function optimizerGroups(
  groups: readonly LayerGroup[],
  { lrs, frozen, weightDecay }: { lrs: readonly number[]; frozen: readonly boolean[]; weightDecay: number },
) {
  return groups.flatMap(({ modules }, group) => {
    if (frozen[group]) return []
    const { decayed, plain } = byDecay(modules)
    return [
      { params: decayed, lr: lrs[group]!, weightDecay, group },
      { params: plain, lr: lrs[group]!, weightDecay: 0, group },
    ]
  })
}
