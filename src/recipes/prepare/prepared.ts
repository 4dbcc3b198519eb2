import type { Item, Split } from '../../data/types.ts'
import type { Dataset, Domain, Inputs, PairsPlan } from '../../domain/index.ts'
import type { Tensor } from '../../torch/index.ts'
import type { Computed } from '../../train/measure-kernels.ts'
import type { Body, Network } from '../../train/network.ts'
import type { Objective } from '../../train/objective.ts'

/** What the five steps work with at one size: data, network, and how a sample becomes an input. */
export interface Prepared<B extends Body = Body, P = unknown> extends Computed, Inputs<P> {
  domain: Domain
  data: Dataset
  /** The sha256 of a sample's content. */
  hash(item: Item): string
  objective: Objective
  modelName: string
  net: Network<B>
  /** The augmentation as plain data; cached features depend on it. */
  augmentation: unknown
  /** Whether nothing is augmented. */
  plain: boolean
  device: string
  seed: number
  batchSize: number
  /** The weight of a mistake in each class, and how often each training sample is seen. Absent: all equal. */
  classWeights?: number[] | undefined
  sampleWeights?: number[] | undefined
  /** All sizes to train at, in order, and the size of these inputs. */
  sizes: readonly number[]
  size: number
  /** How to train the body by pairs of samples, where the domain does. */
  pairs?: PairsPlan | undefined
  /** A size to predict at, used if it validates no worse than the training size. */
  testSize?: number | undefined
  /** The same net, labels and split at another size. */
  at(size: number): Promise<Prepared<B, P>>
}

/** The net's tensors under their names in a resume state. */
export const netTensors = ({ net }: Pick<Prepared, 'net'>): Map<string, Tensor> =>
  new Map(Array.from(net.net.stateDict(), ([name, t]) => [`net.${name}`, t]))

/** How many samples a split has. */
export const countOf = ({ data }: Pick<Prepared, 'data'>, split: Split): number => data.of(split).length
