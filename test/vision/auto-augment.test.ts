import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../src/base/random.ts'
import type { Task } from '../../src/data/types.ts'
import { imageModel } from '../../src/models/image-model.ts'
import { aten, liveTensors, manualSeed, nn } from '../../src/torch/index.ts'
import { network } from '../../src/train/network.ts'
import { augmentationText } from '../../src/vision/augment/index.ts'
import {
  chooseAugmentation,
  type Sense,
  type SenseOptions,
  senseTable,
} from '../../src/vision/auto-augment/auto-augment.ts'
import { trials } from '../../src/vision/auto-augment/trials.ts'
import { fromVerdicts, type SenseRow, senseRow } from '../../src/vision/auto-augment/verdict.ts'
import type { Picture } from '../../src/vision/types.ts'

const side = 32

/** A net that sees edges and where they are: a convolution from random weights, pooled to 4 × 4. */
function sight({ channels = 3, classes = 2 } = {}) {
  manualSeed(3)
  const conv = nn.conv2d(channels, 24, 5, { stride: 2, padding: 2 })
  const body = imageModel(
    { conv },
    {
      features: x => conv(x).relu(),
      numFeatures: 24,
      channels,
      pooled: { features: 24 * 16, of: x => aten.adaptive_avg_pool2d(conv(x).relu(), [4, 4]).flatten(1) },
      size: side,
    },
  )
  return network(body, classes, { seed: 1 })
}

type Rgb = [number, number, number]
/** A picture with the value `at(x, y)` at each pixel, x and y in [-1, 1]. */
function paint(at: (x: number, y: number) => Rgb): Picture {
  const data = new Uint8Array(side * side * 3)
  for (let y = 0, i = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (const v of at((2 * x + 1) / side - 1, (2 * y + 1) / side - 1)) data[i++] = Math.max(0, Math.min(255, v))
  return { data, height: side, width: side }
}

const objects: Rgb[] = [
  [200, 60, 50],
  [60, 160, 60],
  [50, 70, 200],
]
/** An object of the class's colour somewhere on the ground, below a bright sky. */
function photo(label: number, n: number): Picture {
  const random = rng(11, label, n)
  const [phase, cx, cy, r, horizon] = [
    random.uniform(0, 2 * Math.PI),
    random.uniform(-0.5, 0.5),
    random.uniform(0.1, 0.5),
    random.uniform(0.25, 0.4),
    random.uniform(-0.3, 0),
  ]
  return paint((x, y) => {
    if (Math.hypot(x - cx, y - cy) < r) return objects[label]!
    const shade = y < horizon ? 210 - 60 * y : 90 + 20 * Math.sin(9 * x + phase)
    return [shade, shade, y < horizon ? shade + 25 : shade - 20].map(v => v + random.uniform(-12, 12)) as Rgb
  })
}
/** Stripes of the class's colour, at any angle. */
function fromAbove(label: number, n: number): Picture {
  const random = rng(12, label, n)
  const [angle, phase] = [random.uniform(0, 2 * Math.PI), random.uniform(0, 6)]
  return paint((x, y) => {
    const wave = Math.sin(9 * (x * Math.cos(angle) + y * Math.sin(angle)) + phase)
    return objects[label]!.map(v => v * (0.75 + 0.4 * wave) + random.uniform(-50, 50)) as Rgb
  })
}
/** A bright bar on the left or on the right. */
function bar(label: number, n: number): Picture {
  const random = rng(13, label, n)
  const at = (label === 0 ? -1 : 1) * random.uniform(0.4, 0.7)
  return paint((x, y) => {
    const v = Math.abs(x - at) < 0.2 && Math.abs(y) < 0.6 ? 230 : 80
    return [v, v, v].map(c => c + random.uniform(-20, 20)) as Rgb
  })
}

function set(draw: (label: number, n: number) => Picture, classes: number, count: number) {
  const all = Array.from({ length: classes * count }, (_, i) => draw(i % classes, Math.floor(i / classes)))
  return {
    items: all.map((_, i) => ({ picture: i, labels: [i % classes] })),
    picture: (number: number) => all[number]!,
    task: 'single' as Task,
  }
}
const looked = {
  preprocessing: { size: side, short: side, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], channels: 3 },
  seed: 7,
}
const sense = (data: Pick<SenseOptions, 'items' | 'picture' | 'task'>, more: Partial<SenseOptions> = {}) =>
  chooseAugmentation({ ...looked, ...data, ...more, network: more.network ?? sight() })
