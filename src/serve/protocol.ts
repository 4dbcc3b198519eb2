import { fromBase64, jsonOf } from './inputs.ts'
import type { Pixels } from './model.ts'
import type { Answered, Version } from './models.ts'
import { Refused } from './refused.ts'

// Open Inference Protocol, version 2 (KServe), with the binary tensor data extension and the classification extension
// of Triton: github.com/kserve/open-inference-protocol, docs/protocol/extension_binary_data.md of Triton.

/** The header that says where the JSON of a body with binary tensors ends. */
export const lengthHeader = 'inference-header-content-length'

/** `GET /v2`. */
export const serverMetadata = (version: string) => ({
  name: 'anneal',
  version,
  extensions: ['binary_tensor_data', 'classification'],
})

/** `GET /v2/models/M`. A picture is BYTES (a JPEG, PNG … file each), or UINT8 pixels [N, height, width, channels]. */
export function modelMetadata({ model, name, version }: Version) {
  const { card } = model
  return {
    name,
    versions: [version],
    platform: 'onnx_onnxv1',
    inputs: [
      { name: card.input.name, datatype: 'BYTES', shape: [-1] },
      { name: card.input.name, datatype: 'UINT8', shape: [-1, -1, -1, card.input.channels] },
    ],
    outputs: outputNames(model.card).map(output => {
      const { datatype, width } = outputType(output, model.card)
      return { name: output, datatype, shape: width === undefined ? [-1] : [-1, width] }
    }),
  }
}

type Card = Version['model']['card']

function outputNames({ task, features }: Card): string[] {
  const own = { single: ['probabilities', 'label'], multi: ['probabilities', 'decided'], regression: ['values'] }[task]
  return [...own, ...(features === undefined ? [] : ['features'])]
}

function outputType(name: string, { classes, features }: Card): { datatype: string; width?: number } {
  if (name === 'label') return { datatype: 'BYTES' }
  if (name === 'decided') return { datatype: 'BOOL', width: classes.length }
  return { datatype: 'FP32', width: name === 'features' ? features! : classes.length }
}

/** One picture of an inference request. */
export type InferencePicture = { bytes: Uint8Array } | { raw: Pixels }

/** What an inference request asks. */
export interface InferenceRequest {
  id?: string
  pictures: InferencePicture[]
  outputs: { name: string; binary: boolean; classification?: number }[]
}

const wrong = (message: string) => new Refused(400, 'request', message)

/** Reads the body of `POST …/infer`. Throws `Refused`. */
export function inferenceRequest(
  body: Uint8Array,
  headerLength: string | null,
  { card, maxPictures }: { card: Card; maxPictures: number },
): InferenceRequest {
  const length = headerLength === null ? body.length : Number(headerLength)
  if (!Number.isInteger(length) || length < 0 || length > body.length)
    throw wrong(`Inference-Header-Content-Length: got ${headerLength}; the body has ${body.length} bytes`)
  const request = jsonOf(body.subarray(0, length))
  const { id, inputs, parameters } = request
  if (id !== undefined && typeof id !== 'string') throw wrong('id: expected text')
  if (!Array.isArray(inputs) || inputs.length !== 1)
    throw wrong(
      `inputs: expected one tensor, "${card.input.name}"; got ${Array.isArray(inputs) ? inputs.length : 'none'}`,
    )
  const binary = body.subarray(length)
  const pictures = picturesOf(objectOf(inputs[0], 'inputs[0]'), binary, card, maxPictures)
  const outputs = outputsOf(request.outputs, objectOf(parameters ?? {}, 'parameters').binary_data_output === true, card)
  return { ...(id === undefined ? {} : { id }), pictures, outputs }
}

function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw wrong(`${name}: expected an object`)
}

