import { jsonObject } from './body.ts'
import { kindOf } from './kind.ts'
import type { Answered, ServedModel, Version } from './model.ts'
import { objectOf, wrong } from './tensors.ts'

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

/** `GET /v2/models/M`. */
export function modelMetadata({ model, name, version }: Version) {
  return {
    name,
    versions: [version],
    platform: 'onnx_onnxv1',
    inputs: kindOf(model).inputs(model),
    outputs: outputNames(model.card).map(output => {
      const { datatype, width } = outputType(output, model.card)
      return { name: output, datatype, shape: width === undefined ? [-1] : [-1, width] }
    }),
  }
}

type Card = ServedModel['card']

function outputNames(card: Card): string[] {
  const { task } = card
  const own = { single: ['probabilities', 'label'], multi: ['probabilities', 'decided'], regression: ['values'] }[task]
  return [...own, ...(featuresOf(card) === undefined ? [] : ['features'])]
}

/** The width of the pooled features, of a model that has them. */
const featuresOf = (card: Card): number | undefined =>
  card.format === 'anneal-table-model' ? undefined : card.features

function outputType(name: string, card: Card): { datatype: string; width?: number } {
  const { classes } = card
  if (name === 'label') return { datatype: 'BYTES' }
  if (name === 'decided') return { datatype: 'BOOL', width: classes.length }
  return { datatype: 'FP32', width: name === 'features' ? featuresOf(card)! : classes.length }
}

/** What an inference request asks. */
export interface InferenceRequest {
  id?: string
  inputs: Record<string, unknown>[]
  /** The bytes after the JSON. */
  binary: Uint8Array
  outputs: { name: string; binary: boolean; classification?: number }[]
}

/** Reads the body of `POST …/infer`. Throws `Refused`. */
export function inferenceRequest(body: Uint8Array, headerLength: string | null, card: Card): InferenceRequest {
  const length = headerLength === null ? body.length : Number(headerLength)
  if (!Number.isInteger(length) || length < 0 || length > body.length)
    throw wrong(`Inference-Header-Content-Length: got ${headerLength}; the body has ${body.length} bytes`)
  const request = jsonObject(body.subarray(0, length))
  const { id, inputs, parameters } = request
  if (id !== undefined && typeof id !== 'string') throw wrong('id: expected text')
  const tensors = Array.isArray(inputs) ? inputs : []
  const outputs = outputsOf(request.outputs, objectOf(parameters ?? {}, 'parameters').binary_data_output === true, card)
  return {
    ...(id === undefined ? {} : { id }),
    inputs: tensors.map((input, i) => objectOf(input, `inputs[${i}]`)),
    binary: body.subarray(length),
    outputs,
  }
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
