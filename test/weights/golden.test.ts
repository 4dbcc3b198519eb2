import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readMetadata, readWeights } from '../../src/weights/file.ts'

const folder = join(import.meta.dirname, '../golden/weights')
const expected: Record<string, Record<string, { dtype: string; shape: number[]; hex: string }>> = JSON.parse(
  readFileSync(join(folder, 'expected.json'), 'utf8'),
)

test('the golden files are all there', () => {
  assert.ok(Object.keys(expected).length > 20, 'Object.keys(expected).length > 20')
})

for (const [file, tensors] of Object.entries(expected))
  test(`${file}: names, order, types, shapes and bytes are torch's`, () => {
    const read = readWeights(join(folder, file))
    const seen = [...read].map(([name, { dtype, shape, data }]) => [
      name,
      { dtype, shape, hex: Buffer.from(data).toString('hex') },
    ])
    const wanted = Object.entries(tensors)
    // Python's safetensors orders its header by type and name.
    if (file.endsWith('.safetensors')) assert.deepEqual(Object.fromEntries(seen), tensors)
    else assert.deepEqual(seen, wanted)
  })

test("Python's safetensors metadata", () => {
  assert.deepEqual(readMetadata(join(folder, 'dtypes.safetensors')), { format: 'pt', note: 'quote " and ü' })
})

const evil: Record<string, RegExp> = {
  evil_system: /(STACK_)?GLOBAL at byte \d+ asks for "posix\.system".* was not run/,
  evil_nested: /(STACK_)?GLOBAL at byte \d+ asks for "posix\.system"/,
  evil_eval: /(STACK_)?GLOBAL at byte \d+ asks for "(__builtin__|builtins)\.eval"/,
  evil_build: /(STACK_)?GLOBAL at byte \d+ asks for "posix\.system"/,
  evil_getattr: /(STACK_)?GLOBAL at byte \d+ asks for "(__builtin__|builtins)\.getattr"/,
  evil_module: /(STACK_)?GLOBAL at byte \d+ asks for "__main__\.Net".*torch\.save\(model\.state_dict\(\)/,
  evil_bare: /is not a weight file/,
}

for (const file of readdirSync(folder).filter(name => name.startsWith('evil_')))
  test(`${file} is refused and not run`, () => {
    const wanted = evil[file.replace(/(_2|_4|_legacy)?\.pth$/, '')]!
    assert.throws(() => readWeights(join(folder, file)), { name: 'AnnealError', message: wanted })
    assert.ok(!existsSync('anneal-was-here'), `!existsSync('anneal-was-here')`)
  })
