import assert from 'node:assert/strict'
import { join, relative } from 'node:path'
import { type TestContext, test } from 'node:test'
import { sha256 } from '../../src/base/digest.ts'
import {
  applyDecisions,
  type Decision,
  type EvaluationOptions,
  type FolderIndex,
  type LabelOptions,
  readDecisions,
} from '../../src/data/index.ts'
import { indexPictures, openPictures } from '../../src/vision/index.ts'
import { classFolders, jpeg, put, tempFolder } from '../helpers/data.ts'
import { indexForEvaluation } from '../helpers/of-pictures.ts'

const lines = (problems: { kind: string; file: string }[]) => problems.map(({ kind, file }) => `${kind} ${file}`).sort()
const shown = ({ dir, classes, items }: Pick<FolderIndex, 'dir' | 'classes' | 'items'>) =>
  Object.fromEntries(
    items.map(({ file, labels, split }) => [relative(dir, file), `${labels.map(l => classes[l]).join('+')} ${split}`]),
  )

async function withTable(dir: string, columns: string, rows: Record<string, string>): Promise<void> {
  let seed = 1
  for (const name of Object.keys(rows)) put(dir, { [name]: await jpeg(seed++) })
  const text = Object.entries(rows).map(([name, cells]) => `${name},${cells}`)
  put(dir, { 'labels.csv': [`file,${columns}`, ...text].join('\n') })
}
/** A new folder with such a table. */
async function tableFolder(t: TestContext, columns: string, rows: Record<string, string>): Promise<string> {
  const dir = tempFolder(t)
  await withTable(dir, columns, rows)
  return dir
}
const open = async (dir: string, options: LabelOptions = {}) =>
  openPictures(await indexPictures(dir, { labels: 'labels.csv', ...options }), { short: 32 })

test('several labels: a picture counts for each, and those without any are counted apart', async t => {
  const dir = await tableFolder(t, 'tags,split', {
    '0.jpg': 'a b,train',
    '1.jpg': 'a,train',
    '2.jpg': ',train',
    '3.jpg': 'b,valid',
    '4.jpg': ',valid',
    '5.jpg': 'a b,test',
  })
  const { data } = await open(dir)
  assert.deepEqual(
    [data.task, data.pictures, data.bare],
    ['multi', { train: 3, valid: 2, test: 1 }, { train: 1, valid: 1, test: 0 }],
  )
  assert.deepEqual(data.counts, [
    { name: 'a', train: 2, valid: 0, test: 1 },
    { name: 'b', train: 1, valid: 1, test: 1 },
  ])
  assert.ok(
    data.choices.some(({ what, value }) => what === 'split column' && value === 'split'),
    `data.choices.some(({ what, value }) => what === 'split column' && v…`,
  )
})

test('several labels: copies that disagree keep what they agree on; a label without training pictures goes alone', async t => {
  const dir = await tableFolder(t, 'tags,split', {
    '0.jpg': 'a b,train',
    '1.jpg': 'a b c,train',
    '2.jpg': 'a,train',
    '3.jpg': 'b,train',
    '4.jpg': 'a c,valid',
    '5.jpg': 'c,valid',
    '6.jpg': 'b,valid',
  })
  put(dir, { '1.jpg': await jpeg(1), '6.jpg': await jpeg(4) })
  const { data } = await open(dir)
  assert.deepEqual(shown(data), {
    '0.jpg': 'a+b train',
    '2.jpg': 'a train',
    '4.jpg': 'a valid',
    '5.jpg': ' valid',
    '6.jpg': 'b valid',
  })
  assert.deepEqual(data.classes, ['a', 'b'])
  assert.deepEqual(lines(data.problems), ['conflict 0.jpg', 'conflict 1.jpg', 'empty-class c', 'leak 3.jpg'])
  const [kept, left] = data.problems.filter(problem => problem.kind === 'conflict')
  assert.deepEqual([kept!.kept, left!.kept], [true, false])
  assert.match(kept!.reason, /also "a", "b", "c": 1.jpg; it stays as "a", "b"/)
  assert.match(
    data.problems.find(problem => problem.kind === 'empty-class')!.reason,
    /its 2 in valid and test lose this/,
  )
})

