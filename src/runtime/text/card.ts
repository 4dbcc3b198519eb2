import type { TextFileCard } from '../../onnx/text-card.ts'
import { RunError } from '../errors.ts'
import type { OrtSession } from '../types.ts'

const again = 'Export the model again with `anneal export`, and copy the file whole.'

/** Throws a RunError for a card that does not describe a model of texts, or that is newer. `file`: what errors call it. */
export function checkTextCard(
  { version, task, classes, thresholds, input, tokenizer }: TextFileCard,
  file: string,
): void {
  if (!(version <= 1))
    throw new RunError(
      'model',
      `${file}: its card has version ${version}; this runtime reads version 1. Take a newer version of it.`,
    )
  const wrong = (what: string, got: unknown, expected: string) =>
    new RunError('model', `${file}: its card says ${what} ${JSON.stringify(got)}, expected ${expected}. ${again}`)
  if (!['single', 'multi', 'regression'].includes(task)) throw wrong('task', task, 'single, multi or regression')
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every(name => typeof name === 'string'))
    throw wrong('classes', classes, 'a list of names')
  if (thresholds && thresholds.length !== classes.length)
    throw wrong('thresholds', thresholds, `${classes.length}, one for each label`)
  const numbers = [input?.begin, input?.end, input?.window, input?.maxTokens]
  if (typeof input?.ids !== 'string' || typeof input.mask !== 'string' || !numbers.every(Number.isInteger))
    throw wrong('input', input, 'the names of two inputs, and the numbers begin, end, window and maxTokens')
  if (typeof tokenizer !== 'string') throw wrong('tokenizer', typeof tokenizer, 'the content of tokenizer.json')
}

/** Throws a RunError if a session does not have the inputs and outputs that its card says. */
export function checkTextSession(
  session: OrtSession,
  { input, classes, task, features }: TextFileCard,
  name: string,
): void {
  const { inputNames, outputNames, inputMetadata, outputMetadata } = session
  const lies = (what: string, got: string) =>
    new RunError('model', `${name}: its card says that ${what}, but the graph has ${got}. ${again}`)
  const list = (names: readonly string[]) => names.slice(0, 20).join(', ') || 'none'
  const own = [input.ids, input.mask]
  if (inputNames.length !== 2 || !own.every(one => inputNames.includes(one)))
    throw lies(`its inputs are ${list(own)}`, `the inputs ${list(inputNames)}`)
  const answer = task === 'regression' ? 'values' : 'probabilities'
  for (const output of [answer, ...(features === undefined ? [] : ['features'])])
    if (!outputNames.includes(output)) throw lies(`it has the output "${output}"`, `the outputs ${list(outputNames)}`)
  type Shape = { name: string; type?: string; shape?: readonly unknown[] }
  const find = (values: readonly unknown[] | undefined, wanted: string) =>
    (values as readonly Shape[] | undefined)?.find(value => value.name === wanted)
  for (const one of own) {
    const type = find(inputMetadata, one)?.type
    if (type !== undefined && type !== 'int64') throw lies(`"${one}" is int64`, type)
  }
  const width = find(outputMetadata, answer)?.shape?.at(-1)
  if (typeof width === 'number' && width !== classes.length)
    throw lies(`there are ${classes.length} classes (${list(classes.slice(0, 5))})`, `${width} outputs`)
}
