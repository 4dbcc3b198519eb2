import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Augmentation,
  augmentation,
  augmentations,
  augmentationText,
  drawChange,
  parseAugmentation,
  unchanged,
} from '../../src/vision/augment/index.ts'

const drawn = (a: Augmentation, n = 1500) => Array.from({ length: n }, (_, i) => drawChange(a, 1, 0, i))

test('a preset, settings over it, or both in one line', () => {
  assert.equal(augmentation('side-on').maxRotate, 10)
  const expected = { ...augmentations['side-on'], maxWarp: 0.2, erase: 0.5 }
  assert.deepEqual(augmentation({ preset: 'side-on', maxWarp: 0.2, erase: 0.5 }), expected)
  assert.deepEqual(parseAugmentation('side-on,maxWarp=0.2,erase=0.5'), expected)
  assert.deepEqual(parseAugmentation(' side-on , max-warp = .2, erase=5e-1 '), expected)
  assert.deepEqual(parseAugmentation('medical,dihedral'), { ...augmentations.medical, dihedral: true })
  assert.deepEqual(parseAugmentation('side-on,randomCrop=false,pad=zeros'), {
    ...augmentations['side-on'],
    randomCrop: false,
    pad: 'zeros',
  })
  assert.deepEqual(parseAugmentation('maxRotate=30'), augmentation({ maxRotate: 30 }))
  assert.deepEqual(augmentation({}), augmentations.none)
})

test('what is written out is read back', () => {
  for (const text of [
    'side-on',
    'top-down',
    'none',
    'medical,dihedral',
    'side-on,maxWarp=0.2,pad=border',
    'top-down,dihedral=false',
  ]) {
    assert.deepEqual(parseAugmentation(augmentationText(parseAugmentation(text))), parseAugmentation(text))
    assert.ok(augmentationText(parseAugmentation(text)).length <= text.length, text)
  }
})

test('what can not be is refused, with what was meant', () => {
  const refused: [string, RegExp][] = [
    [
      'side-onn',
      /unknown augmentation "side-onn"; expected side-on, top-down, medical, none.*Did you mean "side-on"\?/,
    ],
    ['side-on,maxWrap=0.2', /unknown setting "maxWrap".*Did you mean "maxWarp"\?/],
    ['side-on,maxWarp=lots', /maxWarp is lots; expected a number from 0 to 0.35/],
    ['side-on,flip=1.5', /flip is 1.5; expected a number from 0 to 1/],
    ['side-on,maxWarp', /maxWarp has no value; expected maxWarp=a number/],
    ['side-on,dihedral=yes', /dihedral is yes; expected true or false/],
    ['side-on,pad=mirror', /pad is mirror; expected reflection or border or zeros/],
    ['side-on,eraseCount=1.5', /a whole number from 1 to 100/],
    ['side-on,minZoom=1.3', /minZoom 1.3 is above maxZoom 1.1/],
    ['side-on,top-down', /unknown setting "topDown"|unknown setting "top-down"/],
    ['', /unknown augmentation ""/],
    ['toString', /unknown augmentation "toString"/],
  ]
  for (const [text, reason] of refused) assert.throws(() => parseAugmentation(text), reason, text)
  assert.throws(() => augmentation({ maxRotate: Number.NaN }), /maxRotate is NaN/)
  assert.throws(() => augmentation({ preset: 'no' as 'none' }), /unknown augmentation "no"/)
  assert.throws(() => augmentation({ rotate: 10 } as object), /unknown setting "rotate"/)
})

test('a further setting leaves what the others draw as it was', () => {
  const before = drawn(augmentations['side-on'], 50)
  // The draws of Anneal 0.1: the results of runs depend on them.
  const { angle, zoom, mirror, cropX, cropY, brightness, gain } = before[3]!
  assert.deepEqual(
    [angle, zoom, mirror, cropX, cropY, brightness, gain].map(v =>
      typeof v === 'number' ? Number(v.toPrecision(8)) : v,
    ),
    [-0.094545901, 1.0523462, false, 0.047763638, 0.46349018, -0.026877897, 1.0334217],
  )
  const rich = drawn(
    augmentation({
      preset: 'side-on',
      maxWarp: 0.2,
      maxLighting: 0.2,
      erase: 0.5,
      maxStretch: 0.2,
      grey: 0.1,
      minZoom: 1,
    }),
    50,
  )
  for (const [i, c] of before.entries())
    assert.deepEqual(
      {
        ...rich[i]!,
        warpX: 0,
        warpY: 0,
        logitShift: 0,
        logitGain: 1,
        erase: [],
        stretchX: 1,
        stretchY: 1,
        saturation: 1,
      },
      c,
    )
})

