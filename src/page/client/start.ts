import type { Ort } from '../../runtime/browser.ts'
import type { Engine, Kind } from './engine.ts'
import { loadBytes } from './load.ts'
import { type AnySetup, at, scriptAddress } from './setup.ts'
import { startEngine } from './worker.ts'

/** Says something to the reader, and to a screen reader. */
export function say(text: string, bad = false): void {
  const said = at('said')
  said.textContent = text
  said.className = bad ? 'bad' : ''
}

/** Loads the model of the page, with a bar for what is loaded; says when it is ready, or why it does not start. */
export async function startModel<Q, A>(ort: Ort, setup: AnySetup, kind: Kind<Q, A>): Promise<Engine<Q, A>> {
  const bar = at<HTMLProgressElement>('progress')
  try {
    const bytes = await loadBytes(setup, (done, total) => {
      Object.assign(bar, { max: total, value: done })
    })
    bar.removeAttribute('value')
    const engine = await startEngine(ort, scriptAddress(setup), bytes, kind)
    say('Ready.')
    return engine
  } catch (error) {
    say(`The model does not start. ${(error as Error).message}`, true)
    throw error
  } finally {
    bar.hidden = true
  }
}
