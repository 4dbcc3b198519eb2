import { duration, plural } from '../../base/format.ts'
import type { MetricInfo, TableBaseline, TableDependence } from '../../runs/index.ts'
import type { Facts } from '../facts/facts.ts'
import type { Charts } from '../facts/material.ts'
import { short } from '../page/html.ts'
import { axis, decimal } from './axes.ts'
import { type Chart, hues, ink, type Key, type Kit, textWidth } from './plot.ts'

/** The charts that only a run on a table has. */
export function tableCharts(
  kit: Kit,
  { table, leading, task }: Facts,
): Pick<Charts, 'baselines' | 'importance' | 'dependence' | 'residuals' | 'byRows'> {
  if (!table) return {}
  return {
    baselines: baselineChart(kit, table.baselines, leading),
    importance: importanceChart(kit, table.importance, leading),
    dependence: table.dependence
      .map((one, i) => dependenceChart(kit, one, { number: i + 1, share: task === 'single' }))
      .filter(chart => chart !== undefined),
    residuals: table.residuals && residualChart(kit, table.residuals),
    byRows: byRowsChart(kit, table.byRows, leading),
  }
}

/** The leading metric of each model on the same rows, with its 95 % interval; undefined without a comparison. */
export function baselineChart(
  { Plot, draw }: Kit,
  all: readonly TableBaseline[],
  metric: MetricInfo,
): Chart | undefined {
  const rows = all.flatMap(({ name, metrics, intervals, own = false, seconds }) => {
    const value = metrics[metric.key]
    if (value === undefined || !Number.isFinite(value)) return []
    const [low, high] = intervals?.[metric.key] ?? [value, value]
    return [{ name: own ? `${name} (this run)` : name, value, low, high, own, seconds }]
  })
  if (rows.length < 2) return undefined
  const names = rows.map(r => short(r.name, 26))
  const marginLeft = 16 + Math.max(...names.map(textWidth))
  const place = (_: unknown, i: number) => i
  const [least, most] = [Math.min(...rows.map(r => r.low)), Math.max(...rows.map(r => r.high))]
  const pad = 0.08 * (most - least) || 0.1 * Math.abs(most) || 1
  return draw({
    name: 'baselines',
    title: `${metric.title} beside simpler models`,
    alt: `${metric.title} on the same validation rows: ${rows.map(r => `${r.name} ${metric.say(r.value)}`).join(', ')}.`,
    note: `On the same validation rows; ${metric.better === 'lower' ? 'lower' : 'higher'} is better. Lines are 95 % intervals by bootstrap.`,
    height: 40 + 30 * rows.length,
    marginTop: 6,
    marginLeft,
    marginRight: 64,
    x: {
      ...axis,
      label: metric.name,
      domain: [least - pad, most + pad],
      ticks: 4,
      tickFormat: (v: number) => metric.say(v, metric.unit === 'score' ? 2 : 0),
      grid: true,
    },
    y: {
      type: 'band',
      domain: rows.map((_, i) => i),
      tickFormat: (i: number) => names[i]!,
      tickSize: 0,
      label: null,
      padding: 0.3,
    },
    marks: [
      Plot.ruleY(rows, { x1: 'low', x2: 'high', y: place, stroke: r => (r.own ? ink.good : hues[0]!), strokeWidth: 2 }),
      Plot.dot(rows, { x: 'value', y: place, r: 5, fill: r => (r.own ? ink.good : hues[0]!), stroke: ink.paper }),
      Plot.text(rows, { x: 'high', y: place, text: r => metric.say(r.value), textAnchor: 'start', dx: 8 }),
    ],
  })
}

const mostBars = 20