test('top and bottom are mirrored by half a turn of the mirror image, independently of left and right', () => {
  const all = drawn(augmentation({ flip: 0.5, flipVertical: 0.5 }), 2000)
  for (const [mirror, quarterTurns] of [
    [false, 0],
    [true, 0],
    [true, 2],
    [false, 2],
  ] as const) {
    const share = all.filter(c => c.mirror === mirror && c.quarterTurns === quarterTurns).length / all.length
    assert.ok(Math.abs(share - 0.25) < 0.05, `${mirror}, ${quarterTurns}: ${share}`)
  }
  for (const c of drawn(augmentation({ flipVertical: 1 }), 20)) assert.deepEqual([c.mirror, c.quarterTurns], [true, 2])
})

test('what is drawn keeps to its bounds and its probability', () => {
  const a = augmentation({
    minZoom: 0.8,
    maxZoom: 1.5,
    maxStretch: 0.3,
    maxWarp: 0.2,
    minScale: 0.35,
    maxLighting: 0.2,
    saturation: 0.4,
    hue: 0.1,
    grey: 0.2,
    erase: 0.5,
    eraseMin: 0.02,
    eraseMax: 0.3,
    eraseCount: 3,
  })
  const all = drawn(a)
  const share = (holds: (c: (typeof all)[number]) => boolean, expected: number, what: string) =>
    assert.ok(Math.abs(all.filter(holds).length / all.length - expected) < 0.05, what)
  const near = (v: number, w: number) => v <= w + 1e-12
  for (const c of all) {
    assert.ok(c.zoom >= 0.8 && c.zoom <= 1.5, 'c.zoom >= 0.8 && c.zoom <= 1.5')
    assert.ok(
      (c.stretchX === 1 || c.stretchY === 1) && near(c.stretchX, 1.3) && near(c.stretchY, 1.3),
      '(c.stretchX === 1 || c.stretchY === 1) && near(c.stretchX, 1.3) && …',
    )
    assert.ok(
      Math.abs(c.warpX) <= 0.2 && Math.abs(c.warpY) <= 0.2,
      'Math.abs(c.warpX) <= 0.2 && Math.abs(c.warpY) <= 0.2',
    )
    assert.ok(
      near(Math.abs(c.logitShift), Math.log(0.6 / 0.4)) && near(c.logitGain, 1.25) && c.logitGain >= 0.8 - 1e-12,
      'near(Math.abs(c.logitShift), Math.log(0.6 / 0.4)) && near(c.logitGa…',
    )
    assert.ok(
      c.saturation === 0 || (c.saturation >= 0.6 - 1e-12 && near(c.saturation, 1 / 0.6)),
      'c.saturation === 0 || (c.saturation >= 0.6 - 1e-12 && near(c.satura…',
    )
    assert.ok(near(Math.abs(c.hue), 0.2 * Math.PI), 'near(Math.abs(c.hue), 0.2 * Math.PI)')
    assert.equal(c.window?.tries.length, 10)
    for (const { area, ratio } of c.window!.tries)
      assert.ok(
        area >= 0.35 && area < 1 && ratio >= 0.749 && ratio <= 1.334,
        'area >= 0.35 && area < 1 && ratio >= 0.749 && ratio <= 1.334',
      )
    const erased = c.erase.reduce((sum, box) => sum + box.height * box.width, 0)
    assert.ok(
      c.erase.length <= 3 && erased <= 0.3 && (c.erase.length === 0 || erased >= 0.02 - 1e-12),
      'c.erase.length <= 3 && erased <= 0.3 && (c.erase.length === 0 || er…',
    )
  }
  share(c => c.warpX !== 0, 0.75, 'warp')
  share(c => c.stretchX !== 1 || c.stretchY !== 1, 0.75, 'stretch')
  share(c => c.logitShift !== 0, 0.75, 'lighting')
  share(c => c.saturation === 0, 0.2, 'grey')
  share(c => c.erase.length > 0, 0.5, 'erase')
  share(c => c.erase.length === 3, 0.5 / 3, 'three boxes')
  share(c => c.zoom !== 1, 0.75, 'zoom')
  assert.deepEqual(drawChange(augmentations.none, 1, 2, 3), unchanged)
  for (const c of drawn(augmentations.medical))
    assert.ok(
      !c.mirror && c.quarterTurns === 0 && c.warpX === 0 && c.erase.length === 0,
      '!c.mirror && c.quarterTurns === 0 && c.warpX === 0 && c.erase.lengt…',
    )
})
