import { duration, plural, rate } from '../../base/format.ts'
import type { BatchEvent, EpochEvent } from '../../runs/index.ts'
import { short } from '../page/html.ts'
import { axis, decades, decimal, tickRate, whole } from './axes.ts'
import { type Chart, hues, ink, type Key, type Kit, textWidth } from './plot.ts'
import { bestEpoch, type Stretch, stretches, thin } from './series.ts'

/** Marks where phases begin, with their names where these fit in a chart of so many px. */
export function phaseMarks({ Plot }: Kit, phases: readonly Stretch[], pixels: number, shift = 0) {
  const [first, last] = [phases[0]?.from ?? 0, phases.at(-1)?.to ?? 1]
  const room = ({ from, to }: Stretch) => (pixels * (to - from + 1)) / Math.max(1, last - first + 1)
  return [
    Plot.ruleX(phases.slice(1), {
      x: (p: Stretch) => p.from - 0.5,
      stroke: ink.soft,
      strokeDasharray: '2 3',
      strokeOpacity: 0.7,
    }),
    Plot.text(
      phases.filter(p => room(p) > textWidth(short(p.phase, 14)) + 8),
      {
        x: (p: Stretch) => p.from - shift,
        text: (p: Stretch) => short(p.phase, 14),
        frameAnchor: 'top',
        textAnchor: 'start',
        dx: 4,
        dy: -13,
        fill: ink.soft,
      },
    ),
  ]
}

const phaseWords = (phases: readonly Stretch[]) =>
  phases.map(({ phase, from, to }) => `${phase} in steps ${from} to ${to}`).join(', ')

/** The rate of every layer group at each step, as it ran; undefined without steps. `groups` names the groups, first
 *  layers first; a step with fewer rates has those of the last groups. */
export function scheduleChart(kit: Kit, batches: readonly BatchEvent[], groups: readonly string[]): Chart | undefined {
  const { Plot, draw } = kit
  const phases = stretches(batches)
  const count = batches.reduce((most, b) => Math.max(most, b.lrs.length), 0)
  if (count === 0) return undefined
  const lines = Array.from({ length: count }, (_, g) => {
    const name =
      groups.length === count ? groups[g]! : count === 1 ? 'rate' : g === count - 1 ? 'head' : `group ${g + 1}`
    const points = thin(
      batches,
      400,
      phases.map(p => p.to),
    ).map(b => {
      const lr = b.lrs[g - (count - b.lrs.length)] ?? 0
      return { step: b.step, lr: lr > 0 ? lr : NaN, phase: b.phase }
    })
    return { name, color: hues[g % hues.length]!, points }
  })
  const peaks = lines.map(l => Math.max(0, ...l.points.map(p => p.lr).filter(Number.isFinite)))
  const trained = peaks.filter(p => p > 0)
  if (trained.length === 0) return undefined
  const [high, low] = [Math.max(...trained), Math.min(...trained)]
  const log = high / low > 12
  return draw({
    name: 'schedule',
    title: 'Learning rates',
    alt: `Learning rate at each step. ${lines.map((l, g) => (peaks[g]! > 0 ? `${l.name} at most ${rate(peaks[g]!)}` : `${l.name} frozen`)).join(', ')}. Phases: ${phaseWords(phases)}.`,
    ...(log ? { note: 'Logarithmic scale, because the rates of the groups differ widely.' } : {}),
    keys: lines.map((l, g): Key => {
      const label = `${short(l.name, 24)}${peaks[g]! > 0 ? '' : ' (frozen)'}`
      return { label, color: l.color, sign: 'line' }
    }),
    marginTop: 30,
    marginLeft: 60,
    x: { ...axis, label: 'step', ...stepTicks(phases) },
    y: log
      ? {
          ...axis,
          type: 'log',
          label: 'learning rate',
          domain: [low / 10, high * 1.3],
          grid: true,
          ticks: decades(low / 10, high),
          tickFormat: tickRate,
        }
      : { ...axis, label: 'learning rate', domain: [0, high * 1.05], grid: true, ticks: 5, tickFormat: tickRate },
    marks: [
      ...phaseMarks(kit, phases, 350),
      ...lines.map(l =>
        batches.length === 1
          ? Plot.dot(l.points, { x: 'step', y: 'lr', fill: l.color })
          : Plot.line(l.points, { x: 'step', y: 'lr', z: 'phase', stroke: l.color, strokeWidth: 2, clip: true }),
      ),
    ],
  })
}

function stepTicks(phases: readonly Stretch[]) {
  const [from, to] = [phases[0]?.from ?? 0, phases.at(-1)?.to ?? 1]
  const domain = from === to ? [from - 1, to + 1] : [from, to]
  return { domain, ticks: Math.min(6, domain[1]! - domain[0]!), tickFormat: whole }
}

