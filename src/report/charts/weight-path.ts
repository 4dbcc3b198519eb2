import { percent } from '../../base/format.ts'
import { samples } from '../../base/samples.ts'
import type { WeightPoint } from '../../runs/index.ts'
import { axis } from './axes.ts'
import { type Chart, hues, ink, type Kit } from './plot.ts'

/** The validation loss on the way from the weights of the frozen phase to those of the whole net; undefined without one. */
export function weightPathChart({ Plot, draw }: Kit, path: readonly WeightPoint[]): Chart | undefined {
  const points = path.filter(p => Number.isFinite(p.share) && Number.isFinite(p.loss))
  if (points.length < 2) return undefined
  const kept = points.find(p => p.kept)
  const losses = points.map(p => p.loss)
  const [lowest, highest] = [Math.min(...losses), Math.max(...losses)]
  const pad = Math.max(0.01 * highest, 0.2 * (highest - lowest))
  const share = (v: number) => percent(v, 0)
  const steps = points.map(p => `${share(p.share)} ${p.loss.toFixed(3)}`).join(', ')
  return draw({
    name: 'weight-path',
    title: 'From the frozen phase to the whole net',
    alt: `Validation loss at shares of the way from the weights of the frozen phase to those of the whole net: ${steps}${kept ? `; kept: ${share(kept.share)}` : ''}.`,
    note: `Each point is a net whose weights lie between both. Losses are calibrated. The kept point was chosen on these validation ${samples.many}.`,
    keys: kept ? [{ label: `kept: ${share(kept.share)}`, color: ink.good, sign: 'ring' }] : [],
    marginLeft: 66,
    x: {
      ...axis,
      label: 'share of the way',
      domain: [-0.04, 1.04],
      ticks: points.map(p => p.share),
      tickFormat: share,
    },
    y: {
      ...axis,
      label: 'validation loss',
      domain: [lowest - pad, highest + pad],
      grid: true,
      ticks: 5,
    },
    marks: [
      Plot.line(points, { x: 'share', y: 'loss', stroke: hues[1]!, strokeWidth: 1.5 }),
      Plot.dot(points, { x: 'share', y: 'loss', r: 3.2, fill: hues[1]! }),
      kept && Plot.dot([kept], { x: 'share', y: 'loss', r: 7, stroke: ink.good, strokeWidth: 2 }),
    ],
  })
}