/** What the leading metric loses when a column is shuffled, the most important columns first; undefined without any. */
export function importanceChart(
  { Plot, draw }: Kit,
  all: readonly { column: string; mean: number; std: number }[],
  metric: MetricInfo,
): Chart | undefined {
  const rows = all.slice(0, mostBars).map(r => ({ ...r, low: r.mean - r.std, high: r.mean + r.std }))
  if (rows.length === 0) return undefined
  const names = rows.map(r => short(r.column, 24))
  const marginLeft = 16 + Math.max(...names.map(textWidth))
  const place = (_: unknown, i: number) => i
  const said = (v: number) => (metric.unit === 'share' ? `${(100 * v).toFixed(1)}` : decimal(Number(v.toPrecision(3))))
  const [low, high] = [Math.min(0, ...rows.map(r => r.low)), Math.max(...rows.map(r => r.high), 1e-9)]
  const what = metric.better === 'lower' ? `rise of ${metric.name}` : `loss of ${metric.name}`
  return draw({
    name: 'importance',
    title: 'What the model uses',
    alt: `Permutation importance, ${what}: ${rows.map(r => `${r.column} ${said(r.mean)}`).join(', ')}.`,
    note: `The ${what}${metric.unit === 'share' ? ', in points,' : ''} when the values of one column are shuffled among validation rows: mean and standard deviation of 5 shuffles. Columns that tell the same share their importance.${all.length > mostBars ? ` The first ${mostBars} of ${plural(all.length, 'column')}.` : ''}`,
    height: 44 + 24 * rows.length,
    marginTop: 6,
    marginLeft,
    marginRight: 56,
    x: { ...axis, label: what, domain: [low, high * 1.05], ticks: 3, tickFormat: said, grid: true },
    y: {
      type: 'band',
      domain: rows.map((_, i) => i),
      tickFormat: (i: number) => names[i]!,
      tickSize: 0,
      label: null,
      padding: 0.3,
    },
    marks: [
      Plot.barX(rows, { x: 'mean', y: place, fill: hues[0]!, fillOpacity: 0.75, rx: 2 }),
      Plot.ruleY(rows, { x1: 'low', x2: 'high', y: place, stroke: ink.text, strokeWidth: 1.2 }),
      Plot.text(rows, {
        x: r => Math.max(r.high, r.mean),
        y: place,
        text: r => said(r.mean),
        textAnchor: 'start',
        dx: 5,
      }),
    ],
  })
}

/** The mean output as one column changes, with lines of single rows; undefined where the column has one value. */
export function dependenceChart(
  { Plot, draw }: Kit,
  { column, kind, places, curves, lines }: TableDependence,
  { number, share }: { number: number; share: boolean },
): Chart | undefined {
  if (places.length < 2 || curves.length === 0) return undefined
  const words = kind === 'category'
  const x = (i: number) => (words ? i : kind === 'date' ? new Date(1000 * Number(places[i])) : Number(places[i]))
  const points = curves.flatMap(({ of, values }) => values.map((y, i) => ({ of, x: x(i), y })))
  const single = lines.flatMap((values, line) => values.map((y, i) => ({ line, x: x(i), y })))
  const labels = places.map(place => short(String(place), 16))
  const turned = words && labels.some(label => textWidth(label) > 350 / places.length - 6)
  const below = turned ? 0.75 * Math.max(...labels.map(textWidth)) + 40 : 40
  const tick = share ? (v: number) => `${+(100 * v).toFixed(1)} %` : decimal
  const of = curves.length === 1 ? curves[0]!.of : undefined
  const keys: Key[] =
    of === undefined
      ? curves.map((c, i) => ({ label: short(c.of, 22), color: hues[i % hues.length]!, sign: 'line' }))
      : [
          { label: 'mean', color: hues[0]!, sign: 'line' },
          ...(lines.length > 0 ? [{ label: 'single rows', color: ink.soft, sign: 'line' as const }] : []),
        ]
  const color = (name: string) => hues[curves.findIndex(c => c.of === name) % hues.length]!
  return draw({
    name: `dependence-${number}`,
    title: short(column, 40),
    alt: `${of === undefined ? 'Mean outputs' : `Mean output for ${of}`} by ${column}: ${curves.map(c => `${c.of} from ${tick(c.values[0]!)} to ${tick(c.values.at(-1)!)}`).join(', ')}.`,
    keys,
    height: 220 + below,
    marginTop: 10,
    marginLeft: 58,
    marginBottom: below,
    x: words
      ? {
          type: 'point' as const,
          domain: places.map((_, i) => i),
          tickFormat: (i: number) => labels[i]!,
          tickRotate: turned ? -45 : 0,
          tickSize: 4,
          label: null,
        }
      : { ...axis, label: short(column, 40), ticks: 5, ...(kind === 'date' ? {} : { tickFormat: decimal }) },
    y: {
      ...axis,
      label: of === undefined ? 'probability' : share ? `probability of ${short(of, 20)}` : short(of, 26),
      ticks: 5,
      tickFormat: tick,
      grid: true,
    },
    marks: [
      Plot.line(single, { x: 'x', y: 'y', z: 'line', stroke: ink.soft, strokeOpacity: 0.25, strokeWidth: 1 }),
      Plot.line(points, { x: 'x', y: 'y', z: 'of', stroke: d => color(d.of), strokeWidth: 2.4 }),
      ...(words ? [Plot.dot(points, { x: 'x', y: 'y', r: 3.4, fill: d => color(d.of) })] : []),
    ],
  })
}

