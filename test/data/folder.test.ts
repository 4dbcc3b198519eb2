import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FolderIndex } from '../../src/data/labels/from-folders.ts'
import { readPicture } from '../../src/vision/decode/decode.ts'
import { imageFolder, listPictures, loadPicture } from '../../src/vision/index.ts'
import { classFolders, jpeg, put, tempFolder } from '../helpers/data.ts'
import { indexFolder } from '../helpers/of-pictures.ts'

const splitOf = (index: FolderIndex) =>
  Object.fromEntries(index.items.map(item => [item.file.slice(index.dir.length + 1), item.split]))
const kinds = (index: FolderIndex) => index.problems.map(({ kind, file }) => `${kind} ${file}`).sort()

test('class folders: natural order, a stratified split that the seed alone decides', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { class10: 10, class9: 5, class1: 2, Class2: 25 })
  const index = await imageFolder(dir)
  assert.deepEqual(index.classes, ['class1', 'Class2', 'class9', 'class10'])
  assert.ok(index.drawn, 'index.drawn')
  const count = (label: number) => index.items.filter(item => item.labels[0] === label && item.split === 'valid').length
  assert.deepEqual([0, 1, 2, 3].map(count), [1, 5, 1, 2])
  assert.deepEqual(splitOf(indexFolder(dir)), splitOf(index))
  assert.notDeepEqual(splitOf(indexFolder(dir, { seed: 43 })), splitOf(index))
  const half = indexFolder(dir, { valid: 0.99 })
  for (const label of [0, 1, 2, 3])
    assert.ok(
      half.items.some(item => item.labels[0] === label && item.split === 'train'),
      'half.items.some(item => item.labels[0] === label && item.split === …',
    )
})

test('train, valid and test folders under all their names; test may miss, valid may too', async t => {
  for (const valid of ['valid', 'validation', 'val', 'Val']) {
    const dir = tempFolder(t)
    await classFolders(join(dir, 'train'), { a: 3, b: 3 })
    await classFolders(join(dir, valid), { a: 1, b: 2 }, 50)
    if (valid === 'val') await classFolders(join(dir, 'test'), { a: 1 }, 80)
    const { items, drawn } = indexFolder(dir)
    assert.equal(drawn, false)
    const count = (split: string) => items.filter(item => item.split === split).length
    assert.deepEqual(['train', 'valid', 'test'].map(count), [6, 3, valid === 'val' ? 1 : 0])
  }
  const dir = tempFolder(t)
  await classFolders(join(dir, 'train'), { a: 5, b: 5 })
  await classFolders(join(dir, 'test'), { a: 2, b: 2 }, 50)
  const { items, drawn } = indexFolder(dir)
  assert.ok(drawn, 'drawn')
  assert.deepEqual(
    items.filter(item => item.split === 'test').map(item => item.labels[0]),
    [0, 0, 1, 1],
  )
  assert.equal(items.filter(item => item.split === 'valid').length, 2)
})

test('a class may be called train', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { train: 3, bus: 3, test: 2 })
  assert.deepEqual(indexFolder(dir).classes, ['bus', 'test', 'train'])
  put(dir, { 'train/steam/1.jpg': await jpeg(70) })
  assert.deepEqual(indexFolder(dir).classes, ['bus', 'test', 'train'])
})

test('split folders are never taken for classes: Training and Testing, a test without labels, notes beside train', async t => {
  const dir = tempFolder(t)
  await classFolders(join(dir, 'upper/Training'), { a: 3, b: 3 })
  await classFolders(join(dir, 'upper/Testing'), { a: 1, b: 1 }, 20)
  const upper = indexFolder(join(dir, 'upper'))
  assert.deepEqual([upper.classes, upper.drawn], [['a', 'b'], true])
  assert.equal(upper.items.filter(item => item.split === 'test').length, 2)

  await classFolders(join(dir, 'flat/train'), { a: 3, b: 3 })
  await classFolders(join(dir, 'flat'), { test: 3 }, 20)
  put(join(dir, 'flat'), { 'annotations/all.csv': 'file,label' })
  const flat = indexFolder(join(dir, 'flat'))
  assert.deepEqual(flat.classes, ['a', 'b'])
  assert.deepEqual(kinds(flat), ['unused-folder annotations', 'unused-folder test'])

  await classFolders(join(dir, 'unclear/train'), { a: 3, b: 3 })
  await classFolders(join(dir, 'unclear'), { test1: 3 }, 20)
  await refused(t, 'unclear', join(dir, 'unclear'), /train with folders inside, and pictures in test1 beside it/)

  await classFolders(join(dir, 'bare'), { train: 3, valid: 3 })
  await refused(t, 'bare', join(dir, 'bare'), /train and valid, but they hold no class folders; expected/)
})

