import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { after, describe, test } from 'node:test'
import { tarHead } from '../../src/base/tar-write.ts'
import { indexFolder } from '../../src/data/labels/from-folders.ts'
import { dataExists, dataFolder, shardsAt, splitsOf } from '../../src/data/shards/find.ts'
import { indexShards } from '../../src/data/shards/from-shards.ts'
import { isSampleFile, memberStamp, readMember, readSampleSync } from '../../src/data/shards/members.ts'
import { indexTar } from '../../src/data/shards/tar-index.ts'
import { checkShards, type ShardOptions, writeShards } from '../../src/data/shards/write.ts'
import { endingOf, pictureFiles } from '../../src/vision/decode/formats.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-shards-'))
after(() => rmSync(root, { recursive: true, force: true }))
const ofPictures = { fileKind: pictureFiles }

/** A file that is recognised as JPEG, different for each text. */
const jpeg = (text: string) => Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.from(text)])

function folder(name: string, files: Readonly<Record<string, string | Buffer>>): string {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name, file)), { recursive: true })
    writeFileSync(join(root, name, file), content)
  }
  return join(root, name)
}

/** A tar by the system's own tar: files in this order. */
function tar(name: string, files: Readonly<Record<string, string | Buffer>>, args: readonly string[] = []): string {
  const dir = folder(join('files', name), files)
  mkdirSync(dirname(join(root, name)), { recursive: true })
  execFileSync('tar', [...args, '-cf', join(root, name), '-C', dir, ...Object.keys(files)])
  return join(root, name)
}

const index = (path: string, options = {}) => indexShards(shardsAt(path)!, options, ofPictures)
const pictureNames = (n: number, dir: string) =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`${dir}/${i}.jpg`, jpeg(`${dir} ${i}`)]))
const write = (from: ReturnType<typeof indexFolder>, out: string, more: Partial<ShardOptions> = {}) =>
  writeShards(from, { out: join(root, out), size: 8000, order: 'class', endingOf, ...more })
