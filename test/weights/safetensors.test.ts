import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { DTypeName, StoredTensor } from '../../src/weights/file.ts'
import { itemBytes, readMetadata, readWeights, writeSafetensors } from '../../src/weights/file.ts'
import { le } from '../helpers/weights.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'x.safetensors')

const plain = (tensors: Map<string, StoredTensor>): [string, StoredTensor][] =>
  [...tensors].map(([name, { dtype, shape, data }]) => [name, { dtype, shape, data: Uint8Array.from(data) }])

function roundTrip(tensors: Map<string, StoredTensor>, metadata?: Record<string, string>): Map<string, StoredTensor> {
  writeSafetensors(path, tensors, metadata)
  return readWeights(path)
}

const f32 = (...values: number[]): StoredTensor => {
  return { dtype: 'float32', shape: [values.length], data: new Uint8Array(Float32Array.from(values).buffer) }
}

test('any tensors and metadata come back as they were, in their order', () => {
  const tensor = fc
    .record({
      dtype: fc.constantFrom(...(Object.keys(itemBytes) as DTypeName[])),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
      fill: fc.nat(255),
    })
    .map(({ dtype, shape, fill }): StoredTensor => {
      const count = shape.reduce((a, b) => a * b, 1)
      return { dtype, shape, data: new Uint8Array(count * itemBytes[dtype]).fill(fill) }
    })
  const name = fc.string({ unit: 'grapheme', minLength: 1 }).filter(name => !name.startsWith('module.'))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, tensor), { minLength: 1, maxLength: 8 }).map(pairs => new Map(pairs)),
      fc.dictionary(name, fc.string({ unit: 'grapheme' }), { maxKeys: 3, noNullPrototype: true }),
      (tensors, metadata) => {
        assert.deepEqual(plain(roundTrip(tensors, metadata)), plain(tensors))
        assert.deepEqual(readMetadata(path), metadata)
      },
    ),
    { numRuns: 60 },
  )
})

test('the same tensors give the same bytes', () => {
  const half: StoredTensor = { dtype: 'float16', shape: [1], data: Uint8Array.of(0, 60) }
  const steps: StoredTensor = { dtype: 'int64', shape: [], data: Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0) }
  const tensors = new Map([['b', half], ['a', f32(1, 2, 3)], ['2', steps], ['1', f32(4)]]) // biome-ignore format: a row
  writeSafetensors(path, tensors, { epoch: '3' })
  const file = readFileSync(path)
  const json = file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString()
  assert.equal(
    json.trimEnd(),
    '{"__metadata__":{"epoch":"3","crc32.b":"6eb66e78","crc32.a":"b20e96b1","crc32.2":"ebadd88a","crc32.1":"6c1b06c7"},' +
      '"b":{"dtype":"F16","shape":[1],"data_offsets":[24,26]},' +
      '"a":{"dtype":"F32","shape":[3],"data_offsets":[8,20]},' +
      '"2":{"dtype":"I64","shape":[],"data_offsets":[0,8]},' +
      '"1":{"dtype":"F32","shape":[1],"data_offsets":[20,24]}}',
  )
  assert.equal(json.length % 8, 0)
  const digest = (): string => createHash('sha256').update(readFileSync(path)).digest('hex')
  const before = digest()
  writeSafetensors(path, tensors, { epoch: '3' })
  assert.equal(digest(), before)
})

test('every flipped bit in the data is found and its tensor named', () => {
  writeSafetensors(path, new Map([['first', f32(1, 2)], ['second', f32(3)]])) // biome-ignore format: a row
  const good = readFileSync(path)
  for (let bit = 8 * (good.length - 12); bit < 8 * good.length; bit++) {
    const bad = Buffer.from(good)
    bad[bit >> 3]! ^= 1 << (bit & 7)
    writeFileSync(path, bad)
    const name = bit < 8 * (good.length - 4) ? 'first' : 'second'
    const message = new RegExp(`x\\.safetensors: tensor "${name}" is damaged: its checksum is [0-9a-f]{8}`)
    assert.throws(() => readWeights(path), { name: 'AnnealError', message })
  }
  const renamed = good.toString('latin1').replace('"second":{', '"secone":{')
  writeFileSync(path, renamed, 'latin1')
  assert.throws(() => readWeights(path), /tensor "secone" is damaged: its checksum is [0-9a-f]{8}, expected a checksum/)
})

