import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { decodeFile } from '../../src/vision/decode/decode.ts'
import { runtimeSite } from '../helpers/browser.ts'
import { browserPath } from '../helpers/chromium.ts'
import { colourModel, testCard } from '../helpers/served.ts'

const work = mkdtempSync(join(tmpdir(), 'anneal-pictures-'))
after(() => rmSync(work, { recursive: true, force: true }))
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

/** A picture of smooth waves, with channels that differ. */
const waves = (width: number, height: number, channels: 1 | 2 | 3 | 4) => {
  const data = new Uint8Array(width * height * channels)
  for (let i = 0; i < data.length; i++) {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width)]
    data[i] = 128 + 100 * Math.sin(x / (40 + 20 * c)) * Math.cos(y / (30 + 9 * c))
  }
  return sharp(data, { raw: { width, height, channels } })
}

// Skipped if there is no browser.
if (browserPath) {
  const site = await runtimeSite(colourModel())
  after(() => site.close())
  const keep = (channels: number) => testCard({ input: { ...testCard().input, mode: 'keep', channels } })
  site.files.set('/grey.onnx', { body: colourModel({ card: keep(1), channels: 1 }), type: 'application/octet-stream' })
  site.files.set('/kept.onnx', { body: colourModel({ card: keep(3) }), type: 'application/octet-stream' })

  const opened = async (model = 'model'): Promise<Page> => {
    const page = await site.page()
    await page.evaluate(`(async () => { globalThis.model = await run.load("/${model}.onnx") })()`)
    return page
  }
  const decodeIn = async (page: Page, bytes: Uint8Array) => {
    const { data, ...size } = await page.evaluate<{ data: string; width: number; height: number; channels: number }>(
      `(async () => { const p = await model.decode(bytes('${base64(bytes)}')); return { ...p, data: text(p.data) } })()`,
    )
    return { ...size, data: Buffer.from(data, 'base64') }
  }
  const trainedOn = (bytes: Uint8Array) => {
    writeFileSync(join(work, 'file'), bytes)
    return decodeFile(join(work, 'file'))
  }
  const most = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    let largest = a.length === b.length ? 0 : Number.NaN
    for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!))
    return largest
  }

  test('large pictures are read in strips, without a seam', async () => {
    const page = await opened()
    for (const [width, height, orientation] of [
      [2500, 1900, 6],
      [40, 60_000, 1],
      [9000, 700, 3],
    ] as const) {
      const bytes = await waves(width, height, 3).jpeg({ quality: 90 }).withMetadata({ orientation }).toBuffer()
      const [got, trained] = [await decodeIn(page, bytes), await trainedOn(bytes)]
      assert.deepEqual([got.width, got.height], [trained.width, trained.height])
      const difference = most(got.data, trained.data as Uint8Array)
      assert.ok(difference <= 2, `${width} x ${height}: differs by ${difference}`)
    }
    await page.close()
  })

  test('a model of channels as they are takes files of its channels, and refuses others', async () => {
    const grey = await opened('grey')
    const refused = (page: Page, bytes: Uint8Array) =>
      page.evaluate<string>(`reason(async () => model.decode(bytes('${base64(bytes)}')))`)
    for (const format of ['png', 'jpeg'] as const) {
      const bytes = await waves(30, 20, 1).toColourspace('b-w').toFormat(format).toBuffer()
      const [got, trained] = [await decodeIn(grey, bytes), await trainedOn(bytes)]
      assert.equal(got.channels, 1)
      const first = (trained.data as Uint8Array).filter((_, i) => i % 3 === 0)
      assert.equal(most(got.data, first), 0, format)
    }
    const colour = await waves(30, 20, 3).png().toBuffer()
    assert.match(await refused(grey, colour), /3 channels; the model was trained on 1/)
    assert.match(
      await refused(grey, await waves(30, 20, 3).webp().toBuffer()),
      /3 channels; the model was trained on 1/,
    )
    assert.match(
      await grey.evaluate<string>(`reason(async () => model.predict(new OffscreenCanvas(3, 2)))`),
      /trained on 1 channels as they are in files, which a browser does not give/,
    )
    await grey.close()
    const kept = await opened('kept')
    for (const format of ['png', 'jpeg', 'webp'] as const) {
      const bytes = await waves(30, 20, 3).toFormat(format).toBuffer()
      assert.equal((await decodeIn(kept, bytes)).channels, 3, format)
    }
    assert.match(await refused(kept, await waves(30, 20, 4).png().toBuffer()), /4 channels; the model was trained on 3/)
    assert.match(await refused(kept, await waves(30, 20, 4).webp().toBuffer()), /which a browser does not give/)
    const image = await kept.evaluate<number>(`model.decode(new ImageData(4, 3)).then(p => p.channels)`)
    assert.equal(image, 3, 'ImageData, whose alpha is not a channel of the picture')
    await kept.close()
  })

  test('a video gives its present frame, and a foreign image is refused with what to do', async () => {
    const page = await opened()
    const label = await page.evaluate(`(async () => {
      const canvas = document.createElement('canvas')
      canvas.width = 64; canvas.height = 48
      const context = canvas.getContext('2d')
      const draw = () => { context.fillStyle = '#0000ff'; context.fillRect(0, 0, 64, 48) }
      draw()
      const video = document.createElement('video')
      video.muted = true
      video.srcObject = canvas.captureStream(30)
      const timer = setInterval(draw, 20)
      await video.play()
      while (video.readyState < 2) await new Promise(r => setTimeout(r, 20))
      const { label } = await model.predict(video)
      clearInterval(timer)
      return label
    })()`)
    assert.equal(label, 'blue')
    site.files.set('/red.png', { body: await waves(20, 10, 3).png().toBuffer(), type: 'image/png' })
    const foreign = `http://localhost:${new URL(site.url).port}/red.png`
    const said = await page.evaluate<string>(`(async () => {
      const image = Object.assign(new Image(), { src: '${foreign}' })
      const said = await reason(async () => model.predict(image))
      // What is drawn after it is not locked.
      const own = Object.assign(new Image(), { src: '/red.png' })
      return said + ' then ' + await reason(async () => model.predict(own))
    })()`)
    assert.match(said, /from another origin.*crossorigin="anonymous".* then no error/)
    await page.close()
  })

  test('many pictures at once get the answers of each alone, and an abort ends those that wait', async () => {
    const page = await opened()
    const colours = ['#ff0000', '#00ff00', '#0000ff', '#ff2020', '#20ff20']
    const files = await Promise.all(
      colours.map(background =>
        sharp({ create: { width: 300, height: 200, channels: 3, background } })
          .jpeg()
          .toBuffer(),
      ),
    )
    const found = await page.evaluate<{ labels: string[]; ended: string }>(`(async () => {
      const files = [${files.map(file => `bytes('${base64(file)}')`)}]
      const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => model.predict(files[i % 5])))
      const stop = new AbortController()
      const waiting = reason(() => model.predict(files, { signal: stop.signal }))
      stop.abort(new Error('enough'))
      return { labels: answers.map(({ label }) => label), ended: await waiting }
    })()`)
    const expected = ['10 red', '2 green', 'blue', '10 red', '2 green']
    assert.deepEqual(
      found.labels,
      Array.from({ length: 40 }, (_, i) => expected[i % 5]),
    )
    assert.match(found.ended, /enough/)
    await page.close()
  })
}
