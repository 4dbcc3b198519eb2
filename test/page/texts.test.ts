import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { recipeFor } from '../../src/api/recipe.ts'
import { exportCommand } from '../../src/cli/export.ts'
import { exportText } from '../../src/export/text/export-text.ts'
import { exportTextPage } from '../../src/export/text/page.ts'
import { findTextCard } from '../../src/onnx/index.ts'
import { readAssets } from '../../src/page/assets.ts'
import { writeSingleFile } from '../../src/page/write.ts'
import { withoutEach } from '../../src/runtime/text/occlusion.ts'
import { texts } from '../../src/text/domain/texts.ts'
import { loadTextClassifier } from '../../src/text/run/predict.ts'
import { savedText } from '../export/texts.make.ts'
import { browserPath, launch } from '../helpers/chromium.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'
import { answerRows, fitsPhone, openPage, printed, shots } from './open-page.ts'
import { serveFolder } from './pages.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-page-texts-'))
const at = (...parts: string[]) => join(folder, ...parts)
after(() => rmSync(folder, { recursive: true, force: true }))

const classes = ['a <b> & "c"', 'good', '최고']
const stem = savedText({ card: { classes } })
const several = savedText({
  card: { classes, task: 'multi', thresholds: [0.2, 0.5, 0.9] },
  seed: 2,
})
const numbers = savedText({
  card: { classes: ['stars'], task: 'regression', scale: { mean: [3], std: [1.5], decimals: [1] } } as never,
  seed: 3,
})
/** Short, of other letters on two lines, and of several windows. */
const given = [
  'good',
  'Überraschend gut – 最高です 🙂\nzwei Zeilen <i>kursiv</i>',
  madeTexts(1, { seed: 5, least: 69, most: 70 })[0]!.text,
]
const examples = [
  { text: 'cafe vu </script><script>alert(1)</script>\nzweite Zeile', label: '<i>good</i>' },
  { text: 'vu', label: 'bad' },
]

before(async () => {
  await exportTextPage(stem, { page: at('page'), check: false })
  // Examples come from a run (below); here, texts that would break out of a page.
  const { file, card } = await exportText(stem, { check: false, out: at('m.onnx') })
  writeSingleFile(at('one.html'), readFileSync(file), card, readAssets('text'), examples)
  for (const [name, model] of Object.entries({ several, numbers }))
    await exportTextPage(model, { singleFile: at(`${name}.html`), check: false })
})

/** The answers of the trained net. */
async function trained(model: string, all: readonly string[]): Promise<Float32Array[]> {
  const classifier = loadTextClassifier(model, { precision: 'float32' })
  const found: Float32Array[] = []
  for await (const { scores } of classifier.predictAll(all.map(text => ({ text, name: text }))))
    found.push(Float32Array.from(scores))
  classifier.close()
  return found
}

