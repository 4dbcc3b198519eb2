import { TrainingError } from '../base/errors.ts'
import { purpose, rng, shuffle } from '../base/random.ts'
import { samples } from '../base/samples.ts'
import { aten, F, type Tensor } from '../torch/index.ts'

/** How the weight of a mistake in a class is computed: from its share of the pictures (`balanced`), or from its
 *  effective number of pictures (`effective`), which grows more slowly than their number, since pictures of a class are
 *  similar. */
export type WeightScheme = 'balanced' | 'effective'

/** Weights [classes] for `crossEntropy`, from pictures per class. `balanced`: n / (k · count), scikit-learn's;
 *  `effective`: (1 − β) / (1 − β^count) (Cui et al. 2019, arXiv:1901.05555), scaled so that they sum to the number of
 *  classes. The weight of a class without pictures is 0. */
export function classWeights(
  counts: readonly number[],
  { scheme = 'balanced', beta = 0.999 }: { scheme?: WeightScheme; beta?: number } = {},
): number[] {
  const known = counts.filter(c => c > 0)
  if (known.length === 0 || counts.some(c => !(c >= 0)))
    throw new TrainingError(
      `classWeights: expected the number of ${samples.many} per class, at least one above 0, got ${counts.join(', ')}`,
    )
  if (!(beta >= 0 && beta < 1)) throw new TrainingError(`classWeights: beta must be from 0 to below 1, got ${beta}`)
  const total = known.reduce((a, b) => a + b, 0)
  if (scheme === 'balanced') return counts.map(c => (c > 0 ? total / (known.length * c) : 0))
  const raw = counts.map(c => (c > 0 ? (1 - beta) / (1 - beta ** c) : 0))
  const sum = raw.reduce((a, b) => a + b, 0)
  return raw.map(w => (w * known.length) / sum)
}

/** `posWeight` [labels] for `bceWithLogits`: pictures without the label divided by pictures with it; 1 if no picture
 *  has the label. */
export const positiveWeights = (counts: readonly number[], pictures: number): number[] =>
  counts.map(c => (c > 0 ? (pictures - c) / c : 1))

/** The weight of each sample for `weightedOrder`: the weight of its class, the highest one of several labels, 1 without
 *  a label. */
export const sampleWeights = (
  samples: readonly { labels: readonly number[] }[],
  weights: readonly number[],
): number[] => samples.map(({ labels }) => (labels.length > 0 ? Math.max(...labels.map(l => weights[l]!)) : 1))

/** An epoch's samples by weight, an alternative to `epochOrder`: a sample is taken `count` · weight / sum times,
 *  rounded up or down at random (systematic resampling, Kitagawa 1996), so that every epoch has the right share of each
 *  class. It depends only on seed and epoch. */
export function weightedOrder(
  weights: ArrayLike<number>,
  seed: number,
  epoch: number,
  { count = weights.length }: { count?: number } = {},
): Uint32Array {
  const total = Array.prototype.reduce.call(weights, (a, b) => (a as number) + b, 0) as number
  const wrong = Array.prototype.find.call(weights, w => !(w >= 0) || w === Number.POSITIVE_INFINITY)
  if (!(total > 0) || wrong !== undefined)
    throw new TrainingError(
      `weightedOrder: weights must be numbers from 0 and not all 0, got ${wrong ?? `${weights.length} that sum to ${total}`}`,
    )
  const random = rng(seed, epoch, 1, purpose.order)
  // The order is drawn first, so that neighbours in the data are not left out together.
  const shuffled = shuffle(
    Uint32Array.from({ length: weights.length }, (_, i) => i),
    random,
  )
  const order = new Uint32Array(count)
  const offset = random.uniform()
  let reached = 0
  let taken = 0
  for (const sample of shuffled) {
    reached += (weights[sample]! / total) * count
    while (taken < count && taken + offset < reached) order[taken++] = sample
  }
  while (taken < count) order[taken++] = shuffled.findLast(s => weights[s]! > 0)! // what rounding left
  return shuffle(order, random)
}

/** Focal loss (Lin et al. 2017, arXiv:1708.02002) of logits x [N, C] with class numbers [N] (int64) or shares [N, C]:
 *  (1 − p)^γ · −ln p, so that easy samples have little weight. As fastai's FocalLoss; `weight` [C] weighs the classes
 *  as the paper's α does (fastai's weight also bends p). */
export function focalLoss(
  x: Tensor,
  target: Tensor,
  { gamma = 2, weight, reduction = 'mean' }: { gamma?: number; weight?: Tensor; reduction?: F.Reduction } = {},
): Tensor {
  const log = x.logSoftmax(1)
  const each = aten.rsub(log.exp(), 1).pow(gamma).mul(log).neg()
  const weighed = weight ? each.mul(weight) : each
  const losses =
    target.dtype === 'int64' ? aten.gather(weighed, 1, target.unsqueeze(1)).squeeze(1) : weighed.mul(target).sum(1)
  return reduced(losses, reduction)
}

/** Focal loss for multi-label, with a sigmoid per label: x, target [N, C], target 0 to 1. As torchvision's
 *  sigmoid_focal_loss: `alpha` is the weight of labels that are there, 1 − alpha of those that are not; false: equal
 *  weights. */
export function sigmoidFocalLoss(
  x: Tensor,
  target: Tensor,
  {
    gamma = 2,
    alpha = 0.25,
    reduction = 'mean',
  }: { gamma?: number; alpha?: number | false; reduction?: F.Reduction } = {},
): Tensor {
  const p = x.sigmoid()
  const miss = p.add(target).sub(p.mul(target).mul(2)) // 1 − p where it is there, p where not
  const losses = F.bceWithLogits(x, target, { reduction: 'none' }).mul(miss.pow(gamma))
  const weighed = alpha === false ? losses : losses.mul(target.mul(2 * alpha - 1).add(1 - alpha))
  return reduced(weighed, reduction)
}

const reduced = (losses: Tensor, reduction: F.Reduction): Tensor =>
  reduction === 'mean' ? losses.mean() : reduction === 'sum' ? losses.sum() : losses

/** The imbalance of classes for which weights are worth it, and the weights to use. */
export interface Imbalance {
  /** Pictures of the largest class divided by those of the smallest. */
  ratio: number
  scheme: WeightScheme
  /** One line of text for the user. */
  text: string
}

/** Advice for uneven classes: weights if the ratio is above `from`; above 100 by effective numbers, since with plain
 *  shares a few pictures would dominate the step. Undefined if no weights are needed. */
export function imbalanceAdvice(
  counts: readonly { name: string; count: number }[],
  { from = 10 }: { from?: number } = {},
): Imbalance | undefined {
  const known = counts.filter(c => c.count > 0).toSorted((a, b) => a.count - b.count)
  const [least, most] = [known[0], known.at(-1)]
  if (!least || !most || most.count / least.count <= from) return undefined
  const ratio = most.count / least.count
  const scheme = ratio > 100 ? 'effective' : 'balanced'
  const text = `classes are uneven: ${most.name} has ${most.count} ${samples.many}, ${least.name} ${least.count} (${Math.round(ratio)} to 1); class weights (${scheme}) make rare classes count`
  return { ratio, scheme, text }
}