test('numbers: targets are the classes, nothing is counted by class, and copies that disagree go', async t => {
  const dir = tempFolder(t)
  const rows = Object.fromEntries(
    Array.from({ length: 30 }, (_, i) => [`${String(i).padStart(2, '0')}.jpg`, `${i / 2}`]),
  )
  await withTable(dir, 'age', rows)
  put(dir, { '03.jpg': await jpeg(1) })
  const { data } = await open(dir)
  assert.deepEqual([data.task, data.classes, data.counts], ['regression', ['age'], []])
  assert.deepEqual(data.pictures, { train: 22, valid: 6, test: 0 })
  assert.deepEqual(lines(data.problems), ['conflict 00.jpg', 'conflict 03.jpg'])
  assert.deepEqual(data.items[0]!.values, [0.5])
  const other = await open(dir, { targets: ['age'] })
  assert.equal(other.data.fingerprint, data.fingerprint)
  await withTable(dir, 'age', { ...rows, '29.jpg': '1000' })
  put(dir, { '03.jpg': await jpeg(1) })
  assert.notEqual((await open(dir)).data.fingerprint, data.fingerprint)
})

test('groups and folds are drawn anew from what is left, and copies in two groups stay in one', async t => {
  const dir = tempFolder(t)
  const rows = Array.from({ length: 24 }, (_, i) => [`${i}.jpg`, `${'ab'[i % 2]},p${i % 8}`])
  await withTable(dir, 'label,patient', Object.fromEntries(rows))
  put(dir, { '23.jpg': await jpeg(2), '22.jpg': (await jpeg(5)).subarray(0, 200) })
  const times = new Map<string, number>()
  for (let fold = 0; fold < 4; fold++) {
    const { data } = await open(dir, { labelColumn: 'label', groupColumn: 'patient', folds: 4, fold })
    assert.deepEqual(lines(data.problems), ['damaged 22.jpg', 'duplicate 23.jpg'])
    const valid = new Set(data.of('valid').map(item => item.group))
    assert.ok(
      valid.size > 0 && data.of('train').every(item => !valid.has(item.group)),
      `valid.size > 0 && data.of('train').every(item => !valid.has(item.gr…`,
    )
    for (const item of data.of('valid')) times.set(item.file, (times.get(item.file) ?? 0) + 1)
  }
  assert.deepEqual([times.size, new Set(times.values())], [22, new Set([1])])
})

test('too little is told by task', async t => {
  const dir = await tableFolder(t, 'label,split', { '0.jpg': 'a,train', '1.jpg': 'a b,train', '2.jpg': 'b,valid' })
  put(dir, { '2.jpg': await jpeg(1), '0.jpg': await jpeg(1) })
  await assert.rejects(
    open(dir, { delimiter: ' ' }),
    /has 1 picture for training after the scan left out 1 leak; at least two are needed/,
  )
  await withTable(dir, 'age', { '0.jpg': '1', '1.jpg': '2', '2.jpg': '3' })
  for (const name of ['1.jpg', '2.jpg']) put(dir, { [name]: await jpeg(1) })
  await assert.rejects(
    open(dir, { task: 'regression' }),
    /has 0 pictures for training after the scan left out 3 conflict/,
  )
})

const known = { classes: ['dog', 'cat', 'bird'], task: 'single' as const }
const evaluate = (dir: string, options: Partial<EvaluationOptions> = {}) =>
  indexForEvaluation(dir, { ...known, ...options })

