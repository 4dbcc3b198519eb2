import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LabelOptions } from '../../src/data/index.ts'
import { choicesOf, indexed, kindsOf, labelsOf, times } from '../helpers/labels.ts'

/** Twenty rows of each of three classes; some rows hold another word. */
const withWord = (word: string, rows: number[]) =>
  times(20, 'cat', 'dog', 'bird').map((label, i) => (rows.includes(i) ? word : label))

test('words that programs write for a missing label leave their rows out, and are listed', async t => {
  const words = [
    'nan',
    'NaN',
    'None',
    'NULL',
    'null',
    'N/A',
    'n/a',
    'NA',
    '<NA>',
    '#N/A',
    '-',
    '?',
    '--',
    '',
    ' ',
    '\u00a0',
    '-nan',
  ]
  for (const word of words) {
    const index = await indexed(t, 'label', withWord(word, [5, 17, 30]))
    assert.deepEqual([index.task, index.classes, index.items.length], ['single', ['bird', 'cat', 'dog'], 57], word)
    assert.deepEqual(kindsOf(index), ['unlabelled 5.jpg', 'unlabelled 17.jpg', 'unlabelled 30.jpg'], word)
    const [said = ''] = choicesOf(index, 'missing labels')
    assert.match(said, /^3 rows left out \(.* in 3 rows: .*line 7; .*line 19; .*line 32/, word)
    const empty = word.trim() === ''
    assert.match(
      said,
      empty ? /empty .*task: "multi" takes empty cells as/ : /; missing: \[\] takes this word as a label/,
    )
  }
})

test('words that are no missing labels stay classes', async t => {
  for (const word of ['unknown', 'nano', 'nun', 'nothing', 'other', 'Nonesuch', 'x', '0']) {
    const index = await indexed(t, 'label', withWord(word, [5, 17, 30]))
    assert.deepEqual([index.classes.length, index.items.length], [4, 60], word)
  }
})

test('a word in as many rows as a class has may be one: it asks', async t => {
  for (const word of ['None', 'none', 'NA', 'null', 'N/A', '-']) {
    const cells = times(15, 'scratch', 'dent', word)
    await assert.rejects(
      indexed(t, 'defect', cells),
      (error: Error) =>
        error.message.includes(`15 rows of "defect" hold "${word}", about as many as a class has (15 rows)`) &&
        error.message.includes(`missing: [] takes it as a class, missing: ["${word}"] leaves these rows out`),
      word,
    )
    const kept = await indexed(t, 'defect', cells, { missing: [] })
    assert.deepEqual([kept.classes.length, kept.items.length], [3, 45], word)
    const out = await indexed(t, 'defect', cells, { missing: [word] })
    assert.deepEqual([out.classes.length, out.items.length], [2, 30], word)
  }
  const many = await indexed(t, 'label', times(15, 'a', 'b', 'nan'))
  assert.deepEqual([many.classes, many.items.length], [['a', 'b'], 30], 'nan is never a class')
})

test('the list can be set, also to words of the table', async t => {
  const cells = withWord('unknown', [5, 17, 30]).map((cell, i) => (i === 40 ? 'nan' : cell))
  const set = await indexed(t, 'label', cells, { missing: ['unknown', 'nan'] })
  assert.deepEqual([set.classes.length, set.items.length], [3, 56])
  const none = await indexed(t, 'label', cells, { missing: [] })
  assert.deepEqual([none.classes.length, none.items.length], [5, 60])
})

test('numbers: a missing one leaves its row out', async t => {
  for (const word of ['nan', 'N/A', '', 'None', '?', '-', '#DIV/0!']) {
    const cells = Array.from({ length: 60 }, (_, i) => (i === 30 ? word : `${20 + i / 7}`))
    for (const options of [{}, { targets: ['age'] }] as LabelOptions[]) {
      const index = await indexed(t, 'age', cells, options)
      assert.deepEqual(
        [index.task, index.items.length, kindsOf(index)],
        ['regression', 59, ['unlabelled 30.jpg']],
        word,
      )
      assert.match(choicesOf(index, 'missing labels').join(), /1 row left out .*line 32/, word)
    }
  }
})

test('several labels: an empty cell is a picture without any, a word is a missing label', async t => {
  const index = await indexed(t, 'tags', times(3, 'a;b', 'b;a', 'a', 'b', '', 'nan'))
  assert.deepEqual([index.task, index.classes, index.items.length], ['multi', ['a', 'b'], 15])
  assert.equal(Object.values(labelsOf(index)).filter(labels => labels === '').length, 3)
  await assert.rejects(
    indexed(t, 'tags', times(3, 'a', 'b', '')),
    /line 4, column "tags": it is empty \(3 rows are\), .*task: "single" leaves such rows out, task: "multi" takes them/,
  )
})

test('a reading that leaves out most rows is refused, with both counts', async t => {
  const cells = [...times(4, 'a', 'b'), ...Array.from({ length: 12 }, () => 'nan')]
  await assert.rejects(
    indexed(t, 'label', cells),
    /12 of 20 rows have no label \(60.0 %\), and 8 would remain: .*line 10, column "label" holds "nan"\. .*labelColumn.*maxLeftOut: 0.6/,
  )
  assert.equal((await indexed(t, 'label', cells, { maxLeftOut: 0.6 })).items.length, 8)
  const ages = Array.from({ length: 20 }, (_, i) => (i < 12 ? '' : `${i}.5`))
  await assert.rejects(indexed(t, 'age', ages, { targets: ['age'] }), /12 of 20 rows have no number .*targets/)
})

test('a model that knows the word as a class is asked about it', async t => {
  const { indexForEvaluation } = await import('../helpers/of-pictures.ts')
  const { tableFolder } = await import('../helpers/labels.ts')
  const dir = tableFolder(t, 'label', ['None', 'cat', 'None', 'nan'])
  const index = await indexForEvaluation(dir, { classes: ['cat', 'None'], task: 'single', labels: 'labels.tsv' })
  assert.deepEqual(labelsOf(index), { '0.jpg': 'None', '1.jpg': 'cat', '2.jpg': 'None' })
})