const row = ({ rows }: Sense, id: string) => rows.find(r => r.id === id)!
const shown = (found: Sense) =>
  [...senseTable(found.rows), found.reason, augmentationText(found.augmentation)].join('\n')

test('photos have an up: mirrored, not turned', async () => {
  const found = await sense(set(photo, 3, 30))
  assert.ok(row(found, 'half').told > 0.85, shown(found))
  for (const id of ['vertical', 'half', 'quarter']) assert.equal(row(found, id).chosen, false, shown(found))
  assert.equal(row(found, 'mirrored').chosen, true, shown(found))
  const { flip, flipVertical, dihedral, maxRotate } = found.augmentation
  assert.deepEqual([flip, flipVertical, dihedral], [0.5, 0, false])
  assert.ok(maxRotate <= 20, `maxRotate <= 20, got ${maxRotate}`)
  assert.match(
    found.reason,
    /^the pictures have an up \(upside down \(180°\): told apart from plain pictures in \d+ %\)/,
  )
})

test('pictures from above have none: all eight symmetries', async () => {
  const found = await sense(set(fromAbove, 3, 30))
  for (const id of ['mirrored', 'vertical', 'half', 'quarter']) assert.ok(row(found, id).chosen, shown(found))
  assert.equal(found.augmentation.dihedral, true, shown(found))
  assert.match(found.reason, /^the pictures have no up/)
  const table = senseTable(found.rows)
  assert.equal(table.length, 14)
  assert.match(table[0]!, /^change +plain +changed +drop +learnt +told apart +verdict$/)
  assert.match(
    table[3]!,
    /^upside down \(180°\) +[\d.]+ +[\d.]+ +-?[\d.]+ ± [\d.]+ +[\d.]+ +[\d.]+ ± [\d.]+ +yes: looks the same/,
  )
})

test('where left and right are the classes, a mirror swaps them', async () => {
  const found = await sense(set(bar, 2, 40))
  assert.ok(row(found, 'mirrored').drop > 0.5, shown(found))
  assert.ok(row(found, 'mirrored').told < 0.7, 'both kinds are there before and after')
  assert.deepEqual([found.augmentation.flip, found.augmentation.dihedral], [0, false], shown(found))
  assert.equal(found.augmentation.flipVertical, 0.5, shown(found))
  assert.match(found.reason, /a left and a right \(left and right swapped: \d+\.\d points fewer are recognised\)/)
})

test('where the classes are colours, grey is left out', async () => {
  // The same stripes in every class, tinted.
  const tinted = (label: number, n: number): Picture => {
    const { data } = fromAbove(0, 100 * label + n)
    const mixed = data.map((_, i) => objects[label]![i % 3]! * 0.5 + 0.3 * data[i - (i % 3)]!)
    return { data: mixed, height: side, width: side }
  }
  const found = await sense(set(tinted, 3, 30))
  assert.ok(row(found, 'grey').drop > 0.2, shown(found))
  assert.equal(found.augmentation.grey, 0, shown(found))
})

