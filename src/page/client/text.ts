import type { Ort } from '../../runtime/browser.ts'
import { AnswerPlace, type FormAnswer, type Showing } from './form.ts'
import { make, readSetup, type TextSetup } from './setup.ts'
import { startModel } from './start.ts'
import { type TextEngine, texts } from './text-engine.ts'
import { watchText } from './text-form.ts'
import { longest, WordsThatCount } from './words.ts'
import { work } from './worker.ts'

/** Starts the page, or in a worker its part there. */
export function start(ort: Ort): void {
  if (typeof document === 'undefined') work(ort, texts)
  else run(ort, readSetup<TextSetup>())
}

function run(ort: Ort, setup: TextSetup): void {
  const starting = startModel(ort, setup, texts)
  starting.catch(() => {}) // said where it is loaded
  let engine: TextEngine | undefined
  const answer = async (text: string): Promise<FormAnswer> => {
    if (text.trim() === '') throw new Error('The text is empty; write or paste one.')
    engine = await starting
    const [prediction] = await engine.answer({ texts: [text] })
    return { prediction: prediction! }
  }
  const ask = watchText(new AnswerPlace(setup, answer), text => showing(setup, text, () => engine!))
  for (const button of document.querySelectorAll<HTMLButtonElement>('button.example'))
    button.addEventListener('click', () => {
      const { text, label } = setup.examples[Number(button.dataset.example)]!
      ask(text, { before: [make('p', ['Its label in the data: ', make('bdi', label)], { className: 'soft' })] })
    })
}

/** What is shown beside the scores of a text: which words count, of a text that is not too long. */
function showing(setup: TextSetup, text: string, engine: () => TextEngine): Showing {
  if (text.length > longest) {
    const why = `Which words count is shown for texts of up to ${longest.toLocaleString('en-US')} letters.`
    return { after: () => [make('p', why, { className: 'soft' })] }
  }
  let words: WordsThatCount | undefined
  return {
    choose(answer) {
      const own = (words = new WordsThatCount(setup, { text, answer, engine: engine() }))
      return { chosen: c => void own.choose(c), hint: 'Words that count' }
    },
    after: () => [words!.element],
  }
}
