import { rate } from '../../base/format.ts'
import type { LrFindEvent } from '../../runs/index.ts'
import { axis, decades, decimal, tickRate } from './axes.ts'
import { type Chart, hues, ink, type Key, type Kit } from './plot.ts'

/** Loss against learning rate of one sweep (log x), with the chosen rate and the other suggestions; undefined where no
 *  loss is finite. `name` is that of the file. */
export function rateFinderChart(kit: Kit, event: LrFindEvent, name: string): Chart | undefined {
  const { Plot, draw } = kit
  const points = event.lrs.map((lr, i) => ({ lr, loss: event.losses[i] ?? NaN, smooth: event.smoothed[i] ?? NaN }))
  const drawn = points.filter(p => p.lr > 0 && Number.isFinite(p.smooth))
  if (drawn.length === 0) return undefined
  const smooths = drawn.map(p => p.smooth)
  const low = Math.min(...smooths)
  const start = smooths[0]!
  // A sweep ends where the loss explodes: the fall before that is what is looked at.
  const high = Math.min(Math.max(...smooths), start + Math.max(0.8 * (start - low), 0.15 * Math.abs(start), 1e-3))
  const pad = 0.08 * (high - low || 1)
  const heightAt = (lr: number) => {
    const after = drawn.findIndex(p => p.lr >= lr)
    if (after <= 0) return drawn.at(after)!.smooth
    const [a, b] = [drawn[after - 1]!, drawn[after]!]
    return a.smooth + ((b.smooth - a.smooth) * Math.log(lr / a.lr)) / Math.log(b.lr / a.lr)
  }
  const marked = (lr: number) => [{ lr, loss: Math.min(high, heightAt(lr)) }]
  const rules = { steep: 'steepest fall', valley: 'valley', minimum: 'minimum ÷ 10' } as Record<string, string>
  const others = Object.entries(event.suggestions).filter((s): s is [string, number] => Number(s[1]) > 0)
  const hasChosen = event.chosen > 0
  const keys: Key[] = [
    { label: 'smoothed', color: hues[0]!, sign: 'line' },
    { label: 'each batch', color: ink.soft, sign: 'dot' },
    ...(hasChosen ? [{ label: `chosen: ${rate(event.chosen)}`, color: hues[1]!, sign: 'dot' as const }] : []),
    ...others.map(([rule, lr], i): Key => {
      return { label: `${rules[rule] ?? rule}: ${rate(lr)}`, color: hues[2 + (i % 4)]!, sign: 'ring' }
    }),
  ]
  const x = { x: 'lr', y: 'loss' }
  return draw({
    name,
    title: `Learning rate finder${event.phase === 'find' ? '' : `, ${event.phase}`}`,
    alt:
      `Loss against learning rate. The smoothed loss goes from ${decimal(start)} down to ${decimal(low)}. ` +
      `${hasChosen ? `Chosen: ${rate(event.chosen)} (${event.how}).` : 'No rate was chosen.'}`,
    keys,
    x: {
      ...axis,
      type: 'log',
      label: 'learning rate',
      ticks: decades(drawn[0]!.lr, drawn.at(-1)!.lr),
      tickFormat: tickRate,
    },
    y: { ...axis, label: 'loss', domain: [low - pad, high + pad], grid: true, ticks: 5, tickFormat: decimal },
    marks: [
      hasChosen ? Plot.ruleX([event.chosen], { stroke: hues[1]!, strokeDasharray: '3 3' }) : null,
      Plot.dot(
        points.filter(p => p.lr > 0 && Number.isFinite(p.loss)),
        { ...x, r: 1.6, fill: ink.soft, fillOpacity: 0.6, clip: true },
      ),
      Plot.line(drawn, { x: 'lr', y: 'smooth', stroke: hues[0]!, strokeWidth: 2, clip: true }),
      ...others.map(([, lr], i) =>
        Plot.dot(marked(lr), { ...x, r: 6.5, stroke: hues[2 + (i % 4)]!, strokeWidth: 2, fill: ink.paper }),
      ),
      hasChosen ? Plot.dot(marked(event.chosen), { ...x, r: 4.5, fill: hues[1]!, stroke: ink.paper }) : null,
    ],
  })
}
