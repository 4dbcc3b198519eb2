import type { Card } from '../../onnx/card.ts'
import type { Pixels } from '../model.ts'
import { Refused } from '../refused.ts'
import { binaryStrings, objectOf, wrong } from '../tensors.ts'
import { fromBase64 } from '../uploads.ts'

/** One picture of an inference request. */
export type InferencePicture = { bytes: Uint8Array } | { raw: Pixels }

/** The pictures of an inference request: files as BYTES, or UINT8 pixels. Throws `Refused`. */
export function pictureTensors(
  inputs: readonly Record<string, unknown>[],
  binary: Uint8Array,
  { card, maxPictures }: { card: Card; maxPictures: number },
): InferencePicture[] {
  const [input] = inputs
  if (!input || inputs.length > 1)
    throw wrong(`inputs: expected one tensor, "${card.input.name}"; got ${inputs.length || 'none'}`)
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
  return data.flat(3).map((text, i) => fromBase64(text, `${name}: data[${i}]`, 'picture'))
}

function byteValues(data: unknown, name: string, expected: number): Uint8Array {
  if (!Array.isArray(data)) throw wrong(`${name}: data: expected a list of numbers, or binary_data_size`)
  const flat = data.flat(3) as unknown[]
  if (flat.length !== expected) throw wrong(`${name}: the shape says ${expected} values, the data hold ${flat.length}`)
  const odd = flat.find(v => !Number.isInteger(v) || (v as number) < 0 || (v as number) > 255)
  if (odd !== undefined) throw wrong(`${name}: data: expected whole numbers from 0 to 255, got ${JSON.stringify(odd)}`)
  return Uint8Array.from(flat as number[])
}
