import type { TableFileCard } from '../../onnx/table-card.ts'
import { checkFacts, checkGraph } from '../card-checks.ts'
import type { OrtSession } from '../types.ts'

/** Throws a RunError for a card that does not describe a model of a table, or that is newer. `file`: what errors call it. */
export function checkTableCard(card: TableFileCard, file: string): void {
  const wrong = checkFacts(card, file, ['single', 'regression'])
  const { task, inputs, outputs, texts } = card
  const whole = (one: TableFileCard['inputs'][number]) =>
    typeof one?.name === 'string' &&
    hasRange(one) &&
    (['number', 'category', 'date'].includes(one.kind) || (one.kind === 'text' && hasTokens(one)))
  if (!Array.isArray(inputs) || inputs.length === 0 || !inputs.every(whole))
    throw wrong(
      'inputs',
      inputs,
      'a list of columns with name and kind, and with the range of two numbers where they have one',
    )
  const numbers = [texts?.begin, texts?.end, texts?.maxTokens]
  if (
    inputs.some(({ kind }) => kind === 'text') &&
    !(typeof texts?.tokenizer === 'string' && numbers.every(Number.isInteger))
  )
    throw wrong('texts', texts, 'the content of tokenizer.json, and the numbers begin, end and maxTokens')
  const answer = task === 'regression' ? [outputs?.values] : [outputs?.probabilities, outputs?.label]
  if (!answer.every(name => typeof name === 'string'))
    throw wrong('outputs', outputs, task === 'regression' ? 'values' : 'probabilities and label')
}

const hasTokens = ({ tokens }: TableFileCard['inputs'][number]): boolean =>
  typeof tokens?.ids === 'string' && typeof tokens.mask === 'string'

const hasRange = ({ range }: TableFileCard['inputs'][number]): boolean =>
  range === undefined || (Array.isArray(range) && range.length === 2 && range.every(Number.isFinite))

const types = { number: 'float32', category: 'string', date: 'int64', text: 'int64' } as const

/** Throws a RunError if a session does not have the inputs and outputs that its card says. */
export function checkTableSession(
  session: OrtSession,
  { inputs, outputs, classes }: TableFileCard,
  name: string,
): void {
  const { probabilities, values, label } = outputs
  checkGraph(session, name, {
    inputs: inputs.flatMap(({ name: column, kind, tokens }) => {
      const type = types[kind]
      const said = `"${column}" is a ${kind} (${type})`
      return (tokens ? [tokens.ids, tokens.mask] : [column]).map(input => [input, type, said] as const)
    }),
    outputs: [(probabilities ?? values)!, ...(label === undefined ? [] : [label])],
    classes,
  })
}
