import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp'
import { writeReport } from '../../src/report/index.ts'
import { openRun } from '../../src/runs/index.ts'
import { assertSelfContained, picture, report, root } from '../helpers/read-report.ts'

const red = (await picture(6)).toString('base64')

test('a finished run: what a reader wants is there, first of all the accuracy', async () => {
  const classes = ['hat', 'shirt', 't-shirt', 'shoes']
  const { document, text, tiles, markup, plots, dir } = await report({
    classes,
    thumbnails: () => red,
    warnings: ['look out'],
  })
  assertSelfContained(document, markup)
  const { metrics, test: tested } = JSON.parse(readFileSync(join(dir, 'result.json'), 'utf8'))
  assert.match(
    tiles[0]!,
    new RegExp(`^Test accuracy${(100 * tested.metrics.accuracy).toFixed(1)} %of ${tested.samples} pictures`),
  )
  assert.match(tiles[1]!, new RegExp(`^Validation accuracy${(100 * metrics.accuracy).toFixed(1)} %`))
  assert.deepEqual([tiles[2], tiles[3]], ['Time3:259 epochs', 'Modeltf_efficientnet_lite0at 224 px'])
  assert.ok(text.includes(`anneal predict ${dir} FILE`), 'the command to predict')
  assert.ok(!text.includes('--resume'), `!text.includes('--resume')`)
  const charts = [
    'accuracy',
    'confusion-test',
    'confusion-validation',
    'losses',
    'rate-finder',
    'rate-finder-2',
    'schedule',
    'time',
  ]
  assert.deepEqual(plots, charts.flatMap(name => [`${name}.png`, `${name}.svg`]).sort())
  assert.equal(document.querySelectorAll('svg').length, charts.length)
  assert.equal(document.querySelectorAll('img').length, 36)
  for (const image of document.querySelectorAll('img'))
    assert.ok(image.getAttribute('alt'), `image.getAttribute('alt')`)
  for (const said of [
    'look out',
    'ends after 3,021 bytes of 18,220',
    'the same picture is in valid/shirt/b.jpg',
    'the net has more to learn',
    'libtorch',
    '2.15.0',
    'bnFreeze',
    'Sapphire Rapids',
    'pretrained weights from the cache',
    'Precision',
    'Share of class',
  ])
    assert.ok(text.includes(said), said)
})

test('charts: well-formed files that stand alone, and words for those who see none', async () => {
  const { document, dir, plots } = await report({ classes: ['a & b', '<c>', 'd"e'] })
  for (const name of plots) {
    const file = join(dir, 'plots', name)
    const { width, height, format } = await sharp(file).metadata() // an XML error throws here
    assert.ok(width > 300 && height > 60, `${name}: ${width} × ${height}`)
    if (format !== 'svg') continue
    const source = readFileSync(file, 'utf8')
    assert.match(source, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)
    assert.doesNotMatch(source, /var\(|<style|NaN|undefined|Infinity/, name)
  }
  for (const svg of document.querySelectorAll('svg')) {
    assert.equal(svg.getAttribute('role'), 'img')
    assert.ok(svg.getAttribute('aria-label')!.length > 30, `svg.getAttribute('aria-label')!.length > 30`)
    assert.doesNotMatch(svg.outerHTML, /NaN|undefined|Infinity/)
    assert.doesNotMatch(
      svg.outerHTML.replace(/var\(--[\w-]+, #[0-9a-f]{6}\)/g, ''),
      /#[0-9a-f]{3,6}"/,
      'a fixed colour',
    )
  }
  const losses = document.querySelector('svg[aria-label^="Training and validation loss"]')!
  assert.match(losses.getAttribute('aria-label')!, /Phases: head in steps 1 to 120, whole in steps 121 to 360/)
})

test('names are text, whatever they hold', async () => {
  const attack = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
  const classes = [
    attack,
    "o'neill & sons",
    'عربي',
    'a\u202eb\u0000c\nd',
    '</style></svg></title>',
    'var(--hue1, #000000)',
  ]
  const thumbnails = () => '"onload="alert(1)'
  const { document, markup, text } = await report({
    classes,
    data: `/data/${attack}`,
    model: attack,
    thumbnails,
    warnings: [attack],
  })
  assertSelfContained(document, markup)
  assert.ok(text.includes(attack), 'text.includes(attack)')
  assert.ok(text.includes("o'neill & sons"), `text.includes("o'neill & sons")`)
  assert.equal(document.querySelectorAll('script').length, 0)
  assert.equal(document.querySelectorAll('img').length, 0)
  assert.doesNotMatch(markup, /[^\P{Cc}\n]|\u202e/u)
})

test('where the hardest pictures are told right, none is said to be wrong; without a command none is shown', async () => {
  const judged = { file: 'a.jpg', actual: 'cat', predicted: 'cat', loss: 0.1, probability: 0.9, thumbnail: red }
  const { text } = await report({ classes: ['cat', 'dog'], interpret: { topLosses: [judged] } }, dir => {
    const path = join(dir, 'config.json')
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), command: [] }))
  })
  assert.match(text, /Highest loss ?All of these are predicted correctly/)
  assert.doesNotMatch(text, /surest and wrong|This run ?command/)
  const wrong = await report({ classes: ['cat', 'dog'], interpret: { topLosses: [{ ...judged, predicted: 'dog' }] } })
  assert.match(wrong.text, /Highest loss ?The model was most certain here, and wrong/)
  assert.match(wrong.text, /This run ?command ?train/)
})

