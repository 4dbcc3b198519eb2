import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { exportCommand } from '../../src/cli/export.ts'
import { exportTablePage } from '../../src/export/table/page.ts'
import { findTableCard } from '../../src/onnx/index.ts'
import { readAssets } from '../../src/page/assets.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import { rowPredictor } from '../../src/tabular/run/predict.ts'
import { embedder, otherRows, prepareReviews, reviewRows } from '../export/table-texts.make.ts'
import { prepare, type RawRow, rawRows, savedModel } from '../export/tables.make.ts'
import { browserPath, launch } from '../helpers/chromium.ts'
import { answerRows, fitsPhone, openPage, printed, shots } from './open-page.ts'
import { serveFolder } from './pages.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-page-tables-'))
const at = (...parts: string[]) => join(folder, ...parts)
after(() => rmSync(folder, { recursive: true, force: true }))

const all = rawRows(400)
const given = rawRows(12, 5)
let kinds: string
let cheap: string
let price: string
before(async () => {
  const frame = frameOfRows(all)
  kinds = await savedModel(prepare(frame, 'kind'), 'trees')
  cheap = await savedModel(prepare(frame, 'cheap'), 'realmlp', { card: { positive: 'dear', threshold: 0.3 } })
  const inEuro = all.map(({ price, ...row }) => ({ ...row, price: `${Number(price).toFixed(2)} €` }))
  price = await savedModel(prepare(frameOfRows(inEuro), 'price'), 'trees')
  await exportTablePage(kinds, { page: at('page'), check: false })
  for (const [name, stem] of Object.entries({ kinds, cheap, price }))
    await exportTablePage(stem, { singleFile: at(`${name}.html`), check: false })
})

