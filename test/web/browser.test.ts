import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readDecisions } from '../../src/data/labels/decisions.ts'
import { reviewOf, serveReview } from '../../src/web/index.ts'
import { browserPath, launch } from '../helpers/chromium.ts'
import { makeReview } from '../helpers/web.ts'

// Skipped if there is no browser. web/clean.test.ts tests the server without a browser.
if (browserPath)
  test('in a browser: decide, take back, relabel, look closer, end; nobody else is asked', async () => {
    const root = mkdtempSync(join(tmpdir(), 'anneal-browser-'))
    const { dir, clean } = await makeReview(root)
    const served = await serveReview(reviewOf(dir))
    const browser = await launch()
    try {
      const page = await browser.newPage({ viewport: { width: 380, height: 800 } })
      const wrong: string[] = []
      page.on('console', message => message.type() === 'error' && wrong.push(message.text()))
      page.on('pageerror', error => wrong.push(String(error)))
      page.on('request', request => {
        if (!request.url().startsWith(served.url) && !request.url().startsWith('data:')) wrong.push(request.url())
      })
      const said = page.locator('#said')
      const kept = () => readDecisions(clean).map(({ action, label }) => [action, label])
      await page.goto(served.url)
      assert.equal(await said.textContent(), 'Nothing decided yet')
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'fits a phone')

      const first = page.locator('.choice').first()
      await first.getByText('It is shirt').click()
      await said.getByText('1 decided: 0 left out, 1 relabelled, 0 kept').waitFor()
      assert.equal(await first.locator('select').inputValue(), 'shirt')
      await first.getByText('It is shirt').click()
      await said.getByText('1 decided: 0 left out, 0 relabelled, 1 kept').waitFor()
      await first.locator('select').selectOption('t-shirt')
      await said.getByText('1 decided: 0 left out, 1 relabelled, 0 kept').waitFor()
      await page.locator('.choice').nth(1).getByText('Leave out').click()
      await said.getByText('2 decided: 1 left out').waitFor()
      // The same picture is also among the highest losses.
      assert.equal(await page.locator('.picture[data-state=drop]').count(), 2)
      assert.deepEqual(kept(), [
        ['relabel', 'shirt'],
        ['keep', undefined],
        ['relabel', 't-shirt'],
        ['drop', undefined],
      ])

      await page.reload()
      assert.equal(await page.locator('.state').first().textContent(), 'now t-shirt')
      await page.locator('a.zoom').first().click()
      const image = page.locator('dialog img')
      await page.evaluate('document.querySelector("dialog img").decode()')
      assert.equal(await page.evaluate('document.querySelector("dialog img").naturalWidth'), 96)
      assert.equal(await image.getAttribute('alt'), 'train/hat/a.jpg')
      await page.locator('dialog button').click()
      assert.deepEqual(wrong, [])

      await page.locator('#done').click()
      await said.getByText('You can close this page').waitFor()
      await served.ended
      await served.close()
      await page.evaluate('document.body.classList.remove("ended")')
      await page.locator('.choice').nth(1).getByText('Keep').click()
      await said.getByText('Not stored: the server has ended').waitFor()
      assert.equal(kept().length, 4)
    } finally {
      await browser.close()
      await served.close()
      rmSync(root, { recursive: true, force: true })
    }
  })
