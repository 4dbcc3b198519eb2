import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { FolderIndex } from '../../src/data/index.ts'
import { indexPictures } from '../../src/vision/index.ts'
import { put, tempFolder } from '../helpers/data.ts'

/** The first bytes of a JPEG are all that an index looks at. */
const picture = Buffer.from('ffd8ffe000104a464946', 'hex')

/** The index of a folder with these files, from a table with a name and a label for each file, in the same order. */
async function index(t: TestContext, files: readonly string[], names: readonly string[], folder = '') {
  const dir = join(tempFolder(t), folder)
  put(dir, Object.fromEntries(files.map(file => [file, picture])))
  const rows = names.map((name, i) => `"${name.replaceAll('"', '""')}",label${i % 2}`)
  put(dir, { '../labels.csv': `image,label\n${rows.join('\n')}\n` })
  return indexPictures(dir, { labels: join(dir, '../labels.csv') })
}

/** The label of each picture. */
const labelled = ({ dir, items, classes }: FolderIndex) =>
  Object.fromEntries(items.map(({ file, labels }) => [file.slice(dir.length + 1), classes[labels[0]!]!]))
const saidOf = ({ choices }: FolderIndex) => choices.filter(({ what }) => what === 'names of files')
const missing = ({ problems }: FolderIndex) => problems.filter(({ kind }) => kind === 'missing')

const files = ['dress 1/000007.jpg', 'dress 1/000008.jpg', 'shoes 1/000009.jpg', 'shoes 1/000123.jpg']
const forms: Record<string, [name: (folder: string, stem: string) => string, way: RegExp]> = {
  'a path of Windows': [(d, n) => `C:\\Users\\me\\images\\${d}\\${n}.jpg`, /without the folders in front/],
  'a share of Windows': [(d, n) => `\\\\server\\photos\\${d}\\${n}.jpg`, /without the folders in front/],
  'another machine': [(d, n) => `/content/drive/MyDrive/images/${d}/${n}.jpg`, /without the folders in front/],
  'a parent too many': [(d, n) => `images/${d}/${n}.jpg`, /without the folders in front/],
  'a parent too many, and dots': [(d, n) => `./images/${d}/${n}.jpg`, /without the folders in front/],
  'a folder beside': [(d, n) => `../images/${d}/${n}.jpg`, /without the folders in front/],
  'the case of the ending': [(_, n) => `${n}.JPG`, /by ignoring upper and lower case/],
  'the case of a folder': [(d, n) => `${d.toUpperCase()}/${n}.jpg`, /by ignoring upper and lower case/],
  'zeros lost': [(_, n) => `${Number(n)}`, /zeros in front/],
  'zeros lost, with an ending': [(_, n) => `${Number(n)}.jpg`, /zeros in front/],
  'zeros added': [(_, n) => `0000${n}.jpg`, /zeros in front/],
  'a number of pandas': [(_, n) => `${Number(n)}.0`, /as a whole number, by ignoring zeros in front/],
  'a converted ending': [(_, n) => `${n}.png`, /with another ending/],
  'jpeg for jpg, in a folder': [(d, n) => `${d}/${n}.jpeg`, /with another ending/],
  'an address': [(_, n) => `https://example.org/data/upload/${n}.jpg`, /without the address in front/],
  'an address with a question': [(_, n) => `http://h/x/${n}.jpg?size=100&t=a/b`, /without the address/],
  'an address of a bucket': [
    (d, n) => `gs://bucket/${d.replace(' ', '%20')}/${n}.jpg`,
    /address in front, by reading %20/,
  ],
  'a file address': [(d, n) => `file:///home/me/${d.replace(' ', '%20')}/${n}.jpg`, /address in front, by reading %20/],
  'blanks as %20': [(d, n) => `${d.replace(' ', '%20')}/${n}.jpg`, /%20 and the like/],
  'bytes of Python': [(d, n) => `b'${d}/${n}.jpg'`, /quotes around it/],
  'a list of one': [(d, n) => `['${d}/${n}.jpg']`, /quotes around it/],
  'all at once': [(d, n) => `D:\\Photos\\${d.toUpperCase()}\\${Number(n)}.JPEG`, /folders in front/],
}

