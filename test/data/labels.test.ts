import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FolderIndex, LabelOptions } from '../../src/data/index.ts'
import { indexPictures } from '../../src/vision/index.ts'
import { put, tempFolder } from '../helpers/data.ts'
import { root } from '../helpers/sources.ts'

/** The first bytes of a JPEG are all that an index looks at. */
const picture = Buffer.from('ffd8ffe000104a464946', 'hex')
const pictures = (dir: string, names: string[]) => put(dir, Object.fromEntries(names.map(name => [name, picture])))
const numbered = (n: number, folder = '') => Array.from({ length: n }, (_, i) => `${folder}${i}.jpg`)

/** A folder of pictures `0.jpg`, `1.jpg`, … and a table of one row each. */
function withTable(t: TestContext, header: string, rows: string[], folder = ''): string {
  const dir = tempFolder(t)
  pictures(dir, numbered(rows.length, folder))
  put(dir, { 'labels.csv': [header, ...rows.map((row, i) => `${i}.jpg${row}`)].join('\n') })
  return dir
}
const table = { labels: 'labels.csv' }

const labelsOf = ({ dir, classes, items }: FolderIndex) =>
  Object.fromEntries(items.map(item => [relative(dir, item.file), item.labels.map(label => classes[label]).join(' ')]))
const splitsOf = ({ dir, items }: FolderIndex) =>
  Object.fromEntries(items.map(item => [relative(dir, item.file), item.split]))
const choice = ({ choices }: FolderIndex, what: string) => choices.find(found => found.what === what)?.value
const kinds = ({ problems }: FolderIndex) => problems.map(({ kind, file }) => `${kind} ${file}`)

test('several labels a picture: columns, delimiter and task are found, with reasons', async t => {
  const dir = tempFolder(t)
  pictures(dir, numbered(6, 'images/'))
  const rows = ['RBC WBC', 'RBC', 'WBC Platelets RBC', '', 'WBC  RBC', 'Platelets']
  put(dir, { 'labels.csv': `image,tags\n${rows.map((tags, i) => `images/${i}.jpg,${tags}`).join('\n')}\n` })
  const index = await indexPictures(dir, table)
  assert.equal(index.task, 'multi')
  assert.deepEqual(index.classes, ['Platelets', 'RBC', 'WBC'])
  assert.deepEqual(Object.values(labelsOf(index)), ['RBC WBC', 'RBC', 'Platelets RBC WBC', '', 'RBC WBC', 'Platelets'])
  assert.deepEqual(
    index.choices.map(({ what, value }) => `${what}: ${value}`),
    ['file column: image', 'label column: tags', 'delimiter of labels: a space', 'task: multi'],
  )
  assert.match(index.choices.at(-1)!.reason, /labels.csv, line 2 has 2 labels/)
  for (const label of [0, 1, 2]) {
    const held = index.items.filter(item => item.labels.includes(label))
    assert.deepEqual(new Set(held.map(item => item.split)), new Set(['train', 'valid']))
  }
})

