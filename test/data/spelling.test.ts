import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tidy } from '../../src/cells/tidy.ts'
import { applyDecisions } from '../../src/data/index.ts'
import { lookAlikes } from '../../src/data/labels/spelling.ts'
import { indexPictures } from '../../src/vision/index.ts'
import { put, tempFolder } from '../helpers/data.ts'
import { choicesOf, folders, head, indexed, times } from '../helpers/labels.ts'
import { indexForEvaluation } from '../helpers/of-pictures.ts'

/** Spellings that look like the same label. */
const same: [label: string, forms: string[]][] = [
  ['café', ['caf\u00e9', 'cafe\u0301']],
  ['Å', ['\u00c5', 'A\u030a', '\u212b']],
  ['pants', ['pants', 'pants\u200b', '\ufeffpants', 'pa\u00adnts', 'pants\u2060', '\u200epants', 'pants\u200d']],
  [
    'long shirt',
    [
      'long shirt',
      'long\u00a0shirt',
      'long  shirt',
      'long\u2009shirt',
      ' long shirt ',
      'long\tshirt',
      'long\u3000shirt',
    ],
  ],
  ['한국', ['한국', '한국'.normalize('NFD')]],
]

test('labels that read the same are one: in tables, with how often each is written', async t => {
  for (const [label, forms] of same) {
    const cells = times(3, ...forms.filter(form => !form.includes('\t')), 'other', 'another one')
    const index = await indexed(t, 'label', cells, { task: 'single' })
    assert.deepEqual(new Set(index.classes), new Set([label, 'other', 'another one']), label)
    const [said = ''] = choicesOf(index, 'one label')
    assert.ok(said.startsWith(`"${label}" (written in `) && said.includes('3 rows'), said)
  }
})

test('in class folders, also of train and valid; in names; from a function', async t => {
  for (const [label, forms] of same) {
    const [first, second] = [forms[0]!, forms[1]!]
    const dir = tempFolder(t)
    const shape = { [`train/${first}`]: 4, 'train/other': 4, [`valid/${second}`]: 2, 'valid/other': 2 }
    for (const [name, count] of Object.entries(shape))
      for (let i = 0; i < count; i++) put(dir, { [`${name}/${i}.jpg`]: head })
    const parts = await indexPictures(dir)
    assert.deepEqual([new Set(parts.classes), parts.drawn], [new Set([label, 'other']), false])
    assert.equal(parts.items.filter(item => item.split === 'valid').length, 4)
    assert.match(choicesOf(parts, 'one label').join(), /written in 2 ways that read the same: .*1 folder/)

    const beside = await indexPictures(folders(t, { [first]: 3, [second]: 3, other: 3 }))
    assert.deepEqual([new Set(beside.classes), beside.items.length], [new Set([label, 'other']), 9])

    const named = folders(t, { [`${first}_x`]: 3, [`${second}_x`]: 3, other_x: 3 })
    const byName = await indexPictures(named, { labelRegex: '^(.*)_x/' })
    assert.deepEqual(new Set(byName.classes), new Set([label, 'other']))
    const byFunction = await indexPictures(named, { labelOf: file => file.slice(0, file.indexOf('_')) })
    assert.deepEqual(new Set(byFunction.classes), new Set([label, 'other']))
  }
})

