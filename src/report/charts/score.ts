import type { EpochEvent, MetricInfo } from '../../runs/index.ts'
import { axis, whole } from './axes.ts'
import { type Chart, hues, ink, type Kit, textWidth } from './plot.ts'
import { bestEpoch, stretches } from './series.ts'
import { phaseMarks } from './training.ts'

/** A metric of the validation pictures after each epoch; undefined where no epoch has it. */
export function scoreChart(kit: Kit, epochs: readonly EpochEvent[], metric: MetricInfo): Chart | undefined {
  const { Plot, draw } = kit
  const { key, title, name, unit, say } = metric
  const points = epochs
    .map(({ epoch, phase, metrics }) => ({ epoch, phase, value: metrics[key] ?? NaN }))
    .filter(p => Number.isFinite(p.value))
  if (points.length === 0) return undefined
  const chosen = bestEpoch(epochs)
  const best = points.find(p => p.epoch === chosen?.epoch)
  const phases = stretches(epochs.map(({ epoch, phase }) => ({ step: epoch, phase })))
  const [first, last] = [points[0]!.epoch, points.at(-1)!.epoch]
  const values = points.map(p => p.value)
  const [lowest, highest] = [Math.min(...values), Math.max(...values)]
  const pad = Math.max(unit !== 'amount' ? 0.03 : 0.03 * Math.abs(highest) || 1, 0.15 * (highest - lowest))
  const high = Math.min(metric.high, highest + pad)
  const low = Math.min(Math.max(metric.low, lowest - pad), highest - pad)
  const end = best !== undefined && best.epoch > (first + last) / 2
  return draw({
    name: key.toLowerCase(),
    title,
    alt: `Validation ${name} by epoch, from ${say(values[0]!)} to ${say(values.at(-1)!)}${best ? `; best epoch ${best.epoch} with ${say(best.value)}` : ''}.`,
    ...(lowest < low ? { note: `Cut off below: the lowest is ${say(lowest)}.` } : {}),
    keys: [
      { label: 'validation', color: hues[1]!, sign: 'dot' },
      ...(best ? [{ label: 'best epoch', color: ink.good, sign: 'ring' as const }] : []),
    ],
    marginTop: 30,
    marginLeft: 34 + textWidth(tick(metric, (low + high) / 2, high - low)),
    x: {
      ...axis,
      label: 'epoch',
      domain: [first - 0.5, last + 0.5],
      ticks: Math.min(8, last - first + 1),
      tickFormat: whole,
    },
    y: {
      ...axis,
      label: name,
      domain: [low, high],
      grid: true,
      ticks: 5,
      tickFormat: (v: number) => tick(metric, v, high - low),
    },
    marks: [
      ...phaseMarks(kit, phases, 348, 0.5),
      Plot.line(points, { x: 'epoch', y: 'value', stroke: hues[1]!, strokeWidth: 1.5, clip: true }),
      Plot.dot(
        points.filter(p => p.value >= low),
        { x: 'epoch', y: 'value', r: 3.2, fill: hues[1]!, stroke: ink.paper, strokeWidth: 0.7 },
      ),
      best && Plot.dot([best], { x: 'epoch', y: 'value', r: 7, stroke: ink.good, strokeWidth: 2 }),
      best &&
        Plot.text([best], {
          x: 'epoch',
          y: 'value',
          text: () => say(best.value),
          dy: best.value > high - 0.1 * (high - low) ? 16 : -15,
          textAnchor: first === last ? 'middle' : end ? 'end' : 'start',
          fontWeight: 600,
          fill: ink.good,
          stroke: ink.paper,
          strokeWidth: 4,
        }),
    ],
  })
}

/** A value on the axis, as short as the axis lets it be. */
function tick({ unit }: MetricInfo, value: number, span: number): string {
  if (unit === 'share') return `${+(100 * value).toFixed(1)} %`
  return unit === 'score' ? String(+value.toFixed(span < 0.05 ? 3 : 2)) : String(+value.toPrecision(4))
}
