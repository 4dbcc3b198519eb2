import { scope } from './dom.ts'
import { reasonOf } from './errors.ts'
import type { LoadOptions } from './types.ts'

const file = 'ort-wasm-simd-threaded.wasm'
const give = 'load(url, { wasmPaths: { wasm } })'
const remedy = `With Vite: import wasm from 'onnxruntime-web/${file}?url', then ${give}. With esbuild: the same import without ?url, and --loader:.wasm=file. With webpack: const wasm = new URL('onnxruntime-web/${file}', import.meta.url).href, then ${give}. Without a bundler: copy node_modules/onnxruntime-web/dist/${file} to your site, and give its address.`

/** What a failed start means: the .wasm file is the usual reason. */
export async function explain(error: unknown, options: LoadOptions, paths: LoadOptions['wasmPaths']): Promise<string> {
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
  if (/timeout/.test(reason))
    return `onnxruntime-web did not start its threads (${reason}). In a bundle they do not find their script: give its address too, load(url, { wasmPaths: { wasm, mjs } }) with mjs that of onnxruntime-web/ort-wasm-simd-threaded.mjs, or take threads: 1. Then load the page anew.`
  if (wasm !== undefined)
    return `onnxruntime-web does not start with the wasm that was given (${reason}). It must be the file ${file} of the same version.`
  const url = wasmAddress(paths, ort !== undefined)
  if (url === undefined)
    return `onnxruntime-web does not start (${reason}). Often its file ${file} is not where it looks for it. ${remedy}`
  const came = await whatComes(url)
  if (came === undefined)
    return `onnxruntime-web does not start (${reason}). Its file came from ${url}; it must be ${file} of the same version.`
  return `onnxruntime-web does not start, since its file ${url} ${came}. ${remedy} Then load the page anew.`
}

/** The address of the .wasm file: as given, as fetched last, or where onnxruntime-web looks for it. */
function wasmAddress(paths: LoadOptions['wasmPaths'], elsewhere: boolean): string | undefined {
  const given = typeof paths === 'string' ? paths + file : paths?.wasm
  const fetched = scope.performance?.getEntriesByType?.('resource').map(({ name }) => name) ?? []
  const here = import.meta.url // in a variable, or bundlers would look for the file
  try {
    if (given !== undefined) return new URL(given, scope.location?.href).href
    const last = fetched.findLast(name => /\.wasm($|[?#])/.test(name))
    return last ?? (elsewhere ? undefined : new URL(file, here).href)
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
