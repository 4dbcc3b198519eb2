import { samples } from '../../base/samples.ts'
import type { LabelScore, MultiInterpretation } from '../../runs/index.ts'
import type { Facts } from '../facts/facts.ts'
import type { Material } from '../facts/material.ts'
import { card, name, table } from '../page/components.ts'
import { type Html, html, raw } from '../page/html.ts'
import { bar, capital, count, decimals } from '../page/text.ts'

/** So many labels have their curve drawn, the worst first. */
export const mostLabels = 120
const unfolded = 24

type Multi = NonNullable<Facts['multi']>

/** Each label with its curve, the lowest average precision first; labels without one come last. */
export function worstFirst(
  multi: Multi | undefined,
): { label: LabelScore; curve: MultiInterpretation['curves'][number] | undefined }[] {
  const curves = new Map(multi?.curves.map(c => [c.name, c]))
  return (multi?.perClass ?? [])
    .map(label => ({ label, curve: curves.get(label.name) }))
    .sort((a, b) => (a.label.ap ?? 2) - (b.label.ap ?? 2))
}

/** The scores of all labels: averages, a table, and for each label its decisions and its curve. */
export function labels({ facts, charts }: Material): (Html | undefined | false)[] {
  const { multi } = facts
  if (!multi) return []
  const each = worstFirst(multi).map(({ label }, i) => multiple(label, charts.recall[i]?.inline))
  const rest = each.slice(unfolded, mostLabels)
  return [
    Object.keys(multi.averages).length > 0 && card(`All labels, validation ${samples.many}`, averageTable(multi)),
    multi.confused.length > 0 && card(`Most confused, validation ${samples.many}`, confusedTable(multi)),
    multi.perClass.length > 0 && card(`By label, validation ${samples.many}`, labelTable(facts, multi)),
    each.length > 0 &&
      html`<h3>Each label, the worst first</h3><p class="soft">Each table counts ${samples.many} that have the label and ${samples.many} that were given it. Each curve shows precision against recall; the dot is the threshold, the dashed line the precision of guessing.</p><div class="multiples">${each.slice(0, unfolded)}</div>${
        rest.length > 0 &&
        html`<details><summary>${count(rest.length)} more</summary><div class="multiples">${rest}</div></details>`
      }`,
  ]
}

/** Averages in the order in which they are shown. */
const words = (): Record<string, string> => ({
  samples: `mean over ${samples.many}`,
  micro: 'over all decisions',
  macro: 'mean over labels',
  weighted: `mean over labels, weighted by their ${samples.many}`,
})

function averageTable({ averages, threshold }: Multi): Html {
  const keys = [...new Set([...Object.keys(words()), ...Object.keys(averages)])]
  const shown = keys.flatMap(key => (averages[key] ? [{ key, ...averages[key] }] : []))
  return html`${table(
    [{ title: 'Average' }, ...['Precision', 'Recall', 'F1'].map(title => ({ title, n: true }))],
    shown.map(a => ({
      cells: [words()[a.key] ?? a.key, decimals(a.precision), decimals(a.recall), html`${bar(a.f1)}${decimals(a.f1)}`],
    })),
  )}<p class="note">Every label is decided by its own threshold.${Number.isFinite(threshold) && ` The best single threshold for all labels is ${decimals(threshold, 2)}.`} The thresholds were found on these same ${samples.many}, so these scores are slightly too good.</p>`
}

const confusedTable = ({ confused }: Multi) =>
  table(
    [{ title: 'Missed' }, { title: 'Given wrongly' }, { title: `${capital(samples.many)}`, n: true }],
    confused.slice(0, 200).map(p => ({ cells: [name(p.actual), name(p.predicted), count(p.count)] })),
    8,
  )

function labelTable({ counts }: Facts, multi: Multi): Html {
  const trained = new Map(counts.map(c => [c.name, c.train]))
  const columns = ['AP', 'Precision', 'Recall', 'F1', 'Threshold', `${capital(samples.many)}`, 'Trained on']
  return html`${table(
    [{ title: 'Label' }, ...columns.map(title => ({ title, n: true }))],
    worstFirst(multi).map(({ label: s }) => ({
      cells: [
        name(s.name),
        html`${bar(s.ap ?? NaN)}${decimals(s.ap ?? NaN)}`,
        decimals(s.precision),
        decimals(s.recall),
        decimals(s.f1),
        decimals(s.threshold, 2),
        count(s.support),
        count(trained.get(s.name) ?? NaN),
      ],
    })),
    20,
  )}<p class="note">The worst first. AP: average precision, which needs no threshold: ${samples.many} are sorted by falling probability, and the precision is averaged over the ${samples.many} that have the label. Precision: the share of the ${samples.many} given the label that have it. Recall: the share of the ${samples.many} with the label that were given it.</p>`
}

/** A label's decisions as a table of two rows, and its curve. */
function multiple(s: LabelScore, curve: string | undefined): Html {
  const cell = (n: number, of: number, right: boolean) =>
    html`<td class="${right ? 'right' : 'wrong'}" style="--share:${Math.round(100 * Math.sqrt(of > 0 ? Math.min(1, n / of) : 0))}%">${count(n)}</td>`
  const [there, absent] = [s.tp + s.fn, s.fp + s.tn]
  const head = (title: string) => html`<th scope="col">${title}</th>`
  return html`<figure class="card multiple"><figcaption>${name(s.name)} <span class="soft">${s.ap === null ? '' : `AP ${decimals(s.ap)}`}</span></figcaption>
<table class="counts" aria-label="${`decisions on ${s.name} in ${samples.count(there + absent)}`}"><thead><tr><td></td>${head('given')}${head('not given')}</tr></thead><tbody>
<tr><th scope="row">is there</th>${cell(s.tp, there, true)}${cell(s.fn, there, false)}</tr>
<tr><th scope="row">is not</th>${cell(s.fp, absent, false)}${cell(s.tn, absent, true)}</tr></tbody></table>
${curve !== undefined && raw(curve)}<p class="note">threshold ${decimals(s.threshold, 2)}</p></figure>`
}
