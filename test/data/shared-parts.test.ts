import assert from 'node:assert/strict'
import { cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FolderIndex, LabelOptions } from '../../src/data/index.ts'
import { indexPictures, openPictures } from '../../src/vision/index.ts'
import { classFolders, jpeg, put, tempFolder } from '../helpers/data.ts'
import { choicesOf, indexed, labelsOf, times } from '../helpers/labels.ts'

const opened = async (dir: string, options: LabelOptions = {}) =>
  (await openPictures(await indexPictures(dir, options), { short: 32 })).data

/** Six pictures a class for training, two a class for testing. */
async function parts(t: TestContext): Promise<string> {
  const dir = tempFolder(t)
  await classFolders(join(dir, 'train'), { cat: 6, dog: 6 }, 1)
  await classFolders(join(dir, 'test'), { cat: 2, dog: 2 }, 50)
  return dir
}

test('a validation part that is another part is named first, with counts and what to do', async t => {
  const copyOfTest = await parts(t)
  cpSync(join(copyOfTest, 'test'), join(copyOfTest, 'valid'), { recursive: true })
  await assert.rejects(
    opened(copyOfTest),
    /^AnnealError: valid and test of \S+ are the same pictures: 4 of the 4 pictures in valid and of the 4 in test, such as valid\/cat\/0.jpg, which is test\/cat\/0.jpg\. .*Remove the valid part/,
  )
  const link = await parts(t)
  symlinkSync('test', join(link, 'valid'))
  await assert.rejects(opened(link), /valid and test of .* the same pictures: 4 of the 4 .*one is a link to the other/)
  const copyOfTrain = await parts(t)
  cpSync(join(copyOfTrain, 'train'), join(copyOfTrain, 'valid'), { recursive: true })
  await assert.rejects(opened(copyOfTrain), /train and valid of \S+ are the same pictures: 12 of the 12 .* in train/)
  const testIsTrain = await parts(t)
  cpSync(join(testIsTrain, 'train'), join(testIsTrain, 'test'), { recursive: true })
  await assert.rejects(
    opened(testIsTrain),
    /train and test of \S+ are mostly the same pictures: 10 of the 12|are .*the same/,
  )
})

test('most of a part in another: refused, unless more may be left out', async t => {
  const dir = await parts(t)
  await classFolders(join(dir, 'valid'), { cat: 1 }, 90)
  cpSync(join(dir, 'test/dog'), join(dir, 'valid/dog'), { recursive: true })
  await assert.rejects(
    opened(dir),
    /valid and test of \S+ are mostly the same pictures: 2 of the 3 pictures in valid and of the 4 in test.*To go on with the 1 picture that only valid has: maxLeftOut: 0.667/,
  )
  assert.equal((await opened(dir, { maxLeftOut: 0.7 })).pictures.valid, 1)
})

test('a validation part copied out of train, not moved: it stays in validation alone, and that is said', async t => {
  const dir = await parts(t)
  put(dir, { 'valid/cat/a.jpg': await jpeg(1), 'valid/dog/b.jpg': await jpeg(7) })
  const data = await opened(dir)
  assert.deepEqual(data.pictures, { train: 10, valid: 2, test: 4 })
  assert.match(
    choicesOf(data as unknown as FolderIndex, 'the same pictures').join(),
    /2 of the 2 pictures in valid are in train too/,
  )
})

test('a table that names the same pictures for training and validation', async t => {
  const dir = tempFolder(t)
  const names = Array.from({ length: 8 }, (_, i) => `${i}.jpg`)
  for (const [i, name] of names.entries()) put(dir, { [name]: await jpeg(i + 1) })
  const rows = (part: string, some: string[]) => some.map((name, i) => `${name},${'ab'[i % 2]},${part}`)
  put(dir, { 'labels.csv': ['file,label,split', ...rows('train', names), ...rows('valid', names)].join('\n') })
  await assert.rejects(
    indexPictures(dir, { labels: 'labels.csv' }),
    /8 of 8 pictures in train are also in valid: these two parts are mostly the same pictures .*splitColumn: false/,
  )
  put(dir, {
    'labels.csv': ['file,label,split', ...rows('train', names), ...rows('valid', names.slice(0, 2))].join('\n'),
  })
  assert.equal((await opened(dir, { labels: 'labels.csv' })).pictures.train, 6)
})

test('pictures that lie under several classes, most of them: one class a picture is refused', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { cat: 6 }, 1)
  await classFolders(join(dir, 'dog'), { '.': 1 }, 40)
  cpSync(join(dir, 'cat'), join(dir, 'animal'), { recursive: true })
  put(dir, {
    'animal/own.jpg': await jpeg(70),
    'animal/own2.jpg': await jpeg(71),
    'dog/x.jpg': await jpeg(72),
    'dog/y.jpg': await jpeg(73),
  })
  await assert.rejects(
    opened(dir),
    /12 of 17 pictures have two labels .*a table with all their labels in one row|12 of 17/,
  )
})

test('classes that a given part lacks are named; a drawn one lacks none', async t => {
  const dir = await parts(t)
  await classFolders(join(dir, 'train'), { bird: 4, fish: 4 }, 100)
  await classFolders(join(dir, 'valid'), { cat: 2, dog: 2, bird: 1 }, 150)
  const data = (await opened(dir)) as unknown as FolderIndex
  assert.match(
    choicesOf(data, 'validation lacks').join(),
    /^1 of 4 classes: fish \(no picture in valid has this class, so the metrics say nothing about it/,
  )
  assert.match(choicesOf(data, 'test lacks').join(), /^2 of 4 classes: bird, fish \(/)
  const drawn = await parts(t)
  const whole = (await opened(drawn)) as unknown as FolderIndex
  assert.deepEqual([choicesOf(whole, 'validation lacks'), choicesOf(whole, 'test lacks')], [[], []])
})

test('several labels: one that stands outside training alone is left out and listed; one label a picture: an error', async t => {
  const rows = [
    ...times(3, 'a;b\ttrain', 'b;a\ttrain', 'a\ttrain', 'b\ttrain'),
    'a;rare\tvalid',
    'b\tvalid',
    'odd\ttest',
    'a;odd\ttest',
  ]
  const index = await indexed(t, 'labels\tsplit', rows)
  assert.deepEqual([index.task, index.classes, index.items.length], ['multi', ['a', 'b'], 16])
  const labels = labelsOf(index)
  assert.deepEqual([labels['12.jpg'], labels['14.jpg'], labels['15.jpg']], ['a', '', 'a'])
  assert.match(choicesOf(index, 'labels left out').join(), /^rare, odd \(they occur only in validation or test/)
  const listed = index.problems.filter(({ kind }) => kind === 'empty-class')
  assert.deepEqual(
    listed.map(({ file }) => file),
    ['rare', 'odd'],
  )
  assert.match(listed[1]!.reason, /no training picture has this label, so .*2 pictures of test \(.*line 16\) lose it/)
  const flags = ['1\t0\ttrain', '1\t1\ttrain', '0\t0\ttrain', '1\t0\tvalid', '0\t1\tvalid']
  const columns = await indexed(t, 'p\tq\tsplit', [...flags.map(row => row.replace('1\t1\ttrain', '1\t0\ttrain'))], {
    task: 'multi',
  })
  assert.deepEqual([columns.classes, columns.items.length], [['p'], 5])
  await assert.rejects(
    indexed(t, 'label\tsplit', ['a\ttrain', 'b\ttrain', 'a\ttrain', 'c\tvalid']),
    /line 5: the label "c" is in valid, but no training picture has it/,
  )
})
