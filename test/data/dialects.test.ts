import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { LabelOptions } from '../../src/data/index.ts'
import { indexPictures } from '../../src/vision/index.ts'
import { put, tempFolder } from '../helpers/data.ts'
import { readTable } from '../helpers/of-pictures.ts'

/** The first bytes of a JPEG are all that an index looks at. */
const picture = Buffer.from('ffd8ffe000104a464946', 'hex')

const files = ['a.jpg', 'b c.jpg', 'd/e.jpg', 'd/f.jpg', 'g.jpg', 'h.jpg']

/** The labels that a table gives to pictures of the folder, and what was said about it. */
async function read(t: TestContext, table: string | Uint8Array, name = 'labels.csv', options: LabelOptions = {}) {
  const dir = tempFolder(t)
  put(dir, Object.fromEntries(files.map(file => [file, picture])))
  put(dir, { [name]: table })
  const index = await indexPictures(dir, { labels: name, ...options })
  const labels = Object.fromEntries(
    index.items.map(({ file, labels, values }) => [
      file.slice(dir.length + 1),
      values?.join(' ') ?? labels.map(label => index.classes[label]).join(' '),
    ]),
  )
  const said = (what: string) => index.choices.filter(choice => choice.what === what).map(({ value }) => value)
  return { labels, said, index }
}

const two = { 'a.jpg': 'cat', 'g.jpg': 'dog' }