test('a picture is found by whatever a table calls it', async t => {
  const dir = tempFolder(t)
  const names = ['images/a/1.jpg', 'images/a/2.png', 'images/b/3.jpg', 'images/b/Cafe\u0301.jpg']
  pictures(dir, names)
  const forms = {
    paths: names,
    'within images': names.map(name => name.slice('images/'.length)),
    'without extension': names.map(name => name.replace(/\.\w+$/, '')),
    'names alone': names.map(name => name.replace(/.*\//, '')),
    'names alone, without extension': ['1', '2', '3', 'Cafe\u0301'],
    'composed letters': names.map(name => name.normalize('NFC')),
    'composed letters within images': names.map(name => name.slice('images/'.length).normalize('NFC')),
    absolute: names.map(name => join(dir, name)),
    dots: names.map(name => `./images/../${name}`),
    backslashes: names.map(name => name.replaceAll('/', '\\')),
    'relative to the table': names.map(name => `../../data/${name}`),
  }
  for (const [form, cells] of Object.entries(forms)) {
    const rows = cells.map((cell, i) => `${cell}\t${'ab'[i % 2]}`)
    put(join(dir, '../../tables'), { 'labels.csv': ['thing\tlabel', ...rows].join('\n') })
    const index = await indexPictures(dir, { labels: join(dir, '../../tables/labels.csv') })
    assert.deepEqual(labelsOf(index), Object.fromEntries(names.map((name, i) => [name, 'ab'[i % 2]])), form)
    assert.equal(choice(index, 'file column'), 'thing', form)
    assert.deepEqual(index.problems, [], form)
  }
})

test('a table without names of columns', async t => {
  const dir = withTable(t, '0.jpg,cat', [',cat', ',cat', ',dog', ',dog'])
  put(dir, { 'labels.csv': '0.jpg,cat\n1.jpg,cat\n2.jpg,dog\n3.jpg,dog\n' })
  const index = await indexPictures(dir, table)
  assert.deepEqual(Object.values(labelsOf(index)), ['cat', 'cat', 'dog', 'dog'])
  assert.deepEqual([choice(index, 'names of columns'), choice(index, 'label column')], ['none', 'column 2'])
})

test('label columns: by name, the only one left, or one a label', async t => {
  const named = withTable(t, 'id,age,breed,note', [',3,pug,x', ',4,pug,y', ',5,lab,z', ',6,lab,'])
  assert.deepEqual((await indexPictures(named, table)).classes, ['lab', 'pug'])
  assert.deepEqual((await indexPictures(named, { ...table, labelColumn: 'note', task: 'single' })).classes, [
    'x',
    'y',
    'z',
  ])

  const flags = withTable(t, ',file,cat,dog', [])
  pictures(flags, numbered(4))
  put(flags, { 'labels.csv': ',file,cat,dog\n0,0.jpg,1,0\n1,1.jpg,1.0,true\n2,2.jpg,0,\n3,3.jpg,False,yes\n' })
  const multi = await indexPictures(flags, table)
  assert.deepEqual([multi.task, choice(multi, 'label columns')], ['multi', 'cat, dog'])
  assert.deepEqual(Object.values(labelsOf(multi)), ['cat', 'cat dog', '', 'dog'])

  const oneHot = withTable(t, 'image,MEL,NV,BCC', [',1.0,0.0,0.0', ',0.0,1.0,0.0', ',0.0,1.0,0.0', ',1.0,0.0,0.0'])
  const single = await indexPictures(oneHot, table)
  assert.deepEqual([single.task, single.classes], ['single', ['MEL', 'NV']])
  assert.deepEqual(kinds(single), ['empty-class BCC'])

  const listed = tempFolder(t)
  pictures(listed, numbered(3))
  const lines = ['["x","y"]', '[]', '["y"]'].map((tags, i) => `{"file_name":"${i}.jpg","tags":${tags}}`)
  put(listed, { 'metadata.jsonl': lines.join('\n') })
  const lists = await indexPictures(listed, { labels: 'metadata.jsonl' })
  assert.deepEqual([lists.task, Object.values(labelsOf(lists))], ['multi', ['x y', '', 'y']])
})

test('labels from Parquet', async t => {
  const dir = tempFolder(t)
  pictures(dir, ['a/1.jpg', 'a/2.jpg', 'b/3.jpg', 'b/Ünï.jpg'])
  cpSync(join(root, 'test/golden/tables/zstd.parquet'), join(dir, 'labels.parquet'))
  const from = { labels: 'labels.parquet' }
  const tags = await indexPictures(dir, { ...from, labelColumn: 'tags', splitColumn: false })
  assert.deepEqual([tags.task, Object.values(labelsOf(tags))], ['multi', ['x y', '', '', 'y']])
  await assert.rejects(indexPictures(dir, from), /several columns .* "label", "tags"/)
  await assert.rejects(
    indexPictures(dir, { ...from, labelColumn: 'label' }),
    /labels.parquet, row 3, column "is_valid": it is empty; expected train, valid or test/,
  )
  const scores = await indexPictures(dir, { ...from, targets: ['score', 'half'], splitColumn: false }).catch(String)
  assert.match(String(scores), /row 3, column "score": it is empty; expected a number/)
})

test('what is one label and what are several', async t => {
  const cases: [cells: string[], task: string, classes: number][] = [
    [['golden retriever', 'pug', 'labrador retriever', 'great dane', 'pug', 'golden retriever'], 'single', 4],
    [['"tench, Tinca tinca"', '"goldfish, Carassius auratus"', 'tench', '"tench, Tinca tinca"'], 'single', 3],
    [['a;b', 'a', 'b', 'b;a'], 'multi', 2],
    [['a|b c', 'b c', 'a', 'a'], 'multi', 2],
    [['"a, b"', 'a', 'b', '"b, c"', 'c'], 'multi', 3],
    [['clear primary', 'haze', 'primary haze', 'clear', 'haze primary', 'clear road'], 'multi', 4],
    [['x', 'y', '', 'x'], 'single', 2],
    [['0', '1', '2', '0', '1', '2'], 'single', 3],
    [['1', '01', '1', '01'], 'single', 2],
  ]
  for (const [cells, task, classes] of cases) {
    const index = await indexPictures(
      withTable(
        t,
        'file,label',
        cells.map(cell => `,${cell}`),
      ),
      table,
    )
    assert.deepEqual([index.task, index.classes.length], [task, classes], cells.join(' / '))
  }
  const told = withTable(t, 'file,label', [',a-b', ',a', ',b'])
  assert.equal((await indexPictures(told, table)).task, 'single')
  assert.deepEqual((await indexPictures(told, { ...table, delimiter: '-' })).classes, ['a', 'b'])
  const one = withTable(t, 'file,label', [',a', ',b', ',a'])
  assert.equal((await indexPictures(one, { ...table, task: 'multi' })).task, 'multi')
  assert.equal((await indexPictures(one, { ...table, delimiter: ' ' })).task, 'multi')
})

test('numbers to be told: fractions, what hardly repeats, targets; whole numbers may be classes', async t => {
  const of = (value: (i: number) => string | number, header = 'file,value') =>
    withTable(
      t,
      header,
      Array.from({ length: 60 }, (_, i) => `,${value(i)}`),
    )
  const fractions = await indexPictures(
    of(i => i / 8),
    table,
  )
  assert.deepEqual([fractions.task, fractions.classes], ['regression', ['value']])
  assert.deepEqual(fractions.items.find(item => item.file.endsWith('/12.jpg'))!.values, [1.5])
  assert.deepEqual(fractions.items[0]!.labels, [])
  assert.match(fractions.choices.at(-1)!.reason, /60 different numbers in 60 rows of "value", with fractions/)
  const cases: [value: (i: number) => number, header: string, options: LabelOptions, task: string][] = [
    [i => i * 3, 'file,value', {}, 'regression'],
    [i => i % 25, 'file,age', {}, 'regression'],
    [i => i % 25, 'file,label', {}, 'single'],
    [i => i % 5, 'file,value', {}, 'single'],
    [i => i % 5, 'file,value', { task: 'regression' }, 'regression'],
    [i => i / 8, 'file,value', { task: 'single' }, 'single'],
  ]
  for (const [value, header, options, task] of cases) {
    const index = await indexPictures(of(value, header), { ...table, ...options })
    assert.equal(index.task, task, `${value} ${header}`)
    if (options.task === 'single') assert.equal(index.classes.length, 60)
  }

  const two = of(i => (i === 7 ? ',' : `${i},-${i}`), 'file,x,y')
  const index = await indexPictures(two, { ...table, targets: ['y', 'x'] })
  assert.deepEqual([index.classes, index.items.length], [['y', 'x'], 59])
  assert.deepEqual(index.items.find(item => item.file.endsWith('/12.jpg'))!.values, [-12, 12])
  assert.deepEqual(kinds(index), ['unlabelled 7.jpg'])
  await assert.rejects(
    indexPictures(
      of(i => (i === 5 ? '1,5"' : i).toString().replace('1,5"', '"1,5"')),
      { ...table, task: 'regression' },
    ),
    /labels.csv, line 7, column "value": "1,5" is not a number; expected a number/,
  )
})

test('the split column: words, booleans, folds; or the folders', async t => {
  const rows = (cells: string[]) => cells.map((cell, i) => `,${'ab'[i % 2]},${cell}`)
  const words = ['train', 'train', 'VAL', 'valid', 'Test', 'testing', 'training', 'train']
  const dir = withTable(t, 'file,label,subset', rows(words))
  const index = await indexPictures(dir, table)
  assert.deepEqual(Object.values(splitsOf(index)), [
    'train',
    'train',
    'valid',
    'valid',
    'test',
    'test',
    'train',
    'train',
  ])
  assert.deepEqual([index.drawn, choice(index, 'split column')], [false, 'subset'])
  const anew = await indexPictures(dir, { ...table, labelColumn: 'label', splitColumn: false })
  assert.deepEqual([anew.drawn, Object.values(splitsOf(anew)).includes('test')], [true, false])

  const flags = withTable(t, 'file,label,is_valid', rows(['False', 'False', 'True', 'True', 'False', 'False']))
  assert.deepEqual(Object.values(splitsOf(await indexPictures(flags, table))).slice(1, 4), ['train', 'valid', 'valid'])

  const folds = withTable(t, 'file,label,fold', rows(['0', '0', '1', '1', '2', '2']))
  const second = await indexPictures(folds, { ...table, fold: 2 })
  assert.deepEqual(Object.values(splitsOf(second)), ['train', 'train', 'train', 'train', 'valid', 'valid'])
  const unused = await indexPictures(folds, table)
  assert.equal(choice(unused, 'split column'), 'none')
  assert.equal(unused.drawn, true)
  const why = unused.choices.find(({ what }) => what === 'split column')!.reason
  assert.equal(why, 'column "fold" holds 0, 1, 2 and is not used; splitColumn: "fold" takes its numbers as folds')
  const taken = await indexPictures(folds, { ...table, splitColumn: 'fold' })
  assert.deepEqual(Object.values(splitsOf(taken)), ['valid', 'valid', 'train', 'train', 'train', 'train'])
  const odd = await indexPictures(withTable(t, 'file,label,phase', rows(['solid', 'gas', 'solid', 'gas'])), table)
  assert.match(
    odd.choices.find(({ what }) => what === 'split column')!.reason,
    /"phase" holds solid, gas, not the names of splits, and is not used/,
  )
  await assert.rejects(indexPictures(folds, { ...table, fold: 3 }), /no fold 3; expected one of 0, 1, 2/)
  await assert.rejects(indexPictures(dir, { ...table, fold: 0 }), /fold chooses the fold/)

  const onlyTest = withTable(t, 'file,label,split', rows(['train', 'train', 'train', 'train', 'test', 'test']))
  const drawn = await indexPictures(onlyTest, table)
  assert.ok(drawn.drawn, 'drawn.drawn')
  assert.deepEqual(Object.values(splitsOf(drawn)).sort(), ['test', 'test', 'train', 'train', 'valid', 'valid'])

  const folders = tempFolder(t)
  const names = ['train/0.jpg', 'train/1.jpg', 'train/2.jpg', 'val/3.jpg', 'test/4.jpg']
  pictures(folders, names)
  put(folders, { 'labels.csv': `file,label\n${names.map((name, i) => `${name},${'ab'[i % 2]}`).join('\n')}` })
  const byFolder = await indexPictures(folders, table)
  assert.deepEqual(Object.values(splitsOf(byFolder)), ['test', 'train', 'train', 'train', 'valid'])
  assert.equal(choice(byFolder, 'split'), 'by folder')
})

test('groups and time from columns, groups from names', async t => {
  const days = Array.from({ length: 40 }, (_, i) => `2024-0${1 + (i % 4)}-1${i % 10}`)
  const rows = days.map((day, i) => `,${'ab'[i % 2]},p${i % 10},${day}`)
  const dir = withTable(t, 'file,label,patient,day', rows)
  const told = { ...table, labelColumn: 'label' }
  const groups = await indexPictures(dir, { ...told, groupColumn: 'patient' })
  assert.deepEqual([choice(groups, 'groups'), choice(await indexPictures(dir, told), 'groups')], [undefined, 'none'])
  const sides = new Map<string, Set<string>>()
  for (const { group, split } of groups.items) sides.set(group!, (sides.get(group!) ?? new Set()).add(split))
  assert.deepEqual([sides.size, [...sides.values()].every(side => side.size === 1)], [10, true])
  assert.equal(groups.items.filter(item => item.split === 'valid').length, 8)

  const time = await indexPictures(dir, { ...told, timeColumn: 'day' })
  const latest = Math.max(...time.items.filter(item => item.split === 'train').map(item => item.time!))
  assert.ok(
    time.items.every(item => (item.split === 'valid') === item.time! > latest),
    `time.items.every(item => (item.split === 'valid') === item.time! > …`,
  )
  assert.equal(latest, Date.UTC(2024, 3, 11) / 1000)

  put(dir, { 'bad.csv': 'file,label,patient,day\n0.jpg,a,p,2024-01-01\n1.jpg,b,,31/12/2024\n' })
  const bad = { labels: join(dir, 'bad.csv'), labelColumn: 'label' }
  await assert.rejects(
    indexPictures(dir, { ...bad, groupColumn: 'patient' }),
    /bad.csv, line 3, column "patient": it is empty; expected a group/,
  )
  await assert.rejects(
    indexPictures(dir, { ...bad, timeColumn: 'day' }),
    /line 3, column "day": "31\/12\/2024" is not a time; expected/,
  )
  const across = withTable(t, 'file,label,who,split', [',a,p,train', ',b,q,train', ',a,p,valid', ',b,r,valid'])
  await assert.rejects(
    indexPictures(across, { ...table, groupColumn: 'who' }),
    /group "p" is in train, 0.jpg, and in valid, 2.jpg; expected each group on one side/,
  )

  const folders = tempFolder(t)
  pictures(folders, ['a/p1_0.jpg', 'a/p1_1.jpg', 'a/p2_0.jpg', 'b/p1_2.jpg', 'b/p3_0.jpg', 'b/p3_1.jpg'])
  const byName = await indexPictures(folders, { groupRegex: '^(p\\d+)_' })
  assert.deepEqual(
    byName.items.map(item => item.group),
    ['p1', 'p1', 'p2', 'p1', 'p3', 'p3'],
  )
  await assert.rejects(indexPictures(folders, { groupRegex: '^(p[12])_' }), /no group in 2 names: b\/p3_0.jpg/)
})

test('labels from names: a regular expression on the name or the path, or a function', async t => {
  const dir = tempFolder(t)
  const names = ['x/0_jackson_0.jpg', 'x/0_nicolas_1.jpg', 'x/1_jackson_0.jpg', 'y/10_jackson_0.jpg', 'y/10_theo_4.jpg']
  pictures(dir, [...names, 'y/notes.jpg'])
  put(dir, { 'y/read.me': 'text' })
  const digits = await indexPictures(dir, { labelRegex: '^(\\d+)_' })
  assert.deepEqual([digits.task, digits.classes], ['single', ['0', '1', '10']])
  assert.deepEqual(Object.values(labelsOf(digits)), ['0', '0', '1', '10', '10'])
  assert.deepEqual(kinds(digits), ['not-a-picture y/read.me', 'unlabelled y/notes.jpg', 'single-picture 1'])
  const speakers = await indexPictures(dir, { labelRegex: /_(\w+)_/, groupRegex: '^(\\d+)_' })
  assert.deepEqual(speakers.classes, ['jackson', 'nicolas', 'theo'])
  assert.deepEqual((await indexPictures(dir, { labelRegex: '^(\\w)/' })).classes, ['x', 'y'])
  assert.deepEqual((await indexPictures(dir, { labelRegex: '/(\\w)/' })).classes, ['x', 'y'])

  const path = (file: string) => file.split('/')[0]!
  assert.deepEqual((await indexPictures(dir, { labelOf: path })).classes, ['x', 'y'])
  const several = await indexPictures(dir, {
    labelOf: file => file.split(/[/_.]/).filter(part => /^[a-z]+$/.test(part)),
  })
  assert.equal(several.task, 'multi')
  assert.ok(
    several.classes.includes('jackson') && several.classes.includes('x'),
    `several.classes.includes('jackson') && several.classes.includes('x')`,
  )
  const size = await indexPictures(dir, { labelOf: file => file.length / 7, task: 'regression' })
  assert.deepEqual([size.classes, size.items[0]!.values], [['label'], [17 / 7]])
  const pairs = await indexPictures(dir, { labelOf: file => [file.length, 1], targets: ['length', 'one'] })
  assert.deepEqual(
    [pairs.classes, pairs.items[0]!.values],
    [
      ['length', 'one'],
      [17, 1],
    ],
  )

  const refused = (options: LabelOptions, message: RegExp) => assert.rejects(indexPictures(dir, options), { message })
  await refused({ labelRegex: '^\\d_' }, /labelRegex \/\^\\d_\/ has no capture group; expected a group around/)
  await refused({ labelRegex: '(' }, /labelRegex is not a regular expression: .*; expected/)
  await refused({ labelRegex: '^(\\d)x' }, /finds no label in any of the 6 names, such as x\/0_jackson_0.jpg/)
  await refused({ labelOf: (() => ({})) as never }, /labelOf gave {} for x\/0_jackson_0.jpg; expected a text/)
  await refused({ labelOf: () => [1, 2], targets: ['x'] }, /targets names 1 number \(x\), but labelOf gives 2/)
})

test('pictures that are missing, named twice or named nowhere are listed', async t => {
  const dir = withTable(t, 'file,label', [',a', ',b', ',a', ',b'])
  pictures(dir, [...numbered(25, 'more/'), 'note.jpg'])
  put(dir, { 'labels.csv': 'file,label\n0.jpg,a\n1.jpg,b\nlost.jpg,a\n./0.jpg,a\n2.jpg,a\n3.jpg,b\n', 'read.me': 'x' })
  const index = await indexPictures(dir, table)
  assert.equal(index.items.length, 4)
  const of = (kind: string) => index.problems.filter(problem => problem.kind === kind)
  assert.deepEqual(
    of('missing').map(({ file, reason, counted }) => [file, /line 4, column "file" names it/.test(reason), counted]),
    [['lost.jpg', true, true]],
  )
  assert.match(of('duplicate')[0]!.reason, /line 5 names it again, with the same answer as .*line 2/)
  assert.equal(of('unlabelled').length, 21)
  assert.match(of('unlabelled').at(-1)!.reason, /labels.csv does not name 6 more pictures/)
})

test('a picture that a table has in two splits stays in the one that judges last', async t => {
  const dir = withTable(t, 'file,label,split', [',a,train', ',b,train', ',a,valid', ',b,valid'])
  const rows = ['0.jpg,a,train', '1.jpg,b,train', '2.jpg,a,valid', '3.jpg,b,valid', '2.jpg,a,train']
  put(dir, { 'labels.csv': ['file,label,split', ...rows].join('\n') })
  const once = await indexPictures(dir, table)
  assert.deepEqual(Object.values(splitsOf(once)), ['train', 'train', 'valid', 'valid'])
  assert.deepEqual(kinds(once).slice(0, 1), ['leak 2.jpg'])
  assert.match(once.problems[0]!.reason, /line 4 has it in valid and .*line 6 in train; it stays in valid/)
})

test('tables that can not be followed: file, line and column', async t => {
  const dir = withTable(t, 'file,label', [',a', ',b', ',a', ',b'])
  pictures(dir, ['x/same.jpg', 'y/same.jpg'])
  const refused = async (content: string, message: RegExp, options: LabelOptions = {}) => {
    put(dir, { 'labels.csv': content })
    await t.test(String(message), () =>
      assert.rejects(indexPictures(dir, { ...table, ...options }), { name: 'AnnealError', message }),
    )
  }
  const whole = 'file,label\n0.jpg,a\n1.jpg,b\n2.jpg,a\n3.jpg,b\n'
  await refused(`${whole}0.jpg,b\n`, /0.jpg is named twice .*line 2 \(a\) and .*line 6 \(b\); expected one row/)
  await refused(`${whole},b\n`, /labels.csv, line 6, column "file": it is empty; expected the name of a picture/)
  await refused(`${whole}same.jpg,b\n`, /line 6, column "file": "same.jpg" may be x\/same.jpg or y\/same.jpg/)
  pictures(dir, ['images/p/1.jpg', 'masks/p/1.jpg'])
  await refused(`${whole}p/1.jpg,b\n`, /"p\/1.jpg" may be images\/p\/1.jpg or masks\/p\/1.jpg/)
  await refused(whole, /no column "lable" \(labelColumn\).*Did you mean "label"/, { labelColumn: 'lable' })
  await refused('file,label\nq.jpg,a\nr.jpg,b\n', /no column .* names files below .*"q.jpg".*such as "0.jpg"/)
  await refused('file,label\nq.jpg,a\nr.jpg,b\n', /none of the 2 pictures .* is below .*q.jpg \(.*line 2\)/, {
    fileColumn: 'file',
  })
  await refused('file\n0.jpg\n1.jpg\n', /no column of labels beside the names of the files/)
  await refused('file,a,b\n0.jpg,x,1\n1.jpg,y,2\n', /several columns that may hold the labels: "a", "b"/)
  await refused('file,label\n0.jpg,a\n1.jpg,a\n', /one label, "a"; at least two are needed/)
  await refused(
    'file,label\n0.jpg,a\n1.jpg,a\nq.jpg,b\n2.jpg,a\nr.jpg,c\n',
    /one label, "a" \(2 more pictures are named but missing, such as q\.jpg\); at least two are needed/,
  )
  await refused('file,a,b\n0.jpg,1,0\n1.jpg,2,1\n', /line 3, column "a": "2" is neither 0 nor 1/, {
    labelColumn: ['a', 'b'],
  })
  const split = 'file,label,split\n0.jpg,cat,train\n1.jpg,dog,train\n2.jpg,cat,valid\n3.jpg,dgo,test\n'
  await refused(
    split,
    /line 5: the label "dgo" is in test, but no training picture has it; .*cat, dog.*Did you mean "dog"/,
  )
  await refused(split.replaceAll('train', 'valid'), /column "split" leaves no picture for training/)
  await refused(split.replace('test', 'tset'), /line 5, column "split": "tset" is not a split/, {
    splitColumn: 'split',
  })
  await refused(split.replace('dgo', 'dog'), /gives the pictures for validation, but folds/, { folds: 5 })
  put(dir, { 'list.jsonl': '{"file":"0.jpg","label":["a","b"]}\n{"file":"1.jpg","label":["b"]}\n' })
  await refused('', /list.jsonl, line 1: 2 labels \(a, b\), but the task is "single"/, {
    labels: 'list.jsonl',
    task: 'single',
  })
  await refused(whole, /nothere can not be read: it does not exist/, { labels: 'nothere' })
  await assert.rejects(indexPictures(join(dir, 'none'), table), /none can not be read: it does not exist/)
})

test('rows without a label: of one label left out and listed, of several a picture without any', async t => {
  const dir = withTable(t, 'file,label', [',a', ',b', ',', ',a', ',b'])
  const single = await indexPictures(dir, { ...table, task: 'single' })
  assert.deepEqual([single.items.length, kinds(single)], [4, ['unlabelled 2.jpg']])
  const found = await indexPictures(dir, table)
  assert.deepEqual([found.task, found.items.length, kinds(found)], ['single', 4, ['unlabelled 2.jpg']])
  const multi = await indexPictures(dir, { ...table, task: 'multi' })
  assert.deepEqual([multi.task, multi.items.length], ['multi', 5])
  const rows = [',a,train', ',b,train', ',a,train', ',b,train', ',,test', ',,test']
  const kaggle = await indexPictures(withTable(t, 'file,label,split', rows), table)
  assert.deepEqual(
    [kaggle.task, kaggle.items.length, kinds(kaggle)],
    ['single', 4, ['unlabelled 4.jpg', 'unlabelled 5.jpg']],
  )
})

test('options that contradict each other are refused', async t => {
  const dir = withTable(t, 'file,label', [',a', ',b', ',a', ',b'])
  const refused = (options: LabelOptions, message: RegExp) =>
    t.test(String(message), () => assert.rejects(indexPictures(dir, options), { name: 'AnnealError', message }))
  await refused(
    { ...table, labelRegex: '(.)' },
    /labels and labelRegex contradict each other: labels come from one place/,
  )
  await refused({ labelRegex: '(.)', labelOf: () => 'a' }, /labelRegex and labelOf contradict/)
  await refused({ labelColumn: 'label' }, /labelColumn names a column, but no table is given/)
  await refused({ labelRegex: '(.)', splitColumn: 'x' }, /splitColumn names a column/)
  await refused({ task: 'multi' }, /task is for labels from a table, .*class folders give one class per picture/)
  await refused({ ...table, targets: ['x'], task: 'multi' }, /targets and task: "multi" contradict/)
  await refused({ ...table, targets: ['x'], labelColumn: 'y' }, /targets and labelColumn contradict/)
  await refused({ ...table, task: 'single', delimiter: ' ' }, /delimiter and task: "single" contradict/)
  await refused({ ...table, task: 'regression', delimiter: ' ' }, /delimiter and a regression contradict/)
  await refused({ ...table, delimiter: '' }, /delimiter is empty/)
  await refused({ ...table, groupColumn: 'a', groupRegex: '(.)' }, /groupColumn and groupRegex contradict/)
  await refused({ ...table, timeColumn: 'a', groupColumn: 'b' }, /timeColumn and groupColumn contradict/)
  await refused({ ...table, timeColumn: 'a', folds: 5 }, /timeColumn and folds contradict/)
  await refused({ ...table, fileColumn: 'a', labelColumn: ['b', 'a'] }, /both are column "a"/)
  await refused({ fold: 1 }, /the number of folds is not given. Give folds: 5/)
  await refused({ ...table, folds: 1 }, /folds is a whole number from 2/)
  await refused({ ...table, valid: 2 }, /between 0 and 1; got 2/)
})

test('200,000 rows take no look at the disk each', { timeout: 60_000 }, async t => {
  const dir = tempFolder(t)
  pictures(dir, numbered(500, 'images/'))
  const rows = Array.from(
    { length: 200_000 },
    (_, i) => `${i % 3 ? 'images/' : ''}${i}${i % 2 ? '.jpg' : ''},l${i % 7} l${i % 11}`,
  )
  put(dir, { 'labels.csv': `file,tags\n${rows.join('\n')}\n` })
  const start = performance.now()
  const index = await indexPictures(dir, { ...table, fileColumn: 'file' })
  assert.deepEqual([index.items.length, index.problems.length, index.task], [500, 199_500, 'multi'])
  assert.ok(performance.now() - start < 30_000, 'performance.now() - start < 30_000')
})

test('cells that look like lists are said to be taken whole, where one label a picture is asked for', async t => {
  const dir = withTable(t, 'file,tags', [',red blue', ',red', ',blue', ',blue red', ',red', ',blue'])
  const single = await indexPictures(dir, { ...table, task: 'single' })
  assert.deepEqual(single.classes, ['blue', 'blue red', 'red', 'red blue'])
  const said = single.choices.find(({ what }) => what === 'labels')!
  assert.equal(said.value, 'whole cells')
  assert.match(
    said.reason,
    /^task: "single"; but they look like lists: "red blue": 2 labels make up 4 .* task: "multi" cuts/,
  )
  const names = withTable(t, 'file,breed', [',golden retriever', ',border collie', ',golden retriever', ',beagle'])
  assert.equal(choice(await indexPictures(names, { ...table, task: 'single' }), 'labels'), undefined)
})
