import assert from 'node:assert/strict'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { makeFolder, sweep, sweepOf } from '../../src/base/archive.ts'
import { untar } from '../../src/base/tar.ts'
import { unzip } from '../../src/base/zip.ts'
import { type Entry, tgzOf, zipOf } from '../helpers/archive.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'anneal-archive-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string, data: Buffer) => {
  writeFileSync(join(folder, name), data)
  return join(folder, name)
}
const all = (name: string) => name
const out = () => join(folder, 'out')

test('unzips what is picked, small and large, with its mode', async () => {
  const large = Buffer.alloc(3_000_000, 'abcdefg')
  const entries = [
    { name: 'a/small.txt', data: Buffer.from('hello') },
    { name: 'a/run', mode: 0o100755 },
    { name: 'b/large.bin', data: large },
    { name: 'b/left-out' },
    { name: 'a/', data: Buffer.alloc(0), mode: 0o040755 },
  ]
  const zip = file('x.zip', zipOf(entries))
  assert.equal(await unzip(zip, out(), name => (name === 'b/left-out' ? undefined : name)), 3)
  assert.equal(readFileSync(join(out(), 'a/small.txt'), 'utf8'), 'hello')
  assert.deepEqual(readFileSync(join(out(), 'b/large.bin')), large)
  assert.equal(statSync(join(out(), 'a/run')).mode & 0o111, 0o111)
  assert.equal(existsSync(join(out(), 'b/left-out')), false)
})

const evil: [string, Entry[], RegExp][] = [
  ['a parent folder', [{ name: '../evil' }], /would leave the folder/],
  ['a parent folder in the middle', [{ name: 'a/../../evil' }], /would leave the folder/],
  ['an absolute path', [{ name: '/etc/evil' }], /would leave the folder/],
  ['a backslash', [{ name: '..\\evil' }], /would leave the folder/],
  ['a drive letter', [{ name: 'C:evil' }], /would leave the folder/],
  ['a symbolic link', [{ name: 'link', mode: 0o120777, data: Buffer.from('/etc/passwd') }], /link or a device/],
  ['an encrypted member', [{ name: 'secret', flags: 1 }], /encrypted/],
  ['one name twice', [{ name: 'twice' }, { name: 'twice' }], /the same name/],
  ['members that overlap', [{ name: 'one' }, { name: 'two', offset: 0 }], /overlaps/],
  ['a size beyond the limit', [{ name: 'bomb', size: 4_000_000_000 }], /would unpack to/],
]
for (const [what, entries, reason] of evil)
  test(`refuses a zip with ${what}, and writes nothing`, async () => {
    const zip = file('x.zip', zipOf([{ name: 'first' }, ...entries]))
    await assert.rejects(unzip(zip, out(), all, { bytes: 1e9, members: 100 }), reason)
    assert.equal(existsSync(out()), false)
  })

test('refuses a zip whose bytes are not what it says', async () => {
  const data = Buffer.alloc(2_000_000, 7)
  const bad = (entry: Entry, reason: RegExp) =>
    assert.rejects(unzip(file('x.zip', zipOf([entry])), join(folder, String(reason)), all), reason)
  await bad({ name: 'small', crc: 1 }, /damaged/)
  await bad({ name: 'large', data, crc: 2 }, /member large is damaged/)
  await bad({ name: 'long', data, size: 10 }, /longer than the size in its header/)
  await bad({ name: 'longer', data, size: 1_500_000 }, /member longer is longer/)
})

test('refuses a zip that is cut or none at all, and too many members', async () => {
  const whole = zipOf([{ name: 'a' }, { name: 'b' }])
  await assert.rejects(unzip(file('cut.zip', whole.subarray(0, -10)), out(), all), /cut short/)
  await assert.rejects(unzip(file('head.zip', whole.subarray(40)), out(), all), /was not unpacked/)
  await assert.rejects(unzip(file('text.zip', Buffer.from('hello')), out(), all), /not a zip file/)
  await assert.rejects(unzip(file('many.zip', whole), out(), all, { bytes: 1e9, members: 1 }), /2 members/)
})

test('never overwrites a file', async () => {
  const zip = file('x.zip', zipOf([{ name: 'a', data: Buffer.from('new') }]))
  await unzip(zip, out(), all)
  await assert.rejects(unzip(zip, out(), all), { code: 'EEXIST' })
})

test('untars files and long names', async () => {
  const long = `package/${'d/'.repeat(80)}name.txt`
  const entries = [
    { name: 'package/a.txt', data: Buffer.from('hello') },
    { name: '././@LongLink', type: 'L', data: Buffer.from(`${long}\0`) },
    { name: 'package/short', data: Buffer.from('deep') },
  ]
  assert.equal(await untar(file('x.tgz', tgzOf(entries)), out(), all), 2)
  assert.equal(readFileSync(join(out(), 'package/a.txt'), 'utf8'), 'hello')
  assert.equal(readFileSync(join(out(), long), 'utf8'), 'deep')
})

test('refuses a tar with names that leave, links, bombs and cuts', async () => {
  const bad = (data: Buffer, reason: RegExp, limits = { bytes: 1e6, members: 10 }) =>
    assert.rejects(untar(file('x.tgz', data), out(), all, limits), reason)
  await bad(tgzOf([{ name: '../evil' }]), /would leave the folder/)
  await bad(
    tgzOf([{ name: '@', type: 'L', data: Buffer.from('../evil\0') }, { name: 'good' }]),
    /would leave the folder/,
  )
  await bad(tgzOf([{ name: 'link', type: '2', data: Buffer.alloc(0) }]), /link or a device/)
  await bad(tgzOf([{ name: 'bomb', data: Buffer.alloc(2_000_000) }]), /more than 1000000 bytes/)
  await bad(tgzOf([{ name: 'a' }, { name: 'b' }]), /more than 1 members/, { bytes: 1e6, members: 1 })
  await bad(tgzOf([{ name: 'a', data: Buffer.alloc(9999, 1) }]).subarray(0, -20), /damaged or cut short/)
  await bad(gzipSync(Buffer.alloc(512, 65)), /header of it is damaged/)
  assert.equal(existsSync(join(folder, 'evil')), false)
})

test('a folder is made whole or not at all', async () => {
  const failing = makeFolder(out(), async temp => {
    writeFileSync(join(temp, 'half'), 'x')
    throw new Error('cut')
  })
  await assert.rejects(failing, /cut/)
  assert.deepEqual(readdirSync(folder), [])
  await makeFolder(out(), async temp => writeFileSync(join(temp, 'whole'), 'x'))
  assert.deepEqual(readdirSync(out()), ['whole'])
  await makeFolder(out(), async () => assert.fail('it is there'))
})

test('sweepOf removes what was left of one folder, and nothing else', () => {
  for (const name of ['a.1.ff.tmp', 'a.lock', 'ab.1.ff.tmp']) file(name, Buffer.from('x'))
  sweepOf(join(folder, 'a'))
  assert.deepEqual(readdirSync(folder).sort(), ['a.lock', 'ab.1.ff.tmp'])
})

test('sweep removes old temporary files, not new ones nor others', () => {
  for (const name of ['old.tmp', 'new.tmp', 'old']) file(name, Buffer.from('x'))
  for (const name of ['old.tmp', 'old']) utimesSync(join(folder, name), 1, 1)
  sweep(folder)
  assert.deepEqual(readdirSync(folder).sort(), ['new.tmp', 'old'])
})
