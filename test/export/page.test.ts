import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { exportPage } from '../../src/export/page.ts'
import { load } from '../../src/runtime/node.ts'
import { browserPath, launch, visit } from '../helpers/chromium.ts'
import { workspace } from '../helpers/cli.ts'
import { allMarks, marked, type RunsFolder, runsFolder } from '../helpers/recipe.ts'

let at: RunsFolder
let dir: string
const labels = ['file,labels']
before(async () => {
  at = runsFolder()
  const files: Record<string, Buffer> = {}
  for (let n = 0; n < 24; n++) {
    const mark = allMarks[n % 3]!
    // A secret in the metadata of each file.
    files[`classes/${mark}/${n}.jpg`] = await sharp(await marked(n, [mark], 40 + n))
      .withExif({ IFD0: { Copyright: 'secret-of-the-camera' } })
      .jpeg()
      .toBuffer()
    const names = allMarks.filter((_, i) => (n >> i) & 1)
    files[`multi/${n}.png`] = await marked(100 + n, names)
    labels.push(`${n}.png,${names.join(' ')}`)
  }
  at.put({ ...files, 'multi.csv': labels.join('\n') })
  dir = (await at.train('classes', 'run', { epochs: 1, seed: 3 })).dir
})
after(() => at.remove())

const jpegsOf = (page: string) =>
  [...page.matchAll(/data-labelled="([^"]*)"><img src="data:image\/jpeg;base64,([^"]*)"/g)].map(m => ({
    label: m[1]!,
    jpeg: Buffer.from(m[2]!, 'base64'),
  }))

test('a run becomes a page; no picture of it is in the page unless asked for', async () => {
  const { files, card, examples } = await exportPage(dir, { page: at.path('page') })
  assert.deepEqual(readdirSync(at.path('page')).sort(), [
    'index.html',
    'licences.txt',
    'model.onnx',
    'ort-wasm-simd-threaded.wasm',
    'page.js',
  ])
  assert.equal(examples, 0)
  assert.deepEqual(card.heat, { rows: 1, columns: 1 }, 'the head is linear')
  assert.equal(card.checks?.length, 2, 'the model in the page is checked')
  const page = readFileSync(files[0]!.file, 'utf8')
  assert.equal(jpegsOf(page).length, 0)
  for (const text of [
    'About this model',
    'Accuracy (validation pictures)',
    '95 % interval',
    'BSD-3-Clause',
    'squeezenet1_1',
  ])
    assert.ok(page.includes(text), text)
})

test('examples: of each class in turn, small, without metadata or file names, with the labels of the data', async () => {
  const { examples, part } = await exportPage(dir, { singleFile: at.path('few.html'), check: false, examples: 4 })
  assert.deepEqual([examples, part], [4, 'valid'])
  const page = readFileSync(at.path('few.html'), 'utf8')
  const found = jpegsOf(page)
  assert.equal(found.length, 4)
  assert.deepEqual([...new Set(found.slice(0, 3).map(({ label }) => label))].sort(), [...allMarks].sort())
  for (const { jpeg } of found) {
    const { width, height, exif } = await sharp(jpeg).metadata()
    assert.ok(
      Math.min(width, height) <= 37 && exif === undefined,
      `${width} x ${height}, ${exif?.length} bytes of EXIF`,
    )
  }
  assert.doesNotMatch(page, /secret-of-the-camera|\d+\.jpg/)
  const { dir: many } = await at.train('multi', 'many', { labels: at.path('multi.csv'), task: 'multi', epochs: 1 })
  await exportPage(many, { singleFile: at.path('many.html'), check: false, examples: 3 })
  const multi = readFileSync(at.path('many.html'), 'utf8')
  for (const { label } of jpegsOf(multi))
    assert.ok(label === 'no label' || label.split(', ').every(one => (allMarks as string[]).includes(one)), label)
  assert.match(multi, /Finds which of 3 labels a picture has.*blue \(from \d+\.\d %\)/s)
})

