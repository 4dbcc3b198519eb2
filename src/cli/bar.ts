import { duration, rate } from '../base/format.ts'
import { plain } from './style.ts'

/** Progress of work: `done` of `total` steps, pictures or bytes (no `total`: unknown). */
export type Progress = {
  label: string
  done: number
  total?: number | undefined
  loss?: number | undefined
  lr?: number | undefined
  secondsLeft?: number | undefined
}

/** One line of at most `width` characters: label, bar, percent, loss, rate, time left. In a narrow terminal the bar
 *  shrinks to 8 characters; then rate, time, bar and loss are left out in this order; last the label is cut. */
export function barLine(progress: Progress, { width = 80, paint = plain, unicode = true } = {}): string {
  const { label, done, total, loss, lr, secondsLeft } = progress
  const share = total ? Math.min(1, Math.max(0, done / total)) : undefined
  const parts = {
    label,
    amount: share === undefined ? `${done}` : `${Math.floor(100 * share)} %`.padStart(5),
    loss: loss === undefined ? '' : `loss ${loss.toFixed(4)}`,
    lr: lr === undefined ? '' : `lr ${rate(lr)}`,
    left: secondsLeft === undefined ? '' : `${duration(secondsLeft)} left`,
  }
  const text = () => Object.values(parts).filter(part => part !== '')
  const room = () => width - text().join('  ').length - 2
  for (const part of ['lr', 'left'] as const) if (room() < 8) parts[part] = ''
  if (room() < 0) parts.loss = ''
  const size = share === undefined || room() < 8 ? 0 : Math.min(40, room())
  const [first = '', ...rest] = text()
  if (size === 0) return [first, ...rest].join('  ').slice(0, Math.max(0, width))
  const filled = Math.round(size * share!)
  const [full, empty] = unicode ? ['━', '─'] : ['=', '-']
  const bar = paint('cyan', full.repeat(filled)) + paint('dim', empty.repeat(size - filled))
  return [first, bar, ...rest].join('  ')
}

/** The same for a log: `head, epoch 2: 45 of 120 (37 %), loss 0.4321, lr 1e-3, 42 s left`. */
export function progressLine({ label, done, total, loss, lr, secondsLeft }: Progress): string {
  const amount = total ? `${done} of ${total} (${Math.floor((100 * done) / total)} %)` : `${done}`
  const parts = [amount]
  if (loss !== undefined) parts.push(`loss ${loss.toFixed(4)}`)
  if (lr !== undefined) parts.push(`lr ${rate(lr)}`)
  if (secondsLeft !== undefined) parts.push(`${duration(secondsLeft)} left`)
  return `${label}: ${parts.join(', ')}`
}
