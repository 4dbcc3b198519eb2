import { percent } from '../../base/format.ts'
import { samples } from '../../base/samples.ts'
import type {
  CalibrationPart,
  LabelScore,
  MetricInfo,
  MultiInterpretation,
  RegressionInterpretation,
  SizeScore,
} from '../../runs/index.ts'
import { short } from '../page/html.ts'
import { decimals } from '../page/text.ts'
import { axis, decimal } from './axes.ts'
import { type Chart, hues, ink, type Kit } from './plot.ts'

const unit = { domain: [0, 1], ticks: [0, 0.5, 1], tickFormat: (v: number) => String(v) }

/** Precision against recall of one label, small, with the point of its threshold and what guessing would get; undefined
 *  where there are no points. `number` counts the charts;
 *  `sample`: what a sample is called. */
export function recallChart(
  { Plot, draw }: Kit,
  { name, points }: MultiInterpretation['curves'][number],
  label: LabelScore | undefined,
  number: number,
): Chart | undefined {
  const sound = points.filter(p => p.every(Number.isFinite)).sort((a, b) => a[0] - b[0] || b[1] - a[1])
  const known = label !== undefined && [label.recall, label.precision].every(Number.isFinite)
  const all = sound.findIndex(([recall]) => recall >= 1) // behind it only precision is lost
  const drawn = all < 0 ? sound : sound.slice(0, all + 1)
  if (drawn.length === 0) return undefined
  if (all >= 0 && known && label.recall >= 1) drawn.push([1, label.precision])
  const total = label ? label.tn + label.fp + label.fn + label.tp : 0
  const { ap } = label ?? {}
  return draw({
    name: `precision-recall-${number}`,
    title: short(name, 28),
    alt:
      `Precision against recall of ${name}${typeof ap === 'number' ? `, average precision ${decimals(ap)}` : ''}.` +
      (known
        ? ` At threshold ${decimals(label.threshold, 2)}: recall ${decimals(label.recall)}, precision ${decimals(label.precision)}.`
        : ''),
    width: 230,
    height: 160,
    marginTop: 8,
    marginLeft: 54,
    marginRight: 8,
    marginBottom: 38,
    x: { ...axis, ...unit, label: 'recall', labelOffset: 32 },
    y: { ...axis, ...unit, label: 'precision', labelOffset: 46, grid: true },
    marks: [
      total > 0 ? Plot.ruleY([(label!.tp + label!.fn) / total], { stroke: ink.soft, strokeDasharray: '2 3' }) : null,
      Plot.line(drawn, { x: '0', y: '1', stroke: hues[0]!, strokeWidth: 1.8, curve: 'step-before' }),
      known
        ? Plot.dot([label], { x: 'recall', y: 'precision', r: 4.5, fill: hues[1]!, stroke: ink.paper, strokeWidth: 1 })
        : null,
    ],
  })
}

/** The calibration: how often predictions are right, against their probability; undefined where there are no bins. */
export function reliabilityChart(
  { Plot, draw }: Kit,
  { before, after, temperature }: CalibrationPart,
): Chart | undefined {
  const curves = [
    { ...before, name: after ? 'as trained' : 'the model', color: hues[1]! },
    ...(after ? [{ ...after, name: `at temperature ${decimals(temperature ?? NaN, 2)}`, color: hues[0]! }] : []),
  ].map(curve => ({
    ...curve,
    bins: curve.bins.filter(b => Number.isFinite(b.confidence) && Number.isFinite(b.accuracy)),
  }))
  const there = curves.filter(curve => curve.bins.length > 0)
  if (there.length === 0) return undefined
  const size = ({ count }: { count: number }, bins: readonly { count: number }[]) =>
    2.5 + 5 * Math.sqrt(count / bins.reduce((sum, b) => sum + b.count, 0))
  const share = { ...axis, domain: [0, 1], ticks: 5, tickFormat: (v: number) => `${Math.round(100 * v)} %` }
  const said = (ece: number) => (Number.isFinite(ece) ? percent(ece) : '–')
  return draw({
    name: 'calibration',
    title: 'Calibration of the probabilities',
    alt: `Share of right predictions against their probability. ${there.map(c => `${c.name}: expected calibration error ${said(c.ece)}`).join('; ')}.`,
    note: `On the dashed line, predictions with probability ${percent(0.8, 0)} are right 8 times out of 10; below it, probabilities are too high. ECE is the mean distance from the line; a larger dot stands for more predictions.${after ? ' The temperature divides the outputs: it changes how sure the model is, not what it says first.' : ''}`,
    keys: there.map(c => ({ label: `${c.name}: ECE ${said(c.ece)}`, color: c.color, sign: 'dot' as const })),
    marginLeft: 60,
    x: { ...share, label: 'probability' },
    y: { ...share, label: 'came true', grid: true },
    marks: [
      Plot.line(
        [
          [0, 0],
          [1, 1],
        ],
        { stroke: ink.soft, strokeDasharray: '3 3' },
      ),
      ...there.flatMap(({ bins, color }) => [
        Plot.line(bins, { x: 'confidence', y: 'accuracy', stroke: color, strokeWidth: 1.5 }),
        Plot.dot(bins, {
          x: 'confidence',
          y: 'accuracy',
          r: (b: { count: number }) => size(b, bins),
          fill: color,
          stroke: ink.paper,
          strokeWidth: 0.7,
        }),
      ]),
    ],
    r: { type: 'identity' },
  })
}

