import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readdirSync, writeSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { makeFolder, plainMember } from '../../base/archive.ts'
import { sha256File } from '../../base/digest.ts'
import { DataError, FileError, fileReason } from '../../base/errors.ts'
import { writeAtomic } from '../../base/files.ts'
import { bytes as inBytes, plural } from '../../base/format.ts'
import { purpose, rng, shuffle } from '../../base/random.ts'
import { tarEnd, tarHead, tarPadding } from '../../base/tar-write.ts'
import type { FolderIndex } from '../labels/from-folders.ts'
import type { Item, Place } from '../types.ts'
import { shardsAt } from './find.ts'
import { type Manifest, manifestName, readBeside } from './manifest.ts'
import { nameInTar, readSampleSync } from './members.ts'

/** How shards are written. */
export interface ShardOptions {
  /** A folder that does not exist yet. */
  out: string
  /** A tar is closed before it would grow over this many bytes. */
  size: number
  /** The seed of the order that samples are written in. Default: 42. */
  seed?: number
  /** How readers order the samples: `class` for class folders, `file` for labels from tables and names. */
  order: Manifest['order']
  /** The ending of a name for a content, where a file has another one than its kind: `jpg`. */
  endingOf: (name: string, content: Uint8Array) => string
  onProgress?: (done: number, total: number) => void
  signal?: AbortSignal | undefined
}

/** What was written, and which files could not be read. */
export interface Written {
  manifest: Manifest
  unread: readonly { file: string; reason: string }[]
}

/** Writes labelled samples into tars for WebDataset, with an index beside them. The files are copied byte by byte. A tar of
 *  samples in their order would hold one class or two, so they are shuffled by the seed: who reads tars from front to back needs
 *  that. If validation is drawn in training, all tars are called `shard-…`; else they are called by their part. Leaves a complete
 *  folder or none. */
export async function writeShards(index: FolderIndex, options: ShardOptions): Promise<Written> {
  const { out, size, seed = 42, order, signal } = options
  if (existsSync(out) && readdirSync(out).length > 0)
    throw new FileError(
      `${out} is there already and holds files; expected a folder that does not exist yet. Name another one with --out, or remove it.`,
    )
  if (existsSync(out))
    throw new FileError(`${out} is there already; expected a folder that does not exist yet. Remove it: rmdir ${out}`)
  const unread: Written['unread'][number][] = []
  let manifest: Manifest | undefined
  await makeFolder(out, async folder => {
    const names = new Names()
    const shards: Manifest['shards'][number][] = []
    let done = 0
    for (const [part, items] of partsOf(index)) {
      let tar: TarFile | undefined
      let number = 0
      const close = () => {
        if (tar) shards.push(tar.close())
        tar = undefined
      }
      for (const item of shuffle([...items], rng(seed, purpose.order))) {
        signal?.throwIfAborted()
        options.onProgress?.(done++, index.items.length)
        const content = readOr(item, unread)
        if (!content) continue
        const members = membersOf(index, item, { names, content, endingOf: options.endingOf })
        const grows = members.reduce(
          (sum, [name, data]) => sum + tarHead(name, data.length).length + data.length + tarPadding(data.length).length,
          0,
        )
        if (tar && tar.bytes + grows > size) close()
        tar ??= new TarFile(folder, `${part}-${String(number++).padStart(6, '0')}.tar`)
        tar.add(members)
        if (done % 64 === 0) await new Promise(resolve => setImmediate(resolve)) // signals and the progress line
      }
      close()
    }
    const { task, classes } = index
    const samples = shards.reduce((sum, shard) => sum + shard.samples, 0)
    manifest = { format: 'anneal-shards', version: 1, task, classes, samples, order, seed, shards }
    writeAtomic(join(folder, manifestName), `${JSON.stringify(manifest, null, 1)}\n`)
  })
  return { manifest: manifest!, unread }
}

function partsOf({ items, drawn }: FolderIndex): [string, readonly Item[]][] {
  if (drawn) return [['shard', items]]
  return (['train', 'valid', 'test'] as const).flatMap((part): [string, readonly Item[]][] => {
    const own = items.filter(item => item.split === part)
    return own.length > 0 ? [[part, own]] : []
  })
}

