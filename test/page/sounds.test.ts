import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { exportSound } from '../../src/export/sound/export-sound.ts'
import { exportSoundPage } from '../../src/export/sound/page.ts'
import { findSoundCard } from '../../src/onnx/index.ts'
import { readAssets } from '../../src/page/assets.ts'
import { writeSingleFile } from '../../src/page/write.ts'
import { loadSoundClassifier } from '../../src/sound/index.ts'
import { savedSound } from '../export/sounds.make.ts'
import { browserPath, launch } from '../helpers/chromium.ts'
import { makers, wav } from '../sound/sound.make.ts'
import { openPage } from './open-page.ts'
import { serveFolder } from './pages.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-page-sounds-'))
const at = (...parts: string[]) => join(folder, ...parts)
const stem = savedSound({ card: { classes: ['a <b> & "c"', 'noise', 'Ton'] } })
const recordings = {
  'short.wav': wav([makers.tone!(1, 0.4, 8000)], { rate: 8000 }),
  'long.wav': wav([makers.noise!(2, 4, 44_100), makers.chirp!(2, 4, 44_100)], { rate: 44_100 }),
}
for (const [name, bytes] of Object.entries(recordings)) writeFileSync(at(name), bytes)
writeFileSync(at('bad.wav'), 'hello')
writeFileSync(at('voice.wav'), wav([makers.chirp!(4, 3, 48_000)], { rate: 48_000 }))
before(async () => {
  await exportSoundPage(stem, { page: at('page'), check: false })
  // Examples come from a run (test/export/quantize-sounds.test.ts); here, one with a label that would break out of a page.
  const { file, card } = await exportSound(stem, { check: false, out: at('m.onnx') })
  const wavs = Object.values(recordings).map(bytes => Buffer.from(bytes).toString('base64'))
  const labels = ['</script><i>Ton</i>', 'noise']
  const examples = wavs.map((own, i) => ({ wav: own, label: labels[i]! }))
  writeSingleFile(at('one.html'), readFileSync(file), card, readAssets('sound'), examples)
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('a folder of four files, or one file; text escaped, no address of others; other files stay', async () => {
  const page = readFileSync(at('page', 'index.html'), 'utf8')
  assert.match(page, /a &lt;b&gt; &amp; &quot;c&quot;/)
  assert.doesNotMatch(page, /<b>/)
  assert.doesNotMatch(page, /https?:\/\//)
  const [, rules] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)!
  assert.match(rules!.replaceAll('&#39;', "'"), /connect-src 'self'; media-src blob:; worker-src 'self' blob:/)
  const model = new Uint8Array(readFileSync(at('page', 'model.onnx')))
  assert.equal(findSoundCard(model, 'model.onnx')!.classes.length, 3)
  const one = readFileSync(at('one.html'), 'utf8')
  assert.match(one, /connect-src &#39;none&#39;/)
  writeFileSync(at('mine.html'), '<h1>mine</h1>')
  await assert.rejects(
    exportSoundPage(stem, { singleFile: at('mine.html'), check: false }),
    /no page that Anneal wrote/,
  )
  await assert.rejects(exportSoundPage(stem, { check: false }), /a page needs one place/)
  await assert.rejects(
    exportSoundPage(stem, { singleFile: at('page.txt'), check: false }),
    /a name that ends in \.html/,
  )
})

/** What stands in the list of a card: name and percent. */
const listed = (page: Page, nth = 0) =>
  page
    .locator('#answers > li')
    .nth(nth)
    .locator('table')
    .evaluate(table =>
      Object.fromEntries(
        [...table.querySelectorAll('tr')].map(row => [
          row.querySelector('th')!.textContent!,
          row.querySelector('td.value')!.textContent!,
        ]),
      ),
    )

async function sameAnswer(page: Page, name: keyof typeof recordings): Promise<void> {
  await page.locator('#file').setInputFiles(at(name))
  await page.locator('#answers > li').filter({ hasText: name }).waitFor()
  const classifier = loadSoundClassifier(stem, { precision: 'float32' })
  const { scores } = await classifier.predict(recordings[name])
  classifier.close()
  const found = await listed(page)
  for (const [c, label] of ['a <b> & "c"', 'noise', 'Ton'].entries()) {
    const said = found[label]!
    assert.ok(
      Math.abs(Number(/[\d.]+/.exec(said)![0]) - 100 * scores[c]!) < 0.06,
      `${name}, ${label}: ${said}, ${scores[c]}`,
    )
  }
}

// Skipped if there is no browser.
if (browserPath) {
  let browser: Browser
  before(async () => {
    // The microphone hears voice.wav, without an end.
    browser = await launch([
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-audio-capture=${at('voice.wav')}`,
    ])
  })
  after(() => browser?.close())

  for (const kind of ['folder', 'single file'] as const)
    test(`a ${kind} in Chromium: files get the trained net's answers, the microphone is heard live and recorded`, async () => {
      const served = kind === 'folder' ? await serveFolder(at('page')) : undefined
      try {
        const { page, wrong } = await openPage(browser, served?.url ?? pathToFileURL(at('one.html')).href)
        await sameAnswer(page, 'short.wav')
        await sameAnswer(page, 'long.wav')
        const long = page.locator('#answers > li').filter({ hasText: 'long.wav' })
        await long.getByText('6 windows').click()
        assert.equal(await long.locator('ol.parts li').count(), 6)
        // The spectrogram has something on it.
        const colours = await page.evaluate<number>(`(() => {
          const canvas = [...document.querySelectorAll('#answers > li')].find(li => li.textContent.includes('long.wav')).querySelector('canvas')
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
          return new Set(Array.from({ length: data.length / 4 }, (_, i) => data.slice(4 * i, 4 * i + 3).join())).size
        })()`)
        assert.ok(colours > 100, `${colours} colours`)
        await long.getByRole('button', { name: 'Where did it listen?' }).click()
        await long.getByText(/^(Most between|No single piece)/).waitFor()

        if (kind === 'single file') {
          await page.getByRole('button', { name: '</script><i>Ton</i>' }).click()
          const example = page.locator('#answers > li').filter({ hasText: 'example 1, labelled </script><i>Ton</i>' })
          await example.locator('table').waitFor()
          const own = (await page
            .locator('#answers > li')
            .filter({ hasText: 'short.wav' })
            .locator('table')
            .textContent())!
          assert.equal(await example.locator('table').textContent(), own, 'as of the file itself')
        } else assert.equal(await page.locator('button.example').count(), 0)

        await page.locator('#file').setInputFiles(at('bad.wav'))
        await page.locator('#said').getByText('bad.wav: Not usable: it is a text file').waitFor()

        await page.getByRole('button', { name: 'Use the microphone' }).click()
        await page.locator('#live-answer tr').first().waitFor()
        assert.equal(await page.locator('#live-answer tr').count(), 3)
        assert.ok((await page.evaluate<number>('document.querySelector("#level").value')) > -40, 'a level')
        await page.locator('#hop').selectOption('0.25')
        await page.locator('#record').click()
        assert.equal(await page.locator('#record').getAttribute('aria-pressed'), 'true')
        await page.waitForTimeout(1500)
        await page.getByRole('button', { name: 'Stop and predict' }).click()
        await page.locator('#answers > li').filter({ hasText: 'microphone 1.wav' }).locator('h3').waitFor()
        await page.getByRole('button', { name: 'Stop the microphone' }).click()
        assert.equal(await page.locator('#live').isHidden(), true)
        assert.equal(await page.evaluate('document.activeElement.id'), 'microphone')
        assert.deepEqual(wrong, [])
        await page.setViewportSize({ width: 360, height: 800 })
        assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'fits a phone')
        if (process.env.ANNEAL_SHOTS) {
          for (const scheme of ['light', 'dark'] as const) {
            await page.setViewportSize({ width: 900, height: 900 })
            await page.emulateMedia({ colorScheme: scheme })
            await page.screenshot({ path: `${process.env.ANNEAL_SHOTS}/${kind}-${scheme}.png`, fullPage: true })
          }
        }
        await page.context().close()
      } finally {
        served?.close()
      }
    })
}