test('two classes and one epoch; a hundred and twenty classes have no matrix, but its largest entries', async () => {
  const two = await report({ classes: ['cat', 'dog'], head: 1, whole: 0, steps: 1, test: false })
  assert.ok(
    two.plots.includes('confusion-validation.svg') && two.plots.includes('schedule.svg'),
    `two.plots.includes('confusion-validation.svg') && two.plots.include…`,
  )
  assert.ok(!two.text.includes('Test accuracy'), `!two.text.includes('Test accuracy')`)
  const many = await report({ classes: Array.from({ length: 120 }, (_, i) => `breed ${i}`), factor: 10 })
  assert.ok(
    !many.plots.some(name => name.startsWith('confusion')),
    `!many.plots.some(name => name.startsWith('confusion'))`,
  )
  assert.ok(
    many.text.includes('A matrix of 120 classes is too large to read'),
    `many.text.includes("A matrix of 120 classes is too large to read")`,
  )
  assert.ok(many.text.includes('breed 119'), `many.text.includes('breed 119')`)
  assert.ok(many.text.includes('Logarithmic scale'), `many.text.includes('Logarithmic scale')`)
})

test('a run that has the matrix as rows, as the first ones do, has the same report', async () => {
  const classes = ['hat', 'shirt', 'shoes']
  const confusion = [
    [7, 0, 3],
    [1, 9, 0],
    [0, 0, 0],
  ]
  const cells = confusion.flatMap((row, actual) =>
    row.flatMap((count, predicted) => (count > 0 ? [{ actual, predicted, count }] : [])),
  )
  const of = (confusion: typeof cells) => report({ classes, interpret: { confusion } })
  const [older, now] = [await of(confusion as unknown as typeof cells), await of(cells)]
  const matrix = ({ dir }: typeof now) => readFileSync(join(dir, 'plots', 'confusion-validation.svg'), 'utf8')
  assert.equal(matrix(older), matrix(now))
  const results = ({ document }: typeof now) => document.querySelector('#results')!.textContent
  assert.equal(results(older), results(now))
  assert.match(results(now), /hat ?shoes ?3 ?30\.0 %/)
})

test('a matrix of fifty classes keeps its size', async () => {
  const { document, dir } = await report({ classes: Array.from({ length: 50 }, (_, i) => `class ${i}`), test: false })
  assert.ok(document.querySelector('.large svg'), `document.querySelector('.large svg')`)
  const { width } = await sharp(join(dir, 'plots', 'confusion-validation.svg')).metadata()
  assert.ok(width >= 50 * 16, `width >= 50 * 16, got ${width}`)
})

test('losses that are no numbers break the line, and are counted', async () => {
  const { document, text } = await report({ nan: true })
  assert.match(text, /21 steps had no finite loss/)
  for (const path of document.querySelectorAll('svg path')) assert.doesNotMatch(path.getAttribute('d') ?? '', /NaN/)
})

