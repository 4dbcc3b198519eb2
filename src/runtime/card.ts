import type { Card } from '../onnx/card.ts'
import type { SoundFileCard } from '../onnx/sound-card.ts'
import type { TableFileCard } from '../onnx/table-card.ts'
import type { TextFileCard } from '../onnx/text-card.ts'
import { RunError } from './errors.ts'
import type { OrtSession } from './types.ts'

/** The card of a model of any kind. */
export type AnyCard = Card | TableFileCard | TextFileCard | SoundFileCard

const json = JSON.stringify
const cardKey = 'ai.anneal.card'
const cardVersion = 1

/** One field of a protobuf message: its number, and the bytes or number that it holds. */
interface Field {
  number: number
  value: number
  start: number
  end: number
}

/** The fields of a protobuf message, one after another. Throws a RangeError where the bytes are none. */
function* fieldsOf(bytes: Uint8Array, from: number, to: number): Generator<Field> {
  let at = from
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]
      if (byte === undefined || at > to || scale > 2 ** 63) throw new RangeError('no varint')
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (at < to) {
    const tag = varint()
    const field = { number: Math.floor(tag / 8), value: 0, start: at, end: at }
    const wire = tag % 8
    if (field.number === 0) throw new RangeError('no field')
    if (wire === 0) field.value = varint()
    else if (wire === 1) at += 8
    else if (wire === 5) at += 4
    else if (wire === 2) {
      const length = varint()
      field.start = at
      at += length
    } else throw new RangeError('no wire type')
    field.end = at
    yield field
  }
}

const again = 'Export the model again with `anneal export`, and copy the file whole.'

/** Reads the card of an exported model, from the metadata of its ONNX file. `name`: what errors call the file.
 *  Throws a RunError for a file that is cut off, no ONNX file, without a card, of a newer version, or with weights in
 *  other files, and where the graph has other labels than the card. */
export function readCard(bytes: Uint8Array, name = 'the model'): AnyCard {
  const refuse = (what: string, todo = again) => new RunError('model', `${name}: ${what} ${todo}`)
  const text = (from: number, to: number) => new TextDecoder().decode(bytes.subarray(from, to))
  const head = text(0, 64).trimStart()
  if (bytes.length === 0) throw refuse('it is empty.')
  if (/^<(!doctype|html|\?xml)/i.test(head))
    throw refuse(
      'it is an HTML page, no model.',
      'Check the address: a server often answers so where there is no such file.',
    )
  if (head.startsWith('version https://git-lfs'))
    throw refuse('it is a pointer of Git LFS, no model.', 'Fetch the file itself: git lfs pull.')
  const size = `it has ${bytes.length} bytes`
  const metadata = new Map<string, string>()
  let graph = false
  let version = false
  let labels: string[] | undefined
  try {
    for (const { number, start, end } of fieldsOf(bytes, 0, bytes.length)) {
      if (end > bytes.length) {
        if (version) throw refuse(`it is cut off: ${size}, and should have at least ${end}.`)
        throw new RangeError('no ONNX')
      }
      if (number === 1) version = true
      if (number === 14) {
        const entry = { key: '', value: '' }
        for (const part of fieldsOf(bytes, start, end))
          if (part.number === 1 || part.number === 2)
            entry[part.number === 1 ? 'key' : 'value'] = text(part.start, part.end)
        metadata.set(entry.key, entry.value)
      }
      if (number !== 7) continue
      graph = true
      // GraphProto.initializer is 5; in a TensorProto string_data is 6, name 8, and data_location 14, where 1 means another file.
      for (const tensor of fieldsOf(bytes, start, end)) {
        if (tensor.number !== 5) continue
        const strings: string[] = []
        for (const { number, value, start, end } of fieldsOf(bytes, tensor.start, tensor.end)) {
          if (number === 6) strings.push(text(start, end))
          if (number === 8 && text(start, end) === 'outputs/classes') labels = strings
          if (number === 14 && value === 1)
            throw refuse('its weights lie in other files (external data), which are not read.')
        }
      }
    }
  } catch (error) {
    if (error instanceof RunError) throw error
    const begins = Array.from(bytes.subarray(0, 8), byte => byte.toString(16).padStart(2, '0')).join(' ')
    throw refuse(
      version && !graph && metadata.size > 0
        ? `it is cut off after ${bytes.length} bytes.`
        : `it is no ONNX file, or a damaged one: ${size} and begins with ${begins}.`,
    )
  }
  if (!version) throw refuse(`it is no ONNX file: ${size}, and no version of ONNX.`)
  if (!graph) throw refuse(`it is cut off: ${size}, and no graph.`)
  const card = metadata.get(cardKey)
  if (card === undefined)
    throw refuse(
      `it is an ONNX model without Anneal's card (${cardKey})${metadata.size ? `; its metadata are ${[...metadata.keys()].slice(0, 8).join(', ')}` : ''}.`,
      'This runtime needs a model.onnx that `anneal export RUN` wrote; others run with onnxruntime alone.',
    )
  const checked = checkedCard(card, refuse)
  const [own, others] = [json(checked.classes), json(labels)]
  if (labels && checked.task === 'single' && own !== others)
    throw refuse(`its card has the classes ${own}, but the graph has ${others}.`)
  return checked
}

