import type { Ort } from '../../runtime/browser.ts'
import { card, counted, type Shown, words } from './answers.ts'
import { watchCamera } from './camera.ts'
import { type Engine, pictures } from './engine.ts'
import { type Given, watchInputs } from './inputs.ts'
import { at, percent, readSetup, type Setup } from './setup.ts'
import { say, startModel } from './start.ts'
import { Table } from './table.ts'
import { work } from './worker.ts'

/** The most pictures that are shown large; the table holds all. */
const mostCards = 24

/** Starts the page, or in a worker its part there. */
export function start(ort: Ort): void {
  if (typeof document === 'undefined') work(ort, pictures)
  else new Page(ort, readSetup()).run()
}

class Page {
  readonly #ort: Ort
  readonly #setup: Setup
  readonly #table: Table
  #queue: Given[] = []
  #busy = false
  /** How many pictures of the queue were answered, and how often each answer came. */
  #done = 0
  #failed = 0
  #counts = new Map<string, number>()

  constructor(ort: Ort, setup: Setup) {
    this.#ort = ort
    this.#setup = setup
    this.#table = new Table(setup)
  }

  run(): void {
    const engine = startModel(this.#ort, this.#setup, pictures)
    engine.catch(() => {}) // said where it is loaded
    const take = (given: Given[]) => {
      this.#queue.push(...given)
      void this.#work(engine)
    }
    watchInputs(take, why => say(why, true))
    watchCamera(this.#setup, engine, { take, say })
    at('stop-all').addEventListener('click', () => (this.#queue = []))
    at('clear').addEventListener('click', () => {
      this.#queue = []
      this.#table.clear()
      at('answers').replaceChildren()
      say('Cleared.')
      at('file').focus()
    })
  }

  async #work(engine: Promise<Engine>): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    this.#done = this.#failed = 0
    this.#counts.clear()
    try {
      const { answer } = await engine
      for (let given = this.#queue.shift(); given; given = this.#queue.shift()) {
        const waiting = this.#queue.length
        at('stop-all').hidden = waiting === 0
        if (this.#done % 10 === 0 || waiting === 0)
          say(waiting ? `${this.#done} done, ${waiting + 1} to go …` : 'Looking …')
        await this.#one(answer, given)
      }
    } catch {
      this.#queue = [] // the model did not start, which was said
    } finally {
      this.#busy = false
      at('stop-all').hidden = true
    }
  }

  async #one(answer: Engine['answer'], { name, file, labelled }: Given): Promise<void> {
    const shown: Shown = { name, labelled }
    try {
      shown.answer = await answer({ input: file, heat: this.#setup.heat !== undefined, thumbnail: true })
    } catch (error) {
      shown.error = plain((error as Error).message)
    }
    const list = at('answers')
    list.prepend(card(this.#setup, shown))
    while (list.children.length > mostCards) list.lastChild!.remove()
    this.#table.add(shown)
    this.#done++
    if (!shown.answer) this.#failed++
    else
      for (const text of counted(this.#setup, shown.answer)) this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1)
    if (this.#queue.length === 0) say(this.#summary(shown), shown.error !== undefined && this.#done === 1)
  }

  /** What came out: of one picture its answer, of several how many each. */
  #summary(last: Shown): string {
    const { task } = this.#setup
    if (this.#done === 1) {
      if (!last.answer) return `${last.name}: ${last.error}`
      const { prediction } = last.answer
      const sure = prediction.task === 'single' ? `, ${percent(prediction.probability)}` : ''
      return `${last.name}: ${words(this.#setup, last.answer)}${sure}`
    }
    const each = [...this.#counts].sort((a, b) => b[1] - a[1]).slice(0, 5)
    const list = task === 'regression' ? '' : each.map(([text, n]) => `${n} ${text}`).join(', ')
    const failed = this.#failed ? ` ${this.#failed} can not be used.` : ''
    return `${this.#done} pictures${list && `: ${list}`}${this.#counts.size > 5 && task !== 'regression' ? ', …' : ''}.${failed}`
  }
}

/** The reason alone, for a reader who has no program: the card shows the name of the file. */
const plain = (message: string): string =>
  `Not usable: ${message
    .replace(/^the picture can not be used: /, '')
    .replace(/ Convert it, or give its pixels: .*$/, ' Convert it, for example by an image editor.')
    .replace(/ \(limitPixels\)/, '')}`
