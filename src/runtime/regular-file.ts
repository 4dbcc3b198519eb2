import { open } from 'node:fs/promises'

/** Reads a regular file. A pipe or a device is refused without waiting for it. */
export async function regularFile(path: string): Promise<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    if (!(await handle.stat()).isFile()) throw new Error('it is no regular file')
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}
