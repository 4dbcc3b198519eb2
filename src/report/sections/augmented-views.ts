import { plural } from '../../base/format.ts'
import { samples } from '../../base/samples.ts'
import { metricInfo, orderMetrics, type TtaPart } from '../../runs/index.ts'
import type { Facts } from '../facts/facts.ts'
import { card, table } from '../page/components.ts'
import { type Html, html } from '../page/html.ts'
import { unbroken } from '../page/text.ts'

/** A table of every metric with and without test-time augmentation; nothing where it was not used. */
export function augmentedViews({ tta, task }: Facts): Html | undefined {
  if (!tta) return undefined
  const rows = (title: string, { plain, augmented }: TtaPart) =>
    orderMetrics(Object.keys(augmented), task).map(key => {
      const { name, say, better } = metricInfo(key, task)
      const [value, than] = [augmented[key]!, plain[key] ?? Number.NaN]
      const by = difference(value - than, say)
      const kind = /^[+−]/.test(by) && better && ((better === 'higher') === value > than ? 'good' : 'bad')
      const cell = kind ? html`<span class="${kind}">${unbroken(by)}</span>` : unbroken(by)
      return { cells: [`${title} ${name}`, unbroken(say(than)), unbroken(say(value)), cell] }
    })
  const joined = tta.join === 'max' ? 'the highest output of' : 'the mean of'
  return card(
    'Test-time augmentation',
    table(
      [
        { title: 'Metric' },
        { title: 'Plain', n: true },
        { title: 'Augmented', n: true },
        { title: 'Difference', n: true },
      ],
      [...rows('validation', tta.valid), ...(tta.test ? rows('test', tta.test) : [])],
    ),
    html`<p class="note">Augmented: ${joined} the plain view and ${plural(tta.views, 'changed view')} of each ${samples.one}${task === 'multi' && ', at the same thresholds'}. <code>predict</code> uses the plain view alone.</p>`,
  )
}

/** A difference with its sign. */
function difference(by: number, say: (value: number) => string): string {
  if (!Number.isFinite(by)) return say(by)
  const size = say(Math.abs(by))
  return size === say(0) ? size : `${by > 0 ? '+' : '−'}${size}`
}
