import { didYouMean } from '../../base/errors.ts'
import type { TableCardInput, TableFileCard } from '../../onnx/table-card.ts'
import type { TableRow, TableValue } from '../../runtime/types.ts'
import { Refused } from '../refused.ts'
import { binaryStrings, objectOf, wrong } from '../tensors.ts'
import { datatypes } from './schema.ts'

/** Tensors of numbers, little-endian: the bytes of one, and how it is read. */
const numbers = {
  FP64: [8, (view: DataView, at: number) => view.getFloat64(at, true)],
  FP32: [4, (view: DataView, at: number) => view.getFloat32(at, true)],
  INT64: [8, (view: DataView, at: number) => view.getBigInt64(at, true)],
  INT32: [4, (view: DataView, at: number) => view.getInt32(at, true)],
  INT16: [2, (view: DataView, at: number) => view.getInt16(at, true)],
  INT8: [1, (view: DataView, at: number) => view.getInt8(at)],
  UINT64: [8, (view: DataView, at: number) => view.getBigUint64(at, true)],
  UINT32: [4, (view: DataView, at: number) => view.getUint32(at, true)],
  UINT16: [2, (view: DataView, at: number) => view.getUint16(at, true)],
  UINT8: [1, (view: DataView, at: number) => view.getUint8(at)],
  BOOL: [1, (view: DataView, at: number) => view.getUint8(at) !== 0],
} as const
type NumberType = keyof typeof numbers

/** The rows of an inference request: a tensor for each column, [N] or [N, 1]. Throws `Refused`. */
export function rowTensors(
  inputs: readonly Record<string, unknown>[],
  binary: Uint8Array,
  { card, maxRows }: { card: TableFileCard; maxRows: number },
): TableRow[] {
  const columns = new Map<string, TableValue[]>()
  let at = 0
  for (const input of inputs) {
    const { name, shape } = input
    const column = card.inputs.find(one => one.name === name)
    const names = card.inputs.map(one => one.name)
    if (typeof name !== 'string' || (!column && !card.unused?.includes(name)))
      throw wrong(
        `there is no input ${JSON.stringify(name)}.${didYouMean(String(name), names)} GET the model for its inputs`,
      )
    if (columns.has(name)) throw wrong(`the input "${name}" is there twice`)
    if (
      !Array.isArray(shape) ||
      !shape.every(n => Number.isInteger(n) && n > 0) ||
      shape.length > 2 ||
      (shape[1] ?? 1) !== 1
    )
      throw wrong(`${name}: shape: expected [N] or [N, 1], got ${JSON.stringify(shape)}`)
    const n = shape[0] as number
    if (n > maxRows) throw new Refused(413, 'rows', `${name}: ${n} rows; at most ${maxRows} in one request are taken`)
    const { binary_data_size: size } = objectOf(input.parameters ?? {}, `${name}: parameters`)
    let own: Uint8Array | undefined
    if (size !== undefined) {
      if (!Number.isInteger(size) || input.data !== undefined || at + (size as number) > binary.length)
        throw wrong(
          `${name}: binary_data_size is ${size}${input.data === undefined ? '' : ' beside data'}; ${binary.length - at} bytes follow`,
        )
      own = binary.subarray(at, at + (size as number))
      at += size as number
    }
    const values = valuesOf(input, own, { name, n })
    columns.set(name, column?.kind === 'date' ? values.map(dateOf(column, input.datatype)) : values)
  }
  if (at < binary.length) throw wrong(`${binary.length - at} bytes after the JSON belong to no input`)
  const lacking = card.inputs.filter(({ name }) => !columns.has(name))
  if (lacking.length > 0)
    throw wrong(
      `inputs: expected a tensor for each column; missing: ${lacking.map(({ name, kind }) => `${name} (${datatypes[kind]})`).join(', ')}`,
    )
  const [[first, { length: rows }]] = [...columns] as [[string, TableValue[]]]
  for (const [name, values] of columns)
    if (values.length !== rows) throw wrong(`"${name}" has ${values.length} rows, and "${first}" has ${rows}`)
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries([...columns].map(([name, values]) => [name, values[row]!])),
  )
}

function valuesOf(
  { datatype, data }: Record<string, unknown>,
  binary: Uint8Array | undefined,
  { name, n }: { name: string; n: number },
): TableValue[] {
  if (datatype !== 'BYTES' && !Object.hasOwn(numbers, String(datatype)))
    throw wrong(`${name}: datatype ${datatype} is not taken; expected BYTES, ${Object.keys(numbers).join(', ')}`)
  const values = binary ? fromBinary(datatype as NumberType | 'BYTES', binary, name) : fromJson(data, name)
  if (values.length !== n) throw wrong(`${name}: the shape says ${n}, the data hold ${values.length}`)
  return values
}

function fromBinary(datatype: NumberType | 'BYTES', binary: Uint8Array, name: string): TableValue[] {
  if (datatype === 'BYTES') return binaryStrings(binary, name).map(bytes => textOf(bytes, name))
  const [size, read] = numbers[datatype]
  if (binary.length % size !== 0)
    throw wrong(`${name}: ${binary.length} bytes are no ${datatype} values of ${size} bytes`)
  const view = new DataView(binary.buffer, binary.byteOffset, binary.byteLength)
  return Array.from({ length: binary.length / size }, (_, i) => read(view, i * size))
}

function textOf(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw wrong(`${name}: a text is not UTF-8`)
  }
}

function fromJson(data: unknown, name: string): TableValue[] {
  if (!Array.isArray(data)) throw wrong(`${name}: data: expected a list, or binary_data_size`)
  return data.flat(1) as TableValue[]
}

/** Numbers of a date are whole seconds since 1970 in UTC, the least int64 where it is missing. */
const dateOf =
  ({ name }: TableCardInput, datatype: unknown) =>
  (value: TableValue, i: number): TableValue => {
    if (datatype === 'BYTES' || value === null || typeof value === 'string') return value
    if (typeof value !== 'number' && typeof value !== 'bigint')
      throw new Refused(
        422,
        'row',
        `row ${i + 1}, "${name}": ${JSON.stringify(value)} is no whole number of seconds since 1970`,
      )
    const seconds = Number(value)
    if (value === -(2n ** 63n) || seconds <= -(2 ** 63)) return null
    const date = new Date(seconds * 1000)
    if (Number.isNaN(date.getTime()))
      throw new Refused(422, 'row', `row ${i + 1}, "${name}": ${value} seconds since 1970 are no date`)
    return date
  }