function picturesOf(
  input: Record<string, unknown>,
  binary: Uint8Array,
  card: Card,
  maxPictures: number,
): InferencePicture[] {
  const { name, datatype, shape, data } = input
  if (name !== card.input.name) throw wrong(`there is no input "${name}"; expected "${card.input.name}"`)
  if (!Array.isArray(shape) || !shape.every(n => Number.isInteger(n) && n > 0))
    throw wrong(`${name}: shape: expected a list of whole numbers from 1, got ${JSON.stringify(shape)}`)
  const n = shape[0] as number
  if (n > maxPictures)
    throw new Refused(413, 'pictures', `${name}: ${n} pictures; at most ${maxPictures} in one request are taken`)
  const { binary_data_size: size } = objectOf(input.parameters ?? {}, `${name}: parameters`)
  if (size !== undefined && (size !== binary.length || data !== undefined))
    throw wrong(
      `${name}: binary_data_size is ${size}${data === undefined ? '' : ' beside data'}; ${binary.length} bytes follow the JSON`,
    )
  if (size === undefined && binary.length > 0)
    throw wrong(`${binary.length} bytes follow the JSON, but no input has a binary_data_size`)
  if (datatype === 'BYTES') {
    if (shape.length !== 1) throw wrong(`${name}: a BYTES tensor has the shape [N], a file each; got [${shape}]`)
    const files = size === undefined ? textFiles(data, String(name)) : binaryStrings(binary, String(name))
    if (files.length !== n) throw wrong(`${name}: the shape says ${n}, the data hold ${files.length}`)
    return files.map(bytes => ({ bytes }))
  }
  if (datatype !== 'UINT8')
    throw wrong(`${name}: datatype ${datatype} is not taken; expected BYTES (files) or UINT8 (pixels)`)
  const [, height, width, channels] = shape as number[]
  if (shape.length !== 4 || channels !== card.input.channels)
    throw wrong(`${name}: expected the shape [N, height, width, ${card.input.channels}], got [${shape}]`)
  const each = height! * width! * channels
  const all = size === undefined ? byteValues(data, String(name), n * each) : binary
  if (all.length !== n * each) throw wrong(`${name}: the shape says ${n * each} values, the data hold ${all.length}`)
  return Array.from({ length: n }, (_, i) => ({
    raw: { data: all.subarray(i * each, (i + 1) * each), width: width!, height: height!, channels },
  }))
}

function textFiles(data: unknown, name: string): Uint8Array[] {
  if (!Array.isArray(data)) throw wrong(`${name}: data: expected a list of base64 texts, or binary_data_size`)
  return data.flat(3).map((text, i) => fromBase64(text, `${name}: data[${i}]`))
}

