import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { remembered } from '../../src/base/remember.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-remember-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const never = () => assert.fail('made again')

test('what was made is kept by its key, beside what others keep', () => {
  const path = join(folder, 'kept.json')
  assert.equal(
    remembered(path, 'a', () => 1),
    1,
  )
  assert.deepEqual(
    remembered(path, 'b', () => [2]),
    [2],
  )
  assert.equal(remembered(path, 'a', never), 1)
  assert.deepEqual(remembered(path, 'b', never), [2])
})

test('where another process kept something meanwhile, that counts, and nothing of it is lost', () => {
  const path = join(folder, 'race.json')
  const first = remembered(path, 'speed', () => {
    writeFileSync(path, JSON.stringify({ speed: 'theirs', other: 3 }))
    return 'ours'
  })
  assert.equal(first, 'theirs')
  const second = remembered(path, 'more', () => {
    writeFileSync(path, JSON.stringify({ speed: 'theirs', other: 4 }))
    return 'ours'
  })
  assert.equal(second, 'ours')
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { speed: 'theirs', other: 4, more: 'ours' })
})

test('a file that is no JSON is made anew', () => {
  const path = join(folder, 'damaged.json')
  writeFileSync(path, '{"a": 1')
  assert.equal(
    remembered(path, 'a', () => 2),
    2,
  )
  assert.equal(remembered(path, 'a', never), 2)
})

test('what no longer counts is made anew, unless another process did so meanwhile', () => {
  const path = join(folder, 'until.json')
  const counts = ({ until }: { until: number }) => until > 5
  remembered(path, 'a', () => ({ until: 4 }), counts)
  assert.deepEqual(
    remembered(path, 'a', () => ({ until: 6 }), counts),
    { until: 6 },
  )
  assert.deepEqual(remembered(path, 'a', never, counts), { until: 6 })
  const kept = remembered(
    path,
    'b',
    () => {
      writeFileSync(path, JSON.stringify({ b: { until: 7 } }))
      return { until: 8 }
    },
    counts,
  )
  assert.deepEqual(kept, { until: 7 })
})