const most = 1500 // points of a scatter

/** What is taken away from the numbers on an axis, so that those that are large and close together can be told apart. */
function baseOf(low: number, high: number): number {
  const span = high - low
  if (!(span > 0) || Math.max(Math.abs(low), Math.abs(high)) < 1e4 * span) return 0
  const unit = 10 ** Math.ceil(Math.log10(span))
  return Math.floor(low / unit) * unit
}

/** Predicted against actual values of one target; undefined where there is no pair. `number` counts the charts;
 *  `sample`: what a sample is called. */
export function scatterChart(
  { Plot, draw }: Kit,
  { name, points, r2 }: RegressionInterpretation['targets'][number],
  number: number,
  sample = samples.one,
): Chart | undefined {
  const pairs = points.filter(point => point.every(Number.isFinite))
  if (pairs.length === 0) return undefined
  const drawn = pairs.filter((_, i) => i % Math.ceil(pairs.length / most) === 0)
  const values = drawn.flat()
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
  const pad = 0.04 * (high - low) || 1
  const domain = [low - pad, high + pad]
  const base = baseOf(low, high)
  const tick = (v: number) => (Math.abs(v - base) < 1e6 ? String(+(v - base).toPrecision(4)) : decimal(v - base))
  const less = base === 0 ? '' : ` (less ${base.toLocaleString('en-US', { maximumFractionDigits: 20 })})`
  const scale = { ...axis, domain, ticks: 5, tickFormat: tick }
  return draw({
    name: `predicted-${number}`,
    title: `${short(name, 34)}: predicted against actual`,
    alt: `Predicted against actual values of ${name}, ${pairs.length} ${sample}s, R² ${decimals(r2)}.`,
    note: `On the line, predictions equal the actual values; R² ${decimals(r2)}.${drawn.length < pairs.length ? ` ${drawn.length} of ${pairs.length} ${sample}s are drawn.` : ''}`,
    height: 340,
    marginTop: 10,
    marginLeft: 64,
    x: { ...scale, label: `actual${less}` },
    y: { ...scale, label: `predicted${less}`, grid: true },
    marks: [
      Plot.line(
        domain.map(v => [v, v]),
        { stroke: ink.soft, strokeDasharray: '3 3' },
      ),
      Plot.dot(drawn, { x: '0', y: '1', r: drawn.length > 300 ? 2 : 3, fill: hues[0]!, fillOpacity: 0.5 }),
    ],
  })
}

/** The metric at each picture size; undefined for fewer than two sizes. */
export function sizeChart({ Plot, draw }: Kit, sizes: readonly SizeScore[], metric: MetricInfo): Chart | undefined {
  const points = sizes
    .map(s => ({ size: s.size, loss: s.loss, value: s.metrics?.[metric.key] ?? s.accuracy }))
    .filter(p => Number.isFinite(p.value) && Number.isFinite(p.size))
    .sort((a, b) => a.size - b.size)
  if (points.length < 2) return undefined
  const best = points.reduce((a, b) => (b.value > a.value ? b : a))
  const values = points.map(p => p.value)
  const pad = Math.max(0.01, 0.25 * (best.value - Math.min(...values)))
  return draw({
    name: 'sizes',
    title: `${metric.title} by ${samples.one} size`,
    alt: `Validation ${metric.name} by ${samples.one} size: ${points.map(p => `${p.size} px ${metric.say(p.value)}`).join(', ')}.`,
    note: `The best weights at each size, on validation ${samples.many} of that size.`,
    keys: [{ label: `best: ${best.size} px`, color: ink.good, sign: 'ring' }],
    marginLeft: 20,
    marginRight: 20,
    x: {
      ...axis,
      label: 'short side in px',
      ticks: points.map(p => p.size),
      tickFormat: (v: number) => String(v),
      insetLeft: 24,
      insetRight: 24,
    },
    y: { axis: null, domain: [Math.min(...values) - pad, best.value + 1.4 * pad] },
    marks: [
      Plot.line(points, { x: 'size', y: 'value', stroke: hues[1]!, strokeWidth: 1.5 }),
      Plot.dot(points, { x: 'size', y: 'value', r: 3.2, fill: hues[1]! }),
      Plot.dot([best], { x: 'size', y: 'value', r: 7, stroke: ink.good, strokeWidth: 2 }),
      Plot.text(points, {
        x: 'size',
        y: 'value',
        text: p => metric.say(p.value),
        dy: -16,
        fontSize: points.length > 6 ? 10.5 : 12.5,
        stroke: ink.paper,
        strokeWidth: 4,
        fill: ink.text,
      }),
    ],
  })
}
