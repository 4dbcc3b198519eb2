import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, crc32Table } from '../../src/base/crc32.ts'
import { openZip } from '../../src/weights/pth-zip.ts'
import { budgetFor, refuser } from '../../src/weights/refuse.ts'
import type { ZipEntry } from '../helpers/weights.ts'
import { makeZip } from '../helpers/weights.ts'

const data = Buffer.from('some bytes of a storage')
const a: ZipEntry = { name: 'a', data }
const b: ZipEntry = { name: 'b', data: Buffer.from('others') }

function readAll(file: Uint8Array): Record<string, string> {
  const refuse = refuser('x.pth')
  const zip = openZip(file, { refuse, budget: budgetFor(file.length, refuse) })
  return Object.fromEntries(zip.names.map(name => [name, Buffer.from(zip.read(name)).toString()]))
}

test('stored, deflated, empty, zip64', () => {
  const content = { a: data.toString(), b: 'others' }
  assert.deepEqual(readAll(makeZip([a, b])), content)
  assert.deepEqual(readAll(makeZip([{ ...a, deflate: true }, b])), content)
  assert.deepEqual(readAll(makeZip([a, b], { wide: {} })), content)
  assert.deepEqual(readAll(makeZip([a, b], { wide: {}, count: 0xffff, size: 0xffffffff, start: 0xffffffff })), content)
  const wide = { central: { size: 0xffffffff, packed: 0xffffffff, offset: 0xffffffff } }
  assert.deepEqual(readAll(makeZip([{ ...a, ...wide, wide: [23n, 23n, 0n] }, b])), content)
  assert.deepEqual(readAll(makeZip([{ name: 'none', data: Buffer.of() }])), { none: '' })
  assert.deepEqual(readAll(makeZip([{ name: 'none', data: Buffer.of(), deflate: true }])), { none: '' })
})

test('the table gives the checksum of zlib', () => {
  assert.equal(crc32Table(Buffer.from('123456789')), 0xcbf43926)
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926)
})

const zeros = Buffer.alloc(10_000_000)
const lies: [what: string, file: Uint8Array, message: RegExp][] = [
  ...['../x', 'w/../../x', '/etc/passwd', 'C:\\x', 'c:x', '..\\x', 'w\\x', '..', 'w/..', 'x\0y'].map(
    (name): [string, Uint8Array, RegExp] => [
      `the name ${JSON.stringify(name)}`,
      makeZip([{ ...a, name }]),
      /x\.pth: entry ".*" points out of the archive/,
    ],
  ),
  ['an entry twice', makeZip([a, a]), /entry "a" occurs twice/],
  [
    'two names for the same bytes',
    makeZip([a, { ...b, data, local: { name: 'a' }, central: { offset: 0 } }]),
    /entry "b" is described differently/,
  ],
  ['a wrong checksum', makeZip([{ ...a, local: { crc: 1 }, central: { crc: 1 } }]), /"a" is damaged: its checksum is/],
  ['two checksums', makeZip([{ ...a, local: { crc: 1 } }]), /entry "a" is described differently/],
  ['two names', makeZip([{ ...a, local: { name: 'z' } }]), /entry "a" is described differently/],
  ['two sizes', makeZip([{ ...a, local: { size: 5, packed: 5 } }]), /entry "a" is described differently/],
  ['encryption', makeZip([{ ...a, local: { flags: 1 }, central: { flags: 1 } }]), /entry "a" is encrypted/],
  ['another method', makeZip([{ ...a, central: { method: 12 } }]), /"a" is compressed by method 12/],
  ['stored in two sizes', makeZip([{ ...a, central: { size: 99 } }]), /is stored, but its sizes are 23 and 99 bytes/],
  [
    'more than the file',
    makeZip([{ ...a, central: { size: 9999, packed: 9999 } }]),
    /declares 9999 bytes, but \d+ are there/,
  ],
  ['an offset outside', makeZip([{ ...a, central: { offset: 4_000_000_000 } }]), /is not where the directory says/],
  [
    'zip64 sizes of 2^63',
    makeZip([{ ...a, central: { size: 0xffffffff, packed: 0xffffffff }, wide: [2n ** 63n, 2n ** 63n] }]),
    /declares 9223372036854776000 bytes, but \d+ are there/,
  ],
  [
    'a zip64 field cut short',
    makeZip([{ ...a, central: { size: 0xffffffff, packed: 0xffffffff }, wide: [9n] }]),
    /zip64/,
  ],
  ['no zip64 field', makeZip([{ ...a, central: { size: 0xffffffff } }]), /"a" has a damaged zip64 field/],
  ['a zip64 that disagrees', makeZip([a, b], { wide: { count: 1 } }), /zip and zip64, disagree/],
  ['a zip64 directory elsewhere', makeZip([a], { wide: { start: 2 ** 40 }, start: 0xffffffff }), /directory should be/],
  ['a million entries', makeZip([a], { wide: { count: 1e6 }, count: 0xffff }), /cannot hold 1000000 entries/],
  ['fewer entries than there are', makeZip([a, b], { count: 1 }), /directory has \d+ bytes beyond its 1 entries/],
  ['more entries than there are', makeZip([a, { ...b, name: 'b'.repeat(99) }], { count: 3 }), /directory is damaged/],
  ['a directory elsewhere', makeZip([a], { start: 3 }), /directory should be \d+ bytes from byte 3/],
  ['bytes before', Buffer.concat([Buffer.from('MZ'), makeZip([a])]), /directory should be/],
  ['bytes after', Buffer.concat([makeZip([a]), Buffer.from('!')]), /its end is missing/],
  ['nothing', Buffer.of(), /its end is missing/],
  ['a name that is not UTF-8', patched(makeZip([a]), 'a', 0xff), /name at byte \d+ is not UTF-8/],
  [
    'a bomb',
    makeZip([{ name: 'a', data: zeros, deflate: true }]),
    /"a" needs 10 MB, but a file of 9\.8 KB may use at most/,
  ],
  [
    'deflate that gives more than it declares',
    makeZip([{ name: 'a', data: zeros, deflate: true, local: { size: 9 }, central: { size: 9 } }]),
    /"a" does not inflate to the 9 bytes/,
  ],
  [
    'deflate that gives less than it declares',
    makeZip([{ ...a, deflate: true, local: { size: 99 }, central: { size: 99 } }]),
    /"a" declares 99 bytes but inflates to 23/,
  ],
  [
    'deflate of noise',
    makeZip([{ ...a, local: { size: 99 }, central: { size: 99, method: 8 } }]),
    /"a" does not inflate/,
  ],
]

function patched(file: Buffer, name: string, byte: number): Buffer {
  file[file.lastIndexOf(name)] = byte
  return file
}

for (const [what, file, message] of lies)
  test(`refused: ${what}`, () => assert.throws(() => readAll(file), { name: 'AnnealError', message }))

test('refused: entries that overlap', () => {
  // The second entry is inside the data of the first, and all headers agree.
  const inner = makeZip([b])
  const outer: ZipEntry = { name: 'outer', data: inner.subarray(0, 31 + b.data.length) }
  const file = makeZip([outer, { ...b, central: { offset: 30 + outer.name.length } }])
  assert.throws(() => readAll(file), { name: 'AnnealError', message: /entries "outer" and "b" overlap/ })
})
