import { amount } from '../../base/format.ts'
import type { Prediction } from '../../runtime/browser.ts'
import { scoreTable, words } from './answers.ts'
import { type Answers, at, make, percent } from './setup.ts'
import { say } from './start.ts'

/** What is answered to a form. */
export interface FormAnswer {
  prediction: Prediction
  /** Columns whose word training did not have. */
  unknown?: readonly string[]
}

/** How an answer is shown, beside its scores. */
export interface Showing {
  /** Elements before and after the scores. */
  before?: readonly Node[]
  after?(answer: FormAnswer): readonly Node[]
  /** More of a class, chosen by its name; hint: what that is. */
  choose?(answer: FormAnswer): { chosen(c: number | undefined): void; hint: string } | undefined
  failed?(error: Error): void
}

/** The answers of a page with a form: that of the last question is shown. */
export class AnswerPlace<Q> {
  readonly #setup: Answers
  readonly #answer: (question: Q) => Promise<FormAnswer>
  #asked = 0

  /** answer: by the model in the page, or by a server. Its errors are for the reader. */
  constructor(setup: Answers, answer: (question: Q) => Promise<FormAnswer>) {
    this.#setup = setup
    this.#answer = answer
  }

  /** Asks, and shows the answer, unless something else was asked meanwhile. */
  async ask(question: Q, { before = [], after, choose, failed }: Showing = {}): Promise<void> {
    const own = ++this.#asked
    const began = performance.now()
    say('Asking …')
    try {
      const answer = await this.#answer(question)
      if (own !== this.#asked) return
      const took = Math.round(performance.now() - began)
      const body = make('div', [...before, ...this.#scores(answer, choose?.(answer)), ...(after?.(answer) ?? [])])
      body.className = 'card'
      body.append(make('p', `${took} ms`, { className: 'soft' }))
      at('answer').replaceChildren(body)
      say(this.#summary(answer))
      at('answer').scrollIntoView({ block: 'nearest' }) // a long form may be above it
    } catch (error) {
      if (own !== this.#asked) return
      at('answer').replaceChildren()
      say((error as Error).message, true)
      failed?.(error as Error)
    }
  }

  /** Forgets the answer, and the question that waits. */
  clear(): void {
    this.#asked++
    at('answer').replaceChildren()
    say('')
  }

  #scores({ prediction }: FormAnswer, more: ReturnType<NonNullable<Showing['choose']>>): Node[] {
    const { task, classes } = this.#setup
    const alone = task === 'regression' && classes.length === 1
    const title = alone || task !== 'regression' ? [make('h2', [make('bdi', words(this.#setup, { prediction }))])] : []
    if (alone && !more) return title
    return [...title, scoreTable(this.#setup, prediction.scores, more?.chosen, more?.hint)]
  }

  #summary({ prediction }: FormAnswer): string {
    const text = words(this.#setup, { prediction })
    return prediction.task === 'single' ? `${text}, ${percent(prediction.probability)}` : text
  }
}

/** By how much an answer changes, in its unit: points of percent, or the number. */
export const changeOf = ({ task }: Answers, by: number): string => {
  const sign = by < 0 ? '−' : '+'
  return task === 'regression' ? sign + amount(Math.abs(by)) : `${sign}${(100 * Math.abs(by)).toFixed(1)} points`
}
