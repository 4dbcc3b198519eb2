import { didYouMean, TrainingError } from '../../base/errors.ts'
import { aten, autocast, keep, noGrad, scope, type Tensor } from '../../torch/index.ts'
import type { Network, Precision } from '../../train/network.ts'

/** One channel of a layer's output as a grey picture. */
export interface FeatureMap {
  channel: number
  /** Standard deviation of the values over the map; a flat map shows nothing. */
  strength: number
  /** Values from the lowest (0) to the highest (255), [height × width]. */
  data: Uint8Array
}
/** The output of a layer for a picture. */
export interface LayerFeatures {
  /** The module's name in the body; `''` is the body's own output. */
  layer: string
  height: number
  width: number
  /** How many channels the layer has. */
  channels: number
  /** The strongest first. */
  maps: FeatureMap[]
}

/** The few layers that show the most: the first convolution, the end of each layer group, the body's output. */
export function tellingLayers({ body }: Pick<Network, 'body'>): string[] {
  const first = [...body.modules()].find(([, m]) => m.kind === 'Conv2d')?.[0]
  const ends = body.groups.slice(0, -1).map(group => group.at(-1)!)
  return [...new Set([...(first === undefined ? [] : [first]), ...ends, ''])]
}

/** The feature maps of a few layers for one picture; each channel is a grey picture, the strongest first. x: [1, C, H,
 *  W], as a source's batch gives it; a map: [height × width] of the layer. `layers` names modules of the body
 *  (`network.body.modules()` lists them); `''` is its output. Default: the first convolution, the end of each layer
 *  group but the last, and the output, if they have maps (in a ViT only the convolution of the patches has).
 *  `channels`: the most maps per layer. The net is in eval mode afterwards. Throws if x is not one picture, if the body
 *  has no module of a name, and if a named layer does not give [1, C, h, w]. */
export function layerFeatures(
  network: Pick<Network, 'body' | 'device'>,
  x: Tensor,
  {
    layers: named,
    channels = 8,
    precision = 'float32',
  }: { layers?: readonly string[]; channels?: number; precision?: Precision } = {},
): LayerFeatures[] {
  const { body } = network
  const layers = named ?? tellingLayers(network)
  if (x.shape[0] !== 1) throw new TrainingError(`layerFeatures: expected one picture [1, C, H, W], got [${x.shape}]`)
  const modules = new Map(body.modules())
  const unknown = layers.find(name => !modules.has(name))
  if (unknown !== undefined)
    throw new TrainingError(
      `layerFeatures: the body has no module "${unknown}".${didYouMean(unknown, modules.keys())} Its parts are ${Object.keys(body.children).join(', ')}`,
    )
  body.eval()
  const seen = new Map<string, Tensor>()
  const removers = layers.map(name =>
    modules.get(name)!.onForward((_, __, output) => {
      seen.get(name)?.dispose()
      seen.set(name, keep(output.detach().to('float32', { device: 'cpu' }).clone())) // later layers may change it in place
      return undefined
    }),
  )
  try {
    noGrad(() => scope(() => autocast(precision, () => body(x), network)))
    // Default layers without a map are skipped: the tokens of a ViT.
    const shown = named ? layers : layers.filter(layer => seen.get(layer)?.shape.length === 4)
    return shown.map(layer => scope(() => strongest(layer, seen.get(layer), channels)))
  } finally {
    for (const remove of removers) remove()
    for (const t of seen.values()) t.dispose()
  }
}

function strongest(layer: string, output: Tensor | undefined, most: number): LayerFeatures {
  if (output?.shape.length !== 4)
    throw new TrainingError(
      `layerFeatures: "${layer}" has no feature map [1, C, h, w] (${output ? `its output is [${output.shape}]` : 'the body does not call it'})`,
    )
  const [, channels = 0, height = 0, width = 0] = output.shape
  const flat = output.reshape(channels, height * width)
  const strength = (aten.var(flat, [1], { unbiased: false }).sqrt().data() as Float32Array).map(v => v || 0)
  const order = [...strength.keys()].sort((a, b) => strength[b]! - strength[a]! || a - b).slice(0, most)
  const maps = order.map(channel => ({
    channel,
    strength: strength[channel]!,
    data: grey(flat.select(0, channel).contiguous().data() as Float32Array),
  }))
  return { layer, height, width, channels, maps }
}

function grey(values: Float32Array): Uint8Array {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  return Uint8Array.from(values, v => (high > low ? Math.round((255 * (v - low)) / (high - low)) : 0))
}