test('pictures are told by content; all else is listed', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { cat: 2, dog: 2, hollow: 0 })
  mkdirSync(join(dir, 'hollow'))
  put(dir, {
    'cat/no-extension': await jpeg(90),
    'cat/deep/er/x.png': await jpeg(91),
    'cat/notes.txt': 'notes',
    'cat/404.jpg': '<!doctype html>',
    'dog/zero.png': '',
    'dog/.hidden.jpg': await jpeg(92),
    'dog/Thumbs.db': 'x',
    '__MACOSX/cat/x.jpg': await jpeg(93),
    'loose.jpg': await jpeg(94),
    'README.md': 'read me',
  })
  const index = indexFolder(dir)
  assert.equal(index.items.length, 6)
  assert.deepEqual(kinds(index), [
    'damaged cat/404.jpg',
    'damaged dog/zero.png',
    'empty-class hollow',
    'not-a-picture cat/notes.txt',
    'unlabelled loose.jpg',
  ])
})

test('links, loops, FIFOs and broken links end at once and are listed', { timeout: 10_000 }, async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { cat: 2, dog: 2 })
  await classFolders(join(dir, '..', 'elsewhere'), { bird: 3 }, 60)
  symlinkSync('..', join(dir, 'cat/up'))
  symlinkSync('.', join(dir, 'cat/self'))
  symlinkSync('/', join(dir, 'cat/root'))
  symlinkSync('ring', join(dir, 'dog/ring'))
  symlinkSync('nowhere.jpg', join(dir, 'dog/broken.jpg'))
  symlinkSync(join(dir, '../elsewhere/bird'), join(dir, 'bird'))
  symlinkSync('/dev/zero', join(dir, 'dog/zero.jpg'))
  execFileSync('mkfifo', [join(dir, 'dog/pipe.jpg')])
  const start = performance.now()
  const index = indexFolder(dir)
  assert.ok(performance.now() - start < 1000, 'performance.now() - start < 1000')
  assert.deepEqual(index.classes, ['bird', 'cat', 'dog'])
  assert.equal(index.items.length, 7)
  assert.deepEqual(kinds(index), [
    'loop cat/root',
    'loop cat/self',
    'loop cat/up',
    'missing dog/broken.jpg',
    'missing dog/ring',
    'special dog/pipe.jpg',
    'special dog/zero.jpg',
  ])
})

test('odd names: every file is found, can be read, and every class keeps its name', async t => {
  const dir = tempFolder(t)
  const names = [
    '__proto__',
    'constructor',
    'caf\u00e9',
    'cafe\u0301',
    'new\nline',
    '-rf',
    '100%',
    'with space',
    '日本',
    'x'.repeat(255),
  ]
  let seed = 1
  for (const name of names) {
    const file = join(dir, name, `${name.slice(0, 40)}.jpg`)
    mkdirSync(join(dir, name), { recursive: true })
    writeFileSync(file, await jpeg(seed++))
  }
  for (const name of ['bytes\xff', 'bytes\xfe']) {
    const folder = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name, 'latin1')])
    mkdirSync(folder)
    writeFileSync(Buffer.concat([folder, Buffer.from('/\xe9.jpg', 'latin1')]), await jpeg(seed++))
  }
  const index = indexFolder(dir)
  const composed = names.map(name => name.normalize('NFC'))
  assert.deepEqual(new Set(index.classes), new Set([...composed, 'bytes\\xff', 'bytes\\xfe']))
  assert.equal(index.items.length, 12)
  for (const item of index.items) {
    assert.equal((await readPicture(item)).subarray(0, 2).join(), '255,216')
    assert.equal(item.raw !== undefined, item.file.includes('\\x'))
  }
  assert.deepEqual(Object.getPrototypeOf({}), Object.prototype)
})

