import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { type FileKind, indexForEvaluation } from '../../src/data/index.ts'
import { indexFolder } from '../../src/data/labels/from-folders.ts'
import { indexNames } from '../../src/data/labels/from-names.ts'
import { indexTable } from '../../src/data/labels/from-table.ts'
import { readTable } from '../../src/data/tables/table.ts'
import { jpeg, put, tempFolder } from '../helpers/data.ts'

/** Sound in WAV files, as a domain of sound would tell. */
const recordings: FileKind = {
  noun: { one: 'recording', many: 'recordings' },
  isNamed: name => /.\.wav$/i.test(name),
  bytesNeeded: 12,
  recognises: head => /^RIFF.{4}WAVE$/s.test(Buffer.from(head).toString('latin1')),
  describe: head => `it begins with ${Buffer.from(head.subarray(0, 2)).toString('hex')}, no recording`,
}
const as = { fileKind: recordings }
const wav = (n: number) => Buffer.concat([Buffer.from('RIFF____WAVE'), Buffer.from([n])])

/** Files of a folder by what they hold. */
const sounds = (names: readonly string[]) => Object.fromEntries(names.map((name, i) => [name, wav(i)]))

test('class folders of another kind of file: pictures among them are no samples, messages say the noun', async t => {
  const dir = tempFolder(t)
  const names = ['dog/1.wav', 'dog/2.wav', 'dog/3.wav', 'cat/1.wav', 'cat/2.wav', 'cat/noend']
  put(dir, { ...sounds(names), 'cat/photo.jpg': await jpeg(1), 'dog/broken.wav': 'text' })
  const { items, problems, classes } = indexFolder(dir, {}, as)
  assert.deepEqual([classes, items.length], [['cat', 'dog'], 6])
  assert.deepEqual(
    problems.map(({ kind, file, reason, counted }) => [kind, file, reason, counted]),
    [
      ['not-a-picture', 'cat/photo.jpg', 'it begins with ffd8, no recording', false],
      ['damaged', 'dog/broken.wav', 'it begins with 7465, no recording', true],
    ],
  )
  assert.throws(() => indexFolder(join(dir, 'dog'), {}, as), /holds 3 recordings and no class folders|no recordings/)
  const evaluated = await indexForEvaluation(dir, { classes: ['dog', 'cat'], task: 'single' }, as)
  assert.deepEqual(
    evaluated.items.map(item => item.labels[0]),
    [0, 0, 0, 1, 1, 1],
  )
})

test('a table finds files of another kind with an ending, without one, and nearly as written', async t => {
  for (const [what, cells] of [
    ['whole names', ['a1.wav', 'a2.wav', 'b1.wav', 'b2.wav']],
    ['stems', ['a1', 'a2', 'b1', 'b2']],
    ['other letters', ['A1.WAV', 'A2.WAV', 'B1.WAV', 'B2.WAV']],
    ['blanks between cells', ['a1.wav', 'a2.wav', 'b1.wav', 'b2.wav']],
  ] as const) {
    const dir = tempFolder(t)
    const gap = what.startsWith('blanks') ? '  ' : ','
    const lines = cells.map(cell => `${cell}${gap}${/^a/i.test(cell) ? 'low' : 'high'}`)
    put(dir, {
      ...sounds(['a1.wav', 'a2.wav', 'b1.wav', 'b2.wav']),
      'labels.csv': `file${gap}label\n${lines.join('\n')}\n`,
    })
    const { items, classes } = await indexTable(dir, { labels: join(dir, 'labels.csv') }, as)
    assert.deepEqual([classes, items.length], [['high', 'low'], 4], what)
  }
})

test('a first line that names such a file is a row, one that begins with # too; of a picture it is not known', async t => {
  const dir = tempFolder(t)
  put(dir, {
    'x.csv': 'a.wav,low\nb.wav,high\n',
    'y.csv': '#a.wav,low\nb.wav,high\n',
    'z.csv': 'a.jpg,low\nb.jpg,high\n',
  })
  const read = async (name: string) => await readTable(join(dir, name), as)
  const x = await read('x.csv')
  assert.deepEqual([x.rows, x.columns[0]!.name], [2, 'column 1'])
  assert.match(x.choices.map(({ reason }) => reason).join(), /line 1 names a recording, a\.wav/)
  assert.equal((await read('y.csv')).rows, 2)
  assert.deepEqual((await read('z.csv')).rows, 1, 'names of pictures say nothing here')
})

test('errors of names and tables say the noun', async t => {
  const dir = tempFolder(t)
  put(dir, {
    ...sounds(['a1.wav', 'b1.wav']),
    'labels.csv': 'file,label\nx.wav,low\ny.wav,high\nz.wav,low\n',
    'none/x.txt': '',
  })
  const bare = join(dir, 'none')
  assert.throws(
    () => indexNames(bare, { labelRegex: '(.)' }, as),
    /holds no recordings; expected a folder of recordings/,
  )
  await assert.rejects(
    indexTable(dir, { labels: join(dir, 'labels.csv'), fileColumn: 'file' }, as),
    /none of the 3 recordings/,
  )
  put(dir, { 'empty.csv': '' })
  await assert.rejects(readTable(join(dir, 'empty.csv'), as), /expected one row per recording/)
  const many = tempFolder(t)
  put(many, sounds(Array.from({ length: 60 }, (_, n) => `${n}.wav`)))
  assert.throws(
    () => indexNames(many, { labelOf: file => `k${file}` }, as),
    /gives 60 classes for 60 recordings, and 60 of these classes have one recording each/,
  )
  assert.throws(
    () => indexNames(many, { labelRegex: '^(\\d)', groupRegex: '(x)' }, as),
    /every recording needs a group/,
  )
  const parts = tempFolder(t)
  put(parts, {
    ...sounds(['train/a1.wav', 'train/b1.wav']),
    'l.csv': 'file,label,split\na1.wav,a,train\nb1.wav,b,train\n',
  })
  const known = { classes: ['a', 'b'], task: 'single', labels: join(parts, 'l.csv') } as const
  await assert.rejects(
    indexForEvaluation(parts, known, as),
    /all recordings are in train .* on recordings that it was not/,
  )
})
