import { amount } from '../../base/format.ts'
import type { Answer } from './engine.ts'
import { drawHeat, evidence } from './heat.ts'
import { type Answers, make, percent, type Setup } from './setup.ts'

/** A picture with its answer, or why there is none. */
export interface Shown {
  name: string
  /** The label of an example in the run's data. */
  labelled?: string | undefined
  answer?: Answer
  error?: string
}

/** How many names a list shows at first. */
const first = 8

/** The classes of an answer, the most probable first; targets stay in their order. */
export function ranked({ task }: Pick<Answers, 'task'>, scores: Float32Array): number[] {
  const all = Array.from(scores.keys())
  return task === 'regression' ? all : all.sort((a, b) => scores[b]! - scores[a]! || a - b)
}

/** The labels of an answer that reach their thresholds. */
export const decided = ({ thresholds }: Answers, scores: Float32Array, c: number): boolean =>
  scores[c]! >= (thresholds?.[c] ?? 0.5)

/** A number with its unit. */
export const numberOf = ({ units }: Answers, scores: Float32Array, c: number): string =>
  `${amount(scores[c]!)}${units?.[c] ? ` ${units[c]}` : ''}`

/** The answer in a few words. */
export function words(setup: Answers, { prediction }: Pick<Answer, 'prediction'>): string {
  const { classes, target } = setup
  if (prediction.task === 'regression')
    return classes.map((name, c) => `${name}: ${numberOf(setup, prediction.scores, c)}`).join(', ')
  if (prediction.task === 'multi') return prediction.labels.join(', ') || 'no label'
  return target === undefined ? prediction.label : `${target}: ${prediction.label}`
}

/** What is counted of an answer: its class, or each of its labels. */
export const counted = (setup: Setup, answer: Answer): readonly string[] =>
  answer.prediction.task === 'multi' && answer.prediction.labels.length > 0
    ? answer.prediction.labels
    : [words(setup, answer)]

/** The list of an answer: names, numbers and bars. choose: is called with a class of which more is to be shown, or with
 *  undefined for none; hint: what that is. */
export function scoreTable(
  setup: Answers,
  scores: Float32Array,
  choose?: (c: number | undefined) => void,
  hint = 'Heat map',
): HTMLElement {
  const body = make('tbody')
  const order = ranked(setup, scores)
  let pressed: HTMLButtonElement | undefined
  const press = (button: HTMLButtonElement | undefined, c: number | undefined) => {
    pressed?.setAttribute('aria-pressed', 'false')
    pressed = button
    button?.setAttribute('aria-pressed', 'true')
    choose!(c)
  }
  const named = (c: number) => {
    const name = setup.classes[c]!
    if (!choose) return make('bdi', name)
    const button = make('button', [make('bdi', name)], { type: 'button', className: 'name' })
    button.setAttribute('aria-pressed', 'false')
    button.title = hint
    button.addEventListener('click', () => (pressed === button ? press(undefined, undefined) : press(button, c)))
    return button
  }
  const add = (c: number) => body.append(scoreRow(setup, scores, c, named(c)))
  const few = order.length > first * 1.5 ? first : order.length
  for (const c of order.slice(0, few)) add(c)
  const table = make('table', [make('caption', 'Answer', { className: 'hidden' }), body])
  if (few === order.length) return table
  const more = make('button', `Show all ${order.length}`, { type: 'button', className: 'plain' })
  more.addEventListener('click', () => {
    for (const c of order.slice(few)) add(c)
    more.remove()
  })
  return make('div', [table, more])
}

function scoreRow(setup: Answers, scores: Float32Array, c: number, name: Node): HTMLElement {
  const row = make('tr', [make('th', [name], { scope: 'row' })])
  if (setup.task === 'regression') {
    row.append(make('td', numberOf(setup, scores, c), { className: 'value' }))
    return row
  }
  const isMulti = setup.task === 'multi'
  const yes = isMulti && decided(setup, scores, c)
  const bar = make('span', [make('i')], { className: 'bar' })
  ;(bar.firstChild as HTMLElement).style.width = `${100 * scores[c]!}%`
  const threshold = isMulti ? (setup.thresholds?.[c] ?? 0.5) : setup.decided?.of === c ? setup.decided.from : undefined
  if (threshold !== undefined) {
    const from = make('b')
    from.style.left = `${100 * threshold}%`
    bar.append(from)
  }
  bar.setAttribute('aria-hidden', 'true')
  row.append(make('td', [bar], { className: 'bars' }), make('td', percent(scores[c]!), { className: 'value' }))
  if (isMulti) {
    row.append(make('td', yes ? 'yes' : 'no', { title: `yes from ${percent(setup.thresholds?.[c] ?? 0.5)}` }))
    row.className = yes ? 'yes' : 'no'
  }
  return row
}

/** A picture with its answer as an item of the page's list. */
export function card(setup: Setup, shown: Shown): HTMLLIElement {
  const { name, labelled, answer, error } = shown
  const about = make('p', [make('bdi', name)], { className: 'file' })
  const body = make('div', [about])
  const item = make('li', [], { className: 'card' })
  if (!answer) {
    body.append(make('p', error!, { className: 'bad' }))
    item.className += ' alone'
    item.append(body)
    return item
  }
  const { prediction, width, height, thumbnail } = answer
  const { scores, heat } = prediction
  about.append(` · ${width} × ${height}`)
  const picture = make('canvas', [], { width: thumbnail!.width, height: thumbnail!.height })
  picture.getContext('2d')!.putImageData(thumbnail!, 0, 0)
  picture.setAttribute('role', 'img')
  picture.setAttribute('aria-label', name)
  const stack = make('div', [picture], { className: 'picture' })
  let choose: ((c: number | undefined) => void) | undefined
  const note = make('p', '', { className: 'soft' })
  note.setAttribute('aria-live', 'polite')
  if (heat && setup.heat) {
    const over = make('canvas', [], { width: picture.width, height: picture.height, hidden: true })
    over.setAttribute('aria-hidden', 'true')
    stack.append(over)
    const hint =
      setup.task === 'regression'
        ? 'Choose a name to see which places raise its value.'
        : 'Choose a name to see which places speak for it.'
    note.textContent = hint
    choose = c => {
      over.hidden = c === undefined
      stack.classList.toggle('heated', c !== undefined)
      const verb = setup.task === 'regression' ? 'raise' : 'speak for'
      note.textContent =
        c === undefined ? hint : `Coloured places ${verb} ${setup.classes[c]!}. The net sees the square.`
      if (c === undefined) return
      const { rows, columns } = setup.heat!
      const found = evidence(heat, c, { places: rows * columns, one: setup.task === 'single' })
      drawHeat(over, found, { rows, columns, seen: setup.seen })
    }
  }
  if (setup.task !== 'regression') {
    const title = make('h3', [make('bdi', words(setup, answer))])
    if (prediction.task === 'single') title.append(` ${percent(prediction.probability)}`)
    body.append(title)
  }
  body.append(scoreTable(setup, scores, choose))
  if (choose) body.append(note)
  if (labelled !== undefined) body.append(make('p', `Its label in the data: ${labelled}`, { className: 'soft' }))
  item.append(stack, body)
  return item
}
