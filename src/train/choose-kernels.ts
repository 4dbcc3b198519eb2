import type { Computed, Computing, Way, Work } from './measure-kernels.ts'
import type { Precision } from './network.ts'

/** bfloat16 rounds more, so it must be this many times faster. */
const worthRounding = 1.15
/** Own kernels are used unless libtorch's are this many times faster, which is more than noise. */
const clearlyFaster = 1.03

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
    const { kernels, set, plan }: Computing = (hasOwn && best(precision, work)) || { kernels: 'own' }
    return { kernels, ...(set !== undefined && { set }), ...(plan && { plan }) }
  }
  return { precision, by: { step: by('step'), frozen: by('frozen') } }
}

/** The same, with libtorch's kernels if `ANNEAL_KERNELS` says so. */
export function computedBy(ways: readonly Way[], asked: Precision | 'auto', counts: Work): Computed {
  const chosen = fastest(ways, asked, counts)
  return process.env.ANNEAL_KERNELS === 'aten' ? { ...chosen, by: { step: libtorch, frozen: libtorch } } : chosen
}
const libtorch: Computing = { kernels: 'aten' }
