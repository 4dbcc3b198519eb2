import { computedBy } from '../train/choose-kernels.ts'
import { type Computed, plansOf, waysOf } from '../train/measure-kernels.ts'
import type { LayerTimes } from '../train/measure-layers.ts'
import type { Network, Precision } from '../train/network.ts'

/** How a run computes with this net in this precision, as measured on this machine; and what it measured of its
 *  convolutions. */
export function chosenHere(
  name: string,
  net: Network,
  { size, batchSize, precision }: { size: number; batchSize: number; precision: Precision },
): Computed['by'] & { layers: LayerTimes[] } {
  const shape = [3, size, size]
  const { layers, plans } = plansOf(name, net, { inputs: [{ shape }], batch: batchSize, asked: precision })
  return { ...computedBy(waysOf(name, net, shape, { plans }), precision, 'step').by, layers }
}
