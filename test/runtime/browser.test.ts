import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { load as loadInNode } from '../../src/runtime/node.ts'
import { runtimeSite } from '../helpers/browser.ts'
import { browserPath } from '../helpers/chromium.ts'
import { goldenPictures, refusedPictures } from '../helpers/pictures.ts'
import { bomb, colourModel } from '../helpers/served.ts'

const model = colourModel()

// Skipped if there is no browser.
if (browserPath) {
  const site = await runtimeSite(model)
  after(() => site.close())

  /** A page with the runtime, and the model loaded in it. */
  const opened = async (): Promise<Page> => {
    const page = await site.page()
    await page.evaluate('(async () => { globalThis.model = await run.load("/model.onnx") })()')
    return page
  }
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const decodeIn = async (page: Page, bytes: Uint8Array) => {
    const work = `(async () => { const p = await model.decode(new Blob([bytes('${base64(bytes)}')])); return { ...p, data: text(p.data) } })()`
    const { data, ...size } = await page.evaluate<{ data: string; width: number; height: number }>(work)
    return { ...size, data: Buffer.from(data, 'base64') }
  }

  test('pictures are decoded as in training, whatever their orientation, alpha, depth and format', async () => {
    const page = await opened()
    const known = /^(jpeg|png|gif|webp|avif)/
    const wrong: string[] = []
    let count = 0
    for (const { name, bytes, width, height, rgb, off } of goldenPictures) {
      if (!known.test(name)) continue
      const got = await decodeIn(page, bytes)
      count++
      assert.deepEqual([got.width, got.height], [width, height], name)
      const most = got.data.reduce((m, v, i) => Math.max(m, Math.abs(v - rgb[i]!)), 0)
      if (most > Math.max(1, off)) wrong.push(`${name}: differs by ${most}`)
    }
    assert.ok(count > 100, `${count} pictures`)
    assert.deepEqual(wrong, [])
    for (const { name, bytes } of refusedPictures.filter(({ name }) => known.test(name)))
      await assert.rejects(decodeIn(page, bytes), /can not be used/, name)
    await page.close()
  })

  test('colour profiles are left alone, but for that of CMYK', async () => {
    const page = await opened()
    const values = Uint8Array.from(
      { length: 40 * 24 * 3 },
      (_, i) => (20 + 4 * (Math.floor(i / 3) % 40) * ((i % 3) + 1)) % 256,
    )
    const made = () => sharp(values, { raw: { width: 40, height: 24, channels: 3 } })
    const wide = made().withIccProfile('p3')
    await using node = await loadInNode(model, { kind: 'picture' })
    for (const [name, bytes, bound] of [
      ['P3 JPEG', await wide.clone().jpeg({ quality: 95 }).toBuffer(), 1],
      ['P3 PNG', await wide.clone().png().toBuffer(), 0],
      ['P3 WebP', await wide.clone().webp({ lossless: true }).toBuffer(), 0],
      ['CMYK', await made().toColourspace('cmyk').jpeg({ quality: 95 }).toBuffer(), 1],
      // Two programs that apply one profile differ; without it the mean is 23.
      [
        'CMYK with a profile',
        await made().toColourspace('cmyk').withIccProfile('cmyk').jpeg({ quality: 95 }).toBuffer(),
        12,
      ],
    ] as const) {
      const [got, trained] = [await decodeIn(page, bytes), await node.decode(bytes)]
      const mean = got.data.reduce((sum, v, i) => sum + Math.abs(v - trained.data[i]!), 0) / got.data.length
      assert.ok(mean <= bound, `${name}: the mean difference is ${mean} of 255`)
    }
    await page.close()
  })

  test('a Blob, bytes, ImageData, bitmap, canvas, image and pixels get the same answer, and so does Node', async () => {
    const page = await opened()
    const pixels = Uint8Array.from({ length: 40 * 24 * 3 }, (_, i) => (i * 7 + (i % 3) * 40) % 256)
    const png = await sharp(pixels, { raw: { width: 40, height: 24, channels: 3 } })
      .png()
      .toBuffer()
    const scores = await page.evaluate<number[][]>(`(async () => {
      const data = bytes('${base64(png)}')
      const blob = new Blob([data])
      const bitmap = await createImageBitmap(blob)
      const canvas = document.createElement('canvas')
      canvas.width = 40; canvas.height = 24
      const context = canvas.getContext('2d')
      context.drawImage(bitmap, 0, 0)
      const other = new OffscreenCanvas(40, 24)
      other.getContext('2d').drawImage(bitmap, 0, 0)
      const image = new Image()
      image.src = URL.createObjectURL(blob)
      const frame = new VideoFrame(canvas, { timestamp: 0 })
      const raw = await model.decode(blob)
      const found = await model.predict([blob, data, data.buffer, context.getImageData(0, 0, 40, 24), bitmap, canvas, other, image, frame, raw])
      frame.close()
      return found.map(({ scores }) => [...scores])
    })()`)
    await using node = await loadInNode(model, { kind: 'picture' })
    const expected = [...(await node.predict(png)).scores]
    assert.equal(scores.length, 10)
    for (const [i, one] of scores.entries())
      for (const [c, p] of one.entries())
        assert.ok(Math.abs(p - expected[c]!) < (i === 8 ? 0.01 : 1e-6), `input ${i}: ${one}, expected ${expected}`)
    await page.close()
  })

  test('pixels are counted in the header, before a picture is decoded', async () => {
    const page = await opened()
    const big = await page.evaluate<string>(`(async () => {
      const small = await run.load('/model.onnx', { limitPixels: 100 })
      let decoded = 0
      const { createImageBitmap } = globalThis
      globalThis.createImageBitmap = (...all) => (decoded++, createImageBitmap(...all))
      const what = await reason(() => small.predict(bytes('${base64(bomb(50_000, 50_000))}')))
      return what + ' decoded ' + decoded
    })()`)
    assert.match(big, /50000 x 50000 pixels, the limit is 100 .*decoded 0/)
    await page.close()
  })

  test('what is no picture, or can not give its pixels, is refused with what to do', async () => {
    const page = await opened()
    const reason = (input: string) => page.evaluate<string>(`reason(async () => model.predict(${input}))`)
    assert.match(await reason(`'/cat.jpg'`), /fetch it and give/)
    assert.match(await reason('null'), /it is null; expected a Blob/)
    assert.match(await reason('{}'), /it is Object; expected a Blob/)
    assert.match(await reason('new Blob([])'), /it is empty/)
    assert.match(await reason(`new Blob(['<svg/>'])`), /SVG/)
    assert.match(await reason(`document.createElement('video')`), /no frame yet/)
    assert.match(await reason(`Object.assign(new Image(), { src: '/none.png' })`), /none\.png is not loaded/)
    await page.close()
  })
}
