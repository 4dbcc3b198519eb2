import { scope } from './dom.ts'
import { RunError, reasonOf } from './errors.ts'
import { kindOf } from './pixels.ts'
import type { Host, LoadOptions, Ort } from './types.ts'

const file = 'ort-wasm-simd-threaded.wasm'

interface WasmFlags {
  numThreads?: number
  wasmPaths?: LoadOptions['wasmPaths']
  wasmBinary?: Uint8Array | ArrayBuffer
}

/** What browsers and edge runtimes share: onnxruntime-web. */
export const webHost: Omit<Host<never>, 'decode'> = {
  device: 'wasm',
  importOrt: async () => (await import('onnxruntime-web/wasm')) as unknown as Ort,
  prepare(ort, { threads = usualThreads(), wasm, ...options }) {
    const { wasm: flags } = ort.env as { wasm?: WasmFlags }
    if (!flags) return {}
    flags.numThreads = threads
    const paths = pathsOf(options)
    if (paths !== undefined) flags.wasmPaths = paths
    if (wasm !== undefined) flags.wasmBinary = binaryOf(wasm)
    return {}
  },
  explain,
}

/** The paths for onnxruntime-web. In a folder it would look for a script as well, which the module imported here has. */
function pathsOf({ wasmPaths, ort }: LoadOptions): LoadOptions['wasmPaths'] {
  if (typeof wasmPaths !== 'string') return wasmPaths
  if (!wasmPaths.endsWith('/')) return { wasm: wasmPaths }
  return ort ? wasmPaths : { wasm: wasmPaths + file }
}

/** Threads need shared memory, which pages have that are cross-origin isolated. */
function usualThreads(): number {
  if (!scope.crossOriginIsolated) return 1
  return Math.min(4, Math.ceil((scope.navigator?.hardwareConcurrency ?? 1) / 2))
}

/** Bytes for onnxruntime-web. It takes no compiled module, so `WebAssembly.instantiate` is taught to give the module for
 *  an empty file of our own: workers are not allowed to compile bytes. */
function binaryOf(wasm: NonNullable<LoadOptions['wasm']>): Uint8Array | ArrayBuffer {
  if (kindOf(wasm) !== 'WebAssembly.Module') {
    if (ArrayBuffer.isView(wasm) || kindOf(wasm) === 'ArrayBuffer') return wasm as Uint8Array
    throw new RunError(
      'use',
      `wasm: got ${kindOf(wasm)}, expected the bytes of ort-wasm-simd-threaded.wasm, or a WebAssembly.Module.`,
    )
  }
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { instantiate(code: object, imports?: object): Promise<object> }
  }
  const mark = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0x61, 0x6e, 0x6e, 0x65, 0x61, 0x6c)
  const { instantiate } = WebAssembly
  const same = (code: object) =>
    ArrayBuffer.isView(code) &&
    code.byteLength === mark.length &&
    mark.every((byte, i) => (code as Uint8Array)[i] === byte)
  WebAssembly.instantiate = async (code, imports) => {
    if (!same(code)) return instantiate(code, imports)
    WebAssembly.instantiate = instantiate
    return { module: wasm, instance: await instantiate(wasm, imports) }
  }
  return mark
}

const give = 'load(url, { wasmPaths: { wasm } })'
const remedy = `With Vite: import wasm from 'onnxruntime-web/${file}?url', then ${give}. With esbuild: the same import without ?url, and --loader:.wasm=file. With webpack: const wasm = new URL('onnxruntime-web/${file}', import.meta.url).href, then ${give}. Without a bundler: copy node_modules/onnxruntime-web/dist/${file} to your site, and give its address.`

/** What a failed start means: the .wasm file is the usual reason. */
async function explain(error: unknown, options: LoadOptions): Promise<string> {
  const { wasm, ort } = options
  const reason = reasonOf(error)
  if (
    ort === undefined &&
    !/backend/.test(reason) &&
    /resolve module|module specifier|Cannot find (package|module)|dynamically imported|No such module/i.test(reason)
  )
    return `onnxruntime-web, which computes the answers, can not be imported (${reason}). Install it: npm install onnxruntime-web. Without a bundler, give it: load(url, { ort: await import('https://…/ort.wasm.bundle.min.mjs') }).`
  if (!/backend|wasm|WebAssembly|magic word|initWasm/i.test(reason))
    return `onnxruntime-web can not load it (${reason}). Export the model again with \`anneal export\`, and take a newer onnxruntime-web.`
  if (wasm !== undefined)
    return `onnxruntime-web does not start with the wasm that was given (${reason}). It must be the file ${file} of the same version.`
  const url = wasmAddress(options)
  if (url === undefined)
    return `onnxruntime-web does not start (${reason}). Often its file ${file} is not where it looks for it. ${remedy}`
  const came = await whatComes(url)
  if (came === undefined)
    return `onnxruntime-web does not start (${reason}). Its file came from ${url}; it must be ${file} of the same version.`
  return `onnxruntime-web does not start, since its file ${url} ${came}. ${remedy} Then load the page anew.`
}

/** The address of the .wasm file: as given, as fetched last, or where onnxruntime-web looks for it. */
function wasmAddress(options: LoadOptions): string | undefined {
  const paths = pathsOf(options)
  const given = typeof paths === 'string' ? paths + file : paths?.wasm
  const fetched = scope.performance?.getEntriesByType?.('resource').map(({ name }) => name) ?? []
  const here = import.meta.url // in a variable, or bundlers would look for the file
  try {
    if (given !== undefined) return new URL(given, scope.location?.href).href
    const last = fetched.findLast(name => /\.wasm($|[?#])/.test(name))
    return last ?? (options.ort ? undefined : new URL(file, here).href)
  } catch {
    return given
  }
}

/** What is wrong with an address; undefined if it gives a .wasm file. */
async function whatComes(url: string): Promise<string | undefined> {
  try {
    const answer = await scope.fetch(url)
    const type = answer.headers.get('content-type') ?? 'no type'
    if (!answer.ok) return `can not be fetched: the server answers ${answer.status} (${type})`
    const [a, b, c, d] = new Uint8Array(await answer.arrayBuffer())
    if (a === 0 && b === 0x61 && c === 0x73 && d === 0x6d) return undefined
    return `is no WebAssembly: the server answers ${answer.status} with ${type}, as servers do where there is no such file`
  } catch (error) {
    return `can not be fetched (${reasonOf(error)})`
  }
}
