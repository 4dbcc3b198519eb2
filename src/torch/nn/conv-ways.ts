import { call } from '../call.ts'

/** The ways to compute a product of a convolution: libtorch's convolution, one matrix product, our kernel, our kernel for
 *  the tiles of AMX, or oneDNN's convolution with packed weights and with what follows it. */
export type ConvWay = 'libtorch' | 'product' | 'own' | 'tiles' | 'fused'
/** The products of a layer: three in a training step, and the forward one without gradients. */
export type ConvProduct = 'forward' | 'input' | 'weights' | 'inference'
/** The way of each product of a layer. */
export type ConvWays = Record<ConvProduct, ConvWay>
/** The ways of layers, by `layerKey`. */
export type ConvPlan = Readonly<Record<string, ConvWays>>

/** All ways. */
export const convWays: readonly ConvWay[] = ['libtorch', 'product', 'own', 'tiles', 'fused']
/** All products. */
export const convProducts: readonly ConvProduct[] = ['forward', 'input', 'weights', 'inference']

/** A convolution and the size of its input, [N, cin, h, w]. */
export interface ConvLayer {
  dtype: 'float32' | 'bfloat16'
  cin: number
  cout: number
  k: number
  stride: number
  padding: number
  groups: number
  h: number
  w: number
}

/** A layer in words, which is also its name in a plan: layers that are alike have one name. */
export const layerKey = ({ dtype, cin, cout, k, stride, padding, groups, h, w }: ConvLayer): string =>
  `${cin} to ${cout}, ${k} x ${k}${stride > 1 ? ` at stride ${stride}` : ''}${groups > 1 ? `, ${groups} groups` : ''}${
    padding === k >> 1 ? '' : `, padding ${padding}`
  }, ${h} x ${w}, ${dtype}`

let plan: ConvPlan = {}
/** Layers in this plan are computed in its ways from now on, and the others in the usual ones; returns the plan before. */
export function useConvPlan(next: ConvPlan): ConvPlan {
  const before = plan
  plan = next
  return before
}

let seen: Map<string, { layer: ConvLayer; count: number }> | undefined
/** The layers whose way may be chosen, in what `fn` computes, with how many of each there are. */
export function layersIn(fn: () => unknown): { layer: ConvLayer; count: number }[] {
  const before = seen
  const mine = new Map<string, { layer: ConvLayer; count: number }>()
  seen = mine
  try {
    fn()
  } finally {
    seen = before
  }
  return [...mine.values()]
}

/** The ways that this processor has for a product of a layer, in batches of n. */
export function waysHere(layer: ConvLayer, product: ConvProduct, n: number): ConvWay[] {
  const { dtype, cin, cout, k, stride, padding, groups, h, w } = layer
  const [x, weight] = [
    [n, cin, h, w],
    [cout, cin / groups, k, k],
  ]
  return call('anneal::conv_ways', product, x, weight, stride, padding, groups, dtype === 'bfloat16') as ConvWay[]
}

/** The ways of a layer: as `ANNEAL_CONV` says, else as the plan says, else the usual ones. Undefined: libtorch computes
 *  it as it computes any operator. */
export function waysFor(layer: ConvLayer, n: number, recording: boolean): ConvWays | undefined {
  const key = layerKey(layer)
  if (seen) {
    const known = seen.get(key)
    seen.set(key, { layer, count: (known?.count ?? 0) + 1 })
  }
  const planned = Object.hasOwn(plan, key) ? plan[key] : undefined
  const found = planned ?? usualWays(layer, n, recording)
  return forced ? { ...(found ?? libtorch), ...thoseHere(forced, layer, n) } : found
}
/** Without our kernels for products that have none; other ways that are missing are replaced where they would run. */
const thoseHere = (ways: Partial<ConvWays>, layer: ConvLayer, n: number): Partial<ConvWays> =>
  Object.fromEntries(
    Object.entries(ways).filter(
      ([product, way]) => way !== 'own' || waysHere(layer, product as ConvProduct, n).includes(way),
    ),
  )

const libtorch: ConvWays = { forward: 'libtorch', input: 'libtorch', weights: 'libtorch', inference: 'libtorch' }
const own: ConvWays = { forward: 'own', input: 'own', weights: 'own', inference: 'own' }

/** Where nothing was measured: our kernels, if the set in use has some for this layer. */
function usualWays({ dtype, cin, cout, k, stride, padding, groups, h, w }: ConvLayer, n: number, recording: boolean) {
  const product = dtype === 'bfloat16' && recording && k === 1 && stride === 1 && padding === 0 && groups === 1
  if (product && Math.min(cin, cout) >= 256) return { ...libtorch, weights: 'product' } as const
  if (k < 3 || call('anneal::has_convolutions', dtype === 'bfloat16') !== true) return undefined
  if (groups > 1) {
    const each = cin / groups
    const served = k === 3 && padding === 1 && stride <= 2 && cin === cout && [4, 8, 16, 32].includes(each)
    return served && cout % 32 === 0 ? own : undefined
  }
  if (cin <= 4)
    return k > 3 && (cin * stride) % 2 === 0 && Math.min(h, w) >= k
      ? ({ ...libtorch, forward: 'own', inference: 'own' } as const)
      : undefined
  // With few pixels the weights cost the most time, and this kernel has more of them.
  const square = k === 3 && stride === 1 && padding === 1 && cin % 32 === 0 && cout % 32 === 0
  return square && n * h * w >= 256 ? own : undefined
}

/** The ways that a text asks for: `product` for all products, or `forward=own,weights=tiles`. */
export function parseWays(text: string): Partial<ConvWays> {
  const parts = text.split(',').map(part => part.trim())
  return Object.assign(
    {},
    ...parts.map(part => {
      const [left = '', right] = part.split('=').map(word => word.trim())
      const way = right ?? left
      const products = right === undefined ? convProducts : [left]
      if (!convWays.includes(way as ConvWay) || !products.every(p => convProducts.includes(p as ConvProduct)))
        throw new Error(
          `ANNEAL_CONV: got "${part}", expected a way (${convWays.join(', ')}) or product=way (of ${convProducts.join(', ')})`,
        )
      return Object.fromEntries(products.map(product => [product, way]))
    }),
  ) as Partial<ConvWays>
}
const asked = process.env.ANNEAL_CONV
let forced: Partial<ConvWays> | undefined = asked ? parseWays(asked) : undefined
/** What `ANNEAL_CONV` asks for. */
export const forcedWays = (): Partial<ConvWays> | undefined => forced
/** Runs `fn` with these ways for all layers, as `ANNEAL_CONV` does. */
export function withWays<T>(ways: Partial<ConvWays>, fn: () => T): T {
  const before = forced
  forced = ways
  try {
    return fn()
  } finally {
    forced = before
  }
}
