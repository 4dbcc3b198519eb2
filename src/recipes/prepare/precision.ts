import type { Narrator } from '../../domain/index.ts'
import { kernelsInUse } from '../../torch/index.ts'
import { type Computed, type Computing, computeBy, type Way, type Work, waysOf } from '../../train/measure-kernels.ts'
import type { Network, Precision } from '../../train/network.ts'
import type { RecipeOptions } from '../options.ts'

/** bfloat16 rounds more, so it must be this many times faster. */
const worthRounding = 1.15
/** Own kernels are used unless libtorch's are this many times faster, which is more than noise. */
const clearlyFaster = 1.1

/** Chooses the number type of products and the kernels (own or libtorch's): as the options ask, else the fastest as
 *  measured on this machine, once for training steps and once for the frozen body. Afterwards those of training steps
 *  are in use; code that runs the frozen body switches to the others itself. */
export async function choosePrecision({
  narrator,
  options,
  modelName,
  net,
  shape,
  device,
}: {
  narrator: Narrator
  options: Pick<RecipeOptions, 'precision' | 'epochs'>
  modelName: string
  net: Network
  /** The shape of one input. */
  shape: readonly number[]
  device: string
}): Promise<Computed> {
  const given = options.precision ?? 'auto'
  if (device !== 'cpu') {
    const precision = given === 'auto' ? 'bfloat16' : given
    narrator.choice('precision', precision, given === 'auto' ? 'on a GPU it is faster than float32' : 'as asked')
    return { precision, by: { step: { kernels: kernelsInUse() }, frozen: { kernels: kernelsInUse() } } }
  }
  const ways = await narrator.once('speeds', () => waysOf(modelName, net, shape))
  const chosen = fastest(ways, given, options.epochs === 0 ? 'frozen' : 'step')
  const { precision } = chosen
  const by = process.env.ANNEAL_KERNELS === 'aten' ? { step: libtorch, frozen: libtorch } : chosen.by
  computeBy(by.step)
  const measured = `measured, samples/s in training steps and through the frozen body: ${waysText(ways)}`
  const half = ways.some(w => w.precision === 'bfloat16')
  narrator.choice(
    'precision',
    `${precision}, ${kernelsText(ways, by)}`,
    given !== 'auto' ? `as asked; ${measured}` : half ? measured : `no instructions for bfloat16 here; ${measured}`,
  )
  return { precision, by }
}
const libtorch: Computing = { kernels: 'aten' }

/** Chooses precision and kernels from these measurements. `auto` takes bfloat16 if it is clearly faster in the work
 *  that counts. A net without layers for own kernels has no measurement of them. */
export function fastest(ways: readonly Way[], asked: Precision | 'auto', counts: Work): Computed {
  const best = (precision: Precision, work: Work): Way | undefined => {
    const all = ways.filter(w => w.precision === precision).sort((a, b) => b.rates[work] - a.rates[work])
    const [own, aten] = (['own', 'aten'] as const).map(kernels => all.find(w => w.kernels === kernels))
    return own && aten && aten.rates[work] > clearlyFaster * own.rates[work] ? aten : (own ?? aten)
  }
  const [wide, half] = (['float32', 'bfloat16'] as const).map(type => best(type, counts)?.rates[counts])
  const precision = asked !== 'auto' ? asked : half && wide && half > worthRounding * wide ? 'bfloat16' : 'float32'
  const hasOwn = ways.some(w => w.kernels === 'own')
  const by = (work: Work): Computing => {
    const { kernels, set } = (hasOwn && best(precision, work)) || { kernels: 'own' as const, set: undefined }
    return set === undefined ? { kernels } : { kernels, set }
  }
  return { precision, by: { step: by('step'), frozen: by('frozen') } }
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
