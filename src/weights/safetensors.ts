import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { AnnealError, WeightsError } from '../base/errors.ts'
import { writeAtomic } from '../base/files.ts'
import { crc32, hex32 } from './crc32.ts'
import type { Refuse } from './refuse.ts'
import { quote, refuser } from './refuse.ts'
import type { Header } from './safetensors-header.ts'
import { parseHeader } from './safetensors-header.ts'
import type { DTypeName, StoredTensor } from './stored-tensor.ts'
import { countElements, itemBytes } from './stored-tensor.ts'

/** The limit of the format. */
const mostHeaderBytes = 100_000_000

/** `__metadata__` holds `crc32.NAME`, the checksum of a tensor's bytes in eight hexadecimal digits, for all tensors or
 *  none. */
const checksumPrefix = 'crc32.'

const dtypeOfCode: Readonly<Record<string, DTypeName>> = {
  F32: 'float32',
  F64: 'float64',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
}
const codeOfDtype = new Map(Object.entries(dtypeOfCode).map(([code, dtype]) => [dtype, code]))

/** Reads a safetensors file from its bytes. Tensors are views into the bytes, in the order of the header. Checksums in
 *  the file are verified. Format: github.com/huggingface/safetensors; all checks of that library are made. */
export function readSafetensors(file: Uint8Array, refuse: Refuse): Map<string, StoredTensor> {
  const length = headerLength(file, file.length, refuse)
  const header = readHeader(file.subarray(8, 8 + length), refuse)
  const data = file.subarray(8 + length)
  const tensors = new Map<string, StoredTensor>()
  for (const [name, { dtype: code, shape, begin, end }] of header.tensors) {
    const what = `tensor ${quote(name)}`
    if (!Object.hasOwn(dtypeOfCode, code))
      refuse(`${what} has dtype ${quote(code)}; supported are ${Object.keys(dtypeOfCode).join(' ')}`, {
        advice: 'convert it to float32 and save again',
      })
    const dtype = dtypeOfCode[code]!
    const count = countElements(shape) ?? refuse(`${what} has an impossible shape`)
    if (end - begin !== count * itemBytes[dtype])
      refuse(`${what} has ${end - begin} bytes, but its shape [${shape}] in ${dtype} needs ${count * itemBytes[dtype]}`)
    tensors.set(name, { dtype, shape, data: data.subarray(begin, end) })
  }
  refuseGaps(header, data.length, refuse)
  verifyChecksums(tensors, header.metadata, refuse)
  return tensors
}

/** The `__metadata__` of a safetensors file, without the checksums. Reads only the header. */
export function readMetadata(path: string): Record<string, string> {
  const refuse = refuser(path)
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (cause) {
    throw new WeightsError(`${path}: cannot be opened (${(cause as Error).message}); give a .safetensors file.`, {
      cause,
    })
  }
  try {
    const read = (length: number, at: number): Uint8Array => {
      const part = new Uint8Array(length)
      return part.subarray(0, readSync(fd, part, 0, length, at))
    }
    const length = headerLength(read(9, 0), fstatSync(fd).size, refuse)
    const { metadata } = readHeader(read(length, 8), refuse)
    return Object.fromEntries([...metadata].filter(([key]) => !key.startsWith(checksumPrefix)))
  } finally {
    closeSync(fd)
  }
}

/** Writes a complete safetensors file or none, with a CRC-32 per tensor in `__metadata__`. The header keeps the order
 *  of the Map. The data is ordered by descending element size, so that each tensor is aligned. The same input gives the
 *  same bytes. */
