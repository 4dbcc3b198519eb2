import type { SoundFileCard } from '../../onnx/sound-card.ts'
import { RunError } from '../errors.ts'
import type { OrtSession } from '../types.ts'

const again = 'Export the model again with `anneal export`, and copy the file whole.'

/** Throws a RunError for a card that does not describe a model of sounds, or that is newer. `file`: what errors call it. */
export function checkSoundCard({ version, task, classes, thresholds, input }: SoundFileCard, file: string): void {
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
  const whole = (value: unknown) => Number.isInteger(value) && (value as number) > 0
  if (typeof input?.name !== 'string' || !whole(input.rate) || !input.windows?.length || !input.windows.every(whole))
    throw wrong('input', input, 'the name of an input, a rate, and the lengths of windows')
}

/** Throws a RunError if a session does not have the input and outputs that its card says. */
export function checkSoundSession(
  session: OrtSession,
  { input, classes, task, features }: SoundFileCard,
  name: string,
): void {
  const { inputNames, outputNames, inputMetadata, outputMetadata } = session
  const lies = (what: string, got: string) =>
    new RunError('model', `${name}: its card says that ${what}, but the graph has ${got}. ${again}`)
  const list = (names: readonly string[]) => names.slice(0, 20).join(', ') || 'none'
  if (inputNames.length !== 1 || inputNames[0] !== input.name)
    throw lies(`its one input is "${input.name}"`, `the inputs ${list(inputNames)}`)
  const answer = task === 'regression' ? 'values' : 'probabilities'
  for (const output of [answer, ...(features === undefined ? [] : ['features', 'parts'])])
    if (!outputNames.includes(output)) throw lies(`it has the output "${output}"`, `the outputs ${list(outputNames)}`)
  type Shape = { name: string; type?: string; shape?: readonly unknown[] }
  const find = (values: readonly unknown[] | undefined, wanted: string) =>
    (values as readonly Shape[] | undefined)?.find(value => value.name === wanted)
  const type = find(inputMetadata, input.name)?.type
  if (type !== undefined && type !== 'float32') throw lies(`"${input.name}" is float32`, type)
  const width = find(outputMetadata, answer)?.shape?.at(-1)
  if (typeof width === 'number' && width !== classes.length)
    throw lies(`there are ${classes.length} classes (${list(classes.slice(0, 5))})`, `${width} outputs`)
}