test('a table in one form of Unicode, pictures and classes of a trained model in the other', async t => {
  const dir = folders(t, { 'cafe\u0301': 2, dog: 2 })
  const rows = ['caf\u00e9/0.jpg\tcaf\u00e9', 'cafe\u0301/1.jpg\tcafe\u0301', 'dog/0.jpg\tdog', 'dog/1.jpg\tdog']
  put(dir, { 'labels.tsv': ['file\tlabel', ...rows].join('\n') })
  assert.deepEqual((await indexPictures(dir, { labels: 'labels.tsv' })).classes, ['caf\u00e9', 'dog'])
  for (const name of ['caf\u00e9', 'cafe\u0301']) {
    const known = { classes: [name, 'dog'], task: 'single' as const }
    for (const labels of [undefined, 'labels.tsv']) {
      const index = await indexForEvaluation(dir, { ...known, ...(labels ? { labels } : {}) })
      assert.deepEqual([index.classes, index.items.length], [[name, 'dog'], 4])
      assert.equal(index.items.filter(item => item.labels[0] === 0).length, 2)
    }
  }
  const index = await indexPictures(dir)
  const decided = applyDecisions(index, [{ file: 'dog/0.jpg', action: 'relabel', label: 'cafe\u0301' }])
  assert.equal(decided.items.filter(item => item.labels[0] === 0).length, 3)
})

test('what reads differently stays as it is', () => {
  for (const text of ['می\u200cشود', '👩\u200d💻', 'क्\u200dष', 'a\nb', 'x-y', '1.0', 'ﬁ', 'ｆｕｌｌ', 'ß', "d'été"])
    assert.equal(tidy(text), text)
})

test('labels that are nearly the same are listed with their pictures, and not merged', async t => {
  const groups = [
    ['pants', 'Pants', 'p\u0430nts', 'PANTS'],
    ['shoes', 'shoes.'],
    ['t-shirt', 't_shirt', 'T shirt', 'tshirt'],
    ['été', 'ete'],
    ["robe d'été", 'robe d\u2019été'],
    ['1', '01', '1.0'],
    ['dress', 'dresses'],
    ['berry', 'berries'],
    ['\u039fmega', 'Omega'],
    ['salt & pepper', 'salt and pepper'],
  ]
  for (const group of groups) {
    const index = await indexed(t, 'label', times(4, ...group, 'something else'), { task: 'single' })
    assert.equal(index.classes.length, group.length + 1, `${group}`)
    const [said = ''] = choicesOf(index, 'nearly the same')
    assert.equal(said.split('4 pictures').length - 1, group.length, said)
    assert.match(
      said,
      /they are written differently, so they stay .* classes. If they are one class, write them alike in .*labels.tsv/,
    )
  }
  const inFolders = await indexPictures(folders(t, { Cat: 3, cat: 4, dog: 2 }))
  assert.match(
    choicesOf(inFolders, 'nearly the same').join(),
    /"cat" 4 pictures, "Cat" 3 pictures \(they are written differently, so they stay two classes\..*give their folders one name/,
  )
})

test('names that differ to a person are no look-alikes', () => {
  const apart = [
    'C',
    'C#',
    'C++',
    'A',
    'A-',
    'A+',
    '1',
    '-1',
    '10',
    '1.5',
    '15',
    '12-13',
    '1213',
    'cat',
    'cut',
    '9a',
    'a9',
    'no',
    'now',
  ]
  assert.deepEqual(lookAlikes(apart), [])
  assert.deepEqual(lookAlikes(Array.from({ length: 20_000 }, (_, i) => `class ${i}`)), [])
})

test('hidden folders and those of systems are no classes, and are named; empty class folders too', async t => {
  const dir = folders(t, { cat: 3, dog: 3, '.ipynb_checkpoints': 1, __MACOSX: 1, '.thumbnails': 2 })
  put(dir, { 'cat/Thumbs.db': 'x', 'cat/.DS_Store': 'x', 'bird/.gitkeep': '' })
  const index = await indexPictures(dir)
  assert.deepEqual([index.classes, index.items.length], [['cat', 'dog'], 6])
  assert.match(choicesOf(index, 'folders passed over').join(), /__MACOSX/)
  for (const name of ['.ipynb_checkpoints', '.thumbnails'])
    assert.ok(choicesOf(index, 'folders passed over').join().includes(name), name)
  assert.deepEqual(
    index.problems.map(({ kind, file }) => `${kind} ${file}`),
    ['empty-class bird'],
  )
})
