import { createRequire } from 'node:module'
import { TensorError } from '../base/errors.ts'
import { cacheFolder } from '../base/files.ts'
import { findAddon, loadBefore, prepareEnvironment, threadsWanted } from '../setup/index.ts'
import { type HandleClass, handle, type TensorHandle, wrappers } from './handle.ts'

// The addon makes objects of the classes given to `wrapIn`. The callers in src/torch give these their types.
// biome-ignore lint/suspicious/noExplicitAny: the classes stand above this file
type Made = any

/** The addon's functions, as `native/` defines them. This is the only place with values that have no static type. */
export interface Native {
  setClasses(tensor: HandleClass, generator: HandleClass, key: symbol): void
  free(id: number): boolean
  live(): number
  resolve(name: string): number
  // biome-ignore lint/suspicious/noExplicitAny: an operator's schema, known at run time, decides
  call(operator: number, options: object | undefined, ...args: unknown[]): any
  schemas(): string[]
  schemasOf(operator: number): string[]
  shape(t: TensorHandle): number[]
  strides(t: TensorHandle): number[]
  dtype(t: TensorHandle): string
  device(t: TensorHandle): string
  byteLength(t: TensorHandle): number
  item(t: TensorHandle): number
  fromBytes(data: ArrayBufferView, shape: readonly number[], dtype: string, copy: boolean): Made
  toBytes(t: TensorHandle): TensorArray
  viewBytes(t: TensorHandle): TensorArray
  setGradMode(on: boolean): boolean
  backward(
    tensors: TensorHandle[],
    gradients: TensorHandle[],
    retainGraph: boolean,
    createGraph: boolean,
    inputs: TensorHandle[],
  ): void
  grad<T extends TensorHandle>(
    outputs: T[],
    inputs: T[],
    gradients: T[],
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
  ): (T | null)[]
  getGrad<T extends TensorHandle>(t: T): T | null
  setGrad(t: TensorHandle, gradient: TensorHandle | null): void
  requiresGrad(t: TensorHandle): boolean
  setRequiresGrad(t: TensorHandle, on: boolean): void
  isLeaf(t: TensorHandle): boolean
  retainGrad(t: TensorHandle): void
  onGradients(leaves: readonly TensorHandle[], then: (leaf: number) => void): () => void
  planJpeg(bytes: Uint8Array, ...fit: NativeFit): Size | null
  decodeJpeg(bytes: Uint8Array, ...fit: [...NativeFit, out: Uint8Array]): Promise<Size | null>
  decodeJpegFile(
    path: string | Uint8Array,
    ...fit: [...NativeFit, out: Uint8Array, most: number]
  ): Promise<Size | null> | Size
  decodeJpegFiles(
    paths: (string | Uint8Array)[],
    stamps: string[],
    ...fit: [...NativeFit, to: number, end: BigInt64Array, threads: number]
  ): Promise<([...Size, offset: number] | null)[]>
  hashFiles(paths: (string | Uint8Array)[], stamps: string[], threads: number): Promise<(string | null)[]>
  openStore(
    host: string,
    port: number,
    rank: number,
    size: number,
    server: boolean,
    listen: string,
    prefix: string,
    timeoutMs: number,
  ): Promise<string>
  joinGroup(name: string, listen: string, prefix: string, silenceMs: number, timeoutMs: number): Promise<string>
  leaveGroup(): void
  groupTrouble(passedMs: number): string
  groupWork(): [waitedSeconds: number, sentBytes: number]
  storeSet(key: string, value: string): void
  storeGet(key: string): string | null
  storeAdd(key: string, n: number): number
  setThreads(n: number): void
  threads(): number
  version(): string
  cpuCapability(): string
  cudaDevices(): number
  mpsAvailable(): boolean
  freeMemory(device: string): number | null
  synchronize(): void
  keepMemory(): boolean
  keepsMemory(): boolean
  pinLibraries(): void
  adjustMemory(bytes: number): number
  manualSeed(seed: number): void
  newGenerator(seed: number): Made
  defaultGenerator(device: string): Made
  generatorState(g: object): Made
  setGeneratorState(g: object, state: TensorHandle): void
  setDeterministic(on: boolean): void
  autocast(device: string, on: boolean, dtype: string): [boolean, string]
}

type NativeFit = readonly [short: number, aspect: number, cubic: boolean, limit: number]
type Size = [height: number, width: number]

/** The arrays of a tensor's elements: 16-bit floats as their bits, int64 as bigint. */
export type TensorArray =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint16Array
  | Float32Array
  | Float64Array

let loaded: Native | undefined
let memoryKept = false

/** Whether the addon and libtorch are loaded. */
export const isLoaded = (): boolean => loaded !== undefined

/** From now on the process keeps freed large buffers, if the C library can do so (glibc's `mallopt`); otherwise each
 *  training step must get its memory from the system again. Only training calls this, so that a server returns its
 *  memory to the system. Does not load the addon. */
export function keepMemory(): void {
  memoryKept = true
  loaded?.keepMemory()
}

function load(): Native {
  const found = findAddon()
  if (!found) cacheFolder() // without a known cache folder this throws the error that the user must solve first
  if (!found)
    throw new TensorError(
      'libtorch and the addon are not set up yet: run `npx anneal setup` (or `npm run build` in a clone)',
    )
  prepareEnvironment()
  loadBefore(found)
  const addon = createRequire(import.meta.url)(found.path) as Native
  const classes = wrappers()
  if (classes) addon.setClasses(...classes, handle)
  addon.setThreads(threadsWanted())
  if (memoryKept) addon.keepMemory()
  loaded = addon
  return addon
}

/** The addon, loaded at its first use. Throws if set-up has not run. */
export let native: Native = new Proxy({} as Native, {
  get(_, name: keyof Native) {
    native = load()
    return native[name]
  },
})