test('a folder of four files, or one file; texts escaped, no address of others, no text of the run; other files stay', async () => {
  const page = readFileSync(at('page', 'index.html'), 'utf8')
  assert.match(page, /a &lt;b&gt; &amp; &quot;c&quot;/)
  assert.doesNotMatch(page, /<b>a/)
  assert.doesNotMatch(page, /https?:\/\//)
  assert.match(page, /"examples":\[\]/)
  const [, rules] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)!
  assert.match(rules!.replaceAll('&#39;', "'"), /^default-src 'none'; .*connect-src 'self'; worker-src 'self'; /)
  assert.doesNotMatch(rules!, /unsafe-inline|;unsafe-eval|https?:|\*/)
  const model = new Uint8Array(readFileSync(at('page', 'model.onnx')))
  assert.deepEqual(findTextCard(model, 'model.onnx')!.classes, classes)
  const one = readFileSync(at('one.html'), 'utf8')
  assert.match(one, /connect-src &#39;none&#39;/)
  assert.doesNotMatch(one, /<script>alert|<i>good/)
  writeFileSync(at('mine.html'), '<h1>mine</h1>')
  for (const [place, message] of [
    [{ singleFile: at('mine.html') }, /no page that Anneal wrote/],
    [{}, /a page needs one place/],
    [{ singleFile: at('page.txt') }, /a name that ends in \.html/],
  ] as const)
    await assert.rejects(exportTextPage(stem, { ...place, check: false }), message)
  const { script } = readAssets('text')
  assert.doesNotMatch(script, /spectrogram|libjpeg|usual values, and are not/, 'no runtime of other kinds')
})

test('a run becomes a page by the command: checked, with its sizes, and with texts of it only if asked for', async t => {
  const rows = madeTexts(60).map(({ text, good }) => `"${text}",${good ? 'good' : 'bad'}`)
  writeFileSync(at('reviews.csv'), `review,verdict\n${rows.join('\n')}\n`)
  const run = at('run')
  const model = littleCheckpoint(folder)
  await recipeFor(texts).train(at('reviews.csv'), { text: 'review', target: ['verdict'], model, epochs: 0, out: run })
  const said = printed(t)
  let out = ''
  await exportCommand(run, { singleFile: at('run.html') })
  out = said()
  assert.match(out, /run\.html {2}[\d.]+ MB \(\d+ bytes\)\nweights float32\n\d+ validation texts, from text to answer/)
  assert.match(out, /no text of the run is in it; (--)?examples 8 puts in some.*\nit opens by a double click/)
  const inside = (file: string) =>
    JSON.parse(/id="setup">([^<]*)</.exec(readFileSync(file, 'utf8'))![1]!).examples as {
      text: string
      label: string
    }[]
  assert.deepEqual(inside(at('run.html')), [])
  await exportCommand(run, { page: at('run-page'), examples: 3, check: false, weights: 'int8' })
  out = said()
  assert.match(out, /model\.onnx .*\nweights int8\nnot checked.*\n3 validation texts are in it as examples: everyone/)
  assert.match(out, /put the folder on any web server; to try it here: npx serve/)
  const some = inside(at('run-page', 'index.html'))
  assert.deepEqual(
    some
      .slice(0, 2)
      .map(({ label }) => label)
      .sort(),
    ['bad', 'good'],
    'classes take turns',
  )
  for (const { text, label } of some) assert.ok(rows.includes(`"${text}",${label}`), text)
  for (const [flags, message] of [
    [{ singleFile: at('x.html'), out: 'y.onnx' }, /out: does not go with a page/],
    [{ examples: 3 }, /a page needs one place/],
    [{ singleFile: at('x.html'), net: true }, /net: does not go with a page/],
  ] as const)
    await assert.rejects(exportCommand(run, flags), message)
})

/** Asks for a text, and reads what the table says once the answer is there. */
async function asked(page: Page, text: string): Promise<Record<string, string>> {
  await page.getByRole('button', { name: 'Clear' }).click()
  await page.locator('textarea').fill(text)
  await page.getByRole('button', { name: 'Predict' }).click()
  await page.locator('#answer .card').waitFor()
  return answerRows(page)
}

const near = (said: string, wanted: number, what: string) =>
  assert.ok(Math.abs(Number(/-?[\d.]+/.exec(said)![0]) - wanted) < 0.06, `${what}: ${said}, ${wanted}`)

// Skipped if there is no browser.
if (browserPath) {
  let browser: Browser
  before(async () => {
    browser = await launch()
  })
  after(() => browser?.close())

  for (const kind of ['folder', 'single file'] as const)
    test(`a ${kind} in Chromium: texts get the trained net's answers, and nobody else is asked`, async () => {
      const served = kind === 'folder' ? await serveFolder(at('page')) : undefined
      try {
        const { page, wrong } = await openPage(browser, served?.url ?? pathToFileURL(at('one.html')).href)
        assert.equal(await page.evaluate('document.activeElement.name'), 'text', 'the field has the keyboard')
        const answers = await trained(stem, given)
        for (const [i, text] of given.entries()) {
          const rows = await asked(page, text)
          for (const [c, name] of classes.entries()) near(rows[name]!, 100 * answers[i]![c]!, `text ${i}, ${name}`)
          const best = classes[answers[i]!.indexOf(Math.max(...answers[i]!))]!
          assert.equal(await page.locator('#answer h2').textContent(), best)
          assert.ok((await page.locator('#said').textContent())!.startsWith(`${best}, `), 'a screen reader hears it')
        }
        await page.locator('textarea').fill(' \n')
        await page.locator('textarea').press('Control+Enter')
        await page.getByText('The text is empty; write or paste one.').waitFor()
        assert.equal(await page.locator('#answer').textContent(), '', 'no old answer stays')
        if (kind === 'single file') {
          await page.locator('button.example').first().click()
          await page.getByText('Its label in the data: <i>good</i>').waitFor()
          assert.equal(await page.locator('textarea').inputValue(), examples[0]!.text)
        }
        await shots(page, `text-${kind.split(' ')[0]}`)
        assert.ok(await fitsPhone(page), 'fits a phone')
        assert.deepEqual(wrong, [])
        await page.context().close()
      } finally {
        served?.close()
      }
    })

  test('which words count: each is left out once, and the numbers are those of the trained net', async () => {
    const { page, wrong } = await openPage(browser, pathToFileURL(at('one.html')).href)
    const text = 'believ good, cafe vu!'
    const { parts, texts: without } = withoutEach(text)
    const [whole, ...each] = await trained(stem, [text, ...without])
    await asked(page, text)
    for (const [c, name] of [classes[0]!, classes[2]!].entries()) {
      const button = page.getByRole('button', { name, exact: true })
      await button.focus()
      await page.keyboard.press('Enter')
      assert.equal(await button.getAttribute('aria-pressed'), 'true')
      const of = 2 * c
      const note = page.locator('#answer [aria-live]')
      await note.getByText(`What each word adds to the probability of ${name}: `).waitFor()
      const said = (await note.textContent())!
      for (const [i, part] of parts.entries()) {
        const word = part.replace(/[\s,!]+$/, '')
        const by = 100 * (whole![of]! - each[i]![of]!)
        const found = new RegExp(`“${word}” ([+−])([\\d.]+) points`).exec(said)
        if (Math.abs(by) > 0.06) near(`${found?.[1] === '−' ? '-' : ''}${found?.[2]}`, by, `${name}, ${word}: ${said}`)
      }
      const marks = await page.locator('#answer mark').evaluateAll(all => all.map(mark => mark.className))
      assert.ok(marks.length > 0 && marks.every(kind => kind === 'for' || kind === 'against'), `${marks}`)
      assert.equal(await page.locator('#answer blockquote').textContent(), text)
    }
    await shots(page, 'text-words')
    const last = page.getByRole('button', { name: classes[2]!, exact: true })
    await last.click()
    assert.equal(await page.locator('#answer blockquote').isHidden(), true, 'once more: none is marked')
    await asked(page, 'good')
    await page.getByRole('button', { name: 'good', exact: true }).click()
    await page.getByText('The text has one word alone').waitFor()
    await asked(page, 'good '.repeat(500))
    await page.getByText('Which words count is shown for texts of up to 2,000 letters.').waitFor()
    assert.deepEqual(wrong, [])
    await page.context().close()
  })

  test('several labels with their thresholds, and a number', async () => {
    const labels = await openPage(browser, pathToFileURL(at('several.html')).href)
    const [answer] = await trained(several, [given[1]!])
    const rows = await asked(labels.page, given[1]!)
    for (const [c, name] of classes.entries()) near(rows[name]!, 100 * answer![c]!, name)
    const yes = classes.filter((_, c) => answer![c]! >= [0.2, 0.5, 0.9][c]!)
    const title = (await labels.page.locator('#answer h2').textContent())!
    assert.deepEqual(title.split(', ').sort(), yes.length > 0 ? yes.sort() : ['no label'])
    assert.equal(await labels.page.locator('#answer tr.yes').count(), yes.length)
    await shots(labels.page, 'text-several')
    const number = await openPage(browser, pathToFileURL(at('numbers.html')).href)
    const [stars] = await trained(numbers, [given[0]!])
    await asked(number.page, given[0]!)
    const said = (await number.page.locator('#answer h2').textContent())!
    assert.match(said, /^stars: -?[\d.]+$/)
    near(said, stars![0]!, 'stars')
    assert.deepEqual([...labels.wrong, ...number.wrong], [])
    await labels.page.context().close()
    await number.page.context().close()
  })
}