/** What matters of an item, without its place. */
const said = (dir: string, items: ReturnType<typeof index>['items']) =>
  items.map(({ file, labels, split, group, values }) => ({
    file: relative(dir, file).replace(/^[^/]*\.tar\//, ''),
    labels,
    split,
    group,
    values,
    content: readSampleSync({ file }).toString('latin1'),
  }))

test('shards of a folder have its samples: order, labels, drawn parts and bytes are the same', async () => {
  const dir = folder('photos', {
    ...pictureNames(23, 'cat'),
    ...pictureNames(31, 'dog'),
    ...pictureNames(12, 'a b/deeper'),
  })
  const from = indexFolder(dir, { seed: 7 }, ofPictures)
  const { manifest, unread } = await write(from, 'out')
  assert.deepEqual(unread, [])
  assert.ok(manifest.shards.length > 5, `${manifest.shards.length}`)
  assert.equal(manifest.samples, 66)
  for (const { bytes } of manifest.shards) assert.ok(bytes <= 8000 + 1024, `${bytes}`)
  for (const path of [join(root, 'out'), join(root, 'out/*.tar')]) {
    const read = index(path, { seed: 7 })
    assert.deepEqual(read.classes, ['a b', 'cat', 'dog'])
    assert.equal(read.drawn, true)
    assert.deepEqual(said(read.dir, read.items), said(dir, from.items))
    assert.match(JSON.stringify(read.choices), /66 samples; index.json names 3 classes/)
  }
  const mixed = [...indexTar(join(root, 'out', manifest.shards[0]!.file)).members.keys()].map(name => dirname(name))
  assert.ok(new Set(mixed).size > 1, 'a shard holds more than one class')
  assert.match(await checkShards(join(root, 'out')), /66 samples/)
  const again = await write(from, 'out2')
  assert.deepEqual(again.manifest, manifest, 'the same folder gives the same bytes')
  const anew = await write(index(join(root, 'out')), 'out3', { size: 1e6 })
  assert.deepEqual(said(join(root, 'out3'), index(join(root, 'out3'), { seed: 7 }).items), said(dir, from.items))
  assert.equal(anew.manifest.shards.length, 1)
  await assert.rejects(write(from, 'out'), /out is there already and holds files/)
})

test('given parts stay; names with dots, long names and names without ending keep their order', async () => {
  const long = `${'x'.repeat(90)}/${'y'.repeat(120)}`
  const dir = folder('parts', {
    'train/cat/a.b.jpg': jpeg('1'),
    'train/cat/a.c.jpg': jpeg('2'),
    'train/cat/a_b.jpg': jpeg('3'),
    'train/cat/none': jpeg('4'),
    [`train/dog/${long}.jpg`]: jpeg('5'),
    'train/dog/größe.JPG': jpeg('6'),
    'valid/cat/v.jpg': jpeg('7'),
    'test/dog/t.jpg': jpeg('8'),
  })
  const from = indexFolder(dir, {}, ofPictures)
  const { manifest } = await write(from, 'parts-out', { size: 1e6 })
  assert.deepEqual(
    manifest.shards.map(({ file }) => file),
    ['train-000000.tar', 'valid-000000.tar', 'test-000000.tar'],
  )
  const read = index(join(root, 'parts-out'))
  assert.equal(read.drawn, false)
  const contents = (items: typeof read.items) =>
    items.map(({ file, labels, split }) => [readSampleSync({ file }).toString('latin1'), labels, split])
  assert.deepEqual(contents(read.items), contents(from.items))
  const listed = execFileSync('tar', ['-tf', join(root, 'parts-out/train-000000.tar')], { encoding: 'utf8' })
  assert.ok(listed.includes(`train/dog/${long}.jpg\n`), listed)
})

test('several labels, numbers, groups and times travel too', async () => {
  const dir = folder('many', pictureNames(6, 'p'))
  const base = {
    ...indexFolder(folder('two', { ...pictureNames(4, 'x'), ...pictureNames(4, 'y') }), {}, ofPictures),
    dir,
  }
  const itemsOf = <T extends object>(rest: (i: number) => T) =>
    Array.from({ length: 6 }, (_, i) => ({
      file: join(dir, `p/${i}.jpg`),
      labels: [],
      split: 'train' as const,
      ...rest(i),
    }))
  const multi = {
    ...base,
    task: 'multi' as const,
    classes: ['a', 'b', 'c'],
    items: itemsOf(i => ({ labels: i % 3 === 2 ? [0, 2] : [i % 3], group: `g${i % 3}`, time: i })),
  }
  await write(multi, 'multi', { order: 'file' })
  const read = index(join(root, 'multi'), { groupRegex: undefined })
  assert.equal(read.task, 'multi')
  assert.deepEqual(
    read.items.map(({ labels, group, time }) => [labels, group, time]),
    multi.items.map(({ labels, group, time }) => [labels, group, time] as unknown),
  )
  const numbers = {
    ...base,
    task: 'regression' as const,
    classes: ['age', 'weight'],
    items: itemsOf(i => ({ values: [i + 0.1, -1 - i] })),
  }
  await write(numbers, 'numbers', { order: 'file' })
  const amounts = index(join(root, 'numbers'))
  assert.deepEqual([amounts.task, amounts.classes], ['regression', ['age', 'weight']])
  assert.deepEqual(
    amounts.items.map(({ values }) => values),
    numbers.items.map(({ values }) => values as unknown),
  )
})

describe("tars of others, by the system's tar", () => {
  const four = (more: object = {}) => ({
    '0.jpg': jpeg('0'),
    '0.cls': '1',
    '1.cls': '0\n',
    '1.jpg': jpeg('1'),
    '2.jpg': jpeg('2'),
    '2.cls': '1',
    '3.jpg': jpeg('3'),
    '3.cls': '0',
    ...more,
  })
  test('numbers in .cls, names in .cls, JSON; names of classes from classnames.txt', () => {
    for (const format of ['ustar', 'gnu', 'pax', 'v7']) {
      tar(`plain-${format}/a-0.tar`, four(), [`--format=${format}`])
      const read = index(join(root, `plain-${format}`))
      assert.deepEqual(read.classes, ['0', '1'])
      assert.deepEqual(
        read.items.map(({ file }) => readSampleSync({ file }).toString('latin1').slice(-1)),
        ['1', '3', '0', '2'],
      )
    }
    writeFileSync(join(root, 'plain-gnu/classnames.txt'), 'cat\ndog\n')
    assert.deepEqual(index(join(root, 'plain-gnu')).classes, ['cat', 'dog'])
    tar('named/a.tar', {
      '0.jpg': jpeg('0'),
      '0.cls': 'cat',
      '1.jpg': jpeg('1'),
      '1.cls': 'dog',
      '2.jpg': jpeg('2'),
      '2.json': '{"label": "dog", "caption": "…"}',
      '3.jpg': jpeg('3'),
      '3.json': '"cat"',
    })
    assert.deepEqual(index(join(root, 'named')).classes, ['cat', 'dog'])
    tar('lists/a.tar', {
      '0.jpg': jpeg('0'),
      '0.json': '{"labels": ["a", "b"]}',
      '1.jpg': jpeg('1'),
      '1.json': '{"labels": []}',
    })
    assert.equal(index(join(root, 'lists')).task, 'multi')
  })

  test('parts by the names of tars; patterns and ranges; one tar', () => {
    for (const name of ['x-train-000000', 'x-train-000001', 'x-val-000000']) tar(`imagenet/${name}.tar`, four())
    const read = index(join(root, 'imagenet'))
    assert.deepEqual(
      [read.drawn, read.items.filter(({ split }) => split === 'valid').length, read.items.length],
      [false, 4, 12],
    )
    const part = shardsAt(join(root, 'imagenet/x-train-{000000..000001}.tar'))!
    assert.deepEqual(
      part.tars.map(path => path.slice(-10)),
      ['000000.tar', '000001.tar'],
    )
    assert.equal(splitsOf(part), undefined)
    assert.equal(shardsAt(join(root, 'imagenet/x-val-000000.tar'))!.tars.length, 1)
    assert.throws(() => shardsAt(join(root, 'imagenet/y-*.tar')), /names no tar: .*holds x-train-000000.tar/)
    assert.throws(
      () => shardsAt(join(root, 'imagenet/x-train-{000000..000004}.tar')),
      /names no tar x-train-000002.tar/,
    )
    assert.deepEqual([dataExists(join(root, 'imagenet/*.tar')), dataExists(join(root, 'nowhere'))], [true, false])
    assert.equal(dataFolder(join(root, 'imagenet/*.tar')), join(root, 'imagenet'))
    copyFileSync(join(root, 'imagenet/x-val-000000.tar'), join(root, 'imagenet/more.tar'))
    assert.throws(() => index(join(root, 'imagenet')), /some tars are named train, valid or test, and more.tar is not/)
    const beside = folder('beside', { ...pictureNames(2, 'cat'), 'all.tar': '' })
    assert.equal(shardsAt(beside), undefined, 'an archive beside class folders')
    assert.equal(shardsAt(folder('loose', { '1.jpg': jpeg('1'), 'all.tar': '' })), undefined)
  })

  test('a member is read at its place, as a path; another file at that path is noticed', async () => {
    const path = tar('places/a.tar', { 'd/0.jpg': jpeg('zero'), 'd/0.cls': '0' })
    assert.deepEqual(Buffer.from((await readMember(`${path}/d/0.jpg`))!), jpeg('zero'))
    assert.equal(await readMember(`${path}/d/1.jpg`), undefined)
    assert.equal(await readMember(join(root, 'places/none.tar/d/0.jpg')), undefined)
    assert.deepEqual(
      [isSampleFile(`${path}/d/0.jpg`), isSampleFile(`${path}/d`), isSampleFile(path)],
      [true, false, true],
    )
    const before = memberStamp(`${path}/d/0.jpg`)!.text
    tar('places/a.tar', { 'd/0.jpg': jpeg('other'), 'd/0.cls': '0' })
    assert.deepEqual(Buffer.from((await readMember(`${path}/d/0.jpg`))!), jpeg('other'))
    assert.notEqual(memberStamp(`${path}/d/0.jpg`)!.text, before)
  })

  const bad: readonly [why: string, make: (path: string) => void, RegExp][] = [
    [
      'no label',
      p => tar(p, four({ '4.jpg': jpeg('4') })),
      /bad-0\/a\.tar: its sample 4 has no label \(its members: 4\.jpg\).*Add 4\.cls/,
    ],
    [
      'no picture',
      p => tar(p, four({ '4.cls': '1', '4.txt': 'x' })),
      /its sample 4 has no picture \(its members: 4\.cls, 4\.txt\)/,
    ],
    [
      'several pictures',
      p => tar(p, four({ '4.jpg': jpeg('4'), '4.seg.png': jpeg('5'), '4.cls': '1' })),
      /its sample 4 has several pictures: 4\.jpg, 4\.seg\.png/,
    ],
    [
      'two endings that read the same',
      p => tar(p, four({ '4.jpg': jpeg('4'), '4.JPG': jpeg('5'), '4.cls': '1' })),
      /its sample 4 has two members with the ending jpg: 4\.jpg and 4\.JPG/,
    ],
    [
      'a key that comes twice',
      p => tar(p, { '0.jpg': jpeg('0'), '1.jpg': jpeg('1'), '1.cls': '1', '0.cls': '0' }),
      /its sample 0 comes twice: other members lie between, before 0\.cls/,
    ],
    [
      'a name that comes twice',
      p =>
        joined(p, [
          ['0.jpg', jpeg('0')],
          ['0.jpg', jpeg('1')],
        ]),
      /it has two members called 0\.jpg/,
    ],
    ['..', p => joined(p, [['../0.jpg', jpeg('0')]]), /its member "\.\.\/0\.jpg" has a name that leaves the folder/],
    [
      'an absolute name',
      p => joined(p, [['/etc/0.jpg', jpeg('0')]]),
      /its member "\/etc\/0\.jpg" has a name that leaves/,
    ],
    ['a link', p => linked(p), /its member l\.jpg is a link, a device or a sparse file/],
    [
      'a cut member',
      p => cut(p, 900),
      /it is cut short inside its member 0\.jpg: that ends at byte \d+, and the tar has 900 bytes/,
    ],
    [
      'a cut end',
      p => cut(p, 1024),
      /it is cut short: it has 1024 bytes, and the empty block that ends a tar is missing \(the last whole member is 0\.jpg\)/,
    ],
    ['a damaged header', p => damaged(p), /its header at byte 1024 is damaged \(the last whole member is 0\.jpg\)/],
    ['gzip', p => tar(p, four(), ['-z']), /it is compressed \(gzip\).*Unpack it first: gunzip/],
    ['two tars joined', p => doubled(p), /more follows after its end at byte/],
    ['an empty label', p => tar(p, four({ '4.jpg': jpeg('4'), '4.cls': ' ' })), /its member 4\.cls is empty/],
    ['JSON that is none', p => tar(p, four({ '4.jpg': jpeg('4'), '4.json': '{' })), /its member 4\.json is no JSON/],
    [
      'two kinds of labels',
      p => tar(p, four({ '4.jpg': jpeg('4'), '4.json': '{"labels": ["a"]}' })),
      /0\.jpg has one class, and .*4\.jpg has a list of labels/,
    ],
    ['nothing', p => joined(p, []), /holds no pictures/],
  ]
  const at = (p: string) => {
    mkdirSync(dirname(join(root, p)), { recursive: true })
    return join(root, p)
  }
  const joined = (p: string, files: readonly [string, Buffer][]) =>
    writeFileSync(
      at(p),
      Buffer.concat([
        ...files.flatMap(([name, data]) => [tarHead(name, data.length), data, Buffer.alloc(512 - data.length)]),
        Buffer.alloc(1024),
      ]),
    )
  const linked = (p: string) => {
    const dir = folder(join('files', p), { '0.jpg': jpeg('0'), '0.cls': '0' })
    symlinkSync('/etc/passwd', join(dir, 'l.jpg'))
    execFileSync('tar', ['-cf', at(p), '-C', dir, '0.jpg', '0.cls', 'l.jpg'])
  }
  const cut = (p: string, bytes: number) =>
    writeFileSync(
      at(p),
      readFileSync(tar(p, { '0.jpg': jpeg('x'.repeat(bytes === 900 ? 500 : 8)), '0.cls': '0' })).subarray(0, bytes),
    )
  const damaged = (p: string) => {
    const data = readFileSync(tar(p, four()))
    data[1024 + 3]! ^= 1
    writeFileSync(at(p), data)
  }
  const doubled = (p: string) => {
    const data = readFileSync(tar(p, four()))
    writeFileSync(at(p), Buffer.concat([data, data]))
  }
  for (const [i, [why, make, message]] of bad.entries())
    test(`refused, with the tar and the member: ${why}`, () => {
      make(`bad-${i}/a.tar`)
      assert.throws(() => index(join(root, `bad-${i}`)), message)
    })
})

test('an index that does not fit its tars is refused', async () => {
  const from = indexFolder(folder('fits', { ...pictureNames(9, 'cat'), ...pictureNames(9, 'dog') }), {}, ofPictures)
  await write(from, 'fit')
  const path = (name: string) => join(root, 'fit', name)
  const whole = readFileSync(path('shard-000001.tar'))
  const changed = Buffer.from(whole)
  changed[520]! ^= 1 // in the first picture
  writeFileSync(path('shard-000001.tar'), changed)
  await assert.rejects(checkShards(join(root, 'fit')), /shard-000001\.tar has the sha256 .* its content has changed/)
  writeFileSync(path('shard-000001.tar'), Buffer.concat([whole, Buffer.alloc(512)]))
  assert.throws(() => index(join(root, 'fit')), /shard-000001\.tar has \d+ bytes, and .*index\.json says \d+/)
  rmSync(path('shard-000001.tar'))
  assert.throws(() => index(join(root, 'fit')), /index\.json names shard-000001\.tar, which is not there/)
  writeFileSync(path('shard-000001.tar'), whole)
  copyFileSync(path('shard-000001.tar'), path('other.tar'))
  assert.throws(() => index(join(root, 'fit')), /other\.tar is not in .*index\.json/)
  assert.throws(
    () => index(path('shard-*.tar'), { labels: 'x.csv' }),
    /labels does not go with .*labels, parts and groups of shards stand in them/,
  )
})