test('a write that cannot be leaves the old file', () => {
  writeSafetensors(path, new Map([['w', f32(1)]]))
  const before = readFileSync(path)
  const wrong: [Map<string, StoredTensor>, Record<string, string>, RegExp][] = [
    [new Map([['w', { ...f32(1), shape: [2] }]]), {}, /tensor "w" has 4 bytes, but its shape \[2\] in float32 needs 8/],
    [new Map([['w', { ...f32(1), shape: [-1] }]]), {}, /tensor "w" has 4 bytes/],
    [new Map([['__metadata__', f32(1)]]), {}, /"__metadata__" can not be the name of a tensor/],
    [new Map([['\ud800', f32(1)]]), {}, /can not be the name of a tensor/],
    [new Map([['w', f32(1)]]), { 'crc32.w': 'x' }, /the metadata key "crc32.w" begins with "crc32\."/],
  ]
  for (const [tensors, metadata, message] of wrong)
    assert.throws(() => writeSafetensors(path, tensors, metadata), { name: 'AnnealError', message })
  assert.deepEqual(readFileSync(path), before)
})

const file = (header: string | Uint8Array, data: Uint8Array = Buffer.alloc(8), length?: number | bigint): Buffer =>
  Buffer.concat([le(length ?? Buffer.byteLength(header), 8), Buffer.from(header), data])

