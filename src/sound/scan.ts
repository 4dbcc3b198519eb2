import { percent, plural } from '../base/format.ts'
import type { Choice, Item as Labelled, Problem, Task } from '../data/types.ts'
import type { Heard } from '../runtime/sound/mono.ts'
import type { Item } from './types.ts'

/** Nothing louder than this (-80 dB of full scale) is silence; a tenth of all samples at full scale is clipped; shorter than
 *  two frames of a spectrum is too short to hear anything in. */
const [silence, clipping, shortest] = [1e-4, 0.1, 0.05]

/** What is wrong with a recording that can be used all the same. */
export function faultsOf({
  peak,
  clipped,
  frames,
  rate,
  missing,
  notes = [],
}: Heard): Pick<Problem, 'kind' | 'reason'>[] {
  const seconds = frames / rate
  return [
    ...(peak < silence
      ? [
          {
            kind: 'silent' as const,
            reason:
              peak === 0 ? 'all its samples are 0' : `nothing in it is louder than ${decibels(peak)} of full scale`,
          },
        ]
      : []),
    ...(clipped > clipping
      ? [
          {
            kind: 'clipped' as const,
            reason: `${percent(clipped)} of its samples are at full scale: it was recorded too loudly`,
          },
        ]
      : []),
    ...(seconds < shortest ? [{ kind: 'short' as const, reason: `it lasts ${seconds.toFixed(3)} s` }] : []),
    ...(missing > 0
      ? [{ kind: 'missing-values' as const, reason: `${plural(missing, 'sample')} (NaN or infinite) became 0` }]
      : []),
    ...notes.map(reason => ({ kind: 'partly-read' as const, reason })),
  ]
}

const decibels = (value: number) => `${(20 * Math.log10(value)).toFixed(0)} dB`

/** Says which rates the recordings have, if there are several, and warns if the rate tells the class: a model may then
 *  know the device instead of the sound. */
export function unevenRates(
  items: readonly Item[],
  { classes, task, heard }: { classes: readonly string[]; task: Task; heard(number: number): Heard },
): Choice[] {
  const counts = new Map<number, number>()
  for (const { sound } of items) counts.set(heard(sound).rate, (counts.get(heard(sound).rate) ?? 0) + 1)
  if (counts.size < 2) return []
  const list = [...counts].sort((a, b) => b[1] - a[1]).map(([rate, count]) => `${rate} Hz (${count})`)
  const told = task === 'single' ? toldByRate(items, { classes, heard }) : undefined
  return [
    {
      what: 'mixed rates',
      value: list.slice(0, 6).join(', '),
      reason: told
        ? `the rate tells the class: ${told}. A model can then know the device instead of the sound; record all classes alike, or convert all to the lowest rate`
        : 'all are brought to the same rate; sounds above half of the lowest rate are missing in some',
    },
  ]
}

/** The classes that one rate nearly always belongs to: of each class nine of ten have one rate, and it is not the same for
 *  all. */
function toldByRate(
  items: readonly (Item & Labelled)[],
  { classes, heard }: { classes: readonly string[]; heard(number: number): Heard },
): string | undefined {
  const rates = classes.map(() => new Map<number, number>())
  for (const { labels, sound } of items) {
    const rate = heard(sound).rate
    rates[labels[0]!]!.set(rate, (rates[labels[0]!]!.get(rate) ?? 0) + 1)
  }
  const main = rates.map(counts => {
    const total = [...counts.values()].reduce((a, b) => a + b, 0)
    return [...counts].find(([, count]) => count >= 0.9 * total)?.[0]
  })
  if (main.some(rate => rate === undefined) || new Set(main).size < 2) return undefined
  return classes
    .slice(0, 6)
    .map((name, c) => `${name} has ${main[c]} Hz`)
    .join(', ')
}
