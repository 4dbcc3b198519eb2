import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { listed } from '../../src/base/options.ts'
import type { LabelOptions } from '../../src/data/index.ts'
import { columnNamed, columnsNamed } from '../../src/data/tables/table.ts'
import { indexPictures } from '../../src/vision/index.ts'
import { put, tempFolder } from '../helpers/data.ts'
import { readTable } from '../helpers/of-pictures.ts'
import { root } from '../helpers/sources.ts'

/** The first bytes of a JPEG are all that an index looks at. */
const picture = Buffer.from('ffd8ffe000104a464946', 'hex')

/** The row numbers in an order in which no number is at its own row. */
const shuffled = (n: number) => Array.from({ length: n }, (_, i) => (i * 7 + 3) % n)

/** Pictures 0.jpg to 19.jpg (those below 10 are cats), and a table with the rows of `row`. */
async function index(
  t: TestContext,
  header: string,
  row: (number: number, at: number) => string,
  { name = 'labels.csv', stem = (number: number) => `${number}`, ...options }: Tried = {},
) {
  const dir = tempFolder(t)
  const numbers = shuffled(20)
  put(dir, Object.fromEntries(numbers.map(number => [`${stem(number)}.jpg`, picture])))
  const rows = numbers.map((number, at) => row(number, at))
  put(dir, { [name]: `${[header, ...rows].filter(Boolean).join('\n')}\n` })
  const found = await indexPictures(dir, { labels: name, ...options })
  const wrong = found.items.filter(({ file, labels }) => {
    const number = Number(/(\d+)\.jpg$/.exec(file)![1])
    return found.classes[labels[0]!] !== kind(number)
  })
  return { found, wrong: wrong.length, said: (what: string) => found.choices.find(choice => choice.what === what) }
}
type Tried = LabelOptions & { name?: string; stem?: (number: number) => string }
const kind = (number: number) => (number < 10 ? 'cat' : 'dog')

test('whole names with an ending beat numbers that are stems of other files, wherever they stand', async t => {
  const headers = ['', 'id', 'No', 'index', 'rank', 'Unnamed: 0', 'image', 'file_id']
  for (const header of headers) {
    const front = await index(t, `${header},fname,labels`, (n, at) => `${at},${n}.jpg,${kind(n)}`)
    assert.deepEqual([front.wrong, front.said('file column')?.value], [0, 'fname'], `"${header}" in front`)
    assert.match(
      front.said('file column')!.reason,
      /with their extension; ".*" fits names without one, and fileColumn: ".*" takes/,
    )
    const behind = await index(t, `fname,labels,${header || 'row'}`, (n, at) => `${n}.jpg,${kind(n)},${at}`)
    assert.deepEqual([behind.wrong, behind.said('file column')?.value], [0, 'fname'], `"${header}" behind`)
  }
  const lines = await index(t, '', (n, at) => `{"index":${at},"label":"${kind(n)}","photo":"${n}.JPG"}`, {
    name: 'metadata.jsonl',
  })
  assert.deepEqual([lines.wrong, lines.said('file column')?.value], [0, 'photo'], 'JSON lines, in another case')
  const list = await index(t, '', (n, at) => `${at} ${n}.jpg ${kind(n)}`, { name: 'list.txt' })
  assert.deepEqual([list.wrong, list.said('file column')?.value], [0, 'column 2'], 'a list with blanks')
  const told = await index(t, ',fname,labels', (n, at) => `${at},${n}.jpg,${kind(n)}`, { fileColumn: 'column 1' })
  assert.equal(told.wrong > 0, true, 'the other reading is there to be had')
})

test('an index of pandas in Parquet is not taken for the names of files', async t => {
  const dir = tempFolder(t)
  put(dir, Object.fromEntries(shuffled(20).map(number => [`${number}.jpg`, picture])))
  cpSync(join(root, 'test/golden/tables/index.parquet'), join(dir, 'labels.parquet'))
  const found = await indexPictures(dir, { labels: 'labels.parquet' })
  const file = found.choices.find(({ what }) => what === 'file column')
  assert.deepEqual([file?.value, found.items.length], ['fname', 20])
  for (const { file, labels } of found.items)
    assert.equal(found.classes[labels[0]!], kind(Number(/(\d+)\.jpg$/.exec(file)![1])), file)
})

