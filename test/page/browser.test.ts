import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import sharp from 'sharp'
import type { Card } from '../../src/onnx/index.ts'
import { readAssets } from '../../src/page/assets.ts'
import { writePage, writeSingleFile } from '../../src/page/write.ts'
import { load } from '../../src/runtime/node.ts'
import { browserPath, camera, launch } from '../helpers/chromium.ts'
import { colourModel, picture, testCard } from '../helpers/served.ts'
import { colourMaps, heatCard, serveFolder } from './pages.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-page-'))
const at = (...parts: string[]) => join(folder, ...parts)
const assets = readAssets()
let browser: Browser | undefined
before(async () => {
  if (browserPath) browser = await launch(camera)
})
after(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Opens a page, waits until its model is there, and collects what is wrong: errors, and every request that is not in
 *  `allowed`. */
async function open(
  url: string,
  { allowed = [url], before, ...options }: BrowserContextOptions & { allowed?: string[]; before?: string } = {},
) {
  const context = await browser!.newContext({ viewport: { width: 900, height: 800 }, ...options })
  const page = await context.newPage()
  if (before) await page.addInitScript(before)
  const wrong: string[] = []
  const requests: string[] = []
  page.on('pageerror', error => wrong.push(String(error)))
  page.on('console', m => m.type() === 'error' && wrong.push(m.text()))
  page.on('request', r => {
    if (/^(data|blob):/.test(r.url())) return
    requests.push(r.url())
    if (!allowed.some(start => r.url().startsWith(start))) wrong.push(r.url())
  })
  await page.goto(url)
  await page.locator('#said', { hasText: /Ready|not start|web server/ }).waitFor()
  return { page, wrong, requests, said: () => page.locator('#said').textContent(), close: () => context.close() }
}

const choose = (page: Page, files: Record<string, Buffer>) =>
  page.setInputFiles(
    '#file',
    Object.entries(files).map(([name, buffer]) => ({ name, mimeType: 'image/jpeg', buffer })),
  )

/** The names and the numbers of a card's list. */
const rowsOf = (page: Page, card = 0) =>
  page
    .locator('#answers > li')
    .nth(card)
    .locator('tr')
    .evaluateAll(rows => rows.map(row => [...row.children].map(cell => cell.textContent!.trim())))

/** A page of one file with a model of colours. */
function single(name: string, more: Partial<Card>, examples: { jpeg: string; label: string }[] = []): string {
  const card = heatCard(more)
  writeSingleFile(at(name), colourMaps(card), card, assets, examples)
  return pathToFileURL(at(name)).href
}

// Skipped if there is no browser. write.test.ts tests the pages without one.
if (browserPath) {
  test('from a server: choose, drop, paste, an example; the answers are those of the runtime in Node', async () => {
    const card = heatCard()
    const model = colourMaps(card)
    const jpeg = (await picture('#20e040')).toString('base64')
    writePage(at('dir'), model, card, assets, [{ jpeg, label: '2 green' }])
    writeFileSync(at('dir', 'model.onnx'), model)
    const server = await serveFolder(at('dir'))
    const node = await load(model, { kind: 'picture' })
    const { page, wrong, requests, said, close } = await open(server.url)
    try {
      assert.deepEqual(
        requests.map(url => url.slice(server.url.length).split('?')[0]),
        ['', 'page.js', 'model.onnx', 'ort-wasm-simd-threaded.wasm', 'page.js'],
        'the page, its script for page and worker, model and runtime; nothing else',
      )
      const turned = await sharp({ create: { width: 40, height: 20, channels: 3, background: '#d03010' } })
        .withMetadata({ orientation: 6 })
        .jpeg()
        .toBuffer()
      const clear = await sharp({
        create: { width: 9, height: 9, channels: 4, background: { r: 0, g: 0, b: 255, alpha: 0.5 } },
      })
        .png()
        .toBuffer()
      const given = { 'turned.jpg': turned, 'clear.png': clear, 'web.webp': await picture('#30c0a0', 50, 31, 'webp') }
      await choose(page, given)
      await page.getByText(/^3 pictures: /).waitFor()
      for (const [i, [name, bytes]] of Object.entries(given).reverse().entries()) {
        const expected = await node.predict(bytes)
        const item = page.locator('#answers > li').nth(i)
        assert.match((await item.locator('.file').textContent())!, new RegExp(`^${name} · `))
        const rows = await rowsOf(page, i)
        assert.equal(rows[0]![0], expected.task === 'single' && expected.label, name)
        for (const [label, , shown] of rows) {
          const p = expected.task === 'single' ? expected.probabilities[label!]! : Number.NaN
          const got = Number.parseFloat(shown!.replace('<', '')) / 100
          assert.ok(Math.abs(p - got) < 0.0015, `${name}, ${label}: ${shown}, in Node ${p}`)
        }
      }
      assert.match((await page.locator('#answers > li').nth(2).locator('.file').textContent())!, /20 × 40$/, 'upright')

      const send = (kind: 'drop' | 'paste', name: string, type: string, data: number[]) =>
        page.evaluate(`{
          const transfer = new DataTransfer()
          transfer.items.add(new File([new Uint8Array(${JSON.stringify(data)})], '${name}', { type: '${type}' }))
          const more = { dataTransfer: transfer, clipboardData: transfer, bubbles: true, cancelable: true }
          const event = '${kind}' === 'drop' ? new DragEvent('drop', more) : new ClipboardEvent('paste', more)
          document.body.dispatchEvent(event)
        }`)
      const red = [...(await picture('red'))]
      await send('drop', 'dropped.jpg', 'image/jpeg', red)
      await page.getByText(/^dropped\.jpg: 10 red, /).waitFor()
      await send('paste', 'pasted.jpg', 'image/jpeg', red)
      await page.getByText(/^pasted\.jpg: 10 red, /).waitFor()
      await send('drop', 'notes.txt', 'text/plain', [1])
      await page.getByText('notes.txt is no picture (text/plain).').waitFor()
      await page.evaluate(`{
        const transfer = new DataTransfer()
        transfer.setData('text/uri-list', 'https://example.org/a.jpg')
        document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }))
      }`)
      await page.getByText('That is a link or a text, no picture.').waitFor()
      await page.getByRole('button', { name: 'Example 1 2 green' }).click()
      await page.getByText(/^example 1: 2 green, /).waitFor()
      await page.getByText('Its label in the data: 2 green').waitFor()
      await choose(page, {
        'broken.jpg': Buffer.from(red.slice(0, red.length / 2)),
        'text.jpg': Buffer.from('no picture'),
      })
      await page.getByText('2 pictures. 2 can not be used.').waitFor()
      assert.match((await page.locator('#answers > li .bad').first().textContent())!, /^Not usable: .*no picture/)
      assert.equal(await page.locator('#all tbody tr').count(), 8)

      const [download] = await Promise.all([page.waitForEvent('download'), page.click('#csv')])
      assert.equal(download.suggestedFilename(), 'colours.csv')
      const lines = readFileSync(await download.path(), 'utf8').split('\r\n')
      assert.equal(lines[0], '\ufefffile,label,probability,10 red,2 green,blue,error')
      const [file, label, probability, ...rest] = lines[1]!.split(',')
      const first = await node.predict(turned)
      assert.ok(first.task === 'single' && first.label === label && file === 'turned.jpg', lines[1])
      assert.ok(
        Math.abs(Number(probability) - first.probability) < 1e-3,
        `${probability}, in Node ${first.probability}`,
      )
      assert.equal(rest.length, 4)
      assert.match(lines[8]!, /^text\.jpg,,,,,,.*Not usable/)
      await page.click('#clear')
      assert.equal(await page.locator('#answers > li').count(), 0)
      assert.equal(await said(), 'Cleared.')
      assert.deepEqual(wrong, [])
    } finally {
      await close()
      await node.dispose()
      server.close()
    }
  })

  test('one file from the disk, without a network: the same answer, and not one request', async () => {
    const url = single('one.html', {})
    const { page, wrong, requests, close } = await open(url, { offline: true })
    await choose(page, { 'a.jpg': await picture('blue') })
    await page.getByText(/^a\.jpg: blue, /).waitFor()
    assert.deepEqual(requests, [url])
    assert.deepEqual(wrong, [])
    await close()
    const old = await open(url, { before: 'delete globalThis.Worker; delete Uint8Array.fromBase64' })
    await choose(old.page, { 'a.jpg': await picture('blue') })
    await old.page.getByText(/^a\.jpg: blue, /).waitFor()
    assert.deepEqual(old.wrong, [], 'without workers it computes in the page')
    await old.close()
    const older = await open(url, { before: 'delete globalThis.DecompressionStream' })
    assert.match((await older.said())!, /^The model does not start\. This browser is too old.*Firefox 114/)
    await older.close()
  })

  test('the folder from the disk, a missing model and a half one: what is wrong, and what to do', async () => {
    const card = heatCard()
    const model = colourMaps(card)
    writePage(at('other'), model, card, assets, [])
    const disk = await open(pathToFileURL(at('other', 'index.html')).href)
    assert.match((await disk.said())!, /has to come from a web server.*npx serve.*--single-file/)
    await disk.close()
    const server = await serveFolder(at('other'))
    const missing = await open(server.url)
    assert.match(
      (await missing.said())!,
      /^The model does not start\. model\.onnx can not be fetched: the server answers 404/,
    )
    assert.equal(await missing.page.locator('#said.bad').count(), 1)
    await missing.close()
    writeFileSync(at('other', 'model.onnx'), model.subarray(0, 1000))
    const half = await open(server.url)
    assert.match(
      (await half.said())!,
      new RegExp(`model\\.onnx has 1000 bytes, and this page was written for ${model.length}`),
    )
    await half.close()
    server.close()
  })

  test('a heat map is over the place that speaks for the class, and only while it is asked for', async () => {
    const { page, wrong, close } = await open(single('heat.html', {}))
    const size = { width: 64, height: 64, channels: 3 } as const
    const spot = await sharp({ create: { width: 32, height: 32, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    const red = await sharp({ create: { ...size, background: '#202020' } })
      .composite([{ input: spot, left: 32, top: 0 }])
      .png()
      .toBuffer()
    await choose(page, { 'spot.png': red })
    const name = page.getByRole('button', { name: '10 red' })
    const over = page.locator('.picture canvas').nth(1)
    await name.waitFor()
    assert.equal(await over.isVisible(), false)
    await name.focus()
    await page.keyboard.press('Enter')
    assert.equal(await name.getAttribute('aria-pressed'), 'true')
    const heat = (x: number, y: number): Promise<number> =>
      page.evaluate(
        `document.querySelectorAll('.picture canvas')[1].getContext('2d').getImageData(${x}, ${y}, 1, 1).data[3]`,
      )
    const [topRight, topLeft, bottomRight] = [await heat(52, 12), await heat(8, 12), await heat(52, 56)]
    assert.ok(topRight > 150 && topLeft < 60 && bottomRight < 60, `${[topRight, topLeft, bottomRight]}`)
    await page.getByText('Coloured places speak for 10 red.').waitFor()
    await page.getByRole('button', { name: 'blue' }).click()
    assert.equal(await name.getAttribute('aria-pressed'), 'false')
    assert.ok((await heat(52, 12)) < 20, 'nothing there speaks for blue')
    await page.getByRole('button', { name: 'blue' }).click()
    assert.equal(await over.isVisible(), false)
    assert.deepEqual(wrong, [])
    await close()
  })

  test('a model without maps has no word of them; many pictures can be stopped, and the table holds all', async () => {
    writeSingleFile(at('plain.html'), colourModel(), testCard(), assets, [])
    const { page, wrong, said, close } = await open(pathToFileURL(at('plain.html')).href)
    const red = await picture('red')
    await choose(page, Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${i}.jpg`, red])))
    await page.getByText('30 pictures: 30 10 red.').waitFor()
    assert.equal(await page.locator('#answers > li').count(), 24, 'the last are shown large')
    assert.equal(await page.locator('#all tbody tr').count(), 30)
    assert.equal(await page.locator('button.name').count(), 0)
    assert.doesNotMatch((await page.locator('main').textContent())!, /speak|heat/i)
    await page.click('#clear')
    await choose(page, Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`${i}.jpg`, red])))
    await page.click('#stop-all')
    await page.getByText(/^\d+ pictures?: /).waitFor()
    assert.equal(await page.locator('#stop-all').isVisible(), false)
    const count = Number.parseInt((await said())!, 10)
    assert.ok(count > 0 && count < 400, `${count} of 400`)
    assert.deepEqual(wrong, [])
    await close()
  })

  test('several labels have thresholds, numbers are in their units, and names are only text', async () => {
    const classes = ['</script><script>alert(1)</script>', '__proto__', '<img src=x onerror=alert(1)>']
    const multi = await open(single('multi.html', { task: 'multi', classes, thresholds: [0.5, 0.9999, 0.2] }))
    await choose(multi.page, { '=cmd.jpg': await picture('#ffff00') })
    await multi.page.getByRole('heading', { name: classes[0]! }).waitFor()
    assert.deepEqual(
      (await rowsOf(multi.page)).map(([label, , , yes]) => [label, yes]),
      [
        [classes[0], 'yes'],
        [classes[1], 'no'],
        [classes[2], 'no'],
      ],
    )
    await choose(multi.page, { 'black.jpg': await picture('black') })
    await multi.page.getByText('black.jpg: no label').waitFor()
    await choose(multi.page, { 'a.jpg': await picture('#ffff00'), 'b.jpg': await picture('black') })
    await multi.page.getByText(`2 pictures: 1 ${classes[0]}, 1 no label.`).waitFor()
    const [download] = await Promise.all([multi.page.waitForEvent('download'), multi.page.click('#csv')])
    const lines = readFileSync(await download.path(), 'utf8').split('\r\n')
    assert.equal(lines[0], `\ufefffile,labels,${classes.join(',')},error`)
    assert.ok(lines[1]!.startsWith(`'=cmd.jpg,${classes[0]},`), lines[1])
    assert.deepEqual(multi.wrong, [])
    await multi.close()

    const numbers = await open(single('numbers.html', { task: 'regression', classes: ['age (years)', 'weight', 'b'] }))
    await choose(numbers.page, { 'a.jpg': await picture('#ffffff') })
    await numbers.page.getByText('a.jpg: age (years): 10.2, weight: 10.2, b: 10.2').waitFor()
    assert.deepEqual(await rowsOf(numbers.page), [
      ['age (years)', '10.2'],
      ['weight', '10.2'],
      ['b', '10.2'],
    ])
    assert.deepEqual(numbers.wrong, [])
    await numbers.close()
  })

  test('the camera: live answers, a picture to keep, an end', async () => {
    const { page, wrong, close } = await open(single('camera.html', {}))
    await page.getByRole('button', { name: 'Use the camera' }).click()
    await page.locator('#live-answer h3').waitFor()
    assert.equal(await page.evaluate('document.activeElement.id'), 'stop', 'the keyboard is where the camera ends')
    await page.getByRole('button', { name: 'Keep this picture' }).click()
    await page.locator('#answers > li').first().waitFor()
    assert.match((await page.locator('#answers .file').first().textContent())!, /^camera 1 · \d+ × \d+/)
    await page.getByRole('button', { name: 'Stop the camera' }).click()
    assert.equal(await page.locator('#live').isVisible(), false)
    assert.equal(await page.evaluate('document.activeElement.id'), 'camera')
    assert.deepEqual(wrong, [])
    await close()
  })

  test('by keyboard and screen reader, on a phone, dark and light', async () => {
    const jpeg = (await picture('blue')).toString('base64')
    const url = single('access.html', { classes: ['a'.repeat(90), 'b', 'c'] }, [{ jpeg, label: 'c' }])
    const colours: string[] = []
    for (const colorScheme of ['dark', 'light'] as const) {
      const { page, wrong, close } = await open(url, { viewport: { width: 320, height: 700 }, colorScheme })
      const focused = () => page.evaluate('document.activeElement.id || document.activeElement.className')
      await page.keyboard.press('Tab')
      assert.equal(await focused(), 'file')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Tab')
      assert.equal(await focused(), 'example')
      await page.keyboard.press('Enter')
      await page.getByText(/^example 1: c, /).waitFor()
      await choose(page, { [`${'long'.repeat(40)}.jpg`]: await picture('red') })
      await page.locator('#answers > li').nth(1).waitFor()
      for (const unfold of await page.locator('summary').all()) await unfold.click()
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'fits 320 pixels')
      colours.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
      const nameless = await page.evaluate(`
        [...document.querySelectorAll('button, input, img, canvas:not([aria-hidden]), video, [role], table, progress')]
          .filter(e => {
            const by = document.getElementById(e.getAttribute('aria-labelledby') ?? '')
            const text = e.textContent.trim() || e.alt || e.labels?.[0]?.textContent
            const named = e.getAttribute('aria-label') || by?.textContent || text
            return !named && e.getAttribute('role') !== 'status'
          })
          .map(e => e.outerHTML.slice(0, 100))`)
      assert.deepEqual(nameless, [], 'everything that is shown or used has a name')
      const landmarks = await page.evaluate<string[]>(`
        [...document.querySelectorAll('section, [role=region]')]
          .map(e => e.getAttribute('aria-label') ?? document.getElementById(e.getAttribute('aria-labelledby')).textContent)`)
      assert.equal(new Set(landmarks).size, landmarks.length, `each region has a name of its own: ${landmarks}`)
      const levels = await page.locator('h1, h2, h3').evaluateAll(all => all.map(h => Number(h.tagName[1])))
      assert.ok(levels[0] === 1 && levels.every((level, i) => i === 0 || level <= levels[i - 1]! + 1), `${levels}`)
      assert.equal(await page.locator('#said[role=status]').count(), 1)
      assert.equal(await page.evaluate('document.documentElement.lang'), 'en')
      const small = await page
        .locator('button')
        .evaluateAll(all => all.filter(b => b.clientHeight > 0 && b.clientHeight < 24).map(b => b.textContent))
      assert.deepEqual(small, [], 'buttons are large enough for a finger')
      assert.deepEqual(wrong, [])
      await close()
    }
    assert.notEqual(colours[0], colours[1])
  })
}