function checkedCard(text: string, refuse: (what: string, todo?: string) => RunError): AnyCard {
  let card: Card
  try {
    card = JSON.parse(text)
  } catch {
    throw refuse('its card is no JSON.')
  }
  const format = card?.format
  if (/^anneal-(table|text|sound)-model$/.test(format)) return card // its own module checks it
  if (format !== 'anneal-model') throw refuse(`its card has the format ${json(format)}, expected anneal-model.`)
  if (!(card.version <= cardVersion))
    throw refuse(
      `its card has version ${card.version}; this runtime reads version ${cardVersion}.`,
      'Take a newer version of it.',
    )
  const { task, classes, thresholds, input } = card
  const wrong = (what: string, got: unknown, expected: string) =>
    refuse(`its card says ${what} ${json(got)}, expected ${expected}.`)
  if (!['single', 'multi', 'regression'].includes(task)) throw wrong('task', task, 'single, multi or regression')
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every(name => typeof name === 'string'))
    throw wrong('classes', classes, 'a list of names')
  if (thresholds && thresholds.length !== classes.length)
    throw wrong('thresholds', thresholds, `${classes.length}, one for each label`)
  if (typeof input?.name !== 'string') throw wrong('input', input, 'a name, channels and mode')
  if (!Number.isInteger(input.channels) || input.channels < 1) throw wrong('channels', input.channels, '1 or more')
  if (!['rgb', 'copy', 'keep'].includes(input.mode)) throw wrong('mode', input.mode, 'rgb, copy or keep')
  return card
}

/** The output that holds the answer. */
export const answerOf = ({ task }: Pick<Card, 'task'>): string => (task === 'regression' ? 'values' : 'probabilities')

/** Throws a RunError if a session does not have the inputs and outputs that its card says. */
export function checkSession(session: OrtSession, card: Card, name: string): void {
  const { inputNames, outputNames, inputMetadata, outputMetadata } = session
  const lies = (what: string, got: unknown) =>
    new RunError('model', `${name}: its card says that ${what}, but the graph has ${got}. ${again}`)
  const { input, classes } = card
  const list = (names: readonly string[]) => names.join(', ') || 'none'
  if (!inputNames.includes(input.name) && inputNames.includes('pixels'))
    throw new RunError(
      'model',
      `${name}: it is a net alone (anneal export --net), which takes pictures that are resized and normalised. Load the model.onnx of the same export.`,
    )
  if (inputNames.length !== 1 || inputNames[0] !== input.name)
    throw lies(`its one input is "${input.name}"`, `the inputs ${list(inputNames)}`)
  for (const output of [answerOf(card), ...(card.features ? ['features'] : []), ...(card.heat ? ['heat'] : [])])
    if (!outputNames.includes(output)) throw lies(`it has the output "${output}"`, `the outputs ${list(outputNames)}`)
  type Shape = { name: string; type?: string; shape?: readonly unknown[] }
  const find = (list: readonly unknown[] | undefined, wanted: string) =>
    (list as readonly Shape[] | undefined)?.find(value => value.name === wanted)
  const image = find(inputMetadata, input.name)
  const last = (value?: Shape) => value?.shape?.at(-1)
  if (image?.type !== undefined && image.type !== 'uint8') throw lies('its input is uint8', image.type)
  if (typeof last(image) === 'number' && last(image) !== input.channels)
    throw lies(`pictures have ${input.channels} channels`, last(image))
  const answers = last(find(outputMetadata, answerOf(card)))
  if (typeof answers === 'number' && answers !== classes.length)
    throw lies(`there are ${classes.length} classes (${list(classes.slice(0, 5))})`, `${answers} outputs`)
}