test('a folder of four files, or one file; words escaped, no address of others, no row of the run; other files stay', async () => {
  const page = readFileSync(at('page', 'index.html'), 'utf8')
  assert.doesNotMatch(page, /https?:\/\//)
  const model = new Uint8Array(readFileSync(at('page', 'model.onnx')))
  const card = findTableCard(model, 'model.onnx')!
  for (const { name } of card.inputs) assert.ok(page.includes(`name="${name}"`), `a field for ${name}`)
  assert.match(page, /<option>town aé<\/option>/)
  assert.match(page, /<span>heat \(-[\d.]+ to [\d.]+\)<\/span>/, 'the range of training behind the name')
  assert.match(page, /<span>born \(\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d\)<\/span>/, 'the range of dates')
  assert.match(page, /In brackets: from the least to the largest value of training/)
  assert.match(page, /Predicts kind: house, hüt &quot;x&quot;, palace\./)
  const [, rules] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)!
  assert.match(rules!.replaceAll('&#39;', "'"), /^default-src 'none'; .*connect-src 'self'; worker-src 'self'; /)
  assert.doesNotMatch(rules!, /unsafe-inline|;unsafe-eval|https?:|\*/)
  assert.match(readFileSync(at('kinds.html'), 'utf8'), /connect-src &#39;none&#39;/)
  writeFileSync(at('mine.html'), '<h1>mine</h1>')
  for (const [place, message] of [
    [{ singleFile: at('mine.html') }, /no page that Anneal wrote/],
    [{}, /a page needs one place/],
  ] as const)
    await assert.rejects(exportTablePage(kinds, { ...place, check: false }), message)
  assert.doesNotMatch(readAssets('table').script, /spectrogram|libjpeg|WordPiece/, 'no runtime of other kinds')
  assert.match(readAssets('table with texts').script, /WordPiece/, 'that of a table with texts holds the tokenizer')
})

test('the command writes it, checked, with its sizes; options of pictures are refused', async t => {
  const said = printed(t)
  let out = ''
  await exportCommand(kinds, { singleFile: at('own.html'), runtimes: ['onnxruntime-web'] })
  out = said()
  assert.match(out, /own\.html {2}[\d.]+ MB \(\d+ bytes\)\nweights float32\n0 validation rows and \d+ made rows/)
  assert.match(out, /no row of the run is in it; .*\nit opens by a double click, without a network/)
  for (const [flags, message] of [
    [{ singleFile: at('x.html'), examples: 2 }, /examples: is an option for models of pictures, texts and sounds/],
    [{ page: at('x'), out: 'y.onnx' }, /out: does not go with a page/],
  ] as const)
    await assert.rejects(exportCommand(kinds, flags), message)
})

const near = (said: string, wanted: number, by: number, what: string) =>
  assert.ok(Math.abs(Number(/-?[\d.]+/.exec(said)![0]) - wanted) < by, `${what}: ${said}, ${wanted}`)

/** Fills in the fields by hand, asks by the keyboard, and reads the table of the answer. */
async function filled(page: Page, row: RawRow, key = 'Enter'): Promise<Record<string, string>> {
  await page.getByRole('button', { name: 'Clear' }).click()
  for (const field of await page.locator('[data-column]').all()) {
    const { tag, name } = await field.evaluate(own => ({ tag: own.tagName, name: own.getAttribute('name')! }))
    const value = String(row[name] ?? '')
    if (tag === 'SELECT') {
      const known = await field.locator('option').allTextContents()
      await field.selectOption(known.includes(value) ? value : '')
    } else await field.fill(value)
  }
  await page.locator('[data-column]').first().press(key)
  await page.locator('#answer .card').waitFor()
  return answerRows(page)
}

const paste = async (page: Page, text: string) => {
  if (!(await page.locator('#pasted').isVisible())) await page.getByText('Paste a row', { exact: true }).click()
  await page.locator('#pasted').fill(text)
  await page.getByRole('button', { name: 'Fill in and predict' }).click()
}

// Skipped if there is no browser.
if (browserPath) {
  let browser: Browser
  before(async () => {
    browser = await launch()
  })
  after(() => browser?.close())

  for (const kind of ['folder', 'single file'] as const)
    test(`a ${kind} in Chromium: rows get the trained model's answers, and nobody else is asked`, async () => {
      const served = kind === 'folder' ? await serveFolder(at('page')) : undefined
      try {
        const { page, wrong } = await openPage(browser, served?.url ?? pathToFileURL(at('kinds.html')).href)
        const answers = await (await rowPredictor(kinds))(given)
        for (const [i, row] of given.slice(0, kind === 'folder' ? 4 : 2).entries()) {
          const rows = await filled(page, row)
          const answer = answers[i]!
          assert.ok(answer.task === 'single', 'classes')
          for (const [name, p] of Object.entries(answer.probabilities))
            near(rows[name]!, 100 * p, 0.06, `row ${i}, ${name}`)
          assert.equal(await page.locator('#answer h2').textContent(), `kind: ${answer.label}`)
          assert.ok(
            (await page.locator('#said').textContent())!.startsWith(`kind: ${answer.label}, `),
            'a screen reader hears it',
          )
        }
        await page.getByRole('button', { name: 'Fill in usual values' }).click()
        await page.keyboard.press('Enter')
        await page.locator('#answer .card').waitFor()
        await page.locator('[name=size]').fill('large')
        await page.keyboard.press('Enter')
        await page.getByText('"size": "large" is not a number').waitFor()
        assert.equal(await page.locator('[name=size]').getAttribute('aria-invalid'), 'true')
        assert.equal(await page.evaluate('document.activeElement.name'), 'size')
        const beside = page.locator('.field', { hasText: 'size' }).locator('small')
        assert.match((await beside.textContent())!, /^"large" is not a number; /, 'the reason stands beside its field')
        assert.equal(await page.locator('#answer').textContent(), '', 'no old answer stays')
        await filled(page, given[0]!)
        assert.equal(await page.locator('.field small').count(), 0, 'and goes with the next answer')
        await shots(page, `table-${kind.split(' ')[0]}`)
        assert.ok(await fitsPhone(page), 'fits a phone')
        assert.deepEqual(wrong, [])
        await page.context().close()
      } finally {
        served?.close()
      }
    })

  test('texts have a field of several lines; the page answers by its own tokenizer and net', async () => {
    const stem = await savedModel(await prepareReviews(reviewRows(120), 'verdict'), 'trees')
    await exportTablePage(stem, { singleFile: at('reviews.html'), embedder, check: false })
    const { page, wrong } = await openPage(browser, pathToFileURL(at('reviews.html')).href)
    const answers = await (await rowPredictor(stem, { embedder }))(otherRows)
    for (const i of [0, 30, 31, 33]) {
      const rows = await filled(page, otherRows[i]!, 'Control+Enter')
      const answer = answers[i]!
      assert.ok(answer.task === 'single', 'classes')
      for (const [name, p] of Object.entries(answer.probabilities))
        near(rows[name]!, 100 * p, 0.06, `row ${i}, ${name}`)
    }
    await paste(page, JSON.stringify({ review: 'cafe\nvu', stars: 1, shop: 'east', note: null }))
    await page.locator('#answer .card').waitFor()
    assert.equal(await page.locator('textarea[name=review]').inputValue(), 'cafe\nvu')
    assert.match(
      readFileSync(at('reviews.html'), 'utf8'),
      /little; its weights are stored as float32; it reads up to 1,016 tokens/,
    )
    await shots(page, 'table-texts')
    assert.ok(await fitsPhone(page), 'fits a phone')
    assert.deepEqual(wrong, [])
    await page.context().close()
  })

  test('a row is pasted as JSON, as CSV of any delimiter, or in the order of the fields; what is odd is said', async () => {
    const { page, wrong } = await openPage(browser, pathToFileURL(at('kinds.html')).href)
    const row = given[0]!
    const [answer] = await (await rowPredictor(kinds))([row])
    assert.ok(answer!.task === 'single', 'classes')
    const best = Object.entries(answer!.probabilities)
    const shown = async (what: string) => {
      await page.locator('#answer .card').waitFor()
      const rows = await answerRows(page)
      for (const [name, p] of best) near(rows[name]!, 100 * p, 0.06, `${what}, ${name}`)
    }
    await paste(page, JSON.stringify(row))
    await shown('JSON')
    const day = {
      ...row,
      sold: String(row.sold).replace('T', ' '),
      born: new Date(`${row.born}T00:00:00Z`).toISOString(),
    }
    await paste(page, JSON.stringify({ rows: [day, given[1]] }))
    await shown('dates written otherwise')
    await page.getByText('The text has 2 rows; the first one is in the form.').waitFor()
    for (const sign of [',', ';', '\t']) {
      const cells = (values: unknown[]) =>
        values
          .map(value => (/["é]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : value))
          .join(sign)
      await paste(page, `${cells(Object.keys(row))}\r\n${cells(Object.values(row))}\r\n`)
      await shown(`CSV with ${JSON.stringify(sign)}`)
    }
    const names = await page.locator('[data-column]').evaluateAll(fields => fields.map(f => f.getAttribute('name')!))
    await paste(page, names.map(name => row[name]).join('\t'))
    await shown('without names')
    await page.getByText('it is read in the order of the fields').waitFor()
    await paste(page, JSON.stringify({ ...row, town: 'Atlantis' }))
    await page.getByText('so the model knows nothing of it: town').waitFor()
    assert.equal(await page.locator('[name=town]').inputValue(), 'Atlantis')
    const { heat: _, ...without } = row
    await paste(page, JSON.stringify(without))
    await page.getByText('The row lacks heat: taken as missing.').waitFor()
    const before = await page.locator('[name=size]').inputValue()
    for (const [text, message] of [
      ['', 'Nothing is pasted.'],
      ['{"size": 1', 'The text begins as JSON, and is none'],
      ['[]', 'The JSON has no row: got an empty list'],
      ['1,2,3', 'The first line names no column of the model.'],
      ['size,heat', 'The CSV has the names of columns, and no row below them.'],
      ['size,heat\n1', 'The row has 1 cells, and the line of names has 2.'],
      ['size,size\n1,2', 'The CSV names the column "size" twice.'],
      [JSON.stringify({ ...row, sizes: 1 }), 'The row has the column "sizes", which the model does not know.'],
      [JSON.stringify({ ...row, heat: 'warm' }), '"heat": "warm" is not a number'],
      [JSON.stringify({ ...row, born: '31.31.2020' }), '"born": "31.31.2020" is not a date'],
    ] as const) {
      await paste(page, text)
      await page.locator('#said.bad', { hasText: message }).waitFor()
      assert.equal(await page.locator('[name=size]').inputValue(), before, 'the form stays as it was')
      assert.equal(await page.locator('#answer').textContent(), '', 'no old answer stays')
    }
    await shots(page, 'table-pasted')
    assert.deepEqual(wrong, [])
    await page.context().close()
  })

  test('two classes with the threshold of the positive one; a number with its unit', async () => {
    const two = await openPage(browser, pathToFileURL(at('cheap.html')).href)
    await two.page.getByText('“dear” is decided from a probability of 0.3 on.').waitFor()
    const [answer] = await (await rowPredictor(cheap))([given[2]!])
    const rows = await filled(two.page, given[2]!)
    assert.ok(answer!.task === 'single', 'classes')
    near(rows.dear!, 100 * answer!.probabilities.dear!, 0.06, 'dear')
    assert.equal(await two.page.locator('#answer h2').textContent(), `cheap: ${answer!.label}`)
    const mark = two.page.locator('#answer tr', { hasText: 'dear' }).locator('.bar b')
    assert.equal(await mark.evaluate(own => (own as unknown as { style: { left: string } }).style.left), '30%')
    const number = await openPage(browser, pathToFileURL(at('price.html')).href)
    const [euro] = await (await rowPredictor(price))([given[2]!])
    assert.ok(euro!.task === 'regression', 'a number')
    await paste(number.page, JSON.stringify(given[2]))
    const title = number.page.locator('#answer h2')
    await title.waitFor()
    assert.match((await title.textContent())!, /^price: -?[\d.]+ €$/)
    near((await title.textContent())!, euro!.values.price!, 0.06, 'price')
    await shots(number.page, 'table-number')
    assert.deepEqual([...two.wrong, ...number.wrong], [])
    await two.page.context().close()
    await number.page.context().close()
  })
}