test('a run that ended early shows what there is, why it ended, and how to go on', async () => {
  const stopped = await report({ end: { after: 4, how: 'stopped' } })
  assert.match(stopped.text, /This run stopped early, after 4 epochs.*Ctrl-C.*anneal train --resume/)
  assert.match(stopped.text, /Validation accuracy\d/)
  assert.ok(
    stopped.plots.includes('losses.svg') && stopped.plots.includes('time.svg'),
    `stopped.plots.includes('losses.svg') && stopped.plots.includes('tim…`,
  )
  const failed = await report({ end: { after: 1, how: 'failed' } })
  assert.match(failed.text, /This run failed after 1 epoch.*no space left on the disk <i>/)
  const killed = await report({ head: 0, whole: 0, end: { after: 0, how: 'killed' } })
  assert.match(killed.text, /before the end of the first epoch/)
  assert.ok(!killed.text.includes('anneal predict'), 'there are no weights to predict with')
})

test('a report of a run that this process still holds', async () => {
  const dir = join(root, 'held')
  const run = openRun(dir, 'create')
  run.append({ type: 'batch', phase: 'head', step: 1, epoch: 1, loss: 2, smooth: 2, lrs: [0.1] })
  run.append({
    type: 'epoch',
    phase: 'head',
    epoch: 1,
    step: 1,
    trainLoss: 2,
    validLoss: 1,
    metrics: {},
    seconds: 1,
    lrs: [0.1],
    best: true,
  })
  await writeReport(dir)
  assert.match(readFileSync(join(dir, 'report.html'), 'utf8'), /has not ended yet/)
  run.append({ type: 'stopped', reason: 'the time given is used', step: 1 })
  await writeReport(dir)
  run.close()
  assert.match(readFileSync(join(dir, 'report.html'), 'utf8'), /the time given is used/)
  assert.ok(!existsSync(join(dir, 'plots', 'accuracy.svg')), `!existsSync(join(dir, 'plots', 'accuracy.svg'))`)
})

test('damaged files cost their part of the page and are named', async () => {
  const halves = await report({}, dir => {
    writeFileSync(
      join(dir, 'interpret.json'),
      '{"classes": ["hat"], "confusion": [[1, 2]], "topLosses": [null, {}], "perClass": 3}',
    )
    appendFileSync(join(dir, 'events.jsonl'), '{"type":"nonsense"}\nhalf a li')
    writeFileSync(join(dir, 'config.json'), '{')
  })
  assert.match(halves.text, /config\.json is not valid JSON/)
  assert.match(halves.text, /1 lines? that can't be read/)
  assert.ok(
    !halves.plots.some(name => name.startsWith('confusion')),
    `!halves.plots.some(name => name.startsWith('confusion'))`,
  )
  assert.ok(halves.plots.includes('losses.svg'), `halves.plots.includes('losses.svg')`)
  await assert.rejects(writeReport(join(root, 'nowhere')), /holds no run/)
})

test('pictures in files of the run folder are taken in, large ones shrunk; none from outside', async () => {
  const noise = new Uint8Array(600 * 600 * 3).map((_, i) => (i * 7919) % 251)
  const large = await sharp(noise, { raw: { width: 600, height: 600, channels: 3 } })
    .png()
    .toBuffer()
  writeFileSync(join(root, 'outside.jpg'), await picture(1))
  const names = [
    'thumbs/one.jpg',
    'thumbs/large.png',
    '../outside.jpg',
    'thumbs/gone.jpg',
    join(root, 'outside.jpg'),
    'events.jsonl',
  ]
  const small = await picture(2)
  const { document } = await report({ thumbnails: i => names[i % 100]!, pictures: 6 }, dir => {
    mkdirSync(join(dir, 'thumbs'))
    writeFileSync(join(dir, 'thumbs/one.jpg'), small)
    writeFileSync(join(dir, 'thumbs/large.png'), large)
  })
  const [shown] = document.querySelectorAll('ul.pictures')
  const images = [...shown!.querySelectorAll('img')].map(image => image.getAttribute('src')!)
  assert.equal(images.length, 2)
  assert.equal(shown!.querySelectorAll('.gone').length, 4)
  assert.equal(images[0], `data:image/jpeg;base64,${small.toString('base64')}`)
  const { width, format } = await sharp(Buffer.from(images[1]!.split(',')[1]!, 'base64')).metadata()
  assert.deepEqual([width, format], [224, 'jpeg'])
})
