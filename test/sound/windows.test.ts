import assert from 'node:assert/strict'
import { test } from 'node:test'
import { windowStarts } from '../../src/runtime/sound/windows.ts'
import { augmentations, changeSamples, drawChange, maskBars } from '../../src/sound/augment.ts'
import { preprocessingFor } from '../../src/sound/domain/input-of.ts'
import { proposeGroup } from '../../src/sound/groups.ts'
import { windowsOf } from '../../src/sound/inference/windows-of.ts'
import { windowOf } from '../../src/sound/source.ts'
import { chooseWindow } from '../../src/sound/windows.ts'
import { ones, scope } from '../../src/torch/index.ts'
import { wav } from './sound.make.ts'

test('a recording of any length is covered by its windows, and a stream of it has the same ones', async () => {
  for (const total of [1, 100, 999, 1000, 1249, 1250, 1251, 1500, 2000, 7777]) {
    const x = Float32Array.from({ length: total }, (_, i) => (i + 1) / 10_000)
    const starts = windowStarts(total, 1000)
    if (total > 1250) {
      assert.equal(starts[0], 0, `${total}: begins at 0`)
      assert.equal(starts.at(-1), total - 1000, `${total}: ends at the end`)
      for (const [i, s] of starts.slice(1).entries()) assert.ok(s - starts[i]! <= 500, `${total}: overlaps by half`)
    } else assert.equal(starts.length, 1, `${total}: one window`)
    const found: number[] = []
    for await (const { from, samples } of windowsOf({ samples: x, rate: 16_000 }, { rate: 16_000, samples: 1000 })) {
      found.push(from)
      const want = windowOf((f, n) => x.subarray(f, f + n), from, new Float32Array(1000))
      assert.deepEqual([...samples], [...want], `${total}: the window at ${from}`)
    }
    assert.deepEqual(found, starts, `${total}: the same windows`)
  }
  assert.equal(windowStarts(100_000, 1000, 5).length, 5, 'at most as many as asked')
  assert.equal(windowStarts(100_000, 1000, 5).at(-1), 99_000, 'spread to the end')
})

test('a long file says how far it is read, window by window', async () => {
  const bytes = wav([new Float32Array(2_000_000).fill(0.1)], { rate: 16_000 })
  const read: number[] = []
  let windows = 0
  const onRead = (done: number, all: number) => {
    assert.equal(all, bytes.length)
    read.push(done)
  }
  let early = 0
  for await (const _ of windowsOf(bytes, { rate: 16_000, samples: 1600 }, 'long.wav', { onRead }))
    if (++windows === 1) early = read.at(-1)!
  assert.ok(windows > 2000, `${windows} windows`)
  assert.ok(early < bytes.length, `${early} of ${bytes.length} bytes are read before the first window`)
  assert.equal(Math.max(...read), bytes.length, 'all in the end')
})

test('the length of a window follows the recordings, and says why', () => {
  const many = (seconds: number) => Array.from({ length: 100 }, (_, i) => seconds * (0.5 + i / 200))
  assert.equal(chooseWindow(many(0.5)).seconds, 1.3)
  assert.ok(Math.abs(chooseWindow(many(5)).seconds - 5.5) < 0.2, `${chooseWindow(many(5)).seconds}`)
  const long = chooseWindow(many(3600))
  assert.equal(long.seconds, 10)
  assert.match(long.reason, /heard in windows of 10 s/)
})

const named = (names: string[], classOf: (name: string, i: number) => string) => {
  const classes = [...new Set(names.map(classOf))]
  const items = names.map((name, i) => ({
    file: `/d/${name}`,
    labels: [classes.indexOf(classOf(name, i))],
    split: 'train' as const,
  }))
  return proposeGroup({ dir: '/d', items, classes, task: 'single' })
}
const grid = (...lists: readonly string[][]) =>
  lists.reduce<string[][]>((rows, list) => rows.flatMap(row => list.map(v => [...row, v])), [[]])

