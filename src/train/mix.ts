import { OptionError } from '../base/errors.ts'
import { purpose, type Random, rng, shuffle } from '../base/random.ts'
import type { Task } from '../data/types.ts'
import { aten, fromArray, noGrad, scope, type Tensor } from '../torch/index.ts'

/** Pictures of a batch, each with a share of another one. x: [N, C, H, W], y: float32 [N, classes or targets]. */
export interface Mixed {
  x: Tensor
  y: Tensor
}

/** What is mixed, and which step it is. */
export interface MixOptions {
  /** α of MixUp (0.4 is fastai's): how even the shares are. */
  mixup?: number | undefined
  /** α of CutMix (1 is fastai's). With both, each batch is mixed in one way or the other, evenly. */
  cutmix?: number | undefined
  /** Of the task `single`, whose y becomes shares of classes. */
  classes: number
  task: Task
  seed: number
  epoch: number
  step: number
}

/** Mixes each picture of a batch with another by MixUp (Zhang 2017, arXiv:1710.09412) or CutMix (Yun 2019,
 *  arXiv:1905.04899), as fastai's callbacks do. The targets are mixed alike: y int64 [N] of `single` becomes shares
 *  float32 [N, classes], whose cross-entropy is fastai's mixed loss; y float32 [N, T] of the others the mean by shares.
 *  A function of seed, epoch and step alone; nothing is changed in place. */
export function mixBatch({ x, y }: { x: Tensor; y: Tensor }, options: MixOptions): Mixed {
  const plan = drawPlan(x.shape[0]!, options)
  return noGrad(() => scope(() => mixed({ x, y: shares(y, options) }, plan, options)))
}

/** Some rows of a batch of `count` pictures as `mixBatch` makes them. `read` gives the pictures of places in the batch, each
 *  once: those of the rows, and their partners. */
export function mixPart(
  count: number,
  { from, to }: { from: number; to: number },
  read: (places: Uint32Array) => { x: Tensor; y: Tensor },
  options: MixOptions,
): Mixed {
  const { partners, lambdas, ...plan } = drawPlan(count, options)
  const theirs = partners.slice(from, to)
  const own = theirs.map((_, i) => from + i)
  const places = [...new Set([...own, ...theirs])]
  const at = new Map(places.map((place, i) => [place, i]))
  return noGrad(() =>
    scope(() => {
      const { x, y } = read(Uint32Array.from(places))
      const all = { x, y: shares(y, options) }
      const mine = { partners: theirs.map(place => at.get(place)!), lambdas: lambdas.slice(from, to) }
      return mixed(all, { ...plan, ...mine }, options)
    }),
  )
}

/** What is drawn for a batch. */
interface MixPlan {
  random: Random
  cut: boolean
  /** The place of each picture's partner. */
  partners: number[]
  /** λ of MixUp of each picture; empty where pictures are cut. */
  lambdas: number[]
}

function drawPlan(count: number, { mixup, cutmix, seed, epoch, step }: MixOptions): MixPlan {
  for (const [name, alpha] of Object.entries({ mixup, cutmix }))
    if (alpha !== undefined && !(alpha > 0 && Number.isFinite(alpha)))
      throw new OptionError(`${name}: expected an α above 0 (fastai's are 0.4 for mixup, 1 for cutmix), got ${alpha}.`)
  const random = rng(seed, epoch, step, purpose.mix)
  const chance = random.chance(0.5)
  const cut = cutmix !== undefined && (mixup === undefined || chance)
  const partners = shuffle(
    Array.from({ length: count }, (_, i) => i),
    random,
  )
  return { random, cut, partners, lambdas: cut || mixup === undefined ? [] : drawShares(count, mixup, random) }
}

/** The first pictures, each with its partner. */
function mixed(
  { x, y }: Mixed,
  { random, cut, partners, lambdas }: MixPlan,
  { mixup, cutmix }: Pick<MixOptions, 'mixup' | 'cutmix'>,
): Mixed {
  const own = (t: Tensor) => t.narrow(0, 0, partners.length)
  if (mixup === undefined && cutmix === undefined) return { x: own(x), y: own(y) }
  return cut ? cutMixed(x, y, partners, drawCut(x, cutmix!, random)) : mixedUp(x, y, partners, lambdas)
}

