import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'

/** Adds the content of a file to a hash without holding it in memory. */
export async function hashFile(path: string, hash: Hash): Promise<Hash> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array)
  return hash
}

/** The sha256 of a file, as 64 hexadecimal digits. */
export const sha256File = async (path: string): Promise<string> =>
  (await hashFile(path, createHash('sha256'))).digest('hex')

/** The sha256 of data, as 64 hexadecimal digits. */
export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')