test('a class with one picture goes to train with a word', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { cat: 4, dog: 1 })
  const index = indexFolder(dir)
  assert.equal(splitOf(index)['dog/0.jpg'], 'train')
  assert.deepEqual(kinds(index), ['single-picture dog'])
})

const refused = (t: TestContext, what: string, dir: string, message: RegExp, options = {}) =>
  t.test(what, () => assert.throws(() => indexFolder(dir, options), { name: 'AnnealError', message }))

test('folders that can not be trained on say what was found and what is expected', async t => {
  const dir = tempFolder(t)
  await classFolders(join(dir, 'wrapped/data'), { a: 2, b: 2 })
  await classFolders(join(dir, 'one'), { cat: 3 })
  await classFolders(join(dir, 'stray/train'), { cat: 2, dog: 2 })
  await classFolders(join(dir, 'stray/val'), { cat: 1, dogs: 1 }, 30)
  await classFolders(join(dir, 'both/train'), { cat: 2, dog: 2 })
  await classFolders(join(dir, 'both/val'), { cat: 1 }, 30)
  await classFolders(join(dir, 'both/valid'), { cat: 1 }, 40)
  await classFolders(join(dir, 'headless/test'), { cat: 1 })
  await classFolders(join(dir, 'headless/val'), { cat: 1 }, 9)
  mkdirSync(join(dir, 'empty'))
  mkdirSync(join(dir, 'hollow/cat'), { recursive: true })
  put(dir, { 'loose/1.jpg': await jpeg(1), 'loose/2.jpg': await jpeg(2), 'data.zip': 'PK\x03\x04' })
  await refused(
    t,
    'missing',
    join(dir, 'nowhere'),
    /nowhere can not be read: it does not exist; expected one folder per class/,
  )
  await refused(t, 'file', join(dir, 'data.zip'), /not a folder: it is a zip archive; unpack it first; expected/)
  await refused(t, 'empty', join(dir, 'empty'), /is empty; expected/)
  await refused(t, 'hollow', join(dir, 'hollow'), /1 folder and no pictures in them; expected/)
  await refused(t, 'loose', join(dir, 'loose'), /2 pictures and no class folders; expected .* say how: labelRegex '/)
  await refused(t, 'one', join(dir, 'one'), /one class, "cat", at least two are needed; expected/)
  await refused(t, 'wrapped', join(dir, 'wrapped'), /Did you mean .*wrapped\/data\?/)
  await refused(t, 'stray', join(dir, 'stray'), /val\/dogs holds 1 picture.*class "dogs".*cat, dog.*Did you mean "dog"/)
  await refused(t, 'both', join(dir, 'both'), /val and valid; expected one of them/)
  await refused(t, 'headless', join(dir, 'headless'), /val and test but no train folder/)
  for (const valid of [0, 1, -0.1, Number.NaN])
    await refused(t, `valid ${valid}`, dir, /between 0 and 1; got/, { valid })
  await refused(t, 'seed', dir, /seed is a whole number/, { seed: 1.5 })
  await refused(t, 'maxDamaged', dir, /maxDamaged is a share/, { maxDamaged: 5 })
})

test('pictures for prediction: files as they are, folders in order, errors that name the file', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { b: 2, a: 1 })
  put(dir, { 'b/notes.txt': 'text' })
  const { pictures, problems } = listPictures([join(dir, 'b/1.jpg'), dir])
  assert.deepEqual(
    pictures.map(({ file }) => file.slice(dir.length + 1)),
    ['b/1.jpg', 'a/0.jpg', 'b/0.jpg', 'b/1.jpg'],
  )
  assert.deepEqual(
    problems.map(({ file }) => file),
    ['b/notes.txt'],
  )
  const picture = await loadPicture(pictures[0]!, { short: 16 })
  assert.deepEqual([picture.height, picture.width], [16, 24])
  await assert.rejects(loadPicture(join(dir, 'b/notes.txt'), { short: 16 }), /b\/notes.txt is no picture.*text/)
  await assert.rejects(loadPicture(join(dir, 'b/none.jpg'), { short: 16 }), /none.jpg .*does not exist/)
  assert.throws(() => listPictures([join(dir, 'nope')]), /nope can not be read/)
})
