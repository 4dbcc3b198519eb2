import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { weightsFile } from '../../src/models/given-weights.ts'
import { readGivenWeights, savedArchitecture } from '../../src/models/index.ts'
import { writeSafetensors } from '../../src/weights/index.ts'

const tensor = { dtype: 'float32', shape: [1], data: new Uint8Array(4) } as const

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'given-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return dir
}
const write = (file: string, names: readonly string[]) =>
  writeSafetensors(file, new Map(names.map(name => [name, tensor])) as never)

test('of a run of ours the body is taken, by the names of the model; its card says which net it is', t => {
  const run = folder(t)
  write(join(run, 'best.safetensors'), ['body.conv1.weight', 'body.fc.weight', 'head.0.weight'])
  writeFileSync(join(run, 'best.json'), '{"format":"anneal-classifier","architecture":"resnet18"}')
  assert.equal(weightsFile(run), join(run, 'best.safetensors'))
  for (const given of [run, join(run, 'best.safetensors')]) {
    assert.deepEqual([...readGivenWeights(given).keys()], ['conv1.weight', 'fc.weight'])
    assert.equal(savedArchitecture(given), 'resnet18')
  }
})

test('other files keep their names', t => {
  const dir = folder(t)
  const file = join(dir, 'other.safetensors')
  write(file, ['conv1.weight', 'head.weight'])
  assert.deepEqual([...readGivenWeights(file).keys()], ['conv1.weight', 'head.weight'])
  assert.equal(savedArchitecture(file), undefined)
  write(file, ['body.weight', 'neck.weight'])
  assert.deepEqual([...readGivenWeights(file).keys()], ['body.weight', 'neck.weight'])
  writeFileSync(join(dir, 'other.json'), '{"format":"another"')
  assert.equal(savedArchitecture(file), undefined)
})

test('a folder without weights says what was expected', t => {
  const dir = folder(t)
  assert.throws(
    () => readGivenWeights(dir),
    /holds no best\.safetensors\. Expected a file of weights .* or the folder of a run/,
  )
  writeFileSync(join(dir, 'best.json'), '{}')
  assert.throws(() => readGivenWeights(dir), /the average of several nets; name the weights of one of them/)
})