test('names nearly those on the disk: found, and said once with an example', async t => {
  for (const [form, [name, way]] of Object.entries(forms)) {
    const names = files.map(file => {
      const [folder, base] = file.split('/')
      return name(folder!, base!.replace('.jpg', ''))
    })
    const found = await index(t, files, names)
    assert.deepEqual(labelled(found), Object.fromEntries(files.map((file, i) => [file, `label${i % 2}`])), form)
    const said = saidOf(found)
    assert.match(said.map(({ value }) => value).join(' / ') || 'not said', way, form)
    const total = said.reduce((sum, { value }) => sum + Number.parseInt(value, 10), 0)
    assert.equal(total, 'zeros added' === form ? 4 : names.length, `${form}: ${said.map(({ value }) => value)}`)
    assert.ok(
      said[0]!.reason.includes(` in the table is dress 1/000007.jpg in the folder`),
      `${form}: ${said[0]!.reason}`,
    )
  }
})

test('in part: what is as on the disk stays so, and a third in another case is found beside it', async t => {
  const found = await index(t, files, ['000007.JPG', '000008.jpg', '000009.jpg', '000123.jpg'])
  assert.deepEqual(Object.keys(labelled(found)), files)
  assert.deepEqual(
    saidOf(found).map(({ value }) => value),
    ['1 name found by ignoring upper and lower case'],
  )
  assert.deepEqual(saidOf(await index(t, files, files)), [], 'nothing is said of names as they are')
  const letters = await index(t, ['e\u0301te\u0301.JPG', 'x.jpg'], ['\u00e9t\u00e9.jpg', 'x.jpg'])
  assert.equal(Object.keys(labelled(letters)).length, 2, 'composed letters, and another case')
})

test('no guess where two files, or two names, may be meant', async t => {
  const both = await index(t, ['A.jpg', 'a.JPG', 'b.jpg', 'c.jpg'], ['a.jpg', 'b.jpg', 'c.jpg'])
  assert.deepEqual(
    missing(both).map(({ file }) => file),
    ['a.jpg'],
    'two files but for their case',
  )
  assert.match(missing(both)[0]!.reason, /the nearest name there is A.jpg/)
  const twice = await index(t, ['07.jpg', 'b.jpg', 'c.jpg'], ['7.jpg', '007.jpg', 'b.jpg', 'c.jpg'])
  assert.deepEqual(Object.keys(labelled(twice)), ['b.jpg', 'c.jpg'], 'two names for one file')
  const claimed = await index(t, ['7.jpg', 'b.jpg', 'c.jpg'], ['7.jpg', '07.jpg', 'b.jpg', 'c.jpg'])
  assert.deepEqual(
    missing(claimed).map(({ file }) => file),
    ['07.jpg'],
    'the file has a name of its own',
  )
  const there = await index(t, ['a/1.jpg', 'b/2.jpg', 'c/3.jpg'], ['a/1.jpg', 'b/2.jpg', 'b/3.jpg'])
  assert.deepEqual(
    missing(there).map(({ file }) => file),
    ['b/3.jpg'],
    'the folder is there and has no such file',
  )
})

test('a name is not found in a folder that contradicts its own', async t => {
  const lost = (files: string[], names: string[], folder?: string) =>
    assert.rejects(index(t, files, names, folder), /no column of .*labels.csv names files/, names[0])
  await lost(['valid/1.jpg', 'valid/2.jpg'], ['train/1.jpg', 'train/2.jpg'])
  await lost(['1.jpg', '2.jpg'], ['train/1.jpg', 'train/2.jpg'], 'valid')
  await lost(['cat/1.jpg', 'cat/2.jpg'], ['dog/1.jpg', 'dog/2.jpg'])
  assert.deepEqual(
    Object.keys(labelled(await index(t, ['1.jpg', '2.jpg'], ['train/1.jpg', 'train/2.jpg'], 'train'))),
    ['1.jpg', '2.jpg'],
    'below the folder of that name they are',
  )
})

test('names that are not found say the nearest on the disk', async t => {
  await assert.rejects(
    index(t, files, ['/data/upload/1/a1b2c3d4-000007.jpg', '/data/upload/1/b5c6d7e8-000008.jpg']),
    /"image" holds "\/data\/upload\/1\/a1b2c3d4-000007.jpg"\); .* the nearest to ".*" is "dress 1\/000007.jpg"/,
  )
  await assert.rejects(
    index(t, ['photo_one.jpg', 'photo_two.jpg'], ['photo one.jpg', 'photo two.jpg']),
    /the nearest to "photo one.jpg" is "photo_one.jpg"/,
  )
  await assert.rejects(
    index(t, ['cat/1.jpg', 'cat/2.jpg'], ['dog/1.jpg', 'dog/2.jpg']),
    /the nearest to "dog\/1.jpg" is "cat\/1.jpg"/,
  )
  const some = await index(t, [...files, 'kitten.jpg'], [...files, 'kittens.jpg'])
  assert.match(missing(some)[0]!.reason, /line 6, column "image" names it, .*; the nearest name there is kitten.jpg/)
})
