import { withoutEach } from '../../runtime/text/occlusion.ts'
import { changeOf, type FormAnswer } from './form.ts'
import { type Answers, make } from './setup.ts'
import type { TextEngine } from './text-engine.ts'

/** A text of more letters takes too long: it is read once for each of its words. */
export const longest = 2000
/** Texts that are asked together, and how many words are named. */
const [together, named] = [8, 5]
/** A word is marked from this share of the word that counts most on. */
const least = 1 / 8

/** Shows which words of a text count for a class: each is left out once (Zeiler & Fergus 2014, arXiv:1311.2901), and is marked
 *  by how much the answer changes. The texts are asked when a class is first chosen. */
export class WordsThatCount {
  readonly #setup: Answers
  readonly #text: string
  readonly #answer: FormAnswer
  readonly #engine: TextEngine
  /** The text with its marks, and what they mean, for the page. */
  readonly element: HTMLElement
  readonly #quote = make('blockquote', [], { hidden: true })
  readonly #note = make('p', '', { className: 'soft' })
  #found: Promise<{ parts: readonly string[]; scores: readonly Float32Array[] }> | undefined
  #chosen: number | undefined

  constructor(setup: Answers, { text, answer, engine }: { text: string; answer: FormAnswer; engine: TextEngine }) {
    this.#setup = setup
    this.#text = text.trim()
    this.#answer = answer
    this.#engine = engine
    this.#note.setAttribute('aria-live', 'polite')
    this.element = make('div', [this.#quote, this.#note])
    this.#rest()
  }

  /** Marks the words for a class; for none, as it was. */
  async choose(c: number | undefined): Promise<void> {
    this.#chosen = c
    if (c === undefined) return this.#rest()
    try {
      this.#found ??= this.#look()
      const found = await this.#found
      if (this.#chosen === c) this.#show(c, found)
    } catch (error) {
      this.#found = undefined
      this.#note.textContent = (error as Error).message
    }
  }

  #rest(): void {
    this.#quote.hidden = true
    this.#note.textContent = `Choose a name to see which words ${this.#setup.task === 'regression' ? 'raise its value' : 'speak for it'}.`
  }

  /** The scores of the text without each of its parts. */
  async #look() {
    const { parts, texts } = withoutEach(this.#text)
    const scores: Float32Array[] = []
    // A text of one word has nothing left without it.
    if (parts.length > 1)
      for (let from = 0; from < texts.length; from += together) {
        this.#note.textContent = `Reading the text without each of its words: ${from} of ${texts.length} …`
        const answers = await this.#engine.answer({ texts: texts.slice(from, from + together) })
        scores.push(...answers.map(answer => answer.scores))
      }
    return { parts, scores }
  }

  #show(c: number, { parts, scores }: { parts: readonly string[]; scores: readonly Float32Array[] }): void {
    if (scores.length === 0) {
      this.#note.textContent = 'The text has one word alone, so nothing can be left out.'
      return
    }
    const whole = this.#answer.prediction.scores[c]!
    const weights = scores.map(own => whole - own[c]!)
    const most = Math.max(...weights.map(Math.abs), Number.MIN_VALUE)
    const marked = parts.map((part, i) => {
      const much = Math.abs(weights[i]!) / most
      if (much < least) return part
      const mark = make('mark', part, {
        className: weights[i]! > 0 ? 'for' : 'against',
        title: this.#change(weights[i]!),
      })
      mark.style.setProperty('--much', String(much))
      return mark
    })
    this.#quote.replaceChildren(make('bdi', marked))
    this.#quote.hidden = false
    this.#note.replaceChildren(...this.#said(c, parts, weights))
  }

  /** In words, since a screen reader reads no colours. */
  #said(c: number, parts: readonly string[], weights: readonly number[]): (Node | string)[] {
    const of = make('bdi', this.#setup.classes[c]!)
    const { task } = this.#setup
    const order = [...weights.keys()]
      .sort((a, b) => Math.abs(weights[b]!) - Math.abs(weights[a]!))
      .filter(i => (task === 'regression' ? weights[i] !== 0 : Math.abs(weights[i]!) >= 0.0005))
      .slice(0, named)
    if (order.length === 0) return ['No single word decides: without any of them the answer stays.']
    const list = order.flatMap((i, n) => [
      n === 0 ? '' : ', ',
      make('bdi', `“${plain(parts[i]!)}”`),
      ` ${this.#change(weights[i]!)}`,
    ])
    return [
      task === 'regression' ? 'What each word adds to ' : 'What each word adds to the probability of ',
      of,
      ': ',
      ...list,
      '. Words that lower it are underlined.',
    ]
  }

  #change(by: number): string {
    return changeOf(this.#setup, by)
  }
}

/** A part of a text without the blanks and signs at its end. */
const plain = (part: string): string => part.replace(/[\s\p{P}]+$/u, '') || part.trim()