export function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const refuse: Refuse = (reason, { advice = 'nothing was written' } = {}) => {
    throw new WeightsError(`writeSafetensors ${path}: ${reason}; ${advice}.`)
  }
  const entries: [string, unknown][] = []
  const checksums: [string, string][] = []
  const begins = layOut(tensors, refuse)
  for (const [name, { dtype, shape, data }] of tensors) {
    const begin = begins.get(name)!
    entries.push([name, { dtype: codeOfDtype.get(dtype), shape, data_offsets: [begin, begin + data.length] }])
    checksums.push([checksumPrefix + name, hex32(crc32(data))])
  }
  const reserved = Object.keys(metadata).find(key => key.startsWith(checksumPrefix))
  if (reserved !== undefined)
    refuse(`the metadata key ${quote(reserved)} begins with "${checksumPrefix}", which is reserved for checksums`)

  const all = [...Object.entries(metadata), ...checksums]
  const json = Buffer.from(
    `{${[['__metadata__', Object.fromEntries(all)] as const, ...entries].map(member).join(',')}}`,
  )
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  if (header.length - 8 > mostHeaderBytes)
    refuse(`its header would have ${header.length - 8} bytes, but the format allows ${mostHeaderBytes}`)
  header.writeBigUInt64LE(BigInt(header.length - 8))
  json.copy(header, 8)
  const inOrder = [...tensors].sort(([a], [b]) => begins.get(a)! - begins.get(b)!).map(([, { data }]) => data)
  writeAtomic(path, header, ...inOrder)
}

/** Written by hand, because an object would put keys that look like numbers first. */
const member = ([key, value]: readonly [string, unknown]): string => `${JSON.stringify(key)}:${JSON.stringify(value)}`

/** Where the data of each tensor begins: by descending element size, then in the order of the Map. */
function layOut(tensors: ReadonlyMap<string, StoredTensor>, refuse: Refuse): Map<string, number> {
  const begins = new Map<string, number>()
  let at = 0
  for (const size of [8, 4, 2, 1])
    for (const [name, { dtype, shape, data }] of tensors) {
      if (itemBytes[dtype] !== size) continue
      const wanted = (countElements(shape) ?? Number.NaN) * size
      if (data.length !== wanted)
        refuse(`tensor ${quote(name)} has ${data.length} bytes, but its shape [${shape}] in ${dtype} needs ${wanted}`)
      if (name === '__metadata__' || Buffer.from(name).toString() !== name)
        refuse(`${quote(name)} can not be the name of a tensor`)
      begins.set(name, at)
      at += data.length
    }
  return begins
}

/** Checks the length (eight bytes) and the brace after it against the size of the file. */
function headerLength(head: Uint8Array, fileBytes: number, refuse: Refuse): number {
  if (head.length < 9) refuse(`it has ${fileBytes} bytes, too few for a safetensors header`)
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true)
  if (length > mostHeaderBytes) refuse(`its header declares ${length} bytes, but safetensors allows ${mostHeaderBytes}`)
  if (Number(length) > fileBytes - 8) refuse(`its header declares ${length} bytes, but the file has ${fileBytes - 8}`)
  if (length < 2n || head[8] !== 0x7b) refuse('its header does not begin with {')
  return Number(length)
}

function readHeader(head: Uint8Array, refuse: Refuse): Header {
  try {
    return parseHeader(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(head))
  } catch (cause) {
    const reason = cause instanceof AnnealError ? cause.message : 'text that is not UTF-8'
    return refuse(`its header has ${reason}`, { cause })
  }
}

/** The tensors must fill the data exactly, without gaps, overlaps or bytes after them. */
function refuseGaps({ tensors }: Header, dataBytes: number, refuse: Refuse): void {
  let at = 0
  for (const [name, { begin, end }] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) refuse(`tensor ${quote(name)} begins at byte ${begin} of the data; expected ${at}`)
    at = end
  }
  if (at !== dataBytes) refuse(`its tensors need ${at} bytes of data, but it has ${dataBytes}`)
}

function verifyChecksums(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: ReadonlyMap<string, string>,
  refuse: Refuse,
): void {
  if (![...metadata.keys()].some(key => key.startsWith(checksumPrefix))) return
  for (const [name, { data }] of tensors) {
    const found = hex32(crc32(data))
    const expected = metadata.get(checksumPrefix + name)
    if (found !== expected)
      refuse(
        `tensor ${quote(name)} is damaged: its checksum is ${found}, expected ${expected ?? 'a checksum in the file'}`,
      )
  }
}
