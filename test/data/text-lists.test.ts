import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { LabelOptions } from '../../src/data/index.ts'
import { listIn } from '../../src/data/labels/text-lists.ts'
import { indexPictures } from '../../src/vision/index.ts'
import { put, tempFolder } from '../helpers/data.ts'

/** The first bytes of a JPEG are all that an index looks at. */
const picture = Buffer.from('ffd8ffe000104a464946', 'hex')

/** An index of pictures `0.jpg`, `1.jpg`, … with a cell each, as JSON lines keep it: quotes and all. */
function indexOf(t: TestContext, column: string, cells: readonly (string | string[])[], options: LabelOptions = {}) {
  const dir = tempFolder(t)
  put(dir, Object.fromEntries(cells.map((_, i) => [`${i}.jpg`, picture])))
  put(dir, { 'labels.jsonl': cells.map((cell, i) => JSON.stringify({ file: `${i}.jpg`, [column]: cell })).join('\n') })
  return indexPictures(dir, { labels: 'labels.jsonl', ...options })
}
const repeated = (cells: readonly string[], n: number) => Array.from({ length: n }, (_, i) => cells[i % cells.length]!)

const lists: [text: string, parts: string[] | undefined][] = [
  ["['cat', 'dog']", ['cat', 'dog']],
  ['["cat","it\\"s"]', ['cat', 'it"s']],
  ["['don\\'t', 'a, b']", ["don't", 'a, b']],
  ['[cat, dog]', ['cat', 'dog']],
  ['{cat,"big dog"}', ['cat', 'big dog']],
  ["('cat',)", ['cat']],
  ['[1, 2.5]', ['1', '2.5']],
  [' [] ', []],
  ['(blue)', undefined],
  ['(12)', undefined],
  ['[a', undefined],
  ["['a' 'b']", undefined],
  ['[[1],[2]]', undefined],
  ['{"a": 1}', undefined],
  ['[,]', undefined],
  ['cat', undefined],
  ['', undefined],
]
for (const [text, parts] of lists)
  test(`a list in a text: ${text || 'nothing'}`, () => {
    assert.deepEqual(listIn(text), parts)
  })

for (const [form, cells] of Object.entries({
  Python: ["['cat', 'dog']", "['cat']", "['dog']", '[]'],
  JSON: ['["cat","dog"]', '["cat"]', '["dog"]', '[]'],
  PostgreSQL: ['{cat,dog}', '{cat}', '{dog}', '{}'],
}))
  test(`cells of lists as ${form} writes them are several labels, and that is said`, async t => {
    const index = await indexOf(t, 'labels', repeated(cells, 24))
    assert.equal(index.task, 'multi')
    assert.deepEqual(index.classes, ['cat', 'dog'])
    assert.deepEqual(
      index.items.slice(0, 4).map(({ labels }) => labels),
      [[0, 1], [0], [1], []],
    )
    const said = index.choices.find(({ what }) => what === 'lists')
    assert.match(
      said?.reason ?? '',
      /every cell of "labels" is one, such as .*task: "single" takes each cell as one class/,
    )
    const whole = await indexOf(t, 'labels', repeated(cells, 24), { task: 'single' })
    assert.equal(whole.classes.length, 4)
  })

test('numbers in such lists are several targets; a column in which one cell is no list stays as it is', async t => {
  const boxes = Array.from({ length: 24 }, (_, i) => `[${i}, ${i + 0.5}]`)
  const index = await indexOf(t, 'box', boxes, { task: 'regression' })
  assert.deepEqual(index.items.find(({ file }) => file.endsWith('/3.jpg'))!.values, [3, 3.5])
  const words = await indexOf(t, 'label', repeated(['[cat]', 'dog'], 24))
  assert.deepEqual(words.classes, ['[cat]', 'dog'])
})

test('labels of which most pictures have one of their own are refused: dates, amounts with words, names', async t => {
  const days = (n: number) => Array.from({ length: n }, (_, i) => `2024-01-${String(i + 1).padStart(2, '0')}`)
  const refused: [name: string, cells: string[]][] = [
    ['dates', days(30)],
    ['amounts with words', Array.from({ length: 30 }, (_, i) => `about ${i}`)],
    ['names of pictures', Array.from({ length: 30 }, (_, i) => `picture number ${i} of mine`)],
    ['most of them', [...days(24), ...repeated(['a', 'b'], 8)]],
  ]
  for (const [name, cells] of refused) {
    await assert.rejects(
      indexOf(t, 'label', cells, { delimiter: undefined }),
      /gives \d+ classes for \d+ pictures, and \d+ of these classes have one picture each, such as ".*task: "single"\)/,
      name,
    )
    assert.equal((await indexOf(t, 'label', cells, { task: 'single' })).task, 'single', name)
  }
  for (const cells of [days(6), [...days(10), ...repeated(['a', 'b'], 20)]])
    assert.equal((await indexOf(t, 'label', cells)).task, 'single', `${cells.length} pictures`)
})

test('a folder for each picture is no class for each', async t => {
  const dir = tempFolder(t)
  put(dir, Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`patient ${i}/scan.jpg`, picture])))
  await assert.rejects(
    indexPictures(dir),
    /one class per folder of .* gives 30 classes for 30 pictures, .*Put the pictures of a class into one folder/,
  )
})
