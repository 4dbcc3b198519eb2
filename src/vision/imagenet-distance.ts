import { aten, autocast, noGrad, scope, type Tensor } from '../torch/index.ts'
import type { Network } from '../train/network.ts'
import type { Objective, Targets } from '../train/objective.ts'
import { inOrder, type Source } from '../train/source.ts'
import { turn } from '../train/stop.ts'

/** Measurements of how different the pictures are from ImageNet. */
export interface Likeness {
  /** The distance between the statistics of the pictures inside the body and those of ImageNet in its BatchNorm layers:
   *  the mean, over layers and channels, of the divergence of two normal distributions. Undefined for a body without
   *  BatchNorm. */
  distance: number | undefined
  /** How well the frozen features separate the classes: 0 is chance, 1 is without a mistake; undefined if the
   *  validation pictures do not show it. */
  separation: number | undefined
  factor: 3 | 10
  reason: string
}

/** The distance from which pictures count as different from ImageNet: if the frozen features separate the classes well,
 *  and if they do not. Measured with tf_efficientnet_lite0 at 128 px: photos of clothing 0.11 and of food 0.12, the
 *  same in grey 0.19, blood cells under a microscope 0.36, spectrograms 0.38; mobilenet_v2 differs by 0.01. */
const [far, farWhereMixed] = [0.28, 0.22]

/** How many times lower the learning rate of each earlier layer group is: 3 for pictures like ImageNet's, 10 for others
 *  (fast.ai's course notes). It is decided by the outputs of the pretrained body for the training pictures. */
export function judgeLikeness(distance: number | undefined, head: { score: number }, chance: number): Likeness {
  const measured = Math.max(0, (head.score - chance) / (1 - chance))
  const separation = Number.isFinite(head.score) && Number.isFinite(measured) ? measured : undefined
  const limit = separation === undefined || separation >= 0.7 ? far : farWhereMixed
  const factor = distance !== undefined && distance > limit ? 10 : 3
  const seen =
    distance === undefined
      ? 'the body has no BatchNorm to measure by'
      : `their statistics inside the body are ${distance.toFixed(2)} from ImageNet's (${limit} is far)`
  const separated =
    separation === undefined
      ? 'the validation pictures do not show how well frozen features separate them'
      : `frozen features separate them to ${separation.toFixed(2)} (0 is chance, 1 perfect)`
  return {
    distance,
    separation,
    factor,
    reason: `${seen}; ${separated}: ${factor === 3 ? "like ImageNet's" : "unlike ImageNet's"}`,
  }
}

/** The distance of pictures from ImageNet's, by the statistics of the body's BatchNorm layers: at most `most` samples
 *  of a source go through the body. Undefined if it has no BatchNorm. */
export async function distanceFromImageNet(
  { body, device = 'cpu', features, net }: Network,
  source: Source,
  { most = 128, batchSize = 32, signal }: { most?: number; batchSize?: number; signal?: AbortSignal | undefined } = {},
): Promise<number | undefined> {
  const layers = [...body.modules()].map(([, m]) => m).filter(m => m.kind === 'BatchNorm2d')
  if (layers.length === 0) return undefined
  net.eval()
  const sums = layers.map(() => ({ divergence: 0, batches: 0 }))
  const off = layers.map((layer, i) =>
    layer.onForward((m, x) => {
      sums[i]!.divergence += divergence(x, m.own.buffers.running_mean!, m.own.buffers.running_var!)
      sums[i]!.batches++
      return undefined
    }),
  )
  try {
    const step = Math.max(1, Math.floor(source.count / most))
    const chosen = Math.min(most, source.count)
    for (const numbers of inOrder(chosen, batchSize)) {
      if (numbers.length < batchSize && chosen > batchSize) break // the rest of a few pictures has no deviation to speak of
      noGrad(() =>
        scope(() => {
          const { x } = source.batch(
            numbers.map(n => n * step),
            0,
          )
          // Layers with hooks run one by one, which few processors do fast in 16 bits.
          autocast('float32', () => features(x), { device })
        }),
      )
      await turn(signal)
    }
  } finally {
    for (const remove of off) remove()
  }
  return sums.reduce((sum, { divergence, batches }) => sum + divergence / Math.max(1, batches), 0) / layers.length
}

const eps = 1e-7

/** Mean over channels of KL(N(batch) ‖ N(running)). Each channel's term is cut at 10, so that one dead channel does not
 *  dominate. */
function divergence(x: Tensor, mean: Tensor, variance: Tensor): number {
  return scope(() => {
    // BatchNorm's own operator finds both in one pass, several times as fast as a mean and a variance.
    const [, m, inverse] = aten.native_batch_norm(x.to('float32'), null, null, null, null, true, 0, eps)
    const v = aten.clamp_min(inverse.pow(-2).sub(eps), 1e-6)
    const r = aten.clamp_min(variance, 1e-6)
    const shift = m.sub(mean)
    const kl = r
      .div(v)
      .log()
      .add(v.add(shift.mul(shift)).div(r))
      .sub(1)
      .mul(0.5)
    return kl.clamp(0, 10).mean().item()
  })
}

/** The score of a prediction that ignores the picture. Single-label: the share of the most frequent class; multi-label:
 *  the mean share of pictures that have a label; regression: 0. */
export function chanceOf({ task, names }: Objective, targets: Targets): number {
  if (task === 'regression') return 0
  if (task === 'multi') return Array.from(targets).reduce((sum, v) => sum + v, 0) / targets.length
  const counts = new Uint32Array(names.length)
  for (const c of targets) counts[c]!++
  return Math.max(...counts) / targets.length
}
