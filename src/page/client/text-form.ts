import type { AnswerPlace, Showing } from './form.ts'
import { at } from './setup.ts'

/** Makes the form of texts ask: by its button, or by Ctrl or ⌘ and Enter. Returns how to ask for a text that is given. */
export function watchText(
  place: AnswerPlace<string>,
  show: (text: string) => Showing = () => ({}),
): (text: string, showing?: Showing) => void {
  const form = at<HTMLFormElement>('text')
  const field = form.querySelector('textarea')!
  const ask = (more: Showing = {}) => {
    const text = field.value
    void place.ask(text, { failed: () => field.focus(), ...show(text), ...more })
  }
  form.addEventListener('submit', event => {
    event.preventDefault()
    ask()
  })
  field.addEventListener('keydown', event => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit()
  })
  at('clear').addEventListener('click', () => {
    field.value = ''
    place.clear()
    field.focus()
  })
  return (text, more) => {
    field.value = text
    ask(more)
  }
}
