import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silent } from '../src/base/progress.ts'
import { foods } from '../src/cli/demo.ts'

/** The examples as a reader runs them, on real photos: three food groups of the demo's, 16 photos each. */
const work = mkdtempSync(join(tmpdir(), 'anneal-examples-'))
const pictures = join(work, 'pictures')
let missing: string | false = false

before(async () => {
  let folder: string
  try {
    folder = await foods(silent)
  } catch (error) {
    missing = `the demo's photos can't be fetched here: ${(error as Error).message}`
    return
  }
  for (const group of ['fish', 'fruits', 'leafy vegetables']) {
    mkdirSync(join(pictures, group), { recursive: true })
    for (const file of readdirSync(join(folder, group)).sort().slice(0, 16))
      cpSync(join(folder, group, file), join(pictures, group, file))
  }
})
after(() => rmSync(work, { recursive: true, force: true }))

function run(file: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', join('examples', file), ...args], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return stdout
}
const accuracyIn = (text: string) => Number(/valid accuracy ([\d.]+) %/.exec(text)?.[1])

test('01-folder: the five steps by one call', t => {
  if (missing) return t.skip(missing)
  const out = join(work, 'run')
  const said = run('01-folder.ts', pictures, out)
  assert.ok(accuracyIn(said) >= 70, said)
  assert.match(said, /\[ 'fish', 'fruits', 'leafy vegetables' \]/)
  for (const file of ['best.safetensors', 'best.json', 'metrics.csv', 'events.jsonl', 'result.json'])
    assert.ok(existsSync(join(out, file)), file)
})

test('02-learner: find, train, unfreeze, save, load', t => {
  if (missing) return t.skip(missing)
  const said = run('02-learner.ts', pictures, join(work, 'classifier'))
  assert.ok(accuracyIn(said) >= 60, said)
  assert.match(said, /^(fish|fruits|leafy vegetables) (0|1)\.\d{3}$/m)
})

test('03-torch: a small net by hand', () => {
  const losses = [...run('03-torch.ts').matchAll(/loss ([\d.]+)/g)].map(m => Number(m[1]))
  assert.equal(losses.length, 3)
  assert.ok(losses[2]! < 0.1 && losses[2]! < losses[0]!, String(losses))
})

test('04-callback: a plain object stops the fit', t => {
  if (missing) return t.skip(missing)
  assert.match(run('04-callback.ts', pictures), /^epoch 1: loss \d/m)
})