/** y of `single` as float32 [N, classes]. */
function shares(y: Tensor, { task, classes }: Pick<MixOptions, 'task' | 'classes'>): Tensor {
  return task === 'single' && y.shape.length === 1 ? aten.one_hot(y, { num_classes: classes }).to('float32') : y
}

/** λ of each sample: the larger of λ and 1 - λ, so that a picture stays mostly itself. */
const drawShares = (n: number, alpha: number, random: Random): number[] =>
  Array.from({ length: n }, () => beta(alpha, random)).map(share => Math.max(share, 1 - share))

/** x·λ + partner·(1 - λ) of the first pictures, as many as there are partners, and the targets alike; λ of each. */
export function mixedUp(x: Tensor, y: Tensor, partners: readonly number[], lambdas: readonly number[]): Mixed {
  const mix = (t: Tensor) => {
    const weight = fromArray(
      Float32Array.from(lambdas, share => 1 - share),
      [lambdas.length, ...t.shape.slice(1).map(() => 1)],
    )
    const own = t.narrow(0, 0, partners.length) // the result is laid out as it
    return aten.lerp(own, chosen(t, partners), weight.to(t.dtype, { device: t.device }))
  }
  return { x: mix(x), y: mix(y) }
}

/** Pixels from `x0` to `x1` and from `y0` to `y1`, the ends left out. */
export interface CutBox {
  x0: number
  x1: number
  y0: number
  y1: number
}

function drawCut(x: Tensor, alpha: number, random: Random): CutBox {
  const [height, width] = x.shape.slice(2) as [number, number]
  const share = beta(alpha, random)
  return cutBox({ height, width }, share, [random.integer(width), random.integer(height)])
}

/** A box of 1 - λ of the area about a centre, cut off at the edges (fastai's rand_bbox). */
export function cutBox(
  { height, width }: { height: number; width: number },
  lambda: number,
  [cx, cy]: readonly [number, number],
): CutBox {
  const side = Math.sqrt(1 - lambda)
  const [w, h] = [Math.round(width * side) >> 1, Math.round(height * side) >> 1]
  const inside = (v: number, most: number) => Math.min(most, Math.max(0, v))
  return {
    x0: inside(cx - w, width),
    x1: inside(cx + w, width),
    y0: inside(cy - h, height),
    y1: inside(cy + h, height),
  }
}

/** The partner's box in each of the first pictures, as many as there are partners; the share of a target is that of its
 *  pixels. */
export function cutMixed(x: Tensor, y: Tensor, partners: readonly number[], { x0, x1, y0, y1 }: CutBox): Mixed {
  const [height, width] = x.shape.slice(2) as [number, number]
  const area = (x1 - x0) * (y1 - y0)
  const [own, target] = [x, y].map(t => t.narrow(0, 0, partners.length)) as [Tensor, Tensor]
  const mixed = own.clone()
  if (area > 0) {
    const box = (t: Tensor) => t.narrow(2, y0, y1 - y0).narrow(3, x0, x1 - x0)
    box(mixed).copy_(chosen(box(x), partners))
  }
  return { x: mixed, y: aten.lerp(target, chosen(y, partners), area / (height * width)) }
}

/** Rows in another order. */
function chosen(t: Tensor, rows: readonly number[]): Tensor {
  const index = fromArray(BigInt64Array.from(rows, BigInt), [rows.length]).to('int64', { device: t.device })
  return t.indexSelect(0, index)
}

/** A number of the distribution Beta(α, α). */
export function beta(alpha: number, random: Random): number {
  for (;;) {
    const [a, b] = [gamma(alpha, random), gamma(alpha, random)]
    if (a + b > 0) return a / (a + b)
  }
}

/** A number of the distribution Gamma(α, 1): Marsaglia & Tsang 2000, and its boost for α below 1. */
function gamma(alpha: number, random: Random): number {
  if (alpha < 1) return gamma(alpha + 1, random) * (1 - random.uniform()) ** (1 / alpha)
  const d = alpha - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const z = random.normal()
    const v = (1 + c * z) ** 3
    if (v > 0 && Math.log(1 - random.uniform()) < (z * z) / 2 + d - d * v + d * Math.log(v)) return d * v
  }
}
