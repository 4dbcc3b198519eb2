import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { AnnealError } from '../../src/base/errors.ts'
import { readLegacyPth, readZipPth } from '../../src/weights/pth.ts'
import type { Refuse } from '../../src/weights/refuse.ts'
import { refuser } from '../../src/weights/refuse.ts'
import { readSafetensors, writeSafetensors } from '../../src/weights/safetensors.ts'
import type { StoredTensor } from '../../src/weights/stored-tensor.ts'
import { makePth } from '../helpers/weights.ts'

type Read = (file: Uint8Array, refuse: Refuse) => Map<string, StoredTensor>

const golden = (name: string): Buffer => readFileSync(join(import.meta.dirname, '../golden/weights', name))
const folder = mkdtempSync(join(tmpdir(), 'anneal-'))
after(() => rmSync(folder, { recursive: true }))

const files: [string, Buffer, Read][] = [
  ['zip_skipped.pth', golden('zip_skipped.pth'), readZipPth],
  ['zip_deflated.pth', golden('zip_deflated.pth'), readZipPth],
  ['legacy_skipped.pth', golden('legacy_skipped.pth'), readLegacyPth],
  ['legacy_views.pth', golden('legacy_views.pth'), readLegacyPth],
  ['dtypes.safetensors', golden('dtypes.safetensors'), readSafetensors],
]
{
  const path = join(folder, 'x.safetensors')
  writeSafetensors(path, readLegacyPth(golden('legacy_skipped.pth'), refuser('x')), { epoch: '1' })
  files.push(['our own safetensors', readFileSync(path), readSafetensors])
}

/** Reads a file, or accepts a refusal. Any other error fails the test. Tensors must not be larger than the file. */
function outcome(read: Read, file: Uint8Array): 'read' | 'refused' {
  try {
    const tensors = [...read(file, refuser('x')).values()]
    const copies = tensors.filter(({ data }) => data.buffer !== file.buffer)
    assert.ok(
      copies.reduce((sum, { data }) => sum + data.length, 0) <= 16 * file.length,
      'copies.reduce((sum, { data }) => sum + data.length, 0) <= 16 * file…',
    )
    return 'read'
  } catch (error) {
    if (!(error instanceof AnnealError)) throw error
    assert.match(error.message, /^x: .+; .+\.$/)
    return 'refused'
  }
}

for (const [name, file, read] of files) {
  test(`${name}: cut at every length, it is refused`, () => {
    assert.equal(outcome(read, file), 'read')
    for (let length = 0; length < file.length; length++)
      assert.equal(outcome(read, file.subarray(0, length)), 'refused', `${length} bytes`)
  })

  test(`${name}: with any one bit flipped, it is read or refused`, () => {
    const flipped = Uint8Array.from(file)
    for (let bit = 0; bit < 8 * file.length; bit++) {
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      outcome(read, flipped)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
    }
  })
}

test('a zip .pth notices each flipped bit in its tensors', () => {
  const file = golden('zip_skipped.pth')
  const ones = file.indexOf(Buffer.from(Float32Array.of(1, 1).buffer))
  for (let bit = 8 * ones; bit < 8 * (ones + 8); bit++) {
    const flipped = Uint8Array.from(file)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => readZipPth(flipped, refuser('x')), /entry "zip_skipped\/data\/0" is damaged/)
  }
})

test('bytes at random, and edits at random, are read or refused', () => {
  const pickle = fc.uint8Array({ maxLength: 400 })
  fc.assert(
    fc.property(pickle, bytes => {
      for (const [, , read] of files) outcome(read, bytes)
      outcome(readZipPth, makePth(bytes))
    }),
    { numRuns: 300 },
  )
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(edits, edits => {
      for (const [, file, read] of files) {
        const edited = Uint8Array.from(file)
        for (const [at, byte] of edits) edited[at % edited.length] = byte
        outcome(read, edited)
      }
    }),
    { numRuns: 300 },
  )
})

test('pickle opcodes at random are read or refused', () => {
  const codes = [...'(0123]}atusbRQ)N.eqhKU'].map(c => c.charCodeAt(0)).concat(0x85, 0x86, 0x87, 0x88, 0x93, 0x94)
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...codes), { maxLength: 4000, size: 'max' }), program => {
      outcome(readZipPth, makePth(Uint8Array.from(program)))
    }),
    { numRuns: 300 },
  )
})