test('lists parted by blanks: one or several, tabs, quotes, names with blanks, numbers in front', async t => {
  const cases: [list: string, labels: Record<string, string>][] = [
    ['a.jpg 0\nd/e.jpg 1\n', { 'a.jpg': '0', 'd/e.jpg': '1' }],
    ['a.jpg        cat\nd/e.jpg      dog\n', { 'a.jpg': 'cat', 'd/e.jpg': 'dog' }],
    ['a.jpg \t cat\ng.jpg\t  dog \n', two],
    ['"b c.jpg" cat\ng.jpg dog\n', { 'b c.jpg': 'cat', 'g.jpg': 'dog' }],
    ['b c.jpg 0\ng.jpg 1\n', { 'b c.jpg': '0', 'g.jpg': '1' }],
    ['1 a.jpg cat\n2 b c.jpg dog\n3 g.jpg dog\n', { 'a.jpg': 'cat', 'b c.jpg': 'dog', 'g.jpg': 'dog' }],
    ['file label\na.jpg cat\ng.jpg dog\n', two],
    ['a.jpg tench, Tinca\ng.jpg dog, Canis\n', { 'a.jpg': 'tench, Tinca', 'g.jpg': 'dog, Canis' }],
    ['"file" "label"\n"1" "a.jpg" "cat"\n"2" "g.jpg" "dog"\n', two],
    ['2\nlong short\na.jpg 1 0\ng.jpg 0 1\n', { 'a.jpg': 'long', 'g.jpg': 'short' }],
    ['a 0\ng 1\nh 1\n', { 'a.jpg': '0', 'g.jpg': '1', 'h.jpg': '1' }],
  ]
  for (const [list, labels] of cases) {
    const found = await read(t, list, 'list.txt', { task: 'single' })
    assert.deepEqual(found.labels, labels, list)
    assert.deepEqual(found.said('delimiter of columns'), [list.includes('\t') ? 'a tab' : 'blanks'], list)
  }
  const same = await read(t, 'a.jpg golden retriever\ng.jpg great dane\n', 'list.txt', { task: 'single' })
  assert.deepEqual(same.labels, { 'a.jpg': 'golden retriever', 'g.jpg': 'great dane' }, 'as many words in each line')
  assert.deepEqual(same.said('cells with blanks'), ['all that follows a name'])
  const varied = await read(t, 'a.jpg golden retriever\ng.jpg pug\n', 'list.txt', { task: 'single' })
  assert.deepEqual(varied.labels, { 'a.jpg': 'golden retriever', 'g.jpg': 'pug' }, 'what follows a name is one cell')
  await assert.rejects(
    read(t, 'a 0\ng 1\nh 1 2\n', 'list.txt'),
    /list.txt, line 3: 3 cells, expected 2 \(.*it holds h \| 1 \| 2\. Columns are separated by blanks/,
    'a line of another width',
  )
  await assert.rejects(
    read(t, '1 a.jpg\n2 d/e.jpg\n3 g.jpg\n4 h.jpg\n', 'images.txt'),
    /no column of labels .*"column 1" numbers the rows.*folders of the pictures are the classes, leave out labels/,
    'a list without classes, as images.txt of CUB',
  )
})

test('a comma, semicolon, tab or bar goes before blanks, and a decimal comma is none', async t => {
  assert.deepEqual((await read(t, 'a.jpg,golden retriever\ng.jpg,great dane\n')).labels, {
    'a.jpg': 'golden retriever',
    'g.jpg': 'great dane',
  })
  const table = await read(t, 'b c.jpg,cat\ng.jpg,dog\n')
  assert.deepEqual(table.labels, { 'b c.jpg': 'cat', 'g.jpg': 'dog' }, 'blanks in names')
  const single = { task: 'single' } as const
  for (const rows of ['a.jpg;3,7\ng.jpg;4,5\n', 'a;3,7\ng;4,5\n', 'file;x\na.jpg;3,7\ng.jpg;4,5\n'])
    assert.deepEqual((await read(t, rows, 'labels.csv', single)).said('delimiter of columns'), ['a semicolon'], rows)
  for (const rows of ['a.jpg,x;y\ng.jpg,x;z\n', 'file,tags\na.jpg,x;y\ng.jpg,z\n', "'a.jpg','x'\n'g.jpg','z'\n"])
    assert.deepEqual((await read(t, rows, 'labels.csv', single)).said('delimiter of columns'), [], rows)
  assert.deepEqual((await read(t, "'a.jpg','cat'\n'g.jpg','dog'\n")).labels, two, 'single quotes')
  const escaped = await read(t, 'file,label\n"a.jpg","the \\"big\\" cat"\ng.jpg,dog\n')
  assert.deepEqual(escaped.labels, { 'a.jpg': 'the "big" cat', 'g.jpg': 'dog' })
  assert.deepEqual(escaped.said('quotes in cells'), ['\\"'])
})

test('lines above the names of columns: sep=, comments, titles; each is said', async t => {
  const rows = 'file;label\r\na.jpg;cat\r\ng.jpg;dog\r\n'
  const fronts = ['sep=;\r\n', '\ufeffsep=;\r\n', '"sep=;"\r\n', 'SEP=;\n', '\r\nsep=;;\r\n']
  for (const front of fronts) {
    const found = await read(t, front + rows)
    assert.deepEqual([found.labels, found.said('delimiter of columns')], [two, ['a semicolon']], JSON.stringify(front))
  }
  const tab = await read(t, 'sep=\t\nfile\tlabel\na.jpg\tcat\ng.jpg\tdog\n')
  assert.deepEqual(tab.labels, two, 'sep= and a tab')
  const told = await read(t, 'sep=,\nfile,x;y\na.jpg,3;7\ng.jpg,4;5\n', 'labels.csv', { task: 'single' })
  assert.deepEqual(told.labels, { 'a.jpg': '3;7', 'g.jpg': '4;5' }, 'sep= is obeyed')
  const plain = 'file,label\na.jpg,cat\ng.jpg,dog\n'
  const passed: [front: string, said: string[]][] = [
    ['# made by hand, 2026\n', ['line 1, "# made by hand, 2026"']],
    ['# one\n\n#two, "open\n', ['line 1, "# one"', 'line 3, "#two, "open"']],
    ['Photos of the shop,\n', ['line 1, "Photos of the shop"']],
    ['Photos of the shop\n\n', ['line 1, "Photos of the shop"']],
    ['Shop,\n2026,\n', ['line 1, "Shop"', 'line 2, "2026"']],
    ['Photos, of the shop\n', ['line 1, "Photos  of the shop"'.replace('  ', ' ')]],
  ]
  for (const [front, said] of passed) {
    const found = await read(t, front + plain)
    assert.deepEqual([found.labels, found.said('line passed over')], [two, said], front)
  }
  const lines = await readTable(join((await read(t, `# x\n\n${plain}`)).index.dir, 'labels.csv'))
  assert.match(lines.where(1), /line 5$/, 'lines are counted from the first of the file')
  const commented = await read(t, '# file,label\na.jpg,cat\ng.jpg,dog\n')
  assert.deepEqual([commented.labels, commented.said('names of columns')], [two, ['file, label']])
  assert.deepEqual((await read(t, '#,file,label\n1,a.jpg,cat\n2,g.jpg,dog\n')).labels, two, 'a column called #')
  await assert.rejects(read(t, `${plain}# the end\n`), /line 4: 1 cell, expected 2 .*It looks like a comment: remove/)
})

test('without names of columns: the first line names a picture, or has a value that comes again', async t => {
  const cases: [table: string, labels: Record<string, string>, why: RegExp][] = [
    ['a.jpg,cat,cat\ng.jpg,dog,dog\n', two, /line 1 names a picture, a.jpg/],
    [
      'a.jpg,1,0,0\ng.jpg,0,1,0\nh.jpg,0,0,1\n',
      { 'a.jpg': 'column 2', 'g.jpg': 'column 3', 'h.jpg': 'column 4' },
      /a.jpg/,
    ],
    ['gone.jpg,cat\na.jpg,cat\ng.jpg,dog\n', two, /line 1 names a picture, gone.jpg/],
    ['gone,cat\na,cat\ng,dog\n', two, /line 1 and line 2 have "cat" in column 2/],
    ['a,cat\ng,dog\n', two, /line 1 names a picture, a/],
    ['cat,a.jpg\ndog,g.jpg\n', two, /line 1 names a picture, a.jpg/],
  ]
  for (const [table, labels, why] of cases) {
    const found = await read(t, table)
    assert.deepEqual(found.labels, labels, table)
    const choice = found.index.choices.find(({ what }) => what === 'names of columns')
    assert.match(choice?.reason ?? 'not said', why, table)
  }
  const named: [table: string, labels: Record<string, string>][] = [
    [',0,1\n0,a.jpg,cat\n1,g.jpg,dog\n', two],
    ['0,1\na.jpg,1\ng.jpg,0\n', { 'a.jpg': '1', 'g.jpg': '0' }],
    ['file,label\na.jpg,label\ng.jpg,dog\n', { 'a.jpg': 'label', 'g.jpg': 'dog' }],
    ['a,label\na.jpg,cat\ng.jpg,dog\n', two],
    ['pic,0,1\na.jpg,1,0\ng.jpg,0,1\n', { 'a.jpg': '0', 'g.jpg': '1' }],
  ]
  for (const [table, labels] of named) {
    const found = await read(t, table)
    assert.deepEqual([found.labels, found.said('names of columns')], [labels, []], table)
  }
})

test('encodings and packing: UTF-16 without its mark, gzip; what is none of them is refused by name', async t => {
  const text = 'file,label\na.jpg,cät\ng.jpg,dög\n'
  const wide = Buffer.from(text, 'utf16le')
  const labels = { 'a.jpg': 'cät', 'g.jpg': 'dög' }
  for (const [bytes, said] of [
    [wide, ['utf-16le']],
    [Buffer.from(wide).swap16(), ['utf-16be']],
    [Buffer.from(text, 'latin1'), ['windows-1252']],
    [gzipSync(text), []],
  ] as const) {
    const found = await read(t, bytes)
    assert.deepEqual([found.labels, found.said('encoding')], [labels, said], said.join())
  }
  const lines = gzipSync('{"file":"a.jpg","label":"cät"}\r{"file":"g.jpg","label":"dög"}\r')
  assert.deepEqual((await read(t, lines, 'labels.jsonl.gz')).labels, labels, 'JSON lines in gzip, with CR between them')
  const odd = Buffer.concat([Buffer.from('\ufeffx,y', 'utf16le'), Buffer.from([1])])
  await assert.rejects(read(t, odd), /begins like UTF-16LE but is not valid; it has an odd number of bytes/)
  await assert.rejects(read(t, gzipSync(text).subarray(0, 30)), /begins like a gzip file but can not be unpacked/)
  const utf32 = Buffer.from([0xff, 0xfe, 0, 0, ...[...text].flatMap(c => [c.charCodeAt(0), 0, 0, 0])])
  await assert.rejects(read(t, utf32), /zero bytes, so it may be UTF-32/)
})

test('columns: of one name with the same cells, without a cell, one more than there are names', async t => {
  assert.deepEqual((await read(t, 'file,label,label\na.jpg,cat,cat\ng.jpg,dog,dog\n')).labels, two)
  await assert.rejects(
    read(t, 'file,x,label,label\na.jpg,,cat,dog\n'),
    /two columns "label" \(the 3rd and the 4th\) with different cells.*Rename one/,
  )
  assert.deepEqual((await read(t, 'file,nothing,kind\na.jpg,,cat\ng.jpg,,dog\n')).labels, two, 'an empty column')
  const r = await read(t, 'file,label\n1,a.jpg,cat\n2,g.jpg,dog\n')
  assert.deepEqual([r.labels, r.said('first column')], [two, ['without a name, beside 2 names']])
  assert.deepEqual((await read(t, 'file,label\na.jpg,cat,\ng.jpg,dog,\n')).labels, two, 'a delimiter behind each row')
  await assert.rejects(read(t, 'file,label\na.jpg,cat\ng.jpg,dog,lab\n'), /line 3: 3 cells, expected 2/)
})