/** Residuals against predicted values of one target. */
export function residualChart(
  { Plot, draw }: Kit,
  { target, points }: { target: string; points: [number, number][] },
): Chart | undefined {
  const there = points.filter(p => p.every(Number.isFinite))
  if (there.length === 0) return undefined
  return draw({
    name: 'residuals',
    title: `${short(target, 34)}: what is left`,
    alt: `Residuals, actual less predicted values of ${target}, against predicted values, ${there.length} rows.`,
    note: 'Actual less predicted value. A slope or a curve is something that the model has missed; a funnel means errors that grow with the value.',
    height: 340,
    marginTop: 10,
    marginLeft: 64,
    x: { ...axis, label: 'predicted', ticks: 5, tickFormat: decimal },
    y: { ...axis, label: 'actual less predicted', ticks: 5, tickFormat: decimal, grid: true },
    marks: [
      Plot.ruleY([0], { stroke: ink.soft, strokeDasharray: '3 3' }),
      Plot.dot(there, { x: '0', y: '1', r: there.length > 300 ? 2 : 3, fill: hues[0]!, fillOpacity: 0.5 }),
    ],
  })
}

/** The leading metric of trees by the number of training rows. */
export function byRowsChart(
  { Plot, draw }: Kit,
  points: readonly { rows: number; value: number }[],
  metric: MetricInfo,
): Chart | undefined {
  const there = points.filter(p => Number.isFinite(p.value) && p.rows > 0)
  if (there.length < 3) return undefined
  const values = there.map(p => p.value)
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const pad = 0.2 * (high - low) || 0.01
  return draw({
    name: 'by-rows',
    title: 'With fewer training rows',
    alt: `${metric.title} of trees by the number of training rows: ${there.map(p => `${p.rows} rows ${metric.say(p.value)}`).join(', ')}.`,
    note: 'Trees on a random part of the training rows, on the same validation rows. Where the line is still steep at its end, more rows would help.',
    marginLeft: 58,
    x: {
      ...axis,
      type: 'log',
      label: 'training rows',
      ticks: there.map(p => p.rows),
      tickFormat: (v: number) => v.toLocaleString('en-US'),
    },
    y: {
      ...axis,
      label: metric.name,
      domain: [low - pad, high + pad],
      ticks: 4,
      tickFormat: (v: number) => metric.say(v, metric.unit === 'score' ? 2 : 0),
      grid: true,
    },
    marks: [
      Plot.line(there, { x: 'rows', y: 'value', stroke: hues[2]!, strokeWidth: 2 }),
      Plot.dot(there, { x: 'rows', y: 'value', r: 4, fill: hues[2]!, stroke: ink.paper }),
      Plot.text(there, {
        x: 'rows',
        y: 'value',
        text: p => metric.say(p.value),
        dy: -13,
        stroke: ink.paper,
        strokeWidth: 4,
        fill: ink.text,
      }),
    ],
  })
}

/** The time of a model in words. */
export const timeOf = (seconds: number) => (Number.isFinite(seconds) ? duration(seconds) : '–')
