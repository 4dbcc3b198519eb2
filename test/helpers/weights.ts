import { deflateRawSync } from 'node:zlib'
import { crc32 } from '../../src/weights/crc32.ts'
import type { Opcode } from '../../src/weights/opcodes.ts'
import { opcodes } from '../../src/weights/opcodes.ts'

/** One opcode, alone or with its argument. Numbers are bytes; strings are the text in the file. */
export type Instruction = Opcode | [Opcode, ...(number | string | Uint8Array)[]]

/** A pickle made by hand, so that it can contain what no pickler writes. */
export function assemble(...program: Instruction[]): Buffer {
  return Buffer.concat(
    program.map(instruction => {
      const [opcode, ...args] = typeof instruction === 'string' ? [instruction] : instruction
      const parts = args.map(arg => (typeof arg === 'number' ? Buffer.of(arg) : Buffer.from(arg)))
      return Buffer.concat([Buffer.of(opcodes[opcode]), ...parts])
    }),
  )
}

/** A little-endian number of `length` bytes. */
export function le(value: number | bigint, length: number): Buffer {
  const out = Buffer.alloc(8)
  out.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return out.subarray(0, length)
}

/** Pushes a text. */
export const text = (value: string): Instruction => ['BINUNICODE', le(Buffer.byteLength(value), 4), value]

/** Pushes a number below 2^31. */
export const int = (value: number): Instruction => ['BININT', le(value, 4)]

/** Pushes a tuple of numbers. */
export const sizes = (values: number[]): Instruction[] => ['MARK', ...values.map(int), 'TUPLE']

/** Pushes a tensor, as torch.save writes it. */
export function tensor(
  key: string,
  { type = 'FloatStorage', numel = 4, offset = 0, shape = [4], strides = [1] }: TensorOptions = {},
): Instruction[] {
  return [
    ['GLOBAL', 'torch._utils\n_rebuild_tensor_v2\n'],
    'MARK',
    ...[
      'MARK' as const,
      text('storage'),
      ['GLOBAL', `torch\n${type}\n`] as Instruction,
      text(key),
      text('cpu'),
      int(numel),
    ],
    'TUPLE',
    'BINPERSID',
    int(offset),
    ...sizes(shape),
    ...sizes(strides),
    'NEWFALSE',
    ...(['EMPTY_DICT', 'TUPLE', 'REDUCE'] as const),
  ]
}

interface TensorOptions {
  type?: string
  numel?: number
  offset?: number
  shape?: number[]
  strides?: number[]
}

/** A state dict with one entry. */
export const stateDict = (name: string, value: Instruction[]): Buffer =>
  assemble(['PROTO', 2], 'EMPTY_DICT', text(name), ...value, 'SETITEM', 'STOP')

/** One entry of a zip archive, and wrong values for its headers. */
export interface ZipEntry {
  name: string
  data: Uint8Array
  deflate?: boolean
  local?: { name?: string; crc?: number; packed?: number; size?: number; flags?: number }
  central?: { crc?: number; packed?: number; size?: number; flags?: number; method?: number; offset?: number }
  /** Packed size, size and offset of zip64 in the directory, if the short fields are all ones. */
  wide?: bigint[]
}

/** A zip archive. `end` overrides values of its last record. */
export function makeZip(
  entries: ZipEntry[],
  end: { count?: number; size?: number; start?: number; wide?: { count?: number; size?: number; start?: number } } = {},
): Buffer {
  const files: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const { name, data, deflate = false, local = {}, central = {}, wide } of entries) {
    const packed = deflate ? deflateRawSync(data) : Buffer.from(data)
    const truth = { crc: crc32(data), packed: packed.length, size: data.length, flags: 0, method: deflate ? 8 : 0 }
    const here = { ...truth, name, ...local }
    const there = { ...truth, offset: at, ...central }
    const extra = wide ? [le(1, 2), le(8 * wide.length, 2), ...wide.map(value => le(value, 8))] : []
    const localName = Buffer.from(here.name)
    const file = [
      ...[le(0x04034b50, 4), le(20, 2), le(here.flags, 2), le(there.method, 2), le(0, 4), le(here.crc, 4)],
      ...[le(here.packed, 4), le(here.size, 4), le(localName.length, 2), le(0, 2), localName, packed],
    ]
    directory.push(
      ...[le(0x02014b50, 4), le(20, 2), le(20, 2), le(there.flags, 2), le(there.method, 2), le(0, 4)],
      ...[le(there.crc, 4), le(there.packed, 4), le(there.size, 4), le(Buffer.byteLength(name), 2)],
      ...[le(Buffer.concat(extra).length, 2), le(0, 2), le(0, 2), le(0, 2), le(0, 4), le(there.offset, 4)],
      ...[Buffer.from(name), ...extra],
    )
    files.push(...file)
    at += Buffer.concat(file).length
  }
  const size = Buffer.concat(directory).length
  const last = { count: entries.length, size, start: at, ...end }
  const wide = { count: entries.length, size, start: at, ...end.wide }
  const zip64 = [
    ...[le(0x06064b50, 4), le(44, 8), le(45, 2), le(45, 2), le(0, 8)],
    ...[le(wide.count, 8), le(wide.count, 8), le(wide.size, 8), le(wide.start, 8)],
    ...[le(0x07064b50, 4), le(0, 4), le(at + size, 8), le(1, 4)],
  ]
  return Buffer.concat([
    ...files,
    ...directory,
    ...(end.wide ? zip64 : []),
    ...[
      le(0x06054b50, 4),
      le(0, 4),
      le(last.count, 2),
      le(last.count, 2),
      le(last.size, 4),
      le(last.start, 4),
      le(0, 2),
    ],
  ])
}

/** A zip `.pth` of a pickle and its storages. */
export const makePth = (pickle: Uint8Array, storages: Record<string, Uint8Array> = {}): Buffer =>
  makeZip([
    { name: 'w/data.pkl', data: pickle },
    ...Object.entries(storages).map(([key, data]) => ({ name: `w/data/${key}`, data })),
  ])

/** A legacy `.pth`: magic, protocol, machine, pickle, keys, then each storage with its count. */
export const makeLegacy = (
  pickle: Uint8Array,
  storages: [key: string, numel: number | bigint, data: Uint8Array][],
): Buffer =>
  Buffer.concat([
    assemble(['PROTO', 2], ['LONG1', 10, Buffer.from('6cfc9c46f9206aa85019', 'hex')], 'STOP'),
    assemble(['PROTO', 2], ['BININT2', le(1001, 2)], 'STOP'),
    assemble(['PROTO', 2], 'EMPTY_DICT', 'STOP'),
    pickle,
    assemble(['PROTO', 2], 'EMPTY_LIST', 'MARK', ...storages.map(([key]) => text(key)), 'APPENDS', 'STOP'),
    ...storages.flatMap(([, numel, data]) => [le(numel, 8), Buffer.from(data)]),
  ])
