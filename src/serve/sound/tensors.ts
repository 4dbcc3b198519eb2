import type { SoundFileCard } from '../../onnx/sound-card.ts'
import type { RawSound } from '../../runtime/types.ts'
import { Refused } from '../refused.ts'
import { binaryStrings, objectOf, wrong } from '../tensors.ts'
import { fromBase64 } from '../uploads.ts'

/** The recordings of an inference request: files as BYTES [N], or FP32 samples [N, samples] at the model's rate. Throws
 *  `Refused`. */
export function soundTensors(
  inputs: readonly Record<string, unknown>[],
  binary: Uint8Array,
  { card: { input: expected }, most }: { card: SoundFileCard; most: number },
): (Uint8Array | RawSound)[] {
  const { name: own, rate } = expected
  const [input] = inputs
  if (inputs.length !== 1 || input!.name !== own)
    throw wrong(
      `inputs: expected one tensor "${own}" of BYTES (files) or FP32 (samples at ${rate} Hz), got ${inputs.map(({ name }) => JSON.stringify(name)).join(', ') || 'none'}`,
    )
  const { datatype, shape, data } = input!
  if (!Array.isArray(shape) || !shape.every(n => Number.isInteger(n) && n > 0))
    throw wrong(`${own}: shape: expected a list of whole numbers from 1, got ${JSON.stringify(shape)}`)
  const { binary_data_size: size } = objectOf(input!.parameters ?? {}, `${own}: parameters`)
  if (size === undefined ? binary.length > 0 : data !== undefined || size !== binary.length)
    throw wrong(
      `${own}: binary_data_size is ${size ?? 'missing'}${data === undefined ? '' : ' beside data'}; ${binary.length} bytes follow the JSON`,
    )
  if (size === undefined && !Array.isArray(data)) throw wrong(`${own}: data: expected a list, or binary_data_size`)
  const checked = (n: number) => {
    if (n > most)
      throw new Refused(413, 'recordings', `${own}: ${n} recordings; at most ${most} in one request are taken`)
    return n
  }
  if (datatype === 'BYTES') {
    if (shape.length !== 1) throw wrong(`${own}: a BYTES tensor has the shape [N], a file each; got [${shape}]`)
    const n = checked(shape[0])
    const files =
      size === undefined
        ? (data as unknown[]).map((text, i) => fromBase64(text, `${own}: data[${i}]`, 'recording'))
        : binaryStrings(binary, own)
    if (files.length !== n) throw wrong(`${own}: the shape says ${n}, the data hold ${files.length}`)
    return files
  }
  if (datatype !== 'FP32')
    throw wrong(`${own}: datatype ${datatype} is not taken; expected BYTES (files) or FP32 (samples at ${rate} Hz)`)
  if (shape.length > 2) throw wrong(`${own}: expected the shape [N, samples] or [samples], got [${shape}]`)
  const length = shape.at(-1) as number
  const n = checked(shape.length === 2 ? shape[0] : 1)
  const all = size === undefined ? numbersOf(data as unknown[], own) : floatsOf(binary, own)
  if (all.length !== n * length) throw wrong(`${own}: the shape says ${n * length} values, the data hold ${all.length}`)
  return Array.from({ length: n }, (_, i) => ({
    samples: all.slice(i * length, (i + 1) * length),
    sampleRate: rate,
  }))
}

function numbersOf(data: readonly unknown[], name: string): Float32Array {
  const flat = data.flat(1)
  const odd = flat.find(value => typeof value !== 'number')
  if (odd !== undefined) throw wrong(`${name}: data: expected numbers from -1 to 1, got ${JSON.stringify(odd)}`)
  return Float32Array.from(flat as number[])
}

function floatsOf(binary: Uint8Array, name: string): Float32Array {
  if (binary.length % 4 !== 0) throw wrong(`${name}: ${binary.length} bytes are no whole number of FP32 values`)
  return new Float32Array(binary.slice().buffer)
}
