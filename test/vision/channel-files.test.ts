import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { sha256 } from '../../src/base/digest.ts'
import { cachePictures } from '../../src/vision/cache/cache.ts'
import { type ContentHash, contentHashes } from '../../src/vision/cache/hashes.ts'
import { groupBands, joinBands, withBands } from '../../src/vision/channel-files.ts'
import { chooseChannels } from '../../src/vision/decode/choose-channels.ts'
import { decodeFile } from '../../src/vision/decode/decode.ts'
import { listPictures, loadPicture } from '../../src/vision/decode/load-picture.ts'
import { imageFolder, openPictures } from '../../src/vision/index.ts'
import { tiff } from '../helpers/channels.ts'
import { put, tempFolder } from '../helpers/data.ts'

const suffixes = ['_DAPI', '_GFP']
const plane = (value: number, width = 3) =>
  tiff({ height: 2, width, pages: [Uint16Array.from({ length: 2 * width }, (_, i) => value + i)] })
const cells = {
  'c1_DAPI.tif': plane(100),
  'c1_GFP.tif': plane(200),
  'sub/c2_GFP.tif': plane(400),
  'sub/c2_DAPI.tif': plane(300),
}
const both = (a: number, b: number) => Array.from({ length: 6 }, (_, i) => [a + i, b + i]).flat()

test('files of one picture are joined by their names; what is missing is named', () => {
  const files = [
    '/d/b_GFP.tif',
    '/d/a_GFP.tif',
    '/d/a_DAPI.png',
    '/d/x/a_DAPI.tif',
    '/d/notes.tif',
    '/d/b_DAPI.tif',
    '/d/b_GFP.png',
  ]
  const { places, problems } = groupBands(
    files.map(file => ({ file })),
    suffixes,
    '/d',
  )
  assert.deepEqual(places, [
    { file: '/d/b_DAPI.tif', bands: [{ file: '/d/b_GFP.tif' }] },
    { file: '/d/a_DAPI.png', bands: [{ file: '/d/a_GFP.tif' }] },
  ])
  assert.deepEqual(
    problems.map(({ kind, file, reason, counted }) => [kind, file, reason, counted]),
    [
      ['not-a-picture', 'notes.tif', 'its name ends with none of _DAPI, _GFP', false],
      ['duplicate', 'b_GFP.png', 'b_GFP.tif is this channel already', false],
      ['missing', 'x/a_GFP.tif', 'this channel of a_DAPI.tif is not there', true],
    ],
  )
  const nested = groupBands(
    ['/d/s_1.png', '/d/s_11.png', '/d/s.png'].map(file => ({ file })),
    ['', '_1', '_11'],
  )
  assert.deepEqual(nested.places, [{ file: '/d/s.png', bands: [{ file: '/d/s_1.png' }, { file: '/d/s_11.png' }] }])
  const folders = groupBands(
    ['/d/s1/g.tif', '/d/s1/r.tif'].map(file => ({ file })),
    ['r', 'g'],
  )
  assert.deepEqual(folders.places, [{ file: '/d/s1/r.tif', bands: [{ file: '/d/s1/g.tif' }] }])
  for (const wrong of [[], ['_A'], ['_A', '_A'], ['a/b', '_B']])
    assert.throws(() => groupBands([], wrong), /channelFiles: \["_DAPI", ?"_GFP"\]/)
})

test('a picture of several files is hashed, decoded and cached as one', async t => {
  const dir = tempFolder(t)
  put(dir, cells)
  const found = listPictures([dir], { bands: suffixes })
  assert.equal(found.pictures.length, 2)
  const open = async () => {
    const hashes = (await contentHashes(dir, found.pictures)).map(content => (content as ContentHash).hash)
    const store = await cachePictures(
      found.pictures.map((place, i) => ({ ...place, hash: hashes[i]! })),
      { short: 32, channels: 'keep' },
    )
    return { hashes, store }
  }
  const { hashes, store } = await open()
  assert.equal(hashes[0], sha256(`${sha256(cells['c1_DAPI.tif'])}\n${sha256(cells['c1_GFP.tif'])}`))
  assert.deepEqual(store.picture(0), { data: Uint16Array.from(both(100, 200)), height: 2, width: 3, channels: 2 })
  assert.deepEqual(Array.from(store.picture(1).data), both(300, 400))
  writeFileSync(join(dir, 'c1_GFP.tif'), plane(7))
  const changed = await open()
  assert.notEqual(changed.hashes[0], hashes[0])
  assert.deepEqual(Array.from(changed.store.picture(0).data), both(100, 7))
  const { mode, choice } = await chooseChannels(found.pictures)
  assert.equal(mode, 'keep')
  assert.match(choice.reason, /2 channels of 16 bits/)
  rmSync(join(dir, 'c1_GFP.tif'))
  const [gone] = await contentHashes(dir, found.pictures)
  assert.match((gone as { reason: string }).reason, /c1_GFP\.tif: it does not exist/)
})