test("evaluation: class folders are numbered as the model's, and all are for test", async t => {
  const dir = tempFolder(t)
  await classFolders(join(dir, 'flat'), { cat: 2, dog: 1 })
  const flat = await evaluate(join(dir, 'flat'))
  assert.deepEqual([flat.classes, flat.fixed], [['dog', 'cat', 'bird'], true])
  assert.deepEqual(shown(flat), { 'dog/0.jpg': 'dog test', 'cat/0.jpg': 'cat test', 'cat/1.jpg': 'cat test' })
  const { data } = await openPictures(flat, { short: 32 })
  assert.deepEqual([data.classes, data.pictures], [['dog', 'cat', 'bird'], { train: 0, valid: 0, test: 3 }])
  assert.deepEqual(data.counts[1], { name: 'cat', train: 0, valid: 0, test: 2 })

  for (const [part, count] of [
    ['train', 3],
    ['val', 1],
    ['test', 2],
  ] as const)
    await classFolders(join(dir, 'parts', part), { cat: count }, 10 * count)
  assert.deepEqual(Object.keys(shown(await evaluate(join(dir, 'parts')))), ['test/cat/0.jpg', 'test/cat/1.jpg'])
  assert.deepEqual(Object.keys(shown(await evaluate(join(dir, 'parts'), { part: 'valid' }))), ['val/cat/0.jpg'])
  assert.equal((await evaluate(join(dir, 'parts'), { part: 'all' })).items.length, 6)
  await classFolders(join(dir, 'only/train'), { cat: 1 })
  await assert.rejects(evaluate(join(dir, 'only')), /holds train but no folder valid; a model is evaluated on pictures/)

  await classFolders(join(dir, 'flat'), { cats: 2 })
  await assert.rejects(
    evaluate(join(dir, 'flat')),
    /cats holds 2 pictures, but the model does not know the class "cats"; expected .*dog, cat, bird.*Did you mean "cat"/,
  )
  const left = await evaluate(join(dir, 'flat'), { leaveOut: true })
  assert.deepEqual([left.items.length, lines(left.problems)], [3, ['unlabelled cats']])
  await assert.rejects(evaluate(join(dir, 'flat'), { task: 'multi' }), /class folders give one class .*several labels/)
  await assert.rejects(
    evaluate(join(dir, 'none')),
    /none can not be read: it does not exist; expected one folder per class/,
  )
})

