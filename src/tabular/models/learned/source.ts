import { purpose, rng } from '../../../base/random.ts'
import { aten, fromArray, generator, keep, type Tensor } from '../../../torch/index.ts'
import type { LabelledSource } from '../../../train/source.ts'
import type { TargetInfo } from '../../types.ts'

/** The share of codes that is replaced by that of an unknown word, so that it is trained too. */
const unknownShare = 0.01

/** Where a row holds what: float32 [width], with the codes of categories from `codes` on. */
export interface RowLayout {
  width: number
  /** The place of the first code of a category, and how many there are. */
  codes: number
  words: number
}

interface SourceOptions {
  target: Pick<TargetInfo, 'task' | 'classes'>
  layout: RowLayout
  seed: number
  /** Whether some codes are replaced by that of an unknown word. */
  trains: boolean
}

/** Encoded rows as batches: x [B, width], y as an objective takes it. */
export class TableSource implements LabelledSource {
  readonly count: number
  readonly targets
  readonly #x: Tensor
  readonly #y: Tensor
  readonly #options: SourceOptions

  /** data: [N × width]; values: class numbers [N], or values [N × targets]. */
  constructor(data: Float32Array, values: Float64Array, options: SourceOptions) {
    const { width } = options.layout
    const { task, classes } = options.target
    this.#options = options
    this.count = data.length / width
    this.#x = keep(fromArray(data, [this.count, width]))
    const single = task === 'single'
    this.#y = keep(
      single
        ? fromArray(BigInt64Array.from(values, BigInt), [this.count])
        : fromArray(values, [this.count, classes.length]),
    )
    this.targets = single ? Int32Array.from(values) : values
  }

  batch(samples: Uint32Array, epoch: number) {
    const index = fromArray(Int32Array.from(samples), [samples.length])
    const x = this.#x.indexSelect(0, index)
    const { layout, seed, trains } = this.#options
    if (trains && layout.words > 0) {
      const random = rng(seed, epoch, samples[0] ?? 0, purpose.augment).integer(2 ** 48)
      const codes = x.narrow(1, layout.codes, layout.words)
      const chosen = aten.bernoulli_(aten.empty(codes.shape), { p: unknownShare, generator: generator(random) })
      aten.masked_fill_(codes, chosen.to('bool'), 1)
    }
    return { x, y: this.#y.indexSelect(0, index) }
  }

  dispose(): void {
    this.#x.dispose()
    this.#y.dispose()
  }
}
