import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { findAddon } from '../../src/setup/index.ts'
import { type CacheOptions, imageFolder, openPictures } from '../../src/vision/index.ts'
import { classFolders, jpeg, put, tempFolder } from '../helpers/data.ts'

const addon = findAddon()!.path
const kept = () => join(process.env.ANNEAL_CACHE!, 'pictures')
const files = (end: string) => (existsSync(kept()) ? readdirSync(kept()).filter(name => name.endsWith(end)) : [])

/** Opens a cache and counts the pictures that are decoded. */
async function open(dir: string, options: Partial<CacheOptions> = {}) {
  let worked = 0
  const opened = await openPictures(await imageFolder(dir), {
    short: 32,
    onProgress: done => (worked = done),
    ...options,
  })
  return { ...opened, worked }
}

test('a second run decodes nothing; another size, interpolation or content does', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 5, b: 5 })
  const first = await open(dir)
  assert.equal(first.worked, 10)
  const again = await open(dir)
  assert.equal(again.worked, 0)
  for (const { picture } of first.data.items) assert.deepEqual(again.picture(picture), first.picture(picture))
  assert.equal((await open(dir, { short: 16 })).worked, 10)
  assert.equal((await open(dir, { interpolation: 'bicubic', short: 16 })).worked, 10)
  writeFileSync(join(dir, 'a/0.jpg'), await jpeg(50))
  const changed = await open(dir)
  assert.equal(changed.worked, 10)
  const item = changed.data.items.find(({ file }) => file.endsWith('a/0.jpg'))!
  assert.notDeepEqual(changed.picture(item.picture).data, first.picture(item.picture).data)
})

test('a new picture costs one decoding: the others are copied from the cache before, which goes', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 10, b: 10 })
  const first = await open(dir)
  // The decoded data is marked, so that a copy differs from a new decoding.
  const [store] = files('.bin')
  const marked = readFileSync(join(kept(), store!)).fill(7)
  writeFileSync(join(kept(), store!), marked)
  put(dir, { 'a/new.jpg': await jpeg(99) })
  const second = await open(dir)
  const decoded = second.data.items.filter(item => second.picture(item.picture).data.some(value => value !== 7))
  assert.deepEqual(
    decoded.map(({ file }) => file),
    [join(first.data.dir, 'a/new.jpg')],
  )
  assert.equal(files('.bin').length, 1)
})

test('hashes are known again by size, inode and times, and only once those have settled', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 2, b: 2 })
  await open(dir)
  const table = () => JSON.parse(readFileSync(join(kept(), files('.hashes')[0]!), 'utf8')).known as unknown[]
  assert.equal(table().length, 0) // written just now: a file could change again within the same tick
  await new Promise(done => setTimeout(done, 2100))
  await open(dir)
  assert.equal(table().length, 4)
  writeFileSync(join(dir, 'a/0.jpg'), await jpeg(50))
  utimesSync(join(dir, 'a/0.jpg'), 1, 1) // an older time stamp must not hide the change
  assert.equal((await open(dir)).worked, 4)
})

test('a cache that was cut off, or whose index is no JSON, is built anew', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 3, b: 3 })
  const first = await open(dir)
  // A copy, because the file is mapped: cutting a mapped file removes the mapped data.
  const pictures = first.data.items.map(({ picture }) =>
    structuredClone({ ...first.picture(picture), data: Uint8Array.from(first.picture(picture).data) }),
  )
  truncateSync(join(kept(), files('.bin')[0]!), 100)
  assert.equal((await open(dir)).worked, 6)
  writeFileSync(join(kept(), files('.json')[0]!), '{"version":')
  const third = await open(dir)
  assert.equal(third.worked, 6)
  assert.deepEqual(
    third.data.items.map(({ picture }) => third.picture(picture)),
    pictures,
  )
})

test('an abort leaves nothing behind, and the next run is whole', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 20, b: 20 })
  const stop = new AbortController()
  const onProgress = (done: number) => done === 5 && stop.abort()
  await assert.rejects(open(dir, { signal: stop.signal, onProgress }), { name: 'AbortError' })
  assert.deepEqual([...files('.tmp'), ...files('.bin'), ...files('.lock')], [])
  assert.equal((await open(dir)).worked, 40)
})

test('a picture that goes away, or changes, while others are decoded is one line that names it', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 40, b: 40 })
  const last = join(dir, 'b/9.jpg')
  const onFirst = (act: () => void) => ({ onProgress: (done: number) => (done === 1 ? act() : undefined) })
  await assert.rejects(
    open(
      dir,
      onFirst(() => writeFileSync(last, 'other')),
    ),
    {
      name: 'AnnealError',
      message: /b\/9\.jpg changed while it was read; run again/,
    },
  )
  writeFileSync(last, await jpeg(200))
  await assert.rejects(
    open(
      dir,
      onFirst(() => rmSync(last)),
    ),
    {
      name: 'AnnealError',
      message: /b\/9\.jpg could be read a moment ago.*it does not exist; run again/,
    },
  )
  assert.deepEqual([files('.tmp'), files('.bin')], [[], []])
  assert.equal((await open(dir)).data.items.length, 79)
})

test('what a killed run left is swept; two runs at once decode once', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 10, b: 10 })
  const runs = await Promise.all([open(dir), open(dir)])
  assert.deepEqual(runs.map(run => run.worked).sort(), [0, 20])
  const base = files('.bin')[0]!.slice(0, -4)
  writeFileSync(join(kept(), `${base}.999.tmp`), 'half')
  truncateSync(join(kept(), `${base}.bin`), 100)
  await open(dir)
  assert.deepEqual(files('.tmp'), [])
})

test('where files may not grow: one line with the bytes, nothing half-written', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 60, b: 60 })
  const url = new URL('../../src/vision/index.ts', import.meta.url).href
  const script = `import { imageFolder, openPictures } from ${JSON.stringify(url)}
    await openPictures(await imageFolder(${JSON.stringify(dir)}), { short: 32 }).catch(e => { process.stdout.write(e.name + ': ' + e.message); process.exitCode = 3 })`
  const command = `ulimit -f 200; exec "$0" --import tsx --input-type=module -e "$1"`
  const cwd = new URL('../..', import.meta.url)
  const env = { ...process.env, ANNEAL_ADDON: addon } // the cache folder has changed meanwhile
  const child = spawnSync('bash', ['-c', command, process.execPath, script], { cwd, env, encoding: 'utf8' })
  assert.equal(child.status, 3, child.stderr)
  assert.match(
    child.stdout,
    /^AnnealError: no room in the cache folder .* KB more are needed, .* are free, so a quota or a limit/,
  )
  assert.deepEqual([...files('.tmp'), ...files('.bin'), ...files('.lock')], [])
  assert.equal((await open(dir)).worked, 120)
})

test('a cache folder that can not be made is one clear line', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 2, b: 2 })
  const before = process.env.ANNEAL_CACHE!
  process.env.ANNEAL_CACHE = join(dir, 'a/0.jpg')
  await assert.rejects(open(dir), { name: 'AnnealError', message: /can not be written to .*Set ANNEAL_CACHE/ })
  process.env.ANNEAL_CACHE = before
  for (const short of [0, 1.5, Number.NaN, 1e6])
    await assert.rejects(open(dir, { short }), /whole number from 1 to 8192/)
})
