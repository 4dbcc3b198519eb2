import type { FileCard, NetCard } from '../onnx/card.ts'
import { RunError } from './errors.ts'
import type { OrtSession } from './types.ts'

// The checks of tables, texts and sounds. Those of pictures are in card.ts, and nothing is shared with it: a page of pictures would
// load it.

const again = 'Export the model again with `anneal export`, and copy the file whole.'

/** The output that holds the answer. */
export const answerOf = ({ task }: Pick<FileCard, 'task'>): string =>
  task === 'regression' ? 'values' : 'probabilities'

const cardVersion = 1

/** How a card is refused that says something wrong. */
export type Wrong = (what: string, got: unknown, expected: string) => RunError

/** Checks what the cards of all kinds say: version, task, classes, thresholds. Throws a RunError if it does not describe a model,
 *  or is newer. `file`: what errors call it. Returns how to refuse the rest of the card. */
export function checkFacts(
  { version, task, classes, thresholds }: FileCard & Pick<NetCard, 'thresholds'>,
  file: string,
  tasks: readonly string[] = ['single', 'multi', 'regression'],
): Wrong {
  if (!(version <= cardVersion))
    throw new RunError(
      'model',
      `${file}: its card has version ${version}; this runtime reads version ${cardVersion}. Take a newer version of it.`,
    )
  const wrong: Wrong = (what, got, expected) =>
    new RunError('model', `${file}: its card says ${what} ${JSON.stringify(got)}, expected ${expected}. ${again}`)
  if (!tasks.includes(task)) throw wrong('task', task, `${tasks.slice(0, -1).join(', ')} or ${tasks.at(-1)}`)
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every(name => typeof name === 'string'))
    throw wrong('classes', classes, 'a list of names')
  if (thresholds && thresholds.length !== classes.length)
    throw wrong('thresholds', thresholds, `${classes.length}, one for each label`)
  return wrong
}

/** How a file with the net alone is refused. takes: what it takes instead of samples. */
export const netAlone = (file: string, takes: string): RunError =>
  new RunError(
    'model',
    `${file}: it is a net alone (anneal export --net), which takes ${takes}. Load the model.onnx of the same run: anneal export without --net.`,
  )

interface Shape {
  name: string
  type?: string
  shape?: readonly unknown[]
}

/** Throws a RunError if a session is another one than its card says. inputs: their names and types, and how the card calls that,
 *  if it says more; outputs: their names, that of the answer first. `name`: what errors call the file. */
export function checkGraph(
  { inputNames, outputNames, inputMetadata, outputMetadata }: OrtSession,
  name: string,
  {
    inputs,
    outputs,
    classes,
  }: {
    inputs: readonly (readonly [name: string, type: string, what?: string])[]
    outputs: readonly string[]
    classes: readonly string[]
  },
): void {
  const lies = (what: string, got: string) =>
    new RunError('model', `${name}: its card says that ${what}, but the graph has ${got}. ${again}`)
  const list = (names: readonly string[]) => names.slice(0, 20).join(', ') || 'none'
  const find = (values: readonly unknown[] | undefined, wanted: string) =>
    (values as readonly Shape[] | undefined)?.find(value => value.name === wanted)
  const own = inputs.map(([input]) => input)
  if (inputNames.length !== own.length || !own.every(one => inputNames.includes(one)))
    throw lies(
      own.length === 1 ? `its one input is "${own[0]}"` : `its inputs are ${list(own)}`,
      `the inputs ${list(inputNames)}`,
    )
  for (const output of outputs)
    if (!outputNames.includes(output)) throw lies(`it has the output "${output}"`, `the outputs ${list(outputNames)}`)
  for (const [input, type, what = `"${input}" is ${type}`] of inputs) {
    const got = find(inputMetadata, input)?.type
    if (got !== undefined && got !== type) throw lies(what, got)
  }
  const width = find(outputMetadata, outputs[0]!)?.shape?.at(-1)
  if (typeof width === 'number' && width !== classes.length)
    throw lies(`there are ${classes.length} classes (${list(classes.slice(0, 5))})`, `${width} outputs`)
}