test('speakers and recordings that were cut in pieces are found in file names; counters and classes are not', () => {
  const people = ['ann', 'bob', 'cem']
  const takes = Array.from({ length: 6 }, (_, i) => String(i))
  const digits = ['0', '1', '2', '3']
  const spoken = named(
    grid(digits, people, takes).map(p => `${p.join('_')}.wav`),
    name => name[0]!,
  )
  assert.match(spoken!.reason, /3 values \(ann, bob, cem\)/)
  const pattern = new RegExp(
    /--group-regex '?(.+?)'?$|groupRegex: "?(.+?)"?$/.exec(spoken!.reason)![1] ??
      /groupRegex: "(.+)"/.exec(spoken!.reason)![1]!.replaceAll('\\\\', '\\'),
  )
  assert.equal(pattern.exec('2_bob_4.wav')![1], 'bob')

  const hyphens = named(
    grid(people, ['yes', 'no', 'stop'], takes).map(p => `${p.join('-')}.flac`),
    name => name.split('-')[1]!,
  )
  assert.match(hyphens!.reason, /ann, bob, cem/)

  const pieces = grid(['street7', 'park2', 'yard9', 'lake4', 'hall3'], takes).map(p => `${p.join('_')}.wav`)
  const cut = named(pieces, name => (/street|park/.test(name) ? 'cars' : 'birds'))
  assert.match(cut!.reason, /5 recordings that were cut in pieces/)

  assert.equal(
    named(
      Array.from({ length: 40 }, (_, i) => `${i}.wav`),
      (_, i) => String(i % 2),
    ),
    undefined,
    'numbers',
  )
  assert.equal(
    named(
      grid(['dog', 'cat'], takes).map(p => `${p.join('_')}.wav`),
      name => name.slice(0, 3),
    ),
    undefined,
    'the class itself, and a counter',
  )
})

test('a change is a function of seed, epoch and sample; it shifts, scales and masks, and loses nothing', () => {
  const a = drawChange(augmentations.usual, 1, 2, 3)
  assert.deepEqual(drawChange(augmentations.usual, 1, 2, 3), a)
  for (const other of [
    [2, 2, 3],
    [1, 3, 3],
    [1, 2, 4],
  ] as const)
    assert.notDeepEqual(drawChange(augmentations.usual, other[0], other[1], other[2]), a, String(other))
  const x = Float32Array.from({ length: 100 }, (_, i) => i)
  const moved = x.slice()
  changeSamples(moved, { shift: 0.1, gain: 2, time: [], bands: [] })
  assert.deepEqual([moved[10], moved[0], moved[99]], [0, 180, 178])
  changeSamples(moved, { shift: -0.1, gain: 0.5, time: [], bands: [] })
  assert.deepEqual([...moved], [...x], 'back again')
  scope(() => {
    const map = ones([1, 1, 10, 20])
    map.select(2, 0).fill_(-1)
    const bar = { from: 0.5, width: 0.2 }
    const masked = maskBars(map, [{ shift: 0, gain: 1, time: [bar], bands: [] }], 2)
    const rows = Array.from({ length: 10 }, (_, t) => masked.select(2, t).numbers()[0])
    assert.deepEqual(rows, [-1, 1, 1, 1, 1, -1, -1, 1, 1, 1], 'two frames of ten are silent')
  })
})

test('spectrograms have 256 columns at most, and no pitch above what the recordings have', () => {
  const short = preprocessingFor('resnet34', 1.3, [8000, 8000, 8000])
  assert.deepEqual([short.rate, short.high, short.hop], [16_000, 4000, 160])
  const long = preprocessingFor('resnet34', 10, [44_100, 48_000, 44_100])
  assert.deepEqual([long.rate, long.high, long.fft], [32_000, 16_000, 4096])
  assert.ok(long.samples / long.hop! <= 256, `${long.samples / long.hop!} columns`)
  assert.deepEqual(preprocessingFor('speech-embedding', 1.3, [8000]), {
    input: 'speech',
    rate: 16_000,
    samples: 20_800,
  })
})
