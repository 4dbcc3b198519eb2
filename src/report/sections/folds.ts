import { duration, plural } from '../../base/format.ts'
import { metricInfo, orderMetrics } from '../../runs/index.ts'
import type { Facts } from '../facts/facts.ts'
import { card, name, table } from '../page/components.ts'
import { type Html, html } from '../page/html.ts'
import { count, decimals, unbroken } from '../page/text.ts'

/** `net` for nets that differ by their seed, else `fold`. */
export const kindOf = (folds: Facts['folds']): 'fold' | 'net' => (folds[0]?.name.startsWith('net-') ? 'net' : 'fold')

/** The result of each fold, with mean and standard deviation; nothing for a run without folds. */
export function folds({ folds, spread, task, sample }: Facts): Html | undefined {
  if (folds.length === 0) return undefined
  const kind = kindOf(folds)
  const keys = orderMetrics(
    folds.flatMap(f => Object.keys(f.metrics)),
    task,
  )
  const metrics = keys.map(key => metricInfo(key, task))
  const over = (title: string, of: 'mean' | 'std') => ({
    best: of === 'mean',
    cells: [
      title,
      ...metrics.map(m => unbroken(m.say(spread[m.key]?.[of] ?? NaN))),
      decimals(spread.loss?.[of] ?? NaN),
      '',
      '',
    ],
  })
  const rows = folds.map(f => ({
    cells: [
      name(f.name),
      ...metrics.map(m => unbroken(m.say(f.metrics[m.key] ?? NaN))),
      decimals(f.loss),
      count(f.epochs),
      Number.isFinite(f.seconds) ? duration(f.seconds) : '–',
    ],
  }))
  const apart = Object.keys(spread).length > 0 // one net with the mean of all weights has none
  const [one, many] = kind === 'net' ? ['Net', 'Nets'] : ['Fold', 'Folds']
  const columns = [...metrics.map(m => m.title), 'Loss', 'Epochs', 'Time']
  return card(
    many,
    table(
      [{ title: one }, ...columns.map(title => ({ title, n: true }))],
      apart ? [...rows, over('mean', 'mean'), over('standard deviation', 'std')] : rows,
      120,
    ),
    html`<p class="note">Each of the ${plural(folds.length, 'net')} was validated on ${sample}s that it was not trained on. ${kind === 'net' && 'Each had another seed. '}The folder of each ${kind} holds its own <code>report.html</code>. The classifier of this run averages the nets.</p>`,
  )
}
