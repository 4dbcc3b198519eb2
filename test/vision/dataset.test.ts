import assert from 'node:assert/strict'
import { rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FolderOptions } from '../../src/data/index.ts'
import { dropCopies } from '../../src/data/split/drop-duplicates.ts'
import { imageFolder, openPictures } from '../../src/vision/index.ts'
import { classFolders, jpeg, pixels, put, raw, tempFolder } from '../helpers/data.ts'

const open = async (dir: string, options: FolderOptions = {}) =>
  openPictures(await imageFolder(dir, options), { short: 32 })
const lines = (problems: { kind: string; file: string }[]) => problems.map(({ kind, file }) => `${kind} ${file}`).sort()

test('pictures come back by their number, and each class is counted', async t => {
  const dir = tempFolder(t)
  for (let i = 0; i < 6; i++)
    put(dir, { [`${i % 2 ? 'odd' : 'even'}/${i}.png`]: await raw(i, 40, 32).png().toBuffer() })
  const { data, picture, bytes } = await open(dir)
  assert.deepEqual(data.counts, [
    { name: 'even', train: 2, valid: 1, test: 0 },
    { name: 'odd', train: 2, valid: 1, test: 0 },
  ])
  assert.equal(bytes, 6 * 40 * 32 * 3)
  for (let again = 0; again < 2; again++)
    for (const item of data.items)
      assert.deepEqual(picture(item.picture), { data: pixels(Number(item.file.at(-5)), 40, 32), height: 32, width: 40 })
  assert.equal(data.of('valid').length, 2)
})

test('copies: duplicates once, conflicts not at all, leaks only where they judge', async t => {
  const dir = tempFolder(t)
  await classFolders(join(dir, 'train'), { cat: 4, dog: 4 })
  await classFolders(join(dir, 'val'), { cat: 2, dog: 2 }, 20)
  await classFolders(join(dir, 'test'), { cat: 2, dog: 2 }, 30)
  put(dir, {
    'train/cat/same.jpg': await jpeg(1),
    'train/dog/other.jpg': await jpeg(2),
    'train/cat/seen.jpg': await jpeg(20),
    'train/dog/judged.jpg': await jpeg(30),
    'val/cat/judged.jpg': await jpeg(30),
  })
  const { data } = await open(dir)
  assert.deepEqual(lines(data.problems), [
    'conflict train/cat/1.jpg',
    'conflict train/dog/other.jpg',
    'duplicate train/cat/same.jpg',
    'leak train/cat/seen.jpg',
    'leak train/dog/judged.jpg',
    'leak val/cat/judged.jpg',
  ])
  assert.match(
    data.problems.find(({ file }) => file === 'train/dog/judged.jpg')!.reason,
    /in test: test\/cat\/0.jpg.*"cat"/,
  )
  assert.deepEqual(data.counts, [
    { name: 'cat', train: 3, valid: 2, test: 2 },
    { name: 'dog', train: 4, valid: 2, test: 2 },
  ])
})

test('copies never lie on both sides of a split that is drawn', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 8, b: 8 })
  for (let i = 0; i < 8; i++) put(dir, { [`a/copy${i}.jpg`]: await jpeg(1 + i) })
  for (const seed of [1, 2, 3]) {
    const { data } = await open(dir, { seed })
    assert.equal(data.problems.filter(({ kind }) => kind === 'duplicate').length, 8)
    assert.deepEqual(
      data.counts.map(({ train, valid }) => [train, valid]),
      [
        [6, 2],
        [6, 2],
      ],
    )
  }
})

test('damaged pictures are left out and counted; more than the share allowed stops', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 20, b: 20 })
  const whole = await jpeg(1)
  put(dir, { 'a/cut.jpg': whole.subarray(0, whole.length / 2), 'b/404.jpg': '<html>' })
  const { data } = await open(dir)
  assert.deepEqual(lines(data.problems), ['damaged a/cut.jpg', 'damaged b/404.jpg'])
  assert.equal(data.items.length, 40)
  put(dir, { 'b/zero.jpg': '' })
  await assert.rejects(open(dir), error => {
    assert.match(String(error), /3 of the 43 pictures .* 7.0 %, more than the 5.0 %/)
    for (const line of ['b/404.jpg: it holds HTML', 'b/zero.jpg: it is empty', 'a/cut.jpg: premature end'])
      assert.ok(String(error).includes(line), line)
    return true
  })
  assert.equal((await open(dir, { maxDamaged: 0.1 })).data.items.length, 40)
})

test('a class whose pictures are all damaged goes; with one class left nothing can be trained', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 3, c: 3, d: 2 })
  put(dir, { 'b/x.jpg': (await jpeg(9)).subarray(0, 300) })
  const { data } = await open(dir, { maxDamaged: 0.5 })
  assert.deepEqual(data.classes, ['a', 'c', 'd'])
  assert.deepEqual(
    data.items.map(({ labels }) => labels[0]),
    [0, 0, 0, 1, 1, 1, 2, 2],
  )
  assert.ok(lines(data.problems).includes('empty-class b'), `lines(data.problems).includes('empty-class b')`)
  for (const [i, name] of ['c', 'd'].entries()) rmSync(join(dir, name), { recursive: true, force: i === 0 })
  await assert.rejects(open(dir, { maxDamaged: 0.5 }), /1 class with usable training pictures after the scan/)
})

test('the fingerprint follows pictures, labels and split, and nothing else', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { a: 5, b: 5 })
  const mark = async (options: FolderOptions = {}) => (await open(dir, options)).data.fingerprint
  const first = await mark()
  utimesSync(join(dir, 'a/0.jpg'), 1, 1)
  put(dir, { 'notes.txt': 'x' })
  assert.equal(await mark(), first)
  assert.notEqual(await mark({ seed: 7 }), first)
  writeFileSync(join(dir, 'a/0.jpg'), await jpeg(77))
  assert.notEqual(await mark(), first)
})

test('a picture that lies there two hundred thousand times under two labels is left out, in time', () => {
  const half = 100_000
  const items = Array.from({ length: 2 * half }, (_, i) => ({
    ...{ file: `/data/${i}.jpg`, labels: [i < half ? 0 : 1], split: 'train' as const },
    ...{ picture: 0, hash: 'a' },
  }))
  const { items: left, problems } = dropCopies(items, { dir: '/data', classes: ['cat', 'dog'], task: 'single' })
  assert.deepEqual([left.length, problems.length], [0, 2 * half])
  assert.equal(problems[1]!.reason, `the same picture is also "dog": ${half}.jpg`)
  assert.equal(problems[half + 1]!.reason, 'the same picture is also "cat": 0.jpg')
})
