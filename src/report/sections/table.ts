import { duration, plural } from '../../base/format.ts'
import { option, typed } from '../../base/options.ts'
import { metricInfo, orderMetrics, type TableInterpretation } from '../../runs/index.ts'
import type { Facts } from '../facts/facts.ts'
import type { Material } from '../facts/material.ts'
import { card, figure, name, pair, section, table } from '../page/components.ts'
import { type Html, html } from '../page/html.ts'
import { count, unbroken } from '../page/text.ts'
import { folds } from './folds.ts'
import { numbers } from './regression.ts'
import { classes } from './results.ts'

/** The sections of a run on a table. */
export function tableSections(material: Material): (Html | undefined)[] {
  const { facts } = material
  const found = facts.table
  if (!found) return []
  return [compared(material, found), quality(material), uses(material, found), tableData(facts, found)]
}

/** The run's model beside simpler ones on the same rows. */
function compared({ facts, charts }: Material, { baselines }: TableInterpretation): Html | undefined {
  const { leading, task } = facts
  const others = orderMetrics(
    baselines.flatMap(b => Object.keys(b.metrics)),
    task,
  ).filter(key => key !== leading.key)
  const shown = [leading, ...others.slice(0, 4).map(key => metricInfo(key, task))]
  const rows = baselines.map(b => ({
    best: b.own === true,
    cells: [
      html`${name(b.name)} <span class="soft">${b.text}</span>`,
      ...shown.map(m => unbroken(m.say(b.metrics[m.key] ?? Number.NaN))),
      Number.isFinite(b.seconds) ? duration(b.seconds) : '–',
    ],
  }))
  return section(
    'comparison',
    'Beside simpler models',
    folds(facts),
    pair(figure(charts.baselines), figure(charts.byRows)),
    rows.length > 0 &&
      card(
        'On the same validation rows',
        table([{ title: 'Model' }, ...shown.map(m => ({ title: m.title, n: true })), { title: 'Time', n: true }], rows),
      ),
  )
}

/** Confusion or scatter, calibration, residuals. */
function quality(material: Material): Html | undefined {
  const { facts, charts } = material
  return section(
    'results',
    'Results',
    ...(facts.task === 'regression' ? regression(material) : [...classes(material), figure(charts.calibration)]),
  )
}

/** One target: both charts side by side; several: as for pictures, then the residuals of the first. */
function regression(material: Material): (Html | undefined | false)[] {
  const { scatter, residuals } = material.charts
  if (scatter.length !== 1) return [...numbers(material), figure(residuals)]
  return [pair(figure(scatter[0]), figure(residuals))]
}

/** What the model uses, how its answer changes with that, and where it does worst. */
function uses({ facts, charts }: Material, { slices, dependence }: TableInterpretation): Html | undefined {
  const { leading } = facts
  const drawn = charts.dependence ?? []
  const rows = Array.from({ length: Math.ceil(drawn.length / 2) }, (_, i) =>
    pair(...drawn.slice(2 * i, 2 * i + 2).map(c => figure(c))),
  )
  const one = dependence[0]?.curves.length === 1
  return section(
    'uses',
    'What the model uses',
    figure(charts.importance),
    drawn.length > 0 &&
      html`<h3>How the output changes with the most important columns</h3><p class="soft">Each column is set to one value in all rows, and the outputs are averaged${one && '; grey lines are single rows: where they cross, the column works together with others'}. This says what the model does, not what causes what.</p>`,
    ...rows,
    slices.length > 0 &&
      card(
        'Where it does worst',
        table(
          [
            { title: 'Rows' },
            { title: 'Count', n: true },
            { title: 'Mean loss', n: true },
            { title: leading.title, n: true },
          ],
          slices.map(s => ({
            cells: [
              html`${name(s.column)} ${name(s.where)}`,
              count(s.rows),
              s.loss.toFixed(3),
              unbroken(leading.say(s.value)),
            ],
          })),
        ),
        html`<p class="note">Parts of the validation rows by one column whose mean loss is above that of all rows by more than chance. The loss is ${facts.task === 'regression' ? 'the absolute error in standard deviations of the target' : 'the log loss'}.</p>`,
      ),
  )
}

/** What was found in the table: leaks, columns and their use, rows of each class. */
function tableData(facts: Facts, { leaks, columns }: TableInterpretation): Html | undefined {
  const dropped = columns.filter(c => !c.used)
  const drop = [...new Set(leaks.flatMap(l => l.columns))]
  return section(
    'data',
    'Data',
    card(
      leaks.length > 0 ? `Leak check: ${plural(leaks.length, 'finding')}` : 'Leak check',
      leaks.length > 0
        ? html`<ul>${leaks.map(l => html`<li>${l.message}. To change that: <code>${l.remedy}</code></li>`)}</ul>${
            drop.length > 0 &&
            html`<p class="note">If these columns are not known when the model is used, train without them:</p><pre><code>${typed('drop', drop.map(quotedName).join(','))}</code></pre>`
          }`
        : html`<p class="soft">No column tells the target nearly alone, and no row or group is on both sides of the split.</p>`,
    ),
    dropped.length > 0 &&
      card(
        `${plural(dropped.length, 'column')} left out`,
        table(
          [{ title: 'Column' }, { title: 'Kind' }, { title: 'Reason' }],
          dropped.map(c => ({ cells: [name(c.name), c.kind, c.reason] })),
        ),
      ),
    card(
      'Columns in use',
      table(
        [{ title: 'Column' }, { title: 'Used as' }, { title: 'Reason' }],
        columns.filter(c => c.used).map(c => ({ cells: [name(c.name), c.kind, c.reason] })),
        20,
      ),
      html`<p class="note">Another use: <code>${option('as')}</code>; see docs/tables.md.</p>`,
    ),
    facts.counts.length > 0 &&
      card(
        'Rows by class',
        table(
          [
            { title: 'Class' },
            { title: 'Training', n: true },
            { title: 'Validation', n: true },
            ...(facts.pictures.test > 0 ? [{ title: 'Test', n: true }] : []),
          ],
          facts.counts.map(row => ({
            cells: [
              name(row.name),
              count(row.train),
              count(row.valid),
              ...(facts.pictures.test > 0 ? [count(row.test ?? 0)] : []),
            ],
          })),
          20,
        ),
      ),
  )
}

/** A name in a typed list: in double quotes where it has a comma. */
const quotedName = (text: string) => (/[",\\]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
