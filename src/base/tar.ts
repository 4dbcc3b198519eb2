import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { defaultLimits, type Limits, type Pick, parentOf, safeMember, unsafe } from './archive.ts'
import { tarBlock as block, paxRecords, tarHeader, tarText as text } from './tar-header.ts'

/** Unpacks the files of a `.tgz` (such as an npm package) that `pick` chooses; returns their number. Each member is
 *  held in memory once. Throws for names that leave the folder, links, devices and archive bombs. Never overwrites a
 *  file. Reads ustar, with pax and GNU long names. */
export async function untar(path: string, to: string, pick: Pick, limits: Limits = defaultLimits): Promise<number> {
  const archive = basename(path)
  const bytes = reader(path, archive, limits.bytes)
  let count = 0
  let members = 0
  let longName: string | undefined
  for (;;) {
    const head = await bytes.take(block)
    if (head.every(byte => byte === 0)) return count
    if (++members > limits.members) throw unsafe(archive, `it has more than ${limits.members} members`)
    const { name: own, size, type } = tarHeader(head, why => unsafe(archive, why))
    const data = async () => {
      const padded = await bytes.take(Math.ceil(size / block) * block)
      return padded.subarray(0, size)
    }
    if (type === 'L') longName = text(await data())
    else if (type === 'x') longName = paxRecords(await data()).get('path') ?? longName
    else if (type === 'g') await data()
    else {
      const name = longName ?? own
      longName = undefined
      if (type !== '0' && type !== '\0' && type !== '5')
        throw unsafe(archive, `its member ${name} is a link or a device`)
      safeMember(archive, name)
      const target = type === '5' ? undefined : pick(name)
      const content = await data()
      if (target === undefined) continue
      await writeFile(parentOf(join(to, safeMember(archive, target))), content, { flag: 'wx' })
      count++
    }
  }
}

function reader(path: string, archive: string, limit: number) {
  const stream = createReadStream(path).pipe(createGunzip())
  const chunks = stream[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  let total = 0
  return {
    async take(length: number): Promise<Buffer> {
      total += length
      if (total > limit) throw unsafe(archive, `it would unpack to more than ${limit} bytes`)
      const parts = [held]
      let have = held.length
      while (have < length) {
        const next = await chunks.next().catch((error: NodeJS.ErrnoException) => {
          throw error.code?.startsWith('Z_') ? unsafe(archive, 'it is damaged or cut short') : error
        })
        if (next.done) throw unsafe(archive, 'it is cut short')
        parts.push(next.value as Buffer)
        have += (next.value as Buffer).length
      }
      const all = parts.length === 1 ? held : Buffer.concat(parts)
      held = all.subarray(length)
      return all.subarray(0, length)
    },
  }
}
