import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import * as web from 'onnxruntime-web/wasm'
import sharp, { type Sharp } from 'sharp'
import { load, type Ort, probePicture, type RunError } from '../../src/runtime/node.ts'
import { decodeFile } from '../../src/vision/decode/decode.ts'
import { colourModel, testCard } from '../helpers/served.ts'

const work = mkdtempSync(join(tmpdir(), 'anneal-runtime-'))
after(() => rmSync(work, { recursive: true, force: true }))
const at = (name: string) => join(work, name)
const model = at('model.onnx')
writeFileSync(model, colourModel())

/** A smooth picture with channels that differ: width 40, height 24. */
function smooth(channels: 1 | 2 | 3 | 4): Sharp {
  const [width, height] = [40, 24]
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width)]
    return (c === 3 || (c === 1 && channels === 2) ? 40 + 5 * x : 20 + 4 * x * (c + 1) + 3 * y) % 256
  })
  return sharp(data, { raw: { width, height, channels } })
}
const deep = Uint16Array.from({ length: 40 * 24 * 3 }, (_, i) => (i * 977) % 65536)

const files: Record<string, () => Promise<Buffer>> = {
  'rgb.png': () => smooth(3).png().toBuffer(),
  'alpha.png': () => smooth(4).png().toBuffer(),
  'grey.png': () => smooth(1).toColourspace('b-w').png().toBuffer(),
  'grey alpha.png': () => smooth(2).png().toBuffer(),
  'palette.png': () => smooth(3).png({ palette: true }).toBuffer(),
  '16 bits.png': () =>
    sharp(deep, { raw: { width: 40, height: 24, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer(),
  'picture.webp': () => smooth(3).webp({ lossless: true }).toBuffer(),
  'picture.gif': () => smooth(3).gif().toBuffer(),
  'picture.tif': () => smooth(3).tiff({ compression: 'lzw' }).toBuffer(),
  'picture.avif': () => smooth(3).avif({ quality: 90 }).toBuffer(),
  'picture.jpg': () => smooth(3).jpeg({ quality: 90 }).toBuffer(),
  'grey.jpg': () => smooth(1).toColourspace('b-w').jpeg().toBuffer(),
  'cmyk.jpg': () => smooth(3).toColourspace('cmyk').jpeg().toBuffer(),
  ...Object.fromEntries(
    [2, 3, 4, 5, 6, 7, 8].map(orientation => [
      `turned ${orientation}.jpg`,
      () => smooth(3).jpeg({ quality: 95 }).withMetadata({ orientation }).toBuffer(),
    ]),
  ),
}

test('pictures are decoded as in training, whatever their format, depth, alpha and orientation', async () => {
  const loaded = await load(model, { kind: 'picture' })
  for (const [name, make] of Object.entries(files)) {
    writeFileSync(at(name), await make())
    const trained = await decodeFile(at(name))
    const got = await loaded.decode(at(name))
    assert.deepEqual([got.width, got.height, got.channels], [trained.width, trained.height, 3], name)
    const most = got.data.reduce((m, v, i) => Math.max(m, Math.abs(v - Number(trained.data[i]))), 0)
    // Training reads JPEG files by a decoder of its own; the two round alike but for a level or two.
    assert.ok(most <= (/jpg$/.test(name) ? 4 : 0), `${name}: differs by ${most} of 255`)
  }
  await loaded.dispose()
})

test('a path, a URL, bytes, a Blob and pixels get the same answer, alone or in a list', async () => {
  await using loaded = await load(pathToFileURL(model), { kind: 'picture' })
  const bytes = new Uint8Array(await files['rgb.png']!())
  writeFileSync(at('one.png'), bytes)
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true })
  const pixels = { data, width: info.width, height: info.height, channels: 3 }
  const inputs = [at('one.png'), pathToFileURL(at('one.png')), bytes, bytes.slice().buffer, new Blob([bytes]), pixels]
  const first = await loaded.predict(inputs[0]!, { features: true })
  assert.ok(first.task === 'single', 'a class')
  assert.deepEqual(Object.keys(first.probabilities), ['10 red', '2 green', 'blue'])
  assert.equal(first.probability, Math.max(...first.scores))
  assert.equal(first.features!.length, 3)
  for (const prediction of await loaded.predict(inputs)) assert.deepEqual(prediction.scores, first.scores)
  const [a, b] = await loaded.predictPixels([pixels, pixels])
  assert.deepEqual([a!.scores, b!.scores], [first.scores, first.scores])
})

test('onnxruntime-web gives the same answers', async () => {
  await using native = await load(model, { kind: 'picture' })
  await using wasm = await load(model, { kind: 'picture', ort: web as unknown as Ort, device: 'auto' })
  writeFileSync(at('web.png'), await files['rgb.png']!())
  const [a, b] = [await native.predict(at('web.png')), await wasm.predict(at('web.png'))]
  assert.ok(
    a.scores.every((p, i) => Math.abs(p - b.scores[i]!) < 1e-6),
    `${a.scores} and ${b.scores}`,
  )
})

test('the probe picture is the same on every machine, and its channels differ', () => {
  const picture = probePicture({ width: 5, height: 2, seed: 7 }, 3)
  assert.equal(createHash('sha256').update(picture).digest('hex').slice(0, 16), 'a3ea5b6a67c01cdc')
  assert.ok(new Set(picture).size > 20, `${new Set(picture).size} values`)
})

test('several labels follow the thresholds, and targets have their names', async () => {
  const pixels = { data: new Uint8Array(48).map((_, i) => [250, 130, 20][i % 3]!), width: 4, height: 4, channels: 3 }
  const card = testCard({ task: 'multi', thresholds: [0.5, 0.5, 0.5] })
  await using several = await load(colourModel({ card }), { kind: 'picture' })
  const labels = await several.predict(pixels)
  assert.ok(labels.task === 'multi', 'labels')
  assert.deepEqual(labels.labels, ['10 red', '2 green'])
  await using numbers = await load(colourModel({ card: testCard({ task: 'regression' }) }), { kind: 'picture' })
  const values = await numbers.predict(pixels)
  assert.ok(values.task === 'regression', 'values')
  assert.ok(Math.abs(values.values.blue! - 0.4) < 1e-6, `${values.values.blue}`)
})

test('new classes come from a few pictures, and their few bytes come back', async () => {
  await using loaded = await load(model, { kind: 'picture' })
  const of = (...rgb: number[]) => ({
    data: new Uint8Array(12).map((_, i) => rgb[i % 3]!),
    width: 2,
    height: 2,
    channels: 3,
  })
  const taught = await loaded.teach({ warm: [of(250, 90, 10), of(240, 120, 0)], cold: [of(10, 60, 240)] })
  const again = loaded.taught(JSON.stringify(taught))
  for (const one of [taught, again]) assert.equal((await one.predict(of(0, 40, 200))).label, 'cold')
  await assert.rejects(loaded.teach({ warm: [of(1, 2, 3)] }), /two classes or more/)
})

test('a signal ends a prediction, and a disposed model says so', async () => {
  const loaded = await load(model, { kind: 'picture' })
  const pixels = { data: new Uint8Array(12), width: 2, height: 2, channels: 3 }
  await assert.rejects(loaded.predict(pixels, { signal: AbortSignal.abort(new Error('no longer')) }), /no longer/)
  await loaded.dispose()
  await assert.rejects(loaded.predict(pixels), /disposed/)
})

test('a file that is no exported model is refused with what it is', async () => {
  const whole = colourModel()
  const file = at('bad.onnx')
  const refused = async (bytes: Uint8Array | string, message: RegExp) => {
    writeFileSync(file, bytes)
    await assert.rejects(load(file), (error: RunError) => {
      assert.match(error.message, message)
      assert.ok(error.message.startsWith(file), `it names the file: ${error.message}`)
      return true
    })
  }
  await refused(new Uint8Array(), /empty/)
  await refused('<!doctype html><title>404</title>', /HTML page/)
  await refused('version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /Git LFS/)
  await refused(whole.subarray(0, whole.length - 40), /cut off: it has \d+ bytes/)
  await refused(whole.subarray(0, 30), /cut off|no ONNX/)
  await refused('not a model at all', /no ONNX file/)
  await refused(colourModel({ card: { ...testCard(), version: 2 as 1 } }), /version 2/)
  await refused(colourModel({ card: testCard({ classes: ['a', 'b', 'c', 'd'] }) }), /card says/)
  await assert.rejects(load(at('none.onnx')), /can not be read/)
})

test('a picture that can not be used is named with the reason', async () => {
  await using loaded = await load(model, { kind: 'picture' })
  writeFileSync(at('cut.jpg'), await files['picture.jpg']!())
  truncateSync(at('cut.jpg'), 300)
  await assert.rejects(loaded.predict(at('cut.jpg')), /cut\.jpg can not be used: its JPEG data are cut off or corrupt/)
  await assert.rejects(loaded.predict(new TextEncoder().encode('<svg></svg>')), /SVG/)
  await assert.rejects(loaded.predict('https://example.com/cat.jpg'), /not fetched/)
  await assert.rejects(loaded.predict(at('missing.png')), /can not be read/)
  await assert.rejects(
    load(model, { kind: 'picture', limitPixels: 100 }).then(m => m.predict(at('one.png'))),
    /pixels/,
  )
})