function readOr(item: Place, unread: { file: string; reason: string }[]): Buffer | undefined {
  try {
    return readSampleSync(item)
  } catch (error) {
    unread.push({ file: item.file, reason: fileReason(error) })
    return undefined
  }
}

/** Names of samples in tars, each once. Up to the first dot a name says which members belong together, so dots before the
 *  ending become `_`. */
class Names {
  readonly #used = new Set<string>()

  /** The name of a file without its ending. */
  take(file: string): string {
    const dot = file.lastIndexOf('.')
    const slash = file.lastIndexOf('/') + 1
    const folder = file
      .slice(0, slash)
      .replace(/[\\\0]|^(?=[a-zA-Z]:)/g, '_')
      .replaceAll(/(^|\/)\.\.?(?=\/)/g, '$1_')
    const stem = (dot > slash ? file.slice(slash, dot) : file.slice(slash)).replace(/[.\\\0]/g, '_')
    const wanted = `${folder}${stem || '_'}`
    let key = wanted
    for (let n = 2; this.#used.has(key); n++) key = `${wanted}_${n}`
    this.#used.add(key)
    return key
  }
}

function membersOf(
  { dir, task, classes }: FolderIndex,
  item: Item,
  { names, content, endingOf }: { names: Names; content: Buffer; endingOf: ShardOptions['endingOf'] },
): [name: string, data: Buffer][] {
  const file = nameInTar(item.file) ?? relative(dir, item.file).replaceAll(sep, '/')
  const ending = endingOf(file, content)
  const key = names.take(file)
  const name = `${key}.${ending}`
  if (plainMember(name) === undefined) throw new DataError(`${item.file}: its name can not stand in a tar. Rename it.`)
  const fields = {
    ...(name !== file && { file }),
    ...(item.group !== undefined && { group: item.group }),
    ...(item.time !== undefined && { time: item.time }),
    ...(task === 'multi' && { labels: item.labels.map(label => classes[label]) }),
    ...(task === 'regression' && { values: Object.fromEntries(classes.map((target, i) => [target, item.values![i]])) }),
  }
  const members: [string, Buffer][] = [[name, content]]
  if (task === 'single') members.push([`${key}.cls`, Buffer.from(String(item.labels[0]))])
  if (Object.keys(fields).length > 0) members.push([`${key}.json`, Buffer.from(JSON.stringify(fields))])
  return members
}

/** A tar that is written, with its digest. */
class TarFile {
  bytes = 0
  #samples = 0
  readonly #name: string
  readonly #fd: number
  readonly #hash = createHash('sha256')

  constructor(folder: string, name: string) {
    this.#name = name
    this.#fd = openSync(join(folder, name), 'wx')
  }

  add(members: readonly [name: string, data: Buffer][]): void {
    for (const [name, data] of members)
      for (const part of [tarHead(name, data.length), data, tarPadding(data.length)]) this.#write(part)
    this.#samples++
  }

  close(): Manifest['shards'][number] {
    this.#write(tarEnd())
    closeSync(this.#fd)
    return { file: this.#name, bytes: this.bytes, samples: this.#samples, sha256: this.#hash.digest('hex') }
  }

  #write(data: Buffer): void {
    for (let done = 0; done < data.length; ) done += writeSync(this.#fd, data, done)
    this.#hash.update(data)
    this.bytes += data.length
  }
}

/** Compares the shards of a folder with the digests in its index. Throws for the first one that differs. */
export async function checkShards(
  folder: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<string> {
  const shards = shardsAt(folder)
  const { manifest } = shards ? readBeside(shards) : {}
  if (!shards || !manifest)
    throw new DataError(
      `${folder} holds no shards with an ${manifestName}; expected a folder that \`anneal shard\` wrote. Name it.`,
    )
  let bytes = 0
  for (const [i, { file, sha256 }] of manifest.shards.entries()) {
    onProgress(i, manifest.shards.length)
    const path = join(shards.dir, file)
    const found = await sha256File(path)
    if (found !== sha256)
      throw new DataError(
        `${path} has the sha256 ${found.slice(0, 12)}…, and ${manifestName} says ${sha256.slice(0, 12)}…; its content has changed. Copy it again, or make the shards again.`,
      )
    bytes += manifest.shards[i]!.bytes
  }
  return `${plural(manifest.shards.length, 'shard')}, ${plural(manifest.samples, 'sample')}, ${inBytes(bytes)}: as they were written`
}
