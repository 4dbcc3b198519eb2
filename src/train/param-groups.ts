import type { nn, Tensor } from '../torch/index.ts'
import type { LayerGroup } from './network.ts'

/** Parameters by whether weight decay is for them. As in timm (`param_groups_weight_decay`, Apache-2.0) it is for weights
 *  of convolutions and linear layers, and not for what has one dimension (biases, norms) nor for a model's bare
 *  parameters: ConvNeXt's layer_scale, which timm keeps in one dimension and torchvision as [C, 1, 1], and what timm's
 *  `no_weight_decay` names in a ViT, the class token and the position embeddings. */
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

/** The optimizer's parameter groups of the layer groups that train, two each: with decay and without. `group` is the layer
 *  group's number. */
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