test('a folder of one file a channel is opened as one picture each', async t => {
  const dir = tempFolder(t)
  for (const name of ['a', 'b'])
    for (let i = 0; i < 3; i++)
      for (const [c, suffix] of suffixes.entries())
        put(dir, { [`${name}/${i}${suffix}.tif`]: plane(1000 * i + 100 * c + (name === 'a' ? 7 : 0)) })
  const index = joinBands(await imageFolder(dir), suffixes)
  const { data, picture } = await openPictures(index, { short: 32, channels: 'keep' })
  assert.equal(data.items.length, 6)
  for (const { file, labels, picture: number } of data.items) {
    const first = 1000 * Number(file.match(/(\d)_DAPI/)![1]) + (labels[0] === 0 ? 7 : 0)
    assert.deepEqual(Array.from(picture(number).data), both(first, first + 100))
  }
})

test('files of two sizes are an error that names both', async t => {
  const dir = tempFolder(t)
  put(dir, { ...cells, 'c1_GFP.tif': plane(1, 4) })
  const place = withBands({ file: join(dir, 'c1_DAPI.tif') }, suffixes)
  await assert.rejects(
    decodeFile(place, { channels: 'keep' }),
    /c1_GFP\.tif has 4 x 2 pixels of uint16, c1_DAPI\.tif has 3 x 2 pixels of uint16; expected one size/,
  )
  writeFileSync(join(dir, 'c1_GFP.tif'), plane(1).subarray(0, 20))
  await assert.rejects(decodeFile(place, { channels: 'keep' }), /c1_DAPI\.tif is no picture .*: c1_GFP\.tif: its TIFF/)
})

test('to predict, any file of a picture stands for all', async t => {
  const dir = tempFolder(t)
  put(dir, { ...cells, 'c3_GFP.tif': plane(1), 'c3_DAPI.txt': 'no picture', 'other.tif': plane(2) })
  const options = { short: 32, mode: 'keep' as const, channels: 2, bands: suffixes }
  for (const name of ['c1_DAPI.tif', 'c1_GFP.tif'])
    assert.deepEqual(Array.from((await loadPicture(join(dir, name), options)).data), both(100, 200))
  const listed = listPictures(
    ['c1_DAPI.tif', 'c1_GFP.tif', 'c3_GFP.tif'].map(name => join(dir, name)),
    { bands: suffixes },
  )
  assert.deepEqual(
    listed.pictures.map(({ file, bands }) => [file, bands?.length]),
    [
      [join(dir, 'c1_DAPI.tif'), 1],
      [join(dir, 'c3_GFP.tif'), undefined],
    ],
  )
  await assert.rejects(loadPicture(listed.pictures[1]!, options), /c3_GFP\.tif: .*c3_DAPI\.tif is not there/)
  await assert.rejects(loadPicture(join(dir, 'other.tif'), options), /has none of these endings/)
  await assert.rejects(
    loadPicture(join(dir, 'none_GFP.tif'), options),
    /none_GFP\.tif: it is no picture or is not there/,
  )
})

test('as colour, two or three files of grey become red, green and blue of 8 bits', async t => {
  const dir = tempFolder(t)
  put(dir, cells)
  const place = withBands({ file: join(dir, 'c1_DAPI.tif') }, suffixes)
  const { data, channels } = await decodeFile(place, {})
  assert.deepEqual([data.constructor.name, channels], ['Uint8Array', 3])
  const copied = await decodeFile(place, { channels: 'copy' })
  assert.deepEqual(Array.from(copied.data.subarray(0, 3)), [100, 200, 100])
})
