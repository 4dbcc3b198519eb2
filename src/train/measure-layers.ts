import { arange, autocast, call, keepMemory, library, noGrad, scope, type Tensor, zeros } from '../torch/index.ts'
import { useKernels } from '../torch/kernels.ts'
import {
  type ConvLayer,
  type ConvPlan,
  type ConvProduct,
  type ConvWay,
  type ConvWays,
  convProducts,
  forcedWays,
  layerKey,
  layersIn,
  waysHere,
} from '../torch/nn/conv-ways.ts'
import type { Network, Precision } from './network.ts'

/** What was measured of the convolutions of one shape in a net. */
export interface LayerTimes extends ConvLayer {
  /** The layer in words, and its name in a plan. */
  name: string
  /** How many such layers the net has. */
  count: number
  /** The samples that it was measured with: the batch, or fewer of large maps. */
  n: number
  /** Milliseconds of each way of each product. */
  milliseconds: Record<ConvProduct, Partial<Record<ConvWay, number>>>
  taken: ConvWays
}

/** The plan of measured layers. */
export const planOf = (layers: readonly LayerTimes[]): ConvPlan =>
  Object.fromEntries(layers.map(({ name, taken }) => [name, taken]))

/** Makes a batch of inputs like the real ones. */
type Noise = (batch: number) => Tensor

/** Times every way of every product of the net's convolutions, once for each shape, and takes the fastest. The net
 *  does not change. Empty on other devices than the CPU. */
export function measureLayers(
  network: Network,
  {
    shape,
    batch,
    precision,
    noise: given,
  }: { shape: readonly number[]; batch: number; precision: Precision; noise?: Noise | undefined },
): LayerTimes[] {
  if ((network.device ?? 'cpu') !== 'cpu' || (precision !== 'float32' && precision !== 'bfloat16')) return []
  keepMemory() // as training steps do
  return scope(() => layersOf(network, { shape, precision, noise: given })).map(({ layer, count }) =>
    scope(() => measured(layer, { batch, count })),
  )
}

/** The convolutions that one input passes through. */
function layersOf(
  { body }: Network,
  { shape, precision, noise }: { shape: readonly number[]; precision: Precision; noise: Noise | undefined },
): { layer: ConvLayer; count: number }[] {
  const training = Array.from(body.modules(), ([, m]) => [m, m.training] as const)
  const before = useKernels('own')
  body.eval()
  try {
    const x = noise?.(1) ?? zeros([1, ...shape])
    const y = shape.length === 3 ? x.contiguous('channels_last') : x
    return layersIn(() => noGrad(() => autocast(precision, () => body.features(y))))
  } finally {
    useKernels(before)
    for (const [m, was] of training) m.training = was
  }
}

/** With so many pixels for each thread, twice as many take twice as long in every way. */
const enough = 4096
/** The pictures that two tiles hold (native/kernels/conv_places.h). */
const inTiles = 32

function measured(layer: ConvLayer, { batch, count }: { batch: number; count: number }): LayerTimes {
  const { dtype, cin, cout, k, stride, padding, groups, h, w } = layer
  const half = dtype === 'bfloat16'
  const [oh, ow] = [h, w].map(side => Math.floor((side + 2 * padding - k) / stride) + 1) as [number, number]
  const few = Math.ceil((enough * Math.max(2, library().threads)) / (oh * ow))
  // Tiles of many pictures are computed otherwise than those of few.
  const n = Math.min(batch, waysHere(layer, 'weights', batch).includes('tiles') ? Math.max(few, inTiles) : few)
  // No random numbers: a run draws the same ones whether it measures or not.
  const made = (...sizes: number[]) =>
    (
      call(
        'aten::sin',
        arange(
          sizes.reduce((a, b) => a * b),
          { dtype: 'float32' },
        ),
      ) as Tensor
    ).reshape(...sizes)
  const map = (c: number, high: number, wide: number) => made(n, c, high, wide).contiguous('channels_last').to(dtype)
  const [x, g] = [map(cin, h, w), map(cout, oh, ow)]
  const weight = made(cout, cin / groups, k, k).contiguous('channels_last')
  const learned = weight.clone()
  learned.requiresGrad = true
  const [scale, shift] = [made(cout), made(cout)]
  const places = [stride, padding, groups] as const
  const rest = ['libtorch', 'libtorch'] as const
  const work: Record<ConvProduct, (way: ConvWay) => unknown> = {
    // With weights that learn, since otherwise they are packed once.
    forward: way =>
      call('anneal::conv_by', x, learned, null, null, null, 'none', ...places, way, ...rest, 'libtorch', half),
    input: way => noGrad(() => call('anneal::conv_grad', g, x, weight, ...places, way, '', half)),
    weights: way => noGrad(() => call('anneal::conv_grad', g, x, weight, ...places, '', way, half)),
    inference: way =>
      noGrad(() =>
        call('anneal::conv_by', x, weight, scale, shift, null, 'relu', ...places, 'libtorch', ...rest, way, half),
      ),
  }
  const needed = (product: ConvProduct) => product !== 'input' || cin > 4 // nothing needs the gradient of a picture
  const milliseconds = Object.fromEntries(
    convProducts.map(product => [
      product,
      needed(product) ? timed(waysHere(layer, product, n), way => scope(() => void work[product](way))) : {},
    ]),
  ) as LayerTimes['milliseconds']
  learned.dispose() // a scope keeps what learns
  const taken = Object.fromEntries(
    convProducts.map(product => [product, forcedWays()?.[product] ?? leastOf(milliseconds[product])]),
  ) as ConvWays
  return { ...layer, name: layerKey(layer), count, n, milliseconds, taken }
}

const rounds = 3
/** A way that takes this many times as long as the fastest so far is not timed again. */
const hopeless = 1.4
/** The least time of each way in milliseconds, after one run that is not timed. */
function timed(ways: readonly ConvWay[], work: (way: ConvWay) => void): Partial<Record<ConvWay, number>> {
  const least: Partial<Record<ConvWay, number>> = {}
  if (ways.length < 2) return Object.fromEntries(ways.map(way => [way, 0])) // nothing to choose
  for (let round = 0; round <= rounds; round++) {
    const best = Math.min(...Object.values(least))
    for (const way of ways) {
      if (least[way] !== undefined && least[way] > hopeless * best) continue
      const start = performance.now()
      work(way)
      const ms = performance.now() - start
      if (round > 0) least[way] = Math.min(least[way] ?? Number.POSITIVE_INFINITY, ms)
    }
  }
  return least
}

/** The fastest way; libtorch's where there was nothing to measure. */
export function leastOf(milliseconds: Partial<Record<ConvWay, number>>): ConvWay {
  const ways = Object.entries(milliseconds).sort(([, a], [, b]) => a - b)
  return (ways[0]?.[0] as ConvWay | undefined) ?? 'libtorch'
}
