import type { Narrator } from '../../domain/index.ts'
import { kernelsInUse, type Tensor } from '../../torch/index.ts'
import { computedBy } from '../../train/choose-kernels.ts'
import { type Computed, type Computing, computeBy, plansOf, type Way, waysOf } from '../../train/measure-kernels.ts'
import type { LayerTimes } from '../../train/measure-layers.ts'
import type { Network } from '../../train/network.ts'
import type { RecipeOptions } from '../options.ts'

/** Chooses the number type of products and the kernels (own or libtorch's): as the options ask, else the fastest as
 *  measured on this machine, once for training steps and once for the frozen body. Afterwards those of training steps
 *  are in use; code that runs the frozen body switches to the others itself. */
export async function choosePrecision({
  narrator,
  options,
  modelName,
  net,
  shape,
  noise,
  others = [],
  batch = 32,
  device,
}: {
  narrator: Narrator
  options: Pick<RecipeOptions, 'precision' | 'epochs'>
  modelName: string
  net: Network
  /** The shape of one input. */
  shape: readonly number[]
  /** Inputs like the real ones. */
  noise?: ((batch: number) => Tensor) | undefined
  /** Other shapes that the run trains on, for which convolutions are measured too. */
  others?: readonly (readonly number[])[]
  /** Samples of a batch. */
  batch?: number
  device: string
}): Promise<Computed> {
  const given = options.precision ?? 'auto'
  if (device !== 'cpu') {
    const usual =
      device === 'mps'
        ? (['float32', 'bfloat16 has not been measured on the GPU of a Mac'] as const)
        : (['bfloat16', 'on a GPU it is faster than float32'] as const)
    const [precision, why] = given === 'auto' ? usual : ([given, 'as asked'] as const)
    narrator.choice('precision', precision, why)
    return { precision, by: { step: { kernels: kernelsInUse() }, frozen: { kernels: kernelsInUse() } } }
  }
  // A resumed run takes the answers of the first one: other ways would give other bits.
  const { layers, plans } = await narrator.once('convolutions', () => {
    const inputs = [{ shape, noise }, ...others.map(other => ({ shape: other }))]
    return plansOf(modelName, net, { inputs, batch, asked: given })
  })
  const ways = await narrator.once('speeds', () => waysOf(modelName, net, shape, { noise, plans }))
  const { precision, by } = computedBy(ways, given, options.epochs === 0 ? 'frozen' : 'step')
  computeBy(by.step)
  const measured = `measured, samples/s in training steps and through the frozen body: ${waysText(ways)}`
  const half = ways.some(w => w.precision === 'bfloat16')
  narrator.choice(
    'precision',
    `${precision}, ${kernelsText(ways, by)}`,
    given !== 'auto' ? `as asked; ${measured}` : half ? measured : `no instructions for bfloat16 here; ${measured}`,
  )
  const said = layersText(layers, by)
  if (said)
    narrator.choice(
      'convolutions',
      said,
      `each measured in batches of ${batch}; ANNEAL_CONV=libtorch asks for libtorch's`,
    )
  return { precision, by }
}

const productNames = {
  forward: 'forward',
  input: 'gradient of the input',
  weights: 'gradient of the weights',
  inference: 'without gradients',
}
/** How many layers are computed in which way, for each product: `forward libtorch 20 and tiles 16`. */
function layersText(layers: readonly LayerTimes[], { step, frozen }: Computed['by']): string {
  const used = layers.filter(({ name }) => (step.plan ?? frozen.plan)?.[name] !== undefined)
  const count = (product: keyof typeof productNames) => {
    const ways = new Map<string, number>()
    for (const { taken, count } of used) ways.set(taken[product], (ways.get(taken[product]) ?? 0) + count)
    return [...ways]
      .sort(([, a], [, b]) => b - a)
      .map(([way, n]) => `${way} ${n}`)
      .join(' and ')
  }
  if (used.length === 0) return ''
  return Object.entries(productNames)
    .map(([product, text]) => `${text} ${count(product as keyof typeof productNames)}`)
    .join('; ')
}
const named = ({ kernels, set }: Computing) =>
  kernels === 'aten' ? "libtorch's kernels" : set ? `own kernels (${set})` : 'own kernels'
/** The kernels in words; named once if steps and the frozen body use the same. */
function kernelsText(ways: readonly Way[], { step, frozen }: Computed['by']): string {
  if (!ways.some(w => w.kernels === 'own')) return "libtorch's kernels"
  const [one, other] = [named(step), named(frozen)]
  return one === other ? one : `${one} in training steps, ${other} for the frozen body`
}

/** Every measured way with its rates, as `bfloat16 own 219 and 540`; with its kernel set if there are several. */
function waysText(ways: readonly Way[]): string {
  const of = ({ precision, kernels, set }: Way) => {
    if (kernels === 'aten') return `${precision} libtorch`
    const several = ways.filter(w => w.precision === precision && w.kernels === 'own').length > 1
    return `${precision} own${several ? ` (${set})` : ''}`
  }
  return ways.map(w => `${of(w)} ${w.rates.step.toFixed(0)} and ${w.rates.frozen.toFixed(0)}`).join(', ')
}
