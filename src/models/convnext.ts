import { F, full, nn } from '../torch/index.ts'
import { type ImageModel, imageModel, initialise, type ModelOptions } from './image-model.ts'
import { family, usual } from './model-info.ts'
import { torchvision } from './sources.ts'

/** ConvNeXt (Liu et al. 2022, arXiv:2201.03545). Names and order of the state are torchvision's (BSD-3-Clause), so its
 *  weights load unchanged. Activations are kept in channels_last where possible, so that permuting them copies
 *  nothing. */

const norm = { eps: 1e-6 }

function block(c: number, dropped: number): nn.Module {
  const m = {
    layer_scale: nn.learned(full([c, 1, 1], 1e-6), (x, w) => x.mul(w)),
    block: nn.sequential(
      nn.conv2d(c, c, 7, { padding: 3, groups: c }),
      nn.layer(x => x.permute(0, 2, 3, 1), 'Permute'), // [N, H, W, c]
      nn.layerNorm(c, norm),
      nn.linear(c, 4 * c),
      nn.layer(F.gelu, 'GELU'),
      nn.linear(4 * c, c),
      nn.layer(x => x.permute(0, 3, 1, 2), 'Permute'),
    ),
    stochastic_depth: nn.stochasticDepth(dropped),
  }
  return nn.module(m, x => x.pipe(m.block, m.layer_scale, m.stochastic_depth).add_(x))
}

const downsample = (cin: number, cout: number) =>
  nn.sequential(nn.layerNorm2d(cin, norm), nn.conv2d(cin, cout, 2, { stride: 2 }))

interface Shape {
  depths: readonly number[]
  widths: readonly number[]
  /** The share of samples for which the last block is skipped in training; for earlier blocks proportionally less. */
  dropped: number
}

function convnext({ depths, widths, dropped }: Shape, { classes = 1000, channels = 3 }: ModelOptions): ImageModel {
  const last = depths.reduce((sum, depth) => sum + depth, 0) - 1
  let done = 0
  const stages = depths.flatMap((depth, i) => {
    const c = widths[i]!
    const blocks = Array.from({ length: depth }, () => block(c, (dropped * done++) / last))
    const next = widths[i + 1]
    return [nn.sequential(...blocks), ...(next === undefined ? [] : [downsample(c, next)])]
  })
  const stem = nn.sequential(nn.conv2d(channels, widths[0]!, 4, { stride: 4 }), nn.layerNorm2d(widths[0]!, norm))
  const features = nn.sequential(stem, ...stages)
  const numFeatures = widths.at(-1)!
  const classifier =
    classes > 0
      ? nn.sequential(
          nn.layerNorm2d(numFeatures, norm),
          nn.layer(x => x.flatten(1), 'Flatten'),
          nn.linear(numFeatures, classes),
        )
      : undefined
  const model = imageModel(
    { features },
    {
      features,
      classifier: classifier && { classifier },
      logits: classifier && (x => x.pipe(features, F.adaptiveAvgPool2d(1), classifier)),
      numFeatures,
      channels,
    },
  )
  const small = { std: 0.02 }
  return initialise(model, {
    Conv2d: weight => nn.init.normal_(weight, small),
    Linear: weight => nn.init.normal_(weight, small),
  })
}

/** ConvNeXt-Tiny, under torchvision's name. */
const convnext_tiny = (options: ModelOptions = {}): ImageModel =>
  convnext({ depths: [3, 3, 9, 3], widths: [96, 192, 384, 768], dropped: 0.1 }, options)

/** What is known of them. */
export const convnexts = family({
  convnext_tiny: {
    ...usual,
    build: convnext_tiny,
    params: 28_589_128,
    top1: 82.52,
    cropPct: 224 / 236,
    weights: torchvision('convnext_tiny', {
      sha256: '983f1562536e84ff750a1576fb08e54de751dbf2e17c0d8a4a13704341fdcd3d',
    }),
    paper: 'Liu et al. 2022, arXiv:2201.03545',
  },
})