test('two columns that name different files: asked, with a row of each reading and the flag', async t => {
  const asks = async (header: string, row: (n: number, at: number) => string, flag: string, options: Tried = {}) => {
    await assert.rejects(index(t, header, row, options), (error: Error) => {
      assert.match(
        error.message,
        /two columns of .* name files below .*, but not the same files\. .*line \d+: by "/,
        header,
      )
      assert.match(error.message, /it is \d+\.jpg \(".*"\): fileColumn: ".*"; by "/, header)
      assert.ok(error.message.includes(`fileColumn: "${flag}"`), `${header}: ${error.message}`)
      return true
    })
    const told = await index(t, header, row, { ...options, fileColumn: flag })
    assert.equal(told.wrong, 0, `${header}: by ${flag}`)
  }
  await asks('id,age,label', (n, at) => `${n},${at},${kind(n)}`, 'id')
  await asks('a,b,label', (n, at) => `${at},${n},${kind(n)}`, 'b')
  await asks('left,right,label', (n, at) => `${n}.jpg,${(n + 1 + (at % 3)) % 20}.jpg,${kind(n)}`, 'left')
  await asks('file,mask,label', (n, at) => `${n}.jpg,${(n + 1 + (at % 3)) % 20}.jpg,${kind(n)}`, 'file')
})

test('of columns that name other files one is taken, and said, where its name or the others tell', async t => {
  const taken = async (header: string, row: (n: number, at: number) => string, column: string, why: RegExp) => {
    const found = await index(t, header, row)
    assert.deepEqual([found.said('file column')?.value, found.wrong], [column, 0], header)
    assert.match(found.said('file column')!.reason, why, header)
  }
  await taken(
    'index,image,label',
    (n, at) => `${at},${n},${kind(n)}`,
    'image',
    /its name says so; "index" fits other files/,
  )
  await taken(
    ',which,label',
    (n, at) => `${at},${n},${kind(n)}`,
    'which',
    /number the rows; "column 1" fits other files/,
  )
  await taken(
    'which,count,label',
    (n, at) => `${n},${at % 3},${kind(n)}`,
    'which',
    /others repeat or have names of label columns; "count" fits/,
  )
  await taken('path,name,label', n => `${n}.jpg,${n},${kind(n)}`, 'path', /100 % of its names/)
  await taken('name,path,label', n => `${n},./${n}.jpg,${kind(n)}`, 'path', /100 % of its names/)
})

test('numbers are not taken where most whole names are missing', async t => {
  await assert.rejects(
    index(t, 'index,fname,label', (n, at) => `${at},${n < 8 ? n : `gone-${n}`}.jpg,${kind(n)}`),
    /column "fname" of .* holds names of pictures, but only 8 of 20 checked names are below .*"gone-\d+.jpg" is not.*column "index" fits names without their extension.*fileColumn: "fname" or fileColumn: "index"/,
  )
})

test('columns that number the rows are no labels', async t => {
  const two = await index(t, 'No,file,kind', (n, at) => `${at + 1},${n}.jpg,${kind(n)}`)
  assert.deepEqual([two.said('label column')?.value, two.wrong], ['kind', 0])
  await assert.rejects(
    index(t, 'No,file', (n, at) => `${at + 1},${n}.jpg`),
    /no column of labels .*\("No" numbers the rows; if the model should predict it, use labelColumn: "No"\)/,
  )
  const same = await index(t, 'file,kind,animal', n => `${n}.jpg,${kind(n)},${kind(n)}`)
  assert.match(same.said('label column')!.reason, /kind, animal hold the same/)
})

test('names of columns on a command line: commas, quotes, a backslash, the case, blanks', async t => {
  const lists: [typed: string, parts: string[]][] = [
    ['a,b', ['a', 'b']],
    ['"cat, big",dog', ['cat, big', 'dog']],
    ['cat\\, big,dog', ['cat, big', 'dog']],
    ['"say ""x""",b', ['say "x"', 'b']],
    ['5" disk,b', ['5" disk', 'b']],
    ['"5 inch,b', ['"5 inch', 'b']],
    ['a=b,C:\\x', ['a=b', 'C:\\x']],
    ['a,,b,', ['a', 'b']],
    ['_DAPI,_GFP', ['_DAPI', '_GFP']],
  ]
  for (const [typed, parts] of lists) assert.deepEqual(listed(typed), parts, typed)

  const dir = tempFolder(t)
  put(dir, { 'x.csv': 'file,"cat, big",a=b,Dog , é,X,x\na.jpg,1,0,1,0,1,0\n' })
  const table = await readTable(join(dir, 'x.csv'))
  const named = (names: string[]) => columnsNamed(table, names, 'labelColumn').map(({ name }) => name)
  assert.deepEqual(named(['cat, big', 'a=b']), ['cat, big', 'a=b'])
  assert.deepEqual(named(['cat', ' big', 'dog']), ['cat, big', 'Dog'], 'parts that are one name')
  assert.deepEqual(named(['CAT, BIG', 'e\u0301']), ['cat, big', 'é'], 'the case, and letters of two parts')
  assert.equal(columnNamed(table, '"a=b"', 'fileColumn').name, 'a=b')
  assert.equal(columnNamed(table, 'x', 'fileColumn').name, 'x', 'exactly so before nearly so')
  put(dir, { 'y.csv': 'file,Cat,CAT\na.jpg,1,0\n' })
  const other = await readTable(join(dir, 'y.csv'))
  assert.throws(
    () => columnNamed(other, 'cat', 'labelColumn'),
    /no column "cat" .*"Cat" and "CAT" are similar; expected one/,
  )
  assert.throws(() => named(['cat', 'bigg']), /no column "cat" .*Did you mean "cat, big"/)

  put(dir, { '1.jpg': picture, 'labels.csv': 'file,label\n1.jpg,x\n' })
  await assert.rejects(
    indexPictures(dir, { labels: 'labels.csv', fileColumn: 'file', labelColumn: 'FILE' }),
    /fileColumn and labelColumn both name column "file"/,
  )
  await assert.rejects(
    indexPictures(dir, { labels: 'labels.csv', labelColumn: ['label', 'Label'] }),
    /labelColumn names column "label" of .* twice/,
  )
})
