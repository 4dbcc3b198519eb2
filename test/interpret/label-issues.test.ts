import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import type { Split } from '../../src/data/index.ts'
import { duplicatePictures, issuePictures } from '../../src/interpret/label-issues.ts'
import type { Item } from '../../src/vision/index.ts'
import { smallJpeg } from '../../src/vision/interpret/picture.ts'

const item = (name: string, labels: number[], split: Split = 'train', values?: number[]): Item => ({
  file: `/photos/${split}/${name}.png`,
  labels,
  split,
  picture: 0,
  ...(values ? { values } : {}),
})
const options = {
  dir: '/photos',
  classes: ['cat', 'dog'],
  show: () => smallJpeg({ data: new Uint8Array(12 * 8 * 3), height: 8, width: 12 }),
}

test('likely wrong labels become pictures with their names, the surest first', async () => {
  const items = ['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) => item(name, [i % 2]))
  const p = Float32Array.of(0.9, 0.1, 0.1, 0.9, 0.8, 0.2, 0.2, 0.8, 0.1, 0.9, 0.99, 0.01)
  const found = await issuePictures(items, p, { ...options, task: 'single' })
  assert.deepEqual(
    found.map(({ file, given, suggested }) => [file, given, suggested]),
    [
      ['train/f.png', 'dog', 'cat'],
      ['train/e.png', 'cat', 'dog'],
    ],
  )
  assert.ok(Math.abs(found[0]!.score - 0.01) < 1e-6, 'Math.abs(found[0]!.score - 0.01) < 1e-6')
  const { width, height } = await sharp(Buffer.from(found[0]!.thumbnail, 'base64')).metadata()
  assert.deepEqual([width, height], [12, 8])
  assert.equal((await issuePictures(items, p, { ...options, task: 'single', most: 1 })).length, 1)
  assert.deepEqual(await issuePictures(items, p, { ...options, task: 'regression' }), [])
})

test('of several labels one is disputed, beside all that the picture has', async () => {
  const items = [item('a', [0, 1]), item('b', [1]), item('c', [0]), item('d', [])]
  const p = Float32Array.of(0.9, 0.95, 0.1, 0.9, 0.9, 0.97, 0.2, 0.1)
  const [issue, ...more] = await issuePictures(items, p, { ...options, task: 'multi' })
  assert.deepEqual(more, [])
  assert.deepEqual([issue!.file, issue!.given, issue!.suggested], ['train/c.png', 'not dog', 'dog'])
  assert.deepEqual(issue!.labels, ['cat'])
})

test('sets of near-duplicates: those across parts first, with part and label', async () => {
  const items = [item('a', [0]), item('b', [0]), item('c', [1]), item('d', [1], 'valid', [2.5, 3])]
  const pairs = [
    { a: 0, b: 1, similarity: 0.99, ratio: 0.1 },
    { a: 2, b: 3, similarity: 0.8, ratio: 0.4 },
  ]
  const found = await duplicatePictures(
    items,
    {
      pairs,
      groups: [
        [0, 1],
        [2, 3],
      ],
    },
    { ...options, task: 'single' },
  )
  assert.deepEqual(
    found.map(f => [f.similarity, f.pictures.map(p => [p.file, p.label, p.part])]),
    [
      [
        0.8,
        [
          ['train/c.png', 'dog', 'train'],
          ['valid/d.png', 'dog', 'valid'],
        ],
      ],
      [
        0.99,
        [
          ['train/a.png', 'cat', 'train'],
          ['train/b.png', 'cat', 'train'],
        ],
      ],
    ],
  )
  const [numbers] = await duplicatePictures(
    items,
    { pairs: [pairs[1]!], groups: [[2, 3]] },
    { ...options, task: 'regression' },
  )
  assert.equal(numbers!.pictures[1]!.label, '2.5, 3')
})
