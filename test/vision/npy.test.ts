import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decode } from '../../src/vision/decode/decode.ts'
import { goldenFiles, npy, tiff } from '../helpers/channels.ts'

const header = (shape: string, { descr = '|u1', fortran = 'False' } = {}) =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`
const keep = (bytes: Uint8Array) => decode(bytes, { channels: 'keep' })

test('the channels are the smaller of the first and the last dimension', async () => {
  const shapes: [shape: string, size: number, height: number, width: number, channels: number][] = [
    ['(4, 5)', 20, 4, 5, 1],
    ['(4, 5, 2)', 40, 4, 5, 2],
    ['(2, 4, 5)', 40, 4, 5, 2],
    ['(1, 4, 5)', 20, 4, 5, 1],
    ['(4, 5, 1)', 20, 4, 5, 1],
  ]
  for (const [shape, size, ...expected] of shapes)
    for (const fortran of ['False', 'True']) {
      const { data, height, width, channels } = await keep(npy(header(shape, { fortran }), new Uint8Array(size)))
      assert.deepEqual([height, width, channels], expected, shape)
      assert.equal(data.length, size)
    }
})

test('arrays that are no picture say what was expected', async () => {
  const data = new Uint8Array(200)
  const table: [name: string, bytes: Uint8Array, reason: RegExp][] = [
    [
      'both ends alike',
      npy(header('(5, 4, 5)'), data),
      /\[5,4,5\] does not say whether the channels come first or last/,
    ],
    ['one dimension', npy(header('(20,)'), data), /its shape is \[20\]; expected \[height, width\]/],
    ['no dimension', npy(header('()'), data), /its shape is \[\]/],
    ['four dimensions', npy(header('(1, 2, 3, 4)'), data), /its shape is \[1,2,3,4\]/],
    ['empty', npy(header('(0, 4)'), data), /holds no pixels/],
    ['text', npy(header('(4, 5)', { descr: '<U8' }), data), /it holds records, objects or text/],
    ['objects', npy(header('(4, 5)', { descr: '|O' }), data), /records, objects or text/],
    ['complex', npy(header('(4, 5)', { descr: '<c8' }), data), /it holds c8, expected numbers/],
    ['records', npy("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (4, 5), }", data), /records/],
    ['no header', npy('nonsense', data), /no header that numpy writes/],
    ['version 4', npy(header('(4, 5)'), data, 4), /version 4 is not supported/],
    ['cut off', npy(header('(20, 20)'), data), /400 bytes for the shape \[20,20\], 200 are there/],
    ['far too large', npy(header('(100000, 100000)'), data), /the limit is/],
    ['many channels', npy(header('(16000, 16000, 12000)', { descr: '<f8' }), data), /channels, .* bytes; the limit is/],
    ['beyond numbers', npy(header('(99999999999999999999, 4)'), data), /no header that numpy writes|limit/],
    ['header of 4 GB', Buffer.from('\x93NUMPY\x02\0\xff\xff\xff\xff', 'latin1'), /header is cut off/],
    ['magic alone', Buffer.from('\x93NUMPY', 'latin1'), /header is cut off/],
  ]
  for (const [name, bytes, reason] of table)
    await assert.rejects(keep(bytes), { name: 'AnnealError', message: reason }, name)
})

/** Decodes, or refuses with a reason; nothing else, and never more values than the bytes can fill. */
async function survives(bytes: Uint8Array): Promise<void> {
  try {
    const { data, height, width, channels } = await decode(bytes, { channels: 'keep', limitInputPixels: 1e6 })
    assert.equal(data.length, height * width * channels!)
  } catch (error) {
    assert.equal((error as Error).name, 'AnnealError', String((error as Error).stack))
    assert.ok((error as Error).message.length > 5 && !(error as Error).message.includes('\n'), (error as Error).message)
  }
}

test('npy headers made to harm are refused or read, whatever they say', async () => {
  const part = fc.oneof(
    fc.constantFrom(
      "'descr': '<f4'",
      "'shape': (3, 4)",
      "'fortran_order': True",
      ', ',
      '{',
      '}',
      '(',
      '\0',
      ' '.repeat(500),
    ),
    fc.string({ maxLength: 12 }),
    fc.bigInt({ min: -1n, max: 10n ** 30n }).map(String),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { maxLength: 20 }),
      fc.uint8Array({ maxLength: 64 }),
      fc.integer({ min: 0, max: 5 }),
      (parts, data, version) => survives(npy(parts.join(''), data, version)),
    ),
    { numRuns: 300, seed: 1 },
  )
})

test('files with bytes changed or cut off are refused or read: npy and TIFF', async () => {
  const files = [...goldenFiles.map(({ bytes }) => bytes), tiff({ height: 4, width: 3, pages: [new Uint8Array(12)] })]
  const change = fc.tuple(fc.nat(), fc.constantFrom(0, 1, 2, 3, 127, 128, 255))
  await fc.assert(
    fc.asyncProperty(
      fc.nat(files.length - 1),
      fc.array(change, { maxLength: 6 }),
      fc.option(fc.nat()),
      async (which, changes, cut) => {
        const bytes = Uint8Array.from(files[which]!)
        // Directories and headers are near one of the ends, so changes there are the most harmful.
        for (const [at, value] of changes) {
          const reach = Math.min(bytes.length, 400)
          bytes[at % 2 ? (at >> 1) % reach : bytes.length - 1 - ((at >> 1) % reach)] = value
        }
        await survives(cut === null ? bytes : bytes.subarray(0, cut % bytes.length))
      },
    ),
    { numRuns: 1500, seed: 2 },
  )
})

test('TIFF directories in a circle and strips beyond the file are refused', async () => {
  const whole = tiff({ height: 4, width: 3, pages: [new Uint8Array(12)] })
  const circle = Buffer.from(whole)
  circle.writeUInt32LE(circle.readUInt32LE(4), circle.length - 4)
  await assert.rejects(keep(circle), /form a loop/)
  await assert.rejects(keep(whole.subarray(0, -2)), /beyond the end of the file/)
  const huge = Buffer.from(whole)
  const entry = huge.readUInt32LE(4) + 2
  huge.writeUInt32LE(2 ** 31, entry + 8)
  huge.writeUInt32LE(2 ** 31, entry + 20)
  await assert.rejects(keep(huge), /pixels, the limit is/)
  const wide = Buffer.from(whole)
  wide.writeUInt32LE(9000, entry + 8)
  wide.writeUInt32LE(9000, entry + 20)
  wide.writeUInt32LE(9000, entry + 92)
  const before = process.memoryUsage().rss
  await assert.rejects(keep(wide), /its TIFF data are cut off/)
  assert.ok(process.memoryUsage().rss - before < 50e6, 'process.memoryUsage().rss - before < 50e6')
})