/** Training loss at each step, smoothed, and validation loss after each epoch; undefined where none is finite. */
export function lossChart(kit: Kit, batches: readonly BatchEvent[], epochs: readonly EpochEvent[]): Chart | undefined {
  const { Plot, draw } = kit
  const phases = stretches(batches.length > 0 ? batches : epochs)
  const train = thin(
    batches,
    500,
    phases.map(p => p.to),
  ).map(b => ({ ...b, loss: b.smooth }))
  const valid = epochs.map(e => ({ ...e, loss: e.validLoss }))
  const values = [...train, ...valid].map(p => p.loss).filter(Number.isFinite)
  if (values.length === 0) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  const typical = sorted[Math.floor(0.95 * (sorted.length - 1))]!
  const high = Math.min(sorted.at(-1)!, typical * 5 || 1)
  const low = Math.min(0, sorted[0]!)
  const lost = batches.filter(b => !Number.isFinite(b.loss)).length
  const best = bestEpoch(epochs)
  const last = epochs.at(-1)
  const notes = [
    lost > 0 && `${plural(lost, 'step')} had no finite loss: the line is broken there.`,
    high < sorted.at(-1)! && `The axis is cut off above; the highest loss is ${decimal(sorted.at(-1)!)}.`,
  ].filter(n => n !== false)
  return draw({
    name: 'losses',
    title: 'Losses',
    alt:
      `Training and validation loss by step. ${last ? `After epoch ${last.epoch}: training ${decimal(last.trainLoss)}, validation ${decimal(last.validLoss)}. ` : ''}` +
      `Phases: ${phaseWords(phases)}.`,
    ...(notes.length > 0 ? { note: notes.join(' ') } : {}),
    keys: [
      { label: 'training, smoothed', color: hues[0]!, sign: 'line' },
      ...(valid.length > 0 ? [{ label: 'validation', color: hues[1]!, sign: 'dot' as const }] : []),
      ...(best ? [{ label: 'best epoch', color: ink.good, sign: 'ring' as const }] : []),
    ],
    marginTop: 30,
    x: { ...axis, label: 'step', ...stepTicks(phases) },
    y: { ...axis, label: 'loss', domain: [low, (high || 1) * 1.05], grid: true, ticks: 5, tickFormat: decimal },
    marks: [
      ...phaseMarks(kit, phases, 358),
      Plot.line(train, { x: 'step', y: 'loss', z: 'phase', stroke: hues[0]!, strokeWidth: 1.5, clip: true }),
      Plot.line(valid, { x: 'step', y: 'loss', stroke: hues[1]!, strokeWidth: 1.5, clip: true }),
      best &&
        Plot.dot([{ ...best, loss: Math.min(high, best.validLoss) }], {
          x: 'step',
          y: 'loss',
          r: 7,
          stroke: ink.good,
          strokeWidth: 2,
        }),
      Plot.dot(
        valid.filter(p => p.loss <= high * 1.05),
        { x: 'step', y: 'loss', r: 3.2, fill: hues[1]!, stroke: ink.paper, strokeWidth: 0.7 },
      ),
    ],
  })
}

/** Seconds by phase as bars, in the order in which they began; undefined where none is known. */
export function timeChart(kit: Kit, spent: readonly { phase: string; seconds: number }[]): Chart | undefined {
  const { Plot, draw } = kit
  const rows = spent.filter(s => Number.isFinite(s.seconds) && s.seconds > 0)
  if (rows.length === 0) return undefined
  const top = Math.max(...rows.map(r => r.seconds))
  const names = rows.map(r => short(r.phase, 26))
  const marginLeft = 16 + Math.max(...names.map(textWidth))
  const place = (_: unknown, i: number) => i
  return draw({
    name: 'time',
    title: 'Time spent',
    alt: `Time by phase: ${rows.map(r => `${r.phase} ${duration(r.seconds)}`).join(', ')}.`,
    height: 30 + 26 * rows.length,
    marginTop: 6,
    marginLeft,
    marginRight: 60,
    marginBottom: 8,
    x: { axis: null, domain: [0, top] },
    y: {
      type: 'band',
      domain: rows.map((_, i) => i),
      tickFormat: (i: number) => names[i]!,
      tickSize: 0,
      label: null,
      padding: 0.3,
    },
    marks: [
      Plot.barX(rows, { x: 'seconds', y: place, fill: hues[0]!, rx: 2 }),
      Plot.text(rows, { x: 'seconds', y: place, text: r => duration(r.seconds), textAnchor: 'start', dx: 6 }),
    ],
  })
}
