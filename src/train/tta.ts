import { TrainingError } from '../base/errors.ts'
import { alone, type Ranks } from '../ranks/ranks.ts'
import { aten, autocast, type Layer, noGrad, scope, type Tensor } from '../torch/index.ts'
import type { Precision, Trainable } from './network.ts'
import type { Objective, Outputs } from './objective.ts'
import { inOrder, type Source } from './source.ts'
import { turn } from './stop.ts'

/** How samples go through the net, and the callbacks. */
export interface OutputOptions {
  /** The names and the activation of the outputs. */
  objective: Pick<Objective, 'names' | 'activate'>
  batchSize?: number
  precision?: Precision
  signal?: AbortSignal | undefined
  /** The processes that share the batches out. Default: this one computes all. */
  ranks?: Ranks | undefined
  onBatch?: (done: number, total: number) => void
}
/** The number of augmented views of a sample, and the share of the plain view. */
export interface TtaOptions extends OutputOptions {
  views?: number
  /** The share of the plain view (fastai's beta), or `max`: the highest output of all views instead of a mean. */
  plain?: number | 'max'
}

/** Activated outputs over one epoch of a whole source, in eval mode: [N × classes]. */
export async function outputsOf(
  network: Trainable,
  source: Source,
  options: OutputOptions & { epoch?: number },
): Promise<Outputs> {
  return collect(network, source, (net, x) => net(x), options)
}

/** The cheap variant of `tta`: the mean of each picture and its mirror image, in one pass. [N × classes]. */
export async function mirrorTta(
  network: Trainable,
  source: Source,
  options: OutputOptions & { epoch?: number },
): Promise<Outputs> {
  return collect(
    network,
    source,
    (net, x) =>
      net(x)
        .add(net(aten.flip(x, [3])))
        .div(2),
    options,
  )
}

async function collect(
  network: Trainable,
  source: Source,
  forward: (net: Layer, x: Tensor) => Tensor,
  {
    objective,
    batchSize = 64,
    precision = 'float32',
    epoch = 0,
    signal,
    ranks = alone,
    onBatch,
  }: Parameters<typeof outputsOf>[2],
): Promise<Outputs> {
  const classes = objective.names.length
  let out: Outputs | undefined
  const activated: Layer = x => objective.activate(autocast(precision, () => network.net(x), network).to('float32'))
  network.net.eval()
  let done = 0
  let number = 0
  for (const samples of inOrder(source.count, batchSize)) {
    // The others' shares are asked for once, to know the type of the outputs.
    if (!ranks.takes(number++) && out) {
      done += samples.length
      continue
    }
    noGrad(() =>
      scope(() => {
        const some = forward(activated, source.batch(samples, epoch).x).data() as Outputs
        const size = source.count * classes
        out ??= some instanceof Float64Array ? new Float64Array(size) : new Float32Array(size)
        if (ranks.takes(number - 1)) out.set(some, done * classes)
      }),
    )
    done += samples.length
    onBatch?.(done, source.count)
    await turn(signal)
  }
  if (out) ranks.gather(out)
  return out ?? new Float32Array()
}

/** Test-time augmentation: the mean over `views` augmented views and the plain one, on activated outputs as fastai
 *  does: (1 − plain) · mean of views + plain · plain view, or the highest output of all views (then rows of
 *  probabilities no longer sum to 1). View v is epoch v of the augmented source, from 1, so the same seed gives the
 *  same bits. [N × classes]. */
export async function tta(
  network: Trainable,
  { plain, augmented }: { plain: Source; augmented: Source },
  { views = 4, plain: share = 0.25, onBatch, ...options }: TtaOptions,
): Promise<Outputs> {
  if (!Number.isInteger(views) || views < 1)
    throw new TrainingError(`tta: views must be a whole number from 1, got ${views}`)
  if (plain.count !== augmented.count)
    throw new TrainingError(
      `tta: the plain source has ${plain.count} samples and the augmented one ${augmented.count}; expected the same samples`,
    )
  const total = (views + 1) * plain.count
  const view = (source: Source, epoch: number, before: number) =>
    outputsOf(network, source, { ...options, epoch, onBatch: done => onBatch?.(before + done, total) })
  const mix = new ViewMean(share)
  mix.plain(await view(plain, 0, 0))
  for (let v = 1; v <= views; v++) mix.add(await view(augmented, v, v * plain.count))
  return mix.outputs()
}

/** Joins views of the same outputs by fastai's formula, one after another, with memory for only two of them. */
export class ViewMean {
  readonly #share: number | 'max'
  #plain: Outputs | undefined
  #views: Outputs | undefined
  #count = 0

  constructor(share: number | 'max' = 0.25) {
    if (share !== 'max' && !(share >= 0 && share <= 1))
      throw new TrainingError(`tta: the plain view's share must be a number from 0 to 1 or "max", got ${share}`)
    this.#share = share
  }
  plain(outputs: Outputs): void {
    this.#plain = outputs
  }
  add(outputs: Outputs): void {
    this.#count++
    const so = (this.#views ??= outputs.slice())
    if (so.length !== outputs.length)
      throw new TrainingError(`tta: a view has ${outputs.length} outputs, the earlier ones have ${so.length}`)
    if (this.#count === 1) return
    for (let i = 0; i < so.length; i++)
      so[i] = this.#share === 'max' ? Math.max(so[i]!, outputs[i]!) : so[i]! + (outputs[i]! - so[i]!) / this.#count
  }
  outputs(): Outputs {
    const [plain, views, share] = [this.#plain, this.#views, this.#share]
    if (!plain || !views) return (plain ?? views ?? new Float32Array()).slice()
    return views.map((v, i) => (share === 'max' ? Math.max(v, plain[i]!) : v + share * (plain[i]! - v)))
  }
}
