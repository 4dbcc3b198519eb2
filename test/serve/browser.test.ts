import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loopbackHosts } from '../../src/serve/access.ts'
import { createHandler, listen, load } from '../../src/serve/index.ts'
import { browserPath, launch } from '../helpers/chromium.ts'
import { colourModel, modelFolder, picture } from '../helpers/served.ts'

// Skipped if there is no browser. page.test.ts tests the page without one.
if (browserPath)
  test('in a browser: choose pictures, by keyboard too, read answers and errors; nobody else is asked', async () => {
    const files = modelFolder()
    const model = await load(files.write('model.onnx', colourModel()), { threads: 1 })
    const server = await listen(port => createHandler(model, { hosts: loopbackHosts(port), token: 's3cret' }), {
      host: '127.0.0.1',
      port: 0,
      maxConnections: 100,
      timeout: 10,
      maxBytes: 1e6,
    })
    const url = `http://127.0.0.1:${server.port}/`
    const browser = await launch()
    try {
      const page = await browser.newPage({ viewport: { width: 360, height: 800 }, colorScheme: 'dark' })
      const wrong: string[] = []
      page.on('pageerror', error => wrong.push(String(error)))
      page.on('console', m => m.type() === 'error' && !m.text().includes('status of 4') && wrong.push(m.text()))
      page.on('request', r => {
        if (!r.url().startsWith(url) && !/^(data|blob):/.test(r.url())) wrong.push(r.url())
      })
      await page.goto(url)
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'fits a phone')
      assert.match(
        (await page.locator('pre').textContent())!,
        /curl --data-binary @cat\.jpg .*127\.0\.0\.1:\d+\/predict/,
      )
      await page.keyboard.press('Tab')
      assert.equal(await page.evaluate('document.activeElement.type'), 'file', 'the keyboard reaches the file chooser')

      const choose = async (name: string, buffer: Buffer) =>
        page.setInputFiles('input[type=file]', { name, mimeType: 'image/jpeg', buffer })
      await choose('a.jpg', await picture('red'))
      await page.getByText('this server needs a token').first().waitFor()
      await page.fill('#token', 's3cret')
      await choose('b.jpg', await picture('#00ff00'))
      await page.getByRole('heading', { name: '2 green' }).waitFor()
      const rows = await page.locator('#answers li').first().locator('th').allTextContents()
      assert.equal(rows[0], '2 green', 'the likeliest comes first, also where names look like numbers')
      assert.match((await page.locator('#said').textContent())!, /b\.jpg: 2 green/, 'a screen reader hears it')
      await choose('c.jpg', Buffer.from('no picture'))
      await page.getByText('JPEG, PNG, GIF, WebP, AVIF, TIFF are read').first().waitFor()
      assert.deepEqual(wrong, [])
    } finally {
      await browser.close()
      server.close()
      files.remove()
    }
  })
