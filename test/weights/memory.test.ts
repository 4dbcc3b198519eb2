import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { assemble, le, makeLegacy, makePth, makeZip, stateDict, tensor, text } from '../helpers/weights.ts'

const hugeStorage = tensor('0', { numel: 2 ** 31 - 1, shape: [2 ** 31 - 1] })
const expanded = tensor('0', { shape: [2 ** 30], strides: [0] })
const small = Buffer.alloc(16)

/** Many tensors over one small storage. Each would need a hundred times the size of the storage. */
const many = assemble(
  'EMPTY_DICT',
  ...Array.from({ length: 2000 }, (_, i) => [
    text(`w${i}`),
    ...tensor('0', { numel: 4096, shape: [100, 4096], strides: [0, 1] }),
    'SETITEM' as const,
  ]).flat(),
  'STOP',
)

const files: [name: string, bytes: () => Uint8Array, message: RegExp][] = [
  ['a storage of 8 GB in a zip', () => makePth(stateDict('w', hugeStorage), { 0: small }), /has 16 bytes/],
  [
    'a storage of 8 GB in a legacy file',
    () => makeLegacy(stateDict('w', hugeStorage), [['0', 2 ** 31 - 1, small]]),
    /left/,
  ],
  ['4 bytes expanded to 4 GB', () => makePth(stateDict('w', expanded), { 0: small }), /may use at most/],
  ['2,000 tensors of 1.6 MB', () => makePth(many, { 0: Buffer.alloc(16384) }), /may use at most/],
  ['a text of 4 GB', () => makePth(assemble(['BINUNICODE', le(0xffffffff, 4)])), /needs 4294967295 bytes/],
  [
    'a deflate bomb that declares little',
    () => makePthDeflated(Buffer.alloc(200_000_000), 1000),
    /does not inflate to the 1000 bytes/,
  ],
  ['a deflate bomb', () => makePthDeflated(Buffer.alloc(200_000_000)), /may use at most/],
  ['a safetensors header of 100 MB', () => Buffer.concat([le(1e8, 8), Buffer.from('{')]), /but the file has 1;/],
  [
    'a safetensors tensor of 2^50 bytes',
    () => safetensors(`{"a":{"dtype":"U8","shape":[${2 ** 50}],"data_offsets":[0,${2 ** 50}]}}`),
    /its tensors need \d+ bytes of data, but it has 0/,
  ],
  ['20 MB of [ in a safetensors header', () => safetensors(`{"a":${'['.repeat(20e6)}`), /"\[" instead of "\{"/],
  ...['}', ']', '(', 'N'].map((code): [string, () => Uint8Array, RegExp] => [
    `20 MB of pickle opcode ${code}`,
    () => makePth(Buffer.alloc(20e6, code)),
    /needs more work than the pickle of any state dict/,
  ]),
]

function makePthDeflated(pickle: Uint8Array, declared = pickle.length): Uint8Array {
  const lie = { size: declared }
  return makeZip([{ name: 'w/data.pkl', data: pickle, deflate: true, local: lie, central: lie }])
}

function safetensors(header: string): Uint8Array {
  return Buffer.concat([le(header.length, 8), Buffer.from(header)])
}

// In a separate process, so that its peak memory is the cost of reading these files.
const program = `
  const { readWeights } = await import(${JSON.stringify(new URL('../../src/weights/index.ts', import.meta.url).href)})
  const peak = () => process.resourceUsage().maxRSS * 1024
  const before = peak()
  const outcomes = process.argv.slice(1).map(path => {
    const start = performance.now()
    const before = peak()
    const outcome = () => ({ milliseconds: performance.now() - start, grown: peak() - before })
    try {
      readWeights(path)
      return { name: 'read', message: '', ...outcome() }
    } catch ({ name, message }) {
      return { name, message, ...outcome() }
    }
  })
  process.stdout.write(JSON.stringify({ outcomes, grown: peak() - before }))
`

interface Outcome {
  name: string
  message: string
  milliseconds: number
  grown: number
}

test('files that lie about their size are refused soon, and cost little more than their own length', t => {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const paths = files.map(([, bytes], i) => {
    const path = join(folder, String(i))
    writeFileSync(path, bytes())
    return path
  })
  const args = ['--import', 'tsx', '--input-type=module', '-e', program, ...paths]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: import.meta.dirname })
  assert.equal(stderr, '')
  const { outcomes, grown }: { outcomes: Outcome[]; grown: number } = JSON.parse(stdout)
  outcomes.forEach((outcome, i) => {
    const [what, , message] = files[i]!
    assert.equal(outcome.name, 'AnnealError', what)
    assert.match(outcome.message, message, what)
    assert.ok(outcome.milliseconds < 3000, `${what}: ${outcome.milliseconds} ms`)
  })
  assert.ok(grown < 400e6, `grew by ${grown} bytes: ${outcomes.map(outcome => outcome.grown)}`)
})
