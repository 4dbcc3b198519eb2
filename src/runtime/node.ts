import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Card } from '../onnx/card.ts'
import { decodeFile } from './decode-node.ts'
import { RunError, reasonOf } from './errors.ts'
import { bytesOf, isBytes } from './input.ts'
import type { Model as AnyModel } from './model.ts'
import { type OpenModel, open as openFile } from './open.ts'
import { importOrtNode } from './ort-node.ts'
import { isRaw } from './pixels.ts'
import { regularFile } from './regular-file.ts'
import type { BlobLike, Host, LoadOptions, ModelKind, Ort, RawPixels } from './types.ts'

export { probePicture } from '../onnx/probe.ts'
export * from './exports.ts'

/** A `URL` object. */
export interface UrlLike {
  readonly href: string
  readonly protocol: string
}

/** A picture to predict: the path of a file, its `URL` (`file:`), the bytes of a file, or raw pixels. */
export type Input = string | UrlLike | Uint8Array | ArrayBuffer | BlobLike | RawPixels
/** A model of pictures, loaded by {@link load}. */
export type Model = AnyModel<Input>
/** A model of a kind, as {@link load} gives it. Of an unknown kind it is a union, which `model.kind` tells apart. */
export type ModelOf<K extends ModelKind = ModelKind> = OpenModel<Input, K>

/** Loads an exported model of pictures, of a table, of texts or of sounds: `model.onnx` of `anneal export`. source: the path of the file, its URL (`file:`, `https:`), or
 *  its bytes. Throws a RunError for a file that is no such model. */
export async function load<K extends ModelKind = ModelKind>(
  source: string | UrlLike | Uint8Array | ArrayBuffer | BlobLike,
  options: LoadOptions<K> = {},
): Promise<ModelOf<K>> {
  const name = typeof source === 'string' ? source : isUrl(source) ? source.href : 'the model'
  return openFile(await modelBytes(source, options), name, host, options)
}

async function modelBytes(source: Parameters<typeof load>[0], { signal }: LoadOptions): Promise<Uint8Array> {
  const path = typeof source === 'string' ? source : isUrl(source) ? source.href : undefined
  if (path === undefined) return bytesOf(source as Uint8Array)
  if (/^https?:/i.test(path)) return (await import('./fetch.ts')).fetchModel(path, signal)
  const file = path.startsWith('file:') ? fileURLToPath(path) : path
  try {
    return await readFile(file)
  } catch (cause) {
    throw new RunError(
      'model',
      `${file} can not be read (${reasonOf(cause)}). Expected the model.onnx that \`anneal export RUN\` wrote.`,
      { cause },
    )
  }
}

const isUrl = (input: unknown): input is UrlLike =>
  typeof input === 'object' && input !== null && 'href' in input && 'protocol' in input

const expected =
  'expected a path, a file: URL, the bytes of a picture file (Uint8Array, ArrayBuffer, Blob), or raw pixels { data, width, height, channels }'

async function pictureBytes(path: string): Promise<Uint8Array> {
  try {
    return await regularFile(path)
  } catch (cause) {
    throw new RunError('picture', `it can not be read (${reasonOf(cause)})`, { cause })
  }
}

async function decode(
  input: Input,
  card: Card,
  { limitPixels, decode }: Parameters<Host<Input>['decode']>[2],
): Promise<RawPixels> {
  let bytes: Uint8Array
  if (typeof input === 'string') {
    if (/^https?:/i.test(input)) throw refusedUrl(input)
    bytes = await pictureBytes(input.startsWith('file:') ? fileURLToPath(input) : input)
  } else if (isUrl(input)) {
    if (input.protocol !== 'file:') throw refusedUrl(input.href)
    bytes = await pictureBytes(fileURLToPath(input.href))
  } else if (typeof input !== 'object' || input === null)
    throw new RunError('picture', `it is ${String(input)}; ${expected}`)
  else if (isRaw(input)) return input
  else if (isBytes(input)) bytes = await bytesOf(input)
  else
    throw new RunError(
      'picture',
      `it is an object of ${Object.keys(input).slice(0, 6).join(', ') || 'nothing'}; ${expected}`,
    )
  return decode ? decode(bytes) : decodeFile(bytes, card, limitPixels)
}

const refusedUrl = (url: string) =>
  new RunError(
    'picture',
    `${url} is not fetched here; fetch it and give its bytes: predict(await (await fetch(url)).blob())`,
  )

/** The processors that this process may use: those of the machine, or the quota of its container. */
function processors(): number {
  try {
    const [quota, period] = readFileSync('/sys/fs/cgroup/cpu.max', 'utf8').split(' ').map(Number)
    if (quota! > 0) return Math.max(1, Math.min(availableParallelism(), Math.floor(quota! / period!)))
  } catch {
    // No such file: no quota.
  }
  return availableParallelism()
}

const host: Host<Input> = {
  device: 'cpu',
  importOrt: async () => (await importOrtNode()) as Ort,
  prepare(ort, { threads = processors() }) {
    const { wasm } = ort.env as { wasm?: { numThreads?: number } }
    if (wasm) wasm.numThreads = 1 // onnxruntime-web has one thread in Node
    return {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
    }
  },
  explain(error) {
    const reason = reasonOf(error)
    return /Cannot find (package|module)/.test(reason)
      ? 'onnxruntime-node, which computes the answers, is not installed. Install it: npm install --ignore-scripts onnxruntime-node. Where it has no build (Alpine, Intel Macs), take onnxruntime-web: load(file, { ort: await import("onnxruntime-web/wasm"), device: "auto" }).'
      : `onnxruntime can not load it (${reason}). Export the model again with \`anneal export\`, and take a newer onnxruntime-node.`
  },
  decode,
  sounds: () => import('./sound/node.ts'),
}
