import type { TableFileCard } from '../../onnx/table-card.ts'
import { RunError } from '../errors.ts'
import type { OrtSession } from '../types.ts'

const again = 'Export the model again with `anneal export`, and copy the file whole.'

/** Throws a RunError for a card that does not describe a model of a table, or that is newer. `file`: what errors call it. */
export function checkTableCard({ version, task, classes, inputs, outputs }: TableFileCard, file: string): void {
  if (!(version <= 1))
    throw new RunError(
      'model',
      `${file}: its card has version ${version}; this runtime reads version 1. Take a newer version of it.`,
    )
  const wrong = (what: string, got: unknown, expected: string) =>
    new RunError('model', `${file}: its card says ${what} ${JSON.stringify(got)}, expected ${expected}. ${again}`)
  if (!['single', 'regression'].includes(task)) throw wrong('task', task, 'single or regression')
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every(name => typeof name === 'string'))
    throw wrong('classes', classes, 'a list of names')
  const whole = (one: TableFileCard['inputs'][number]) =>
    typeof one?.name === 'string' && ['number', 'category', 'date'].includes(one.kind)
  if (!Array.isArray(inputs) || inputs.length === 0 || !inputs.every(whole))
    throw wrong('inputs', inputs, 'a list of columns with name and kind')
  const answer = task === 'regression' ? [outputs?.values] : [outputs?.probabilities, outputs?.label]
  if (!answer.every(name => typeof name === 'string'))
    throw wrong('outputs', outputs, task === 'regression' ? 'values' : 'probabilities and label')
}

const types = { number: 'float32', category: 'string', date: 'int64' } as const

/** Throws a RunError if a session does not have the inputs and outputs that its card says. */
export function checkTableSession(
  session: OrtSession,
  { inputs, outputs, classes }: TableFileCard,
  name: string,
): void {
  const { inputNames, outputNames, inputMetadata, outputMetadata } = session
  const lies = (what: string, got: string) =>
    new RunError('model', `${name}: its card says that ${what}, but the graph has ${got}. ${again}`)
  const list = (names: readonly string[]) => names.slice(0, 20).join(', ') || 'none'
  if (inputNames.length !== inputs.length || !inputs.every(one => inputNames.includes(one.name)))
    throw lies(`its inputs are ${list(inputs.map(one => one.name))}`, `the inputs ${list(inputNames)}`)
  for (const output of Object.values(outputs))
    if (!outputNames.includes(output)) throw lies(`it has the output "${output}"`, `the outputs ${list(outputNames)}`)
  type Shape = { name: string; type?: string; shape?: readonly unknown[] }
  for (const { name: column, kind } of inputs) {
    const type = (inputMetadata as readonly Shape[] | undefined)?.find(value => value.name === column)?.type
    if (type !== undefined && type !== types[kind]) throw lies(`"${column}" is a ${kind} (${types[kind]})`, type)
  }
  const answer = outputs.probabilities ?? outputs.values
  const width = (outputMetadata as readonly Shape[] | undefined)?.find(value => value.name === answer)?.shape?.at(-1)
  if (typeof width === 'number' && width !== classes.length)
    throw lies(`there are ${classes.length} classes (${list(classes.slice(0, 5))})`, `${width} outputs`)
}