test('one class of many that a mirror turns into others is enough to leave it out', () => {
  const [classes, each] = [30, 8]
  const of = Int32Array.from({ length: classes * each }, (_, i) => i % classes)
  const all = () => new Float64Array(of.length).fill(1)
  const told = all().fill(0.5)
  const judged = { plain: all(), changed: all(), learntPlain: all(), learntChanged: all(), told }
  const names = { of, classes: Array.from({ length: classes }, (_, c) => `sign ${c}`), known: true }
  const mirrored = trials.find(trial => trial.id === 'mirrored')!
  assert.equal(senseRow(mirrored, judged, names).chosen, true)
  judged.changed = judged.changed.map((v, i) => (of[i] === 17 ? 0 : v))
  const { chosen, drop, reason } = senseRow(mirrored, judged, names)
  assert.ok(drop < 0.05, `drop < 0.05, got ${drop}`)
  assert.deepEqual([chosen, reason], [false, 'sign 17 is no longer recognised'])
})

test('verdicts that contradict each other become no change that was left out', () => {
  const rows = (...good: string[]) =>
    trials.map(trial => ({ id: trial.id, chosen: good.includes(trial.id) })) as SenseRow[]
  assert.equal(fromVerdicts(rows('mirrored', 'vertical', 'half', 'quarter')).dihedral, true)
  // Both mirrors are half a turn, which was left out.
  assert.equal(fromVerdicts(rows('mirrored', 'vertical')).flipVertical, 0)
  assert.equal(fromVerdicts(rows('mirrored', 'vertical', 'half')).flipVertical, 0.5)
  assert.equal(fromVerdicts(rows('vertical')).flipVertical, 0.5)
  assert.equal(fromVerdicts(rows('half', 'quarter', 'rotate20')).maxRotate, 180)
  assert.equal(fromVerdicts(rows('mirrored', 'rotate10')).maxRotate, 10)
  assert.deepEqual(
    [
      fromVerdicts(rows('zoom1.3')).maxZoom,
      fromVerdicts(rows('zoom1.3', 'crop')).maxZoom,
      fromVerdicts(rows()).maxZoom,
    ],
    [1.3, 1.1, 1],
  )
})

test('the same pictures and seed give the same verdicts; nothing is left behind', async () => {
  const data = set(fromAbove, 3, 14)
  const net = sight()
  const before = liveTensors()
  let calls = 0
  const first = await sense(data, {
    network: net,
    progress: (done, total) => {
      calls++
      assert.ok(done <= total, `done <= total, got ${done}`)
    },
  })
  assert.equal(liveTensors(), before)
  assert.ok(calls >= 14, `calls >= 14, got ${calls}`)
  assert.deepEqual(await sense(data, { network: net }), first)
  assert.notDeepEqual((await sense(data, { network: net, seed: 8 })).rows, first.rows)
})

test('what can not be judged falls back to the usual, and says why', async () => {
  const few = await sense(set(photo, 3, 5))
  assert.equal(augmentationText(few.augmentation), 'side-on')
  assert.match(few.reason, /only 15 pictures to measure on; at least 30 are needed/)
  const numbers = set(photo, 3, 12)
  const random = rng(5)
  const items = numbers.items.map(({ picture }) => ({ picture, labels: [], values: [random.normal()] }))
  const unknown = await sense({ ...numbers, items, task: 'regression' })
  assert.equal(unknown.augmentation.flip, 0, 'a mirror may turn numbers round')
  assert.match(unknown.reason, /do not separate the pictures|show too little/)
})

test('pictures of one channel are tried without colours; large ones are made small', async () => {
  const grey = (label: number, n: number): Picture => {
    const { data } = fromAbove(label, n)
    const large = new Uint16Array(64 * 64)
    for (let y = 0; y < 64; y++)
      for (let x = 0; x < 64; x++) large[64 * y + x] = 257 * data[3 * ((y >> 1) * side + (x >> 1)) + label]!
    return { data: large, height: 64, width: 64, channels: 1 }
  }
  const preprocessing = { size: side, short: side, mean: [0.5], std: [0.25], channels: 1 }
  const found = await sense(set(grey, 3, 20), { network: sight({ channels: 1, classes: 3 }), preprocessing })
  assert.equal(row(found, 'colour'), undefined)
  assert.equal(row(found, 'grey'), undefined)
  assert.equal(row(found, 'half').chosen, true, shown(found))
})
