import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { AnnealError } from '../base/errors.ts'
import { bytes } from '../base/format.ts'
import { legacyMagicBytes, readLegacyPth, readZipPth } from './pth.ts'
import type { Refuse } from './refuse.ts'
import { refuser } from './refuse.ts'
import { readSafetensors } from './safetensors.ts'
import type { StoredTensor } from './stored-tensor.ts'

export { readMetadata, writeSafetensors } from './safetensors.ts'
export type { DTypeName, StoredTensor } from './stored-tensor.ts'
export { itemBytes } from './stored-tensor.ts'

/** The largest file that Node can read at once. */
const mostFileBytes = 2 ** 31 - 1

/** Reads the named tensors of a weight file: safetensors, or `.pth` as torch.save writes it now (zip) and before 1.6
 *  (legacy). The content decides the format. In a `.pth`, the state dict may be under `state_dict`, `model_state_dict`
 *  or `model`; entries that are not tensors are skipped. If every name begins with DataParallel's `module.`, it is
 *  removed. Nothing in the file is executed. For a file that is damaged, has wrong sizes or needs more than a state
 *  dict, throws an AnnealError with the reason before memory is allocated. */
export function readWeights(path: string): Map<string, StoredTensor> {
  const refuse = refuser(path)
  const file = readWhole(path, refuse)
  return withoutPrefix('module.', read(file, path, refuse))
}

function read(file: Uint8Array, path: string, refuse: Refuse): Map<string, StoredTensor> {
  const head = Buffer.from(file.buffer, file.byteOffset, Math.min(64, file.length))
  if (head.subarray(0, 4).equals(zipHead)) return readZipPth(file, refuse)
  if (head.includes(legacyMagicBytes)) return readLegacyPth(file, refuse)
  if (head[8] === 0x7b || /\.safetensors$/i.test(path)) return readSafetensors(file, refuse)
  const what = strangers.find(([begin]) => head.toString('latin1', 0, begin.length).toLowerCase() === begin)?.[1]
  return refuse(`it is ${what ?? (file.length === 0 ? 'empty' : 'not a weight file')}`, {
    advice: 'give a .safetensors file, or a .pth that torch.save wrote from a state dict',
  })
}

const zipHead = Buffer.from('PK\x03\x04')

/** Files that people give by mistake, by their first bytes in lower case. */
const strangers = [
  ['<!doctype', 'a web page: the download did not get the file'],
  ['<html', 'a web page: the download did not get the file'],
  ['version https://git-lfs', "a pointer of Git LFS, not the file itself ('git lfs pull' fetches it)"],
  ['\x89hdf', 'an HDF5 file, such as Keras writes'],
  ['gguf', 'a GGUF file'],
  ['\x1f\x8b', 'compressed by gzip'],
  ['\x80', 'a Python pickle, but not of torch.save'],
] as const

function readWhole(path: string, refuse: Refuse): Uint8Array {
  const advice = 'give the path of a weight file (.safetensors, .pth)'
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) // a pipe must not block
    try {
      const stat = fstatSync(fd)
      if (!stat.isFile()) refuse(stat.isDirectory() ? 'it is a folder' : 'it is not a regular file', { advice })
      if (stat.size > mostFileBytes)
        refuse(`it has ${bytes(stat.size)}, but at most ${bytes(mostFileBytes)} can be read`, { advice })
      const { buffer, byteOffset, byteLength } = readFileSync(fd)
      return new Uint8Array(buffer, byteOffset, byteLength)
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    if (cause instanceof AnnealError) throw cause
    const code = (cause as NodeJS.ErrnoException).code
    return refuse(code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`, { advice, cause })
  }
}

function withoutPrefix(prefix: string, tensors: Map<string, StoredTensor>): Map<string, StoredTensor> {
  if (![...tensors.keys()].every(name => name.startsWith(prefix))) return tensors
  return new Map([...tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor]))
}
