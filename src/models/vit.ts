import { ModelError } from '../base/errors.ts'
import { aten, cat, F, type Layer, nn, noGrad, randn, scope, type Tensor, zeros } from '../torch/index.ts'
import { type ImageModel, imageModel, type ModelOptions } from './image-model.ts'
import { family, usual } from './model-info.ts'
import { torchvision } from './sources.ts'

/** Vision transformer (Dosovitskiy et al. 2020, arXiv:2010.11929). Names and order of the state are torchvision's
 *  (BSD-3-Clause); its files have older names (`fromOldMlpName`). Each patch has a learned position embedding, so a net
 *  is for one size; weights for another size are interpolated when they are loaded (torchvision's
 *  interpolate_embeddings). */

const norm = { eps: 1e-6 }

function block(dim: number, heads: number, hidden: number): nn.Module {
  const m = {
    ln_1: nn.layerNorm(dim, norm),
    self_attention: nn.selfAttention(dim, heads),
    ln_2: nn.layerNorm(dim, norm),
    mlp: nn.chain({ 0: wide(dim, hidden), 1: nn.layer(F.gelu, 'GELU'), 3: wide(hidden, dim) }),
  }
  return nn.module(m, x => {
    const y = x.add(x.pipe(m.ln_1, m.self_attention))
    return y.add(y.pipe(m.ln_2, m.mlp))
  })
}

/** A linear layer with the initialisation of transformers (Glorot & Bengio 2010). */
function wide(cin: number, cout: number): nn.Module {
  const layer = nn.linear(cin, cout)
  nn.init.xavierUniform_(layer.own.parameters.weight!)
  nn.init.normal_(layer.own.parameters.bias!, { std: 1e-6 })
  return layer
}

/** Zero weights: the classifier begins with equal probabilities. */
function zeroed(layer: nn.Module): nn.Module {
  for (const t of layer.parameters()) noGrad(() => t.zero_())
  return layer
}

interface Shape {
  name: string
  patch: number
  dim: number
  depth: number
  heads: number
  hidden: number
}

function vit(
  { name, patch, dim, depth, heads, hidden }: Shape,
  { classes = 1000, channels = 3, size = 224 }: ModelOptions,
): ImageModel {
  const grid = size / patch // patches per side
  if (!Number.isInteger(grid) || grid < 1)
    throw new ModelError(
      `${name} cuts pictures into patches of ${patch} × ${patch} pixels; its size must be a multiple of ${patch}, got ${size}`,
    )
  const places = 1 + grid * grid
  const blocks = Array.from({ length: depth }, () => block(dim, heads, hidden))
  const encoder = {
    pos_embedding: nn.learned(randn([1, places, dim]).mul_(0.02), (x, w) => x.add(w)),
    layers: nn.chain(Object.fromEntries(blocks.map((layer, i) => [`encoder_layer_${i}`, layer]))),
    ln: nn.layerNorm(dim, norm),
  }
  const m = {
    class_token: nn.learned(zeros([1, 1, dim]), (x, w) => cat([w.expand(x.shape[0]!, 1, dim), x], 1)),
    conv_proj: nn.conv2d(channels, dim, patch, { stride: patch }),
    encoder: nn.chain(encoder),
  }
  noGrad(() => m.conv_proj.own.parameters.bias!.zero_())
  nn.init.normal_(m.conv_proj.own.parameters.weight!, { std: 1 / Math.sqrt(channels * patch * patch) })

  /** [N, C, size, size] → [N, places, dim]: the class token and a token per patch, with their position embeddings. */
  const tokens = (x: Tensor) => {
    const [, , h, w] = x.shape
    if (h !== size || w !== size)
      throw new ModelError(
        `${name} was built for pictures of ${size} × ${size} pixels and got [${x.shape}]: it learned a position embedding for each patch. Build it with \`size\`, or take a model that pools its last map, such as resnet34`,
      )
    return x.pipe(m.conv_proj).flatten(2).transpose(1, 2).pipe(m.class_token)
  }
  const toMap = (t: Tensor) =>
    t
      .narrow(1, 1, places - 1)
      .transpose(1, 2)
      .reshape(-1, dim, grid, grid)
  /** The class token after the last block. Heat maps use the patches before that block, where all of them still
   *  count. */
  const pooled = (x: Tensor, look?: Layer) => {
    let t = tokens(x).pipe(encoder.pos_embedding, ...blocks.slice(0, -1))
    if (look) t = cat([t.narrow(1, 0, 1), look(toMap(t)).flatten(2).transpose(1, 2)], 1)
    return t.pipe(...blocks.slice(-1), encoder.ln).select(1, 0)
  }
  const classifier = classes > 0 ? { heads: nn.chain({ head: zeroed(nn.linear(dim, classes)) }) } : undefined
  return imageModel(m, {
    features: x => toMap(tokens(x).pipe(m.encoder)),
    classifier,
    logits: classifier && (x => classifier.heads(tokens(x).pipe(m.encoder).select(1, 0))),
    numFeatures: dim,
    pooled: { features: dim, of: pooled },
    channels,
    size,
    adapt: { 'encoder.pos_embedding': given => interpolatePositions(given, grid) },
  })
}

/** ViT-Base with patches of 16 × 16 pixels, under torchvision's name. */
const vit_b_16 = (options: ModelOptions = {}): ImageModel =>
  vit({ name: 'vit_b_16', patch: 16, dim: 768, depth: 12, heads: 12, hidden: 3072 }, options)

/** Resizes position embeddings [1, 1 + n², dim] for another picture size: [1, 1 + grid², dim]. That of the class token
 *  is unchanged; the others are a map that is resized (bicubic, aligned corners), as torchvision's
 *  interpolate_embeddings. */
export function interpolatePositions(given: Tensor, grid: number): Tensor {
  const [, places = 0, dim = 0] = given.shape
  const n = Math.sqrt(places - 1)
  if (n === grid) return given
  if (!Number.isInteger(n))
    throw new ModelError(`position embeddings [${given.shape}] do not fit a class token and a square of patches`)
  return scope(() => {
    const map = given
      .narrow(1, 1, n * n)
      .transpose(1, 2)
      .reshape(1, dim, n, n)
    const resized = aten.upsample_bicubic2d(map, [grid, grid], true)
    return cat([given.narrow(1, 0, 1), resized.flatten(2).transpose(1, 2)], 1)
  })
}

/** Converts the name of a weight in torchvision's files, whose MLP was not a list yet, to our name. */
const fromOldMlpName = (name: string): string =>
  name.replace(/\.mlp\.linear_([12])\./, (_, i) => `.mlp.${3 * (i - 1)}.`)

/** What is known of them. */
export const vits = family({
  vit_b_16: {
    ...usual,
    build: vit_b_16,
    params: 86_567_656,
    top1: 81.072,
    sizes: { multipleOf: 16 },
    weights: torchvision('vit_b_16', {
      bytes: 346_328_529,
      sha256: 'c867db91d3e12c6cbadabb610d73c24a546bf82d8c03a9fea34f43a712ddb0e9',
    }),
    rename: fromOldMlpName,
    paper: 'Dosovitskiy et al. 2020, arXiv:2010.11929',
  },
})
