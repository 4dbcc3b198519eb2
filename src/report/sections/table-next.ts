import { plural, quoted } from '../../base/format.ts'
import { metricInfo, type RunRecord } from '../../runs/index.ts'
import type { Facts } from '../facts/facts.ts'
import { name } from '../page/components.ts'
import { Html, html } from '../page/html.ts'

const names: Record<string, string> = {
  both: 'A net and trees, averaged,',
  realmlp: 'A net (RealMLP)',
  mlp: 'A net (MLP)',
  tabm: 'A net (TabM)',
  trees: 'Trees (LightGBM)',
}

/** The result of a run on a table in one sentence, beside the best of the simpler models. */
export function tableSummary(
  { test, valid, task, leading, classes, table }: Facts,
  { who, on }: { who: string; on: string },
): string {
  const score = test ?? valid
  if (!score) return ''
  const say = (key: string) => metricInfo(key).say(score.metrics[key] ?? Number.NaN)
  const more =
    task === 'regression'
      ? `; its R² is ${say('r2')}`
      : leading.key === 'accuracy'
        ? ` among ${classes.length} classes`
        : `; it classifies ${say('accuracy')} of them correctly`
  const best = table?.baselines
    .filter(b => !b.own && Number.isFinite(b.metrics[leading.key]))
    .sort((a, b) => (b.metrics[leading.key]! - a.metrics[leading.key]!) * (leading.better === 'lower' ? -1 : 1))[0]
  const beside = best
    ? ` The best simpler model, ${best.text}, reaches ${leading.say(best.metrics[leading.key]!)} on the validation rows.`
    : ''
  return `${names[who] ?? who} reaches ${leading.name} ${leading.say(score.value)} on ${on}${more}.${beside}`
}

/** What to do with the result, the most useful first. */
export function tableNext(record: RunRecord, { ending, valid, table }: Facts): Html | undefined {
  const usable = ending.state === 'done'
  const run = quoted(record.dir)
  const worst = table?.slices[0]
  const none = table?.importance.filter(i => i.mean <= i.std).length ?? 0
  const steps = [
    usable &&
      html`Score a table with the model:<pre><code>npx anneal predict ${run} TABLE --out scores.csv</code></pre>`,
    !usable && html`Resume the run where it stopped:<pre><code>npx anneal train --resume ${run}</code></pre>`,
    (table?.leaks.length ?? 0) > 0 &&
      html`Look at <a href="#data">${plural(table!.leaks.length, 'finding')} of the leak check</a>: a column that is not known when the model is used makes the result look far too good.`,
    worst &&
      html`Look at <a href="#uses">where it does worst</a>: rows with ${name(worst.column)} ${name(worst.where)} (${plural(worst.rows, 'row')}).`,
    none > 0 &&
      valid !== undefined &&
      html`${plural(none, 'column')} of ${table!.importance.length} ${none === 1 ? 'makes' : 'make'} no difference to the result: <a href="#uses">the model may do as well without ${none === 1 ? 'it' : 'them'}</a>.`,
  ].filter(s => s instanceof Html)
  return steps.length > 0
    ? html`<div class="card next"><h3>What to do next</h3><ol>${steps.map(s => html`<li>${s}</li>`)}</ol></div>`
    : undefined
}
