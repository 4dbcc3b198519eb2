import { amount } from '../../base/format.ts'
import { decided, type Shown, words } from './answers.ts'
import { at, make, percent, type Setup } from './setup.ts'

/** The table of all pictures, and its CSV file. It is shown from two pictures on. */
export class Table {
  readonly #setup: Setup
  #rows: Shown[] = []

  constructor(setup: Setup) {
    this.#setup = setup
    at('csv').addEventListener('click', () => save(`${setup.name}.csv`, csv(setup, this.#rows)))
    const head = make(
      'tr',
      headings(setup).map(title => make('th', title, { scope: 'col' })),
    )
    at('all').querySelector('thead')!.append(head)
  }

  add(shown: Shown): void {
    const { answer, error } = shown
    // The pixels of the copy and the heat map are of no use here.
    const kept = answer && { ...answer, prediction: { ...answer.prediction } }
    if (kept) {
      delete kept.thumbnail
      delete kept.prediction.heat
    }
    this.#rows.push({ ...shown, ...(kept && { answer: kept }) })
    const cells = answer ? cellsOf(this.#setup, shown) : [error!]
    const row = make('tr', [make('th', [make('bdi', shown.name)], { scope: 'row' })])
    for (const cell of cells) row.append(make('td', cell))
    if (!answer) Object.assign(row.lastElementChild!, { colSpan: headings(this.#setup).length - 1, className: 'bad' })
    at('all').querySelector('tbody')!.append(row)
    at('many').hidden = this.#rows.length < 2
  }

  clear(): void {
    this.#rows = []
    at('all').querySelector('tbody')!.replaceChildren()
    at('many').hidden = true
  }
}

const headings = ({ task, classes }: Setup): string[] =>
  task === 'single' ? ['File', 'Answer', 'Probability'] : task === 'multi' ? ['File', 'Labels'] : ['File', ...classes]

function cellsOf(setup: Setup, { answer }: Shown): string[] {
  const { prediction } = answer!
  if (prediction.task === 'single') return [prediction.label, percent(prediction.probability)]
  if (prediction.task === 'multi') return [words(setup, answer!)]
  return Array.from(prediction.scores, amount)
}

/** All pictures as CSV: file, the answer, the number of each class, and an error where there is no answer. */
export function csv(setup: Setup, rows: readonly Shown[]): string {
  const { task, classes } = setup
  const own = task === 'single' ? ['label', 'probability'] : task === 'multi' ? ['labels'] : []
  const lines: string[][] = [['file', ...own, ...classes, 'error']]
  for (const { name, answer, error = '' } of rows) {
    if (!answer) {
      lines.push([name, ...own.map(() => ''), ...classes.map(() => ''), error])
      continue
    }
    const { prediction } = answer
    const numbers = Array.from(prediction.scores, value => String(Number(value.toPrecision(7))))
    const given =
      prediction.task === 'single'
        ? [prediction.label, numbers[classes.indexOf(prediction.label)]!]
        : prediction.task === 'multi'
          ? [classes.filter((_, c) => decided(setup, prediction.scores, c)).join('; ')]
          : []
    lines.push([name, ...given, ...numbers, ''])
  }
  return `${lines.map(cells => cells.map(quoted).join(',')).join('\r\n')}\r\n`
}

/** A cell. A name that a spreadsheet would compute as a formula begins with an apostrophe. */
function quoted(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text
  return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** Saves a text as a file; the mark at its start tells Excel that it is UTF-8. */
function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob(['\ufeff', text], { type: 'text/csv' }))
  make('a', '', { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
