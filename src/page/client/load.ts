import type { AnySetup } from './setup.ts'

/** The bytes of the model and of the runtime: out of the page, or fetched beside it. progress: of all bytes. */
export async function loadBytes(
  { files }: AnySetup,
  progress: (done: number, total: number) => void,
): Promise<{ model: ArrayBuffer; wasm: ArrayBuffer }> {
  refuseOld(files.model.url === undefined)
  const total = files.model.bytes + files.wasm.bytes
  let done = 0
  const more = (bytes: number) => progress((done += bytes), total)
  const one = (name: 'model' | 'wasm') => {
    const { url, bytes } = files[name]
    return url === undefined ? embedded(name, more) : fetched(url, bytes, more)
  }
  const [model, wasm] = [await one('model'), await one('wasm')]
  return { model, wasm }
}

/** The smallest module with an instruction for several numbers at once, which the runtime computes with. */
const simd = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]

/** Throws where the browser lacks what the page needs. */
function refuseOld(packed: boolean): void {
  const able = typeof WebAssembly === 'object' && WebAssembly.validate(Uint8Array.from(simd))
  if (able && (!packed || typeof DecompressionStream === 'function')) return
  throw new Error(
    'This browser is too old for it, or does not allow WebAssembly. Use Chrome or Edge 111, Firefox 114, Safari 16.4, or newer.',
  )
}

async function fetched(url: string, bytes: number, more: (bytes: number) => void): Promise<ArrayBuffer> {
  const file = new URL(url, location.href).pathname.split('/').at(-1)
  let response: Response
  try {
    response = await fetch(url)
  } catch (cause) {
    throw new Error(`${file} can not be fetched (${(cause as Error).message}). Check the network, and reload the page.`)
  }
  if (!response.ok || !response.body)
    throw new Error(
      `${file} can not be fetched: the server answers ${response.status} ${response.statusText}. It lies in the same folder as this page; put the whole folder on the server.`,
    )
  const data = new Uint8Array(bytes)
  const reader = response.body.getReader()
  let at = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    if (at + value.length <= bytes) data.set(value, at)
    at += value.length
    more(value.length)
  }
  if (at !== bytes)
    throw new Error(
      `${file} has ${at} bytes, and this page was written for ${bytes}. It is cut off, or from another export; put the whole folder on the server again.`,
    )
  return data.buffer
}

/** Out of the page: base64 of gzip, in pieces, which are removed so that their memory is free again. */
async function embedded(name: string, more: (bytes: number) => void): Promise<ArrayBuffer> {
  const packed: Uint8Array<ArrayBuffer>[] = []
  for (const element of document.querySelectorAll(`script[data-file="${name}"]`)) {
    packed.push(fromBase64(element.textContent!.trim()))
    element.remove()
    await new Promise(resolve => setTimeout(resolve))
  }
  const stream = new Blob(packed).stream().pipeThrough(new DecompressionStream('gzip'))
  const data = await new Response(stream).arrayBuffer()
  more(data.byteLength)
  return data
}

/** Bytes of a base64 text. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const own = Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }
  if (own.fromBase64) return own.fromBase64(text)
  return bytesOfText(atob(text))
}

function bytesOfText(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}
