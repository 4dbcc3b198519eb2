import { scope } from './dom.ts'
import { fetchModel } from './fetch.ts'
import { bytesOf, isBytes } from './input.ts'
import type { BlobLike, LoadOptions } from './types.ts'

/** Where a model comes from outside Node: its address, or the bytes of its file. */
export type Source = string | { readonly href: string } | Uint8Array | ArrayBuffer | BlobLike

/** The bytes of a model, and what errors call it. */
export async function modelOf(source: Source, { signal }: LoadOptions): Promise<[bytes: Uint8Array, name: string]> {
  if (typeof source === 'object' && source !== null && !('href' in source) && isBytes(source))
    return [await bytesOf(source), 'the model']
  const given = typeof source === 'string' ? source : (source as { href?: string } | null)?.href
  const url = wholeAddress(given)
  if (url === undefined) throw (await import('./refusals.ts')).noAddress(given ?? source)
  return [await fetchModel(url, signal), url]
}

/** The whole address, which errors name. */
function wholeAddress(given: unknown): string | undefined {
  try {
    return typeof given === 'string' ? new URL(given, scope.location?.href).href : undefined
  } catch {
    return undefined
  }
}