test('the command says what is in the page; nothing goes with it that it can not do', async () => {
  const cli = workspace({ cache: () => process.env.ANNEAL_CACHE })
  try {
    const run = (...args: string[]) => cli.run(['export', ...args])
    const one = await run(dir, '--single-file', cli.path('one.html'), '--no-check')
    assert.equal(one.code, 0, one.stderr)
    assert.match(
      one.stdout,
      /one\.html {2}\d\S* MB .*\n.*not checked.*\nno picture of the run is in it; --examples 8 puts in some/,
    )
    const two = await run(dir, '--page', cli.path('two'), '--examples', '2', '--no-check')
    assert.match(two.stdout, /2 validation pictures are in it as examples: everyone who gets the page sees them/)
    for (const [message, ...args] of [
      [/--net does not go with a page/, dir, '--page', 'x', '--net'],
      [/--out does not go with a page/, dir, '--page', 'x', '--out', 'y.onnx'],
      [
        /a page needs one place: --page DIR, or --single-file FILE\.html/,
        dir,
        '--page',
        'x',
        '--single-file',
        'y.html',
      ],
      [/a page needs one place/, dir, '--examples', '3'],
      [/one\.html: is a file; --page needs a folder/, dir, '--page', cli.path('one.html')],
      [/--single-file: got page, expected a name that ends in \.html/, dir, '--single-file', 'page'],
      [/which model\?/, '--page', 'x'],
    ] as [RegExp, ...string[]][]) {
      const { code, stderr } = await run(...args)
      assert.ok(code !== 0 && message.test(stderr), `${args}: ${stderr}`)
    }
    assert.ok(!existsSync(cli.path('x')) && !existsSync(cli.path('y.html')), 'nothing is written')
  } finally {
    cli.remove()
  }
})

test('what can not be a page is refused before the work, and foreign files stay', async () => {
  mkdirSync(at.path('foreign'))
  writeFileSync(at.path('foreign', 'index.html'), 'mine')
  await assert.rejects(
    exportPage(dir, { page: at.path('foreign') }),
    /index\.html: exists and is no page that Anneal wrote/,
  )
  assert.deepEqual(readdirSync(at.path('foreign')), ['index.html'])
  const four = Array.from({ length: 12 }, async (_, n) => {
    const [width, height] = [40, 40]
    const noise = Uint8Array.from({ length: width * height * 4 }, (_, i) => (i * 31 * (n + 2)) % 251)
    return [
      `four/${n % 2}/${n}.png`,
      await sharp(noise, { raw: { width, height, channels: 4 } })
        .png()
        .toBuffer(),
    ] as const
  })
  at.put(Object.fromEntries(await Promise.all(four)))
  const { dir: kept } = await at.train('four', 'four-run', { epochs: 1, channels: 'keep' })
  await assert.rejects(
    exportPage(kept, { page: at.path('four-page') }),
    /4 channels as they are in files, which a browser does not give/,
  )
  assert.equal(existsSync(at.path('four-page')), false)
})

// Skipped if there is no browser.
if (browserPath)
  test('the page of a run, opened from the disk, answers as the runtime in Node does', async () => {
    await exportPage(dir, { singleFile: at.path('page.html'), check: false, examples: 2 })
    await exportPage(dir, { page: at.path('files'), check: false })
    const node = await load(at.path('files', 'model.onnx'), { kind: 'picture' })
    const browser = await launch()
    try {
      const { page, wrong } = await visit(browser, pathToFileURL(at.path('page.html')).href)
      const paths = readdirSync(at.path('classes', 'red')).map(name => at.path('classes', 'red', name))
      await page.setInputFiles('#file', paths)
      await page.getByText(`${paths.length} pictures: `).waitFor()
      const [download] = await Promise.all([page.waitForEvent('download'), page.click('#csv')])
      const lines = readFileSync(await download.path(), 'utf8')
        .trim()
        .split('\r\n')
        .slice(1)
      for (const [i, path] of paths.entries()) {
        const [, label, probability] = lines[i]!.split(',')
        const expected = await node.predict(path)
        assert.ok(expected.task === 'single' && expected.label === label, `${path}: ${label}`)
        assert.ok(Math.abs(expected.probability - Number(probability)) < 0.02, `${path}: ${probability}`)
      }
      await page.locator('button.example').first().click()
      await page.getByText(/^example 1: (red|green|blue), /).waitFor()
      assert.deepEqual(wrong, [])
    } finally {
      await browser.close()
      await node.dispose()
    }
  })
