import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { chooseKind } from '../../src/api/kinds/choose.ts'
import type { DataKind } from '../../src/api/kinds/kind.ts'
import { kinds } from '../../src/api/kinds/list.ts'
import { text } from '../../src/base/option-kinds.ts'
import { countKinds } from '../../src/data/files/count-kinds.ts'

/** A folder with empty files of these names. */
function folder(t: TestContext, names: readonly string[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'kinds-'))
  t.after(() => rmSync(dir, { recursive: true }))
  for (const name of names) {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), '')
  }
  return dir
}

const many = (n: number, name: (i: number) => string): string[] => Array.from({ length: n }, (_, i) => name(i))

/** A kind of notes: files that end with `.note`, or a column of a table. */
const notes: DataKind = {
  name: 'notes',
  files: {
    noun: { one: 'note', many: 'notes' },
    isNamed: name => name.endsWith('.note'),
    bytesNeeded: 1,
    recognises: () => false,
    describe: () => 'it is no note',
  },
  options: { melody: text('a column').flag('--melody <column>') },
  inTables: 'melody',
  domain: () => Promise.reject(new Error('not loaded')),
  predictor: () => Promise.reject(new Error('not loaded')),
}
const two = [kinds.find(({ name }) => name === 'images')!, notes]

test('the files of each kind are counted by their names, and files beside a sample are not', t => {
  const dir = folder(t, ['a/1.jpg', 'a/1.note', 'b/2.PNG', 'b/deep/3.note', '.hidden/4.note', 'README'])
  assert.deepEqual(
    countKinds(
      dir,
      two.map(({ files }) => files),
    ),
    [2, 1],
  )
  const labels = folder(t, ['images/1.jpg', 'images/2.jpg', 'labels/1.note', 'labels/2.note', 'labels/classes.note'])
  assert.deepEqual(
    countKinds(
      labels,
      two.map(({ files }) => files),
    ),
    [2, 1],
    'files of labels in another folder',
  )
  symlinkSync(join(dir, 'b'), join(dir, 'a/again'))
  symlinkSync(dir, join(dir, 'b/loop'))
  assert.ok(
    countKinds(
      dir,
      two.map(({ files }) => files),
    )[0]! >= 2,
    'a link in a circle ends',
  )
})

test('a folder is of the kind that nearly all of its files are of', t => {
  const pictures = folder(t, [...many(30, i => `a/${i}.jpg`), 'a/readme.note'])
  assert.deepEqual(
    [chooseKind(pictures, {}, two).kind.name, chooseKind(pictures, {}, two).reason],
    ['images', undefined],
  )
  const others = folder(t, [...many(30, i => `a/${i}.note`), 'cover.jpg'])
  const { kind, reason } = chooseKind(others, {}, two)
  assert.equal(kind.name, 'notes')
  assert.match(reason ?? '', /holds 1 picture and 30 notes; kind says otherwise/)
})

test('where two kinds fit, both are shown with their options', t => {
  const dir = folder(t, [...many(5, i => `a/${i}.jpg`), ...many(7, i => `b/note${i}.note`)])
  assert.throws(
    () => chooseKind(dir, {}, two),
    /holds 5 pictures and 7 notes\. Which of them are the samples\? For the pictures: kind: "images"\. For the notes: kind: "notes"\./,
  )
  assert.equal(chooseKind(dir, { kind: 'notes' }, two).kind.name, 'notes')
  assert.equal(chooseKind(dir, { kind: 'images' }, two).kind.name, 'images')
})

test('an option of another kind is refused by name', t => {
  const dir = folder(
    t,
    many(3, i => `a/${i}.note`),
  )
  assert.throws(
    () => chooseKind(dir, { size: 128 }, two),
    /size is for pictures, and .* holds notes; leave it out, or say what the samples are: kind: "images"/,
  )
  assert.throws(() => chooseKind(dir, { kind: 'images', model: 'resnet35' }, two), /resnet35.*resnet34/s)
  assert.equal(chooseKind(dir, { seed: 1, size: undefined }, two).kind.name, 'notes')
})

test('a column of samples makes a table one of that kind; an empty or missing path is one of pictures', t => {
  const dir = folder(t, ['songs.csv'])
  assert.equal(chooseKind(join(dir, 'songs.csv'), { melody: 'tune' }, two).kind.name, 'notes')
  assert.equal(chooseKind(dir, {}, two).kind.name, 'images')
  assert.equal(chooseKind(join(dir, 'nowhere'), {}, two).kind.name, 'images')
})

test('texts and recordings refuse test-time augmentation with the reason; without it nothing is refused', () => {
  for (const [name, why] of [
    ['texts', /tta.*texts have no augmented views/],
    ['sounds', /tta.*1,456 right, the plain sound 1,457/],
  ] as const) {
    const kind = kinds.find(k => k.name === name)!
    assert.throws(() => kind.check?.({ tta: 4 }), why, name)
    assert.throws(() => kind.check?.({ tta: true }), why, name)
    assert.doesNotThrow(() => kind.check?.({ tta: false }), name)
    assert.doesNotThrow(() => kind.check?.({}), name)
  }
})
