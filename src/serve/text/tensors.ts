import { Refused } from '../refused.ts'
import { binaryStrings, objectOf, wrong } from '../tensors.ts'

/** The name of the input of the Open Inference Protocol. */
export const inputName = 'text'

/** The texts of an inference request: one tensor `text` of BYTES, [N] or [N, 1]. Throws `Refused`. */
export function textTensor(inputs: readonly Record<string, unknown>[], binary: Uint8Array, maxTexts: number): string[] {
  const [input] = inputs
  if (inputs.length !== 1 || input!.name !== inputName)
    throw wrong(
      `inputs: expected one tensor "${inputName}" of BYTES, got ${inputs.map(({ name }) => JSON.stringify(name)).join(', ') || 'none'}`,
    )
  const { datatype, shape, data } = input!
  if (datatype !== 'BYTES') throw wrong(`${inputName}: datatype ${datatype} is not taken; expected BYTES`)
  const whole = Array.isArray(shape) && shape.every(n => Number.isInteger(n) && n > 0)
  if (!whole || shape.length > 2 || shape.length === 0 || (shape[1] ?? 1) !== 1)
    throw wrong(`${inputName}: shape: expected [N] or [N, 1], got ${JSON.stringify(shape)}`)
  const n = shape[0] as number
  if (n > maxTexts)
    throw new Refused(413, 'texts', `${inputName}: ${n} texts; at most ${maxTexts} in one request are taken`)
  const { binary_data_size: size } = objectOf(input!.parameters ?? {}, `${inputName}: parameters`)
  if (size === undefined ? binary.length > 0 : data !== undefined || size !== binary.length)
    throw wrong(
      `${inputName}: binary_data_size is ${size ?? 'missing'}${data === undefined ? '' : ' beside data'}; ${binary.length} bytes follow the JSON`,
    )
  if (size === undefined && !Array.isArray(data))
    throw wrong(`${inputName}: data: expected a list, or binary_data_size`)
  const values = size === undefined ? (data as unknown[]).flat(1) : binaryStrings(binary, inputName).map(decoded)
  if (values.length !== n) throw wrong(`${inputName}: the shape says ${n}, the data hold ${values.length}`)
  return values as string[]
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw wrong(`${inputName}: a text is not UTF-8`)
  }
}
