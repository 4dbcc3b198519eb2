import type { TextFileCard } from '../../onnx/text-card.ts'
import { answerOf, checkFacts, checkGraph, netAlone } from '../card-checks.ts'
import type { OrtSession } from '../types.ts'

/** Throws a RunError for a card that does not describe a model of texts, or that is newer. `file`: what errors call it. */
export function checkTextCard(card: TextFileCard, file: string): void {
  const wrong = checkFacts(card, file)
  const { input, tokenizer } = card
  const numbers = [input?.begin, input?.end, input?.window, input?.maxTokens]
  if (typeof input?.ids !== 'string' || typeof input.mask !== 'string' || !numbers.every(Number.isInteger))
    throw wrong('input', input, 'the names of two inputs, and the numbers begin, end, window and maxTokens')
  if (input.net) throw netAlone(file, 'tokens of one window')
  if (typeof tokenizer !== 'string') throw wrong('tokenizer', typeof tokenizer, 'the content of tokenizer.json')
}

/** Throws a RunError if a session does not have the inputs and outputs that its card says. */
export function checkTextSession(session: OrtSession, card: TextFileCard, name: string): void {
  const { input, classes, features } = card
  checkGraph(session, name, {
    inputs: [
      [input.ids, 'int64'],
      [input.mask, 'int64'],
    ],
    outputs: [answerOf(card), ...(features === undefined ? [] : ['features'])],
    classes,
  })
}