/** Strings with 4 bytes of length before each. */
function binaryStrings(binary: Uint8Array, name: string): Uint8Array[] {
  const view = new DataView(binary.buffer, binary.byteOffset, binary.byteLength)
  const found: Uint8Array[] = []
  for (let at = 0; at < binary.length; ) {
    const length = at + 4 <= binary.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY
    if (at + 4 + length > binary.length) throw wrong(`${name}: the binary data end in the middle of a string`)
    found.push(binary.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return found
}

function byteValues(data: unknown, name: string, expected: number): Uint8Array {
  if (!Array.isArray(data)) throw wrong(`${name}: data: expected a list of numbers, or binary_data_size`)
  const flat = data.flat(3) as unknown[]
  if (flat.length !== expected) throw wrong(`${name}: the shape says ${expected} values, the data hold ${flat.length}`)
  const odd = flat.find(v => !Number.isInteger(v) || (v as number) < 0 || (v as number) > 255)
  if (odd !== undefined) throw wrong(`${name}: data: expected whole numbers from 0 to 255, got ${JSON.stringify(odd)}`)
  return Uint8Array.from(flat as number[])
}

function outputsOf(asked: unknown, binaryByDefault: boolean, card: Card): InferenceRequest['outputs'] {
  const names = outputNames(card)
  if (asked === undefined || (Array.isArray(asked) && asked.length === 0))
    return names.map(name => ({ name, binary: binaryByDefault }))
  if (!Array.isArray(asked)) throw wrong('outputs: expected a list')
  return asked.map((one, i) => {
    const { name, parameters } = objectOf(one, `outputs[${i}]`)
    if (typeof name !== 'string' || !names.includes(name))
      throw wrong(`there is no output ${JSON.stringify(name)}; expected ${names.join(', ')}`)
    const { classification, binary_data = binaryByDefault } = objectOf(parameters ?? {}, `${name}: parameters`)
    if (classification !== undefined) {
      if (name !== 'probabilities') throw wrong(`${name}: classification is a parameter of the output probabilities`)
      if (!Number.isInteger(classification) || (classification as number) < 1)
        throw wrong(`${name}: classification: expected a whole number from 1, got ${JSON.stringify(classification)}`)
    }
    return {
      name,
      binary: binary_data === true,
      ...(classification === undefined ? {} : { classification: classification as number }),
    }
  })
}

interface Tensor {
  name: string
  datatype: string
  shape: number[]
  data: Float32Array | string[] | boolean[]
}

/** The answer to `POST …/infer`: JSON, or JSON and binary tensors after `headerLength` bytes. */
export function inferenceResponse(
  { id, outputs }: InferenceRequest,
  answers: readonly Answered[],
): { body: string | Uint8Array; headerLength?: number } {
  const { by } = answers[0]!
  const binary: Buffer[] = []
  const described = outputs.map(output => {
    const { name, datatype, shape, data } = tensorOf(output, answers)
    const head = { name, datatype, shape }
    if (!output.binary) return { ...head, data: Array.from<unknown>(data as ArrayLike<unknown>) }
    const bytes = bytesOf(data)
    binary.push(bytes)
    return { ...head, parameters: { binary_data_size: bytes.length } }
  })
  const about = { model_name: by.name, model_version: by.version, ...(id === undefined ? {} : { id }) }
  const json = JSON.stringify({ ...about, outputs: described })
  if (binary.length === 0) return { body: json }
  const head = Buffer.from(json)
  return { body: Buffer.concat([head, ...binary]), headerLength: head.length }
}

function tensorOf({ name, classification }: InferenceRequest['outputs'][number], answers: readonly Answered[]): Tensor {
  const n = answers.length
  const { classes } = answers[0]!.by.model.card
  if (classification !== undefined) {
    const k = Math.min(classification, classes.length)
    return {
      name,
      datatype: 'BYTES',
      shape: [n, k],
      data: answers.flatMap(({ answer }) => ranked(answer.scores, classes, k)),
    }
  }
  if (name === 'label')
    return {
      name,
      datatype: 'BYTES',
      shape: [n],
      data: answers.map(({ answer }) => ('label' in answer ? answer.label : '')),
    }
  if (name === 'decided') {
    const data = answers.flatMap(({ answer }) =>
      classes.map(label => answer.task === 'multi' && answer.labels.includes(label)),
    )
    return { name, datatype: 'BOOL', shape: [n, classes.length], data }
  }
  const rows = answers.map(({ answer }) =>
    name === 'features' ? (answer.features ?? new Float32Array()) : answer.scores,
  )
  const data = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0))
  let at = 0
  for (const row of rows) {
    data.set(row, at)
    at += row.length
  }
  return { name, datatype: 'FP32', shape: [n, data.length / n], data }
}

/** The likeliest classes, as `value:index:label`. */
function ranked(scores: Float32Array, classes: readonly string[], k: number): string[] {
  return Array.from(scores, (value, i) => ({ value, i }))
    .sort((a, b) => b.value - a.value)
    .slice(0, k)
    .map(({ value, i }) => `${Number(value.toPrecision(7))}:${i}:${classes[i]}`)
}

function bytesOf(data: Tensor['data']): Buffer {
  if (data instanceof Float32Array) return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return Buffer.concat(
    data.map(value => {
      if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0])
      const text = Buffer.from(value)
      const length = Buffer.alloc(4)
      length.writeUInt32LE(text.length)
      return Buffer.concat([length, text])
    }),
  )
}