const entry = (offsets: string, shape = '[2]', dtype = 'F32'): string =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`

const lies: [what: string, bytes: Uint8Array, message: RegExp][] = [
  ['nothing', Buffer.of(), /has 0 bytes, too few/],
  ['eight bytes', le(2, 8), /has 8 bytes, too few/],
  [
    'a header of 2^63 bytes',
    file('{}', undefined, 2n ** 63n),
    /declares 9223372036854775808 bytes, but safetensors allows/,
  ],
  [
    'a header of 100 MB and one',
    file('{}', undefined, 100_000_001),
    /declares 100000001 bytes, but safetensors allows/,
  ],
  ['a header beyond the file', file('{}', undefined, 99_000_000), /declares 99000000 bytes, but the file has 10/],
  ['a header of no bytes', file('', Buffer.from('{}')), /does not begin with \{/],
  ['a header that begins with a space', file(' {}'), /does not begin with \{/],
  ['text that is no JSON', file('{nonsense}'), /its header has "n" instead of "\\"" at character 1/],
  ['bad UTF-8', file(Buffer.from([0x7b, 0xff, 0x7d])), /its header has text that is not UTF-8/],
  ['a list', file('[]'), /does not begin with \{/],
  ['deep JSON', file(`{"a":${'['.repeat(1e6)}`), /its header has "\[" instead of "\{" at character 5/],
  ['deep objects', file('{"a":'.repeat(1e6)), /unknown field "a"/],
  ['more after the header', file('{}{}'), /more after its end at character 2/],
  ['an open text', file('{"a'), /a text that does not end/],
  ['a bad escape', file('{"\\q":1}'), /a text that is not valid JSON/],
  ['a control character', file('{"\n":1}'), /a text that is not valid JSON/],
  ['a tensor twice', file(`{"a":${entry('[0,8]')},"a":${entry('[0,8]')}}`), /the key "a" for the second time/],
  [
    'a tensor twice, once escaped',
    file(`{"a":${entry('[0,8]')},"\\u0061":${entry('[0,8]')}}`),
    /key "a" for the second/,
  ],
  ['a field twice', file('{"a":{"dtype":"F32","dtype":"F32"}}'), /the key "dtype" for the second time/],
  ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), /the key "__metadata__" for the second time/],
  ['metadata that is no text', file('{"__metadata__":{"a":1}}'), /"1" instead of "\\""/],
  ['an unknown field', file('{"a":{"code":"x"}}'), /the unknown field "code"/],
  [
    'a missing field',
    file('{"a":{"dtype":"F32","shape":[2]}}'),
    /a tensor without its dtype, shape and two data_offsets/,
  ],
  ['three offsets', file(`{"a":${entry('[0,8,8]')}}`), /a tensor without/],
  ['a negative offset', file(`{"a":${entry('[-8,0]')}}`), /a number >= 0 without fraction is missing/],
  ['a fraction', file(`{"a":${entry('[0.0,8]')}}`), /"\." instead of ","/],
  ['an exponent', file(`{"a":${entry('[0,8e0]')}}`), /"e" instead of ","/],
  ['a leading zero', file(`{"a":${entry('[0,08]')}}`), /a number >= 0/],
  ['an offset of 2^64', file(`{"a":${entry('[0,18446744073709551616]')}}`), /a number beyond 2\^53/],
  ['an unknown dtype', file(`{"a":${entry('[0,8]', '[2]', 'C64')}}`), /tensor "a" has dtype "C64"; supported are F32 /],
  ['a dtype of Object', file(`{"a":${entry('[0,8]', '[2]', 'constructor')}}`), /has dtype "constructor"/],
  ['a shape that overflows', file(`{"a":${entry('[0,8]', '[4294967296,4294967296]')}}`), /"a" has an impossible shape/],
  [
    'a shape that is too large',
    file(`{"a":${entry('[0,8]', '[3]')}}`),
    /"a" has 8 bytes, but its shape \[3\] .* needs 12/,
  ],
  ['offsets the wrong way', file(`{"a":${entry('[8,0]')}}`), /"a" has -8 bytes/],
  ['a hole at the start', file(`{"a":${entry('[4,12]')}}`, Buffer.alloc(12)), /"a" begins at byte 4 .*; expected 0/],
  [
    'a hole between',
    file(`{"a":${entry('[0,8]')},"b":${entry('[12,20]')}}`, Buffer.alloc(20)),
    /"b" begins at byte 12 of the data; expected 8/,
  ],
  ['an overlap', file(`{"a":${entry('[0,8]')},"b":${entry('[4,12]')}}`, Buffer.alloc(12)), /"b" begins at byte 4/],
  [
    'ten on the same bytes',
    file(`{${[...'abcdefghij'].map(n => `"${n}":${entry('[0,8]')}`)}}`),
    /begins at byte 0 .*; expected 8/,
  ],
  ['data missing', file(`{"a":${entry('[0,8]')}}`, Buffer.alloc(7)), /its tensors need 8 bytes of data, but it has 7/],
  ['data too much', file(`{"a":${entry('[0,8]')}}`, Buffer.alloc(9)), /its tensors need 8 bytes of data, but it has 9/],
]

for (const [what, bytes, message] of lies)
  test(`refused: ${what}`, () => {
    writeFileSync(path, bytes)
    const start = performance.now()
    assert.throws(() => readWeights(path), { name: 'AnnealError', message })
    assert.ok(performance.now() - start < 1000, 'performance.now() - start < 1000')
  })

test('no file, a folder, and what people give by mistake', () => {
  const other = join(folder, 'weights.pth')
  const gifts: [string | Uint8Array, RegExp][] = [
    ['', /weights\.pth: it is empty; give a \.safetensors file/],
    ['<!DOCTYPE html><html>', /it is a web page: the download did not get the file/],
    ['version https://git-lfs.github.com/spec/v1\noid', /a pointer of Git LFS/],
    [Buffer.of(0x1f, 0x8b, 8), /compressed by gzip/],
    [Buffer.of(0x80, 4, 0x95, 0), /a Python pickle, but not of torch\.save/],
    ['hello', /it is not a weight file/],
  ]
  for (const [bytes, message] of gifts) {
    writeFileSync(other, bytes)
    assert.throws(() => readWeights(other), { name: 'AnnealError', message })
  }
  assert.throws(() => readWeights(join(folder, 'none')), /none: there is no such file; give the path of a weight file/)
  mkdirSync(join(folder, 'deep'))
  assert.throws(() => readWeights(join(folder, 'deep')), /deep: it is a folder/)
  assert.throws(() => readMetadata(join(folder, 'none')), { name: 'AnnealError' })
  if (existsSync('/dev/zero')) assert.throws(() => readWeights('/dev/zero'), /it is not a regular file/)
})

test("DataParallel's prefix is taken off, where every name has it", () => {
  assert.deepEqual([...roundTrip(new Map([['module.a', f32(1)], ['module.b', f32(2)]])).keys()], ['a', 'b']) // biome-ignore format: a row
  assert.deepEqual([...roundTrip(new Map([['module.a', f32(1)], ['b', f32(2)]])).keys()], ['module.a', 'b']) // biome-ignore format: a row
})
