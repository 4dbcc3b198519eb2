import type { SoundFileCard } from '../../onnx/sound-card.ts'
import { answerOf, checkFacts, checkGraph, netAlone } from '../card-checks.ts'
import type { OrtSession } from '../types.ts'

/** Throws a RunError for a card that does not describe a model of sounds, or that is newer. `file`: what errors call it. */
export function checkSoundCard(card: SoundFileCard, file: string): void {
  const wrong = checkFacts(card, file)
  const { input } = card
  const whole = (value: unknown) => Number.isInteger(value) && (value as number) > 0
  if (typeof input?.name !== 'string' || !whole(input.rate) || !input.windows?.length || !input.windows.every(whole))
    throw wrong('input', input, 'the name of an input, a rate, and the lengths of windows')
  if (input.net) throw netAlone(file, 'the spectra of windows')
}

/** Throws a RunError if a session does not have the input and outputs that its card says. */
export function checkSoundSession(session: OrtSession, card: SoundFileCard, name: string): void {
  const { input, classes, features } = card
  checkGraph(session, name, {
    inputs: [[input.name, 'float32']],
    outputs: [answerOf(card), ...(features === undefined ? [] : ['features', 'parts'])],
    classes,
  })
}