test('evaluation: tables, with their test part, unknown labels, several labels and numbers', async t => {
  const dir = tempFolder(t)
  const from = { labels: 'labels.csv' }
  await withTable(dir, 'label,split', { '0.jpg': 'cat,train', '1.jpg': 'dog,test', '2.jpg': 'cat,test' })
  assert.deepEqual(shown(await evaluate(dir, from)), { '1.jpg': 'dog test', '2.jpg': 'cat test' })
  assert.equal((await evaluate(dir, { ...from, part: 'all' })).items.length, 3)
  await assert.rejects(
    evaluate(dir, { ...from, part: 'valid' }),
    /none of the pictures is in valid \(1 train, 0 valid, 2/,
  )

  await withTable(dir, 'label', { '0.jpg': 'cat', '1.jpg': 'cow', '2.jpg': 'cat' })
  await assert.rejects(
    evaluate(dir, from),
    /labels.csv, line 3: the model does not know the label "cow"; expected its classes: dog, cat, bird. Did you mean "dog"/,
  )
  const left = await evaluate(dir, { ...from, leaveOut: true })
  assert.deepEqual([left.items.length, lines(left.problems)], [2, ['unlabelled 1.jpg']])

  await withTable(dir, 'tags', { '0.jpg': 'cat dog', '1.jpg': 'cow cat', '2.jpg': '' })
  const multi = { ...from, task: 'multi' as const }
  await assert.rejects(evaluate(dir, multi), /does not know the label "cow"/)
  const some = await evaluate(dir, { ...multi, leaveOut: true })
  assert.deepEqual(Object.values(shown(some)), ['dog+cat test', 'cat test', ' test'])
  assert.deepEqual(
    some.problems.map(({ kind, kept }) => `${kind} ${kept}`),
    ['unlabelled true'],
  )

  await withTable(dir, 'bird,note,cat,dog', { '0.jpg': '1,x,0,1', '1.jpg': '0,y,0,0' })
  assert.deepEqual(Object.values(shown(await evaluate(dir, multi))), ['dog+bird test', ' test'])
  await withTable(dir, 'y,x', { '0.jpg': '1,2', '1.jpg': '3,4' })
  const numbers = await evaluate(dir, { ...from, task: 'regression', classes: ['x', 'y'] })
  assert.deepEqual(
    numbers.items.map(item => item.values),
    [
      [2, 1],
      [4, 3],
    ],
  )
  await assert.rejects(
    evaluate(dir, { ...from, task: 'regression', classes: ['x', 'y', 'z'], targets: ['x', 'y'] }),
    /has 2 target columns \(x, y\), but the model predicts 3 \(x, y, z\)/,
  )
  const names = await evaluate(dir, { labelOf: file => (file === '0.jpg' ? 'bird' : 'dog') })
  assert.deepEqual(Object.values(shown(names)), ['bird test', 'dog test', 'dog test'])
  await assert.rejects(evaluate(dir, { ...from, labelRegex: '(.)' }), /labels and labelRegex contradict/)
})

test('decisions: pictures are dropped and labelled anew, each with a line', async t => {
  const dir = tempFolder(t)
  await classFolders(dir, { cat: 4, dog: 4 })
  const index = await indexPictures(dir)
  const decisions: Decision[] = [
    { file: 'cat/0.jpg', action: 'drop' },
    { file: 'cat/1.jpg', action: 'relabel', label: 'dog', hash: sha256(await jpeg(2)) },
    { file: 'cat/2.jpg', action: 'drop' },
    { file: 'cat/2.jpg', action: 'keep' },
    { file: 'dog/0.jpg', action: 'relabel', label: ['dog'] },
  ]
  put(dir, { '../decisions.jsonl': decisions.map(decision => `${JSON.stringify(decision)}\n`).join('\n') })
  assert.deepEqual(readDecisions(join(dir, '../decisions.jsonl')), decisions)
  const cleaned = applyDecisions(index, decisions)
  assert.equal(index.items.length, 8)
  assert.deepEqual(cleaned.problems, [
    { kind: 'cleaned', file: 'cat/0.jpg', reason: 'left out by decision', kept: false, counted: false },
    { kind: 'cleaned', file: 'cat/1.jpg', reason: '"dog" by decision, was "cat"', kept: true, counted: false },
  ])
  const { data } = await openPictures(cleaned, { short: 32 })
  assert.deepEqual(data.counts, [
    { name: 'cat', train: 1, valid: 1, test: 0 },
    { name: 'dog', train: 4, valid: 1, test: 0 },
  ])

  const refused = (decision: Decision, message: RegExp, of = index) =>
    assert.throws(() => applyDecisions(of, [decision]), { name: 'AnnealError', message })
  refused(
    { file: 'cat/9.jpg', action: 'drop' },
    /1 picture that .* does not hold: cat\/9.jpg. Did you mean "cat\/\d.jpg"/,
  )
  refused(
    { file: 'cat/0.jpg', action: 'relabel', label: 'dgo' },
    /label "dgo", which no picture has.*Did you mean "dog"/,
  )
  refused({ file: 'cat/0.jpg', action: 'relabel', label: ['cat', 'dog'] }, /gives 2 labels; expected one/)
  refused(
    { file: 'cat/0.jpg', action: 'drop', hash: 'f'.repeat(64) },
    /cat\/0.jpg has changed since the decision .*ffffffffffff/,
  )

  await withTable(join(dir, '../multi'), 'tags', { '0.jpg': 'a b', '1.jpg': 'a', '2.jpg': 'b' })
  const multi = await indexPictures(join(dir, '../multi'), { labels: 'labels.csv' })
  const bare = applyDecisions(multi, [{ file: '0.jpg', action: 'relabel', label: [] }])
  assert.deepEqual(
    [bare.items[0]!.labels, bare.problems.at(-1)!.reason],
    [[], 'without a label by decision, was "a", "b"'],
  )
  await withTable(join(dir, '../numbers'), 'age', { '0.jpg': '1', '1.jpg': '2', '2.jpg': '3' })
  const numbers = await indexPictures(join(dir, '../numbers'), { labels: 'labels.csv', task: 'regression' })
  const aged = applyDecisions(numbers, [{ file: '1.jpg', action: 'relabel', label: '2.5' }])
  assert.deepEqual(aged.items[1]!.values, [2.5])
  refused({ file: '1.jpg', action: 'relabel', label: 'old' }, /gives old; expected 1 number \(age\)/, numbers)
})

test('files of decisions that can not be read name the line', t => {
  const dir = tempFolder(t)
  const refused = (content: string, message: RegExp) => {
    put(dir, { 'd.jsonl': `{"file":"a.jpg","action":"keep"}\n\n${content}\n` })
    assert.throws(() => readDecisions(join(dir, 'd.jsonl')), { name: 'AnnealError', message })
  }
  refused('{', /d.jsonl, line 3: not JSON/)
  refused('{"action":"keep"}', /d.jsonl, line 3: no "file"/)
  refused('{"file":"a.jpg","action":"delete"}', /line 3: action "delete"; expected "keep", "drop" or "relabel"/)
  refused('{"file":"a.jpg","action":"relabel"}', /line 3: label undefined; to relabel, expected a class/)
  refused('{"file":"a.jpg","action":"keep","hash":3}', /line 3: hash 3/)
  assert.throws(() => readDecisions(join(dir, 'none')), /none can not be read: it does not exist/)
})
