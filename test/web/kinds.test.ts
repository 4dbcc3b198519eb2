// `anneal clean` of runs on texts and on recordings: what the page shows, what its server sends, and the next run.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseHTML } from 'linkedom'
import { recipeFor } from '../../src/api/recipe.ts'
import { rng } from '../../src/base/random.ts'
import { readDecisions } from '../../src/data/labels/decisions.ts'
import { type Interpretation, type RunEvent, runPaths, textThumbnail } from '../../src/runs/index.ts'
import { readSound, sounds } from '../../src/sound/index.ts'
import { speechEmbedding } from '../../src/sound/models/speech-embedding.ts'
import { texts } from '../../src/text/domain/texts.ts'
import { hashOf } from '../../src/text/hash.ts'
import { manualSeed } from '../../src/torch/index.ts'
import { storedTensors } from '../../src/train/saved-model.ts'
import { command, type Review, reviewOf, serveReview, withTexts } from '../../src/web/index.ts'
import { writeSafetensors } from '../../src/weights/index.ts'
import { browserPath, visited } from '../helpers/chromium.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'
import { makers, wav } from '../sound/sound.make.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-clean-kinds-'))
after(() => rmSync(root, { recursive: true, force: true }))

const cell = (text: string) => `"${text.replaceAll('"', '""')}"`
const html = `<img src=x onerror="document.title='hit'"><script>document.title='hit'</script> cafe ${'the film '.repeat(200)}`

/** Serves a review, and gives what is needed to ask it. */
async function served(review: Review) {
  const { url, close } = await serveReview(review)
  const ask = (path: string, headers: Record<string, string> = {}) => fetch(url + path, { headers })
  const decide = async (file: string, action: string, more: object = {}) => {
    const number = review.samples.findIndex(s => s.file === file)
    const { origin } = new URL(url)
    const answer = await fetch(`${url}decide`, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json' },
      body: JSON.stringify({ number, action, ...more }),
    })
    assert.equal(answer.status, 200, await answer.text())
  }
  return { url, close, ask, decide }
}

const leftOut = (events: readonly RunEvent[]) =>
  events.flatMap(e =>
    e.type === 'scan' ? e.problems.flatMap(p => (p.kind === 'cleaned' ? [`${p.file}: ${p.reason}`] : [])) : [],
  )

test('texts of a table are shown as texts, whole on demand; the next run goes on without those that are left out', async () => {
  const data = join(root, 'reviews.csv')
  const made = madeTexts(60).map(({ text, good }) => [text, good ? 'good' : 'bad'])
  made[4]![1] = 'bad' // a wrong label
  made.push(
    [html, 'bad'],
    ['they think the cafe film was very good', 'good'],
    ['they think the cafe film was very good !', 'good'],
  )
  writeFileSync(data, `review,verdict\n${made.map(([text, verdict]) => `${cell(text!)},${verdict}\n`).join('')}`)
  const run = join(root, 'texts')
  const recipe = recipeFor(texts)
  const options = { text: 'review', target: ['verdict'], model: littleCheckpoint(root), epochs: 0, seed: 3 }
  await recipe.train(data, { ...options, out: run })
  // The text with markup is among those to look at, whatever the little net thinks of it.
  const path = runPaths(run).interpret
  const found = JSON.parse(readFileSync(path, 'utf8')) as Interpretation
  const name = 'reviews.csv:62'
  const one = {
    file: name,
    actual: 'bad',
    predicted: 'good',
    loss: 9,
    probability: 1,
    thumbnail: textThumbnail(`${html.slice(0, 1200)} …`),
  }
  writeFileSync(path, JSON.stringify({ ...found, topLosses: [one, ...found.topLosses.filter(p => p.file !== name)] }))

  const review = await withTexts(reviewOf(run))
  assert.equal(review.kind, 'texts')
  assert.match(command(review), / --text review --target verdict /)
  assert.doesNotMatch(command(review), /--size/, 'an option for pictures alone')
  assert.ok(
    review.samples.every(s => s.text),
    'each has its text',
  )
  assert.deepEqual(
    review.sections.map(s => s.kind),
    ['label issue', 'near duplicate', 'top loss'],
  )
  const { url, close, ask, decide } = await served(review)
  const answer = await ask('')
  const markup = await answer.text()
  assert.ok(!/<img src=x|<script>document\.title/.test(markup), 'markup of a text is text')
  const { document } = parseHTML(markup)
  const headings = [...document.querySelectorAll('h2')].map(h => h.textContent)
  assert.deepEqual(headings, [
    'Labels that may be wrong',
    'Texts that are nearly the same',
    'Texts that the model gets most wrong',
  ])
  assert.ok(
    [...document.querySelectorAll('.text')].some(t => t.textContent.startsWith('<img src=x onerror=')),
    'shown as text',
  )
  const words = `${document.querySelector('main')!.textContent} ${document.querySelector('dialog')!.getAttribute('aria-label')}`
  assert.doesNotMatch(words, /picture/i, 'nothing is called a picture')
  const number = review.samples.findIndex(s => s.file === name)
  const whole = await ask(`text/${number}`)
  assert.equal(whole.headers.get('content-type'), 'text/plain; charset=utf-8')
  assert.equal(await whole.text(), html)
  for (const other of [`picture/${number}`, `recording/${number}`, 'text/9999', 'text/-1'])
    assert.equal((await ask(other)).status, 404, other)
  assert.equal((await ask(`text/${number}`, { origin: 'http://evil.example' })).status, 403)

  if (browserPath) {
    const wrong = await visited(url, async page => {
      await page.locator('a.whole').first().click()
      await page.waitForFunction("document.querySelector('dialog .whole').textContent.length > 1500")
      assert.equal(await page.locator('dialog .whole').textContent(), html)
      assert.equal(await page.title(), 'Clean · texts', 'no script of a text ran')
      if (process.env.ANNEAL_SHOTS) await page.screenshot({ path: join(process.env.ANNEAL_SHOTS, 'whole.png') })
      await page.locator('dialog button').click()
      if (process.env.ANNEAL_SHOTS)
        await page.screenshot({ path: join(process.env.ANNEAL_SHOTS, 'texts.png'), fullPage: true })
    })
    assert.deepEqual(wrong, [])
  }

  await decide(name, 'drop', { reason: 'top loss' })
  const other = review.samples.find(s => s.file !== name)!
  const label = other.labels![0] === 'good' ? 'bad' : 'good'
  await decide(other.file, 'relabel', { label: [label] })
  await close()
  const clean = join(run, 'clean.jsonl')
  assert.equal(readDecisions(clean)[0]!.hash, hashOf(html))

  const events: RunEvent[] = []
  await recipe.train(data, { ...options, clean, out: join(root, 'texts-2') }, { onEvent: e => events.push(e) })
  const said = leftOut(events)
  assert.ok(said.includes(`${name}: left out by decision`), said.join('\n'))
  assert.ok(said.includes(`${other.file}: "${label}" by decision, was "${other.labels![0]}"`), said.join('\n'))
  // A row that has become another text is not left out without a word.
  writeFileSync(
    data,
    `review,verdict\n${made
      .slice(1)
      .map(([text, verdict]) => `${cell(text!)},${verdict}\n`)
      .join('')}`,
  )
  await assert.rejects(
    recipe.train(data, { ...options, clean, out: join(root, 'texts-3') }),
    /has changed since the decision|decisions on \d+ texts? that/,
  )
})

test('files of texts are shown whole in their encoding', async () => {
  const data = join(root, 'mails')
  for (const [i, { text, good }] of madeTexts(60).entries()) {
    mkdirSync(join(data, good ? 'good' : 'bad'), { recursive: true })
    writeFileSync(join(data, good ? 'good' : 'bad', `${i}.txt`), Buffer.from(`${text} caf\u00e9`, 'latin1'))
  }
  const run = join(root, 'files')
  await recipeFor(texts).train(data, { model: littleCheckpoint(root), epochs: 0, encoding: 'windows-1252', out: run })
  const review = await withTexts(reviewOf(run))
  const { close, ask, decide } = await served(review)
  assert.match(await (await ask('text/0')).text(), /^[a-z ]+ caf\u00e9$/)
  await decide(review.samples[0]!.file, 'drop')
  await close()
  const events: RunEvent[] = []
  const clean = join(run, 'clean.jsonl')
  const next = { model: littleCheckpoint(root), epochs: 0, encoding: 'windows-1252', clean, out: join(root, 'files-2') }
  await recipeFor(texts).train(data, next, { onEvent: e => events.push(e) })
  assert.deepEqual(leftOut(events), [`${review.samples[0]!.file}: left out by decision`])
})

test('recordings are played, in parts too; copies are found; the next run goes on without those that are left out', async () => {
  const data = join(root, 'recordings')
  const write = (file: string, samples: Float32Array) => {
    mkdirSync(join(data, file, '..'), { recursive: true })
    writeFileSync(join(data, file), wav([samples]))
  }
  for (const name of ['tone', 'noise'])
    for (let n = 0; n < 12; n++) write(`${name}/${n}.wav`, makers[name]!(n, 0.6, 16_000))
  const random = rng(1, 0, 0, 0)
  const own = Float32Array.from({ length: 12_000 }, () => random.uniform(-0.4, 0.4))
  write('noise/own.wav', own)
  write(
    'noise/copy.wav',
    own.map(v => v * 0.5),
  )
  write('tone/<b>wrong.wav', makers.noise!(40, 0.6, 16_000))
  manualSeed(7)
  const weights = join(root, 'body.safetensors')
  writeSafetensors(weights, storedTensors(speechEmbedding().stateDict()))
  const run = join(root, 'sounds')
  const recipe = recipeFor(sounds)
  const options = { weights, model: 'speech-embedding', views: 1, epochs: 0, precision: 'float32' as const }
  await recipe.train(data, { ...options, out: run })
  const review = await withTexts(reviewOf(run))
  const copies = review.sections
    .find(s => s.kind === 'near duplicate')!
    .entries.map(e => e.samples.map(n => review.samples[n]!.file).sort())
  assert.ok(
    copies.some(set => set.includes('noise/copy.wav') && set.includes('noise/own.wav')),
    JSON.stringify(copies),
  )

  const { url, close, ask, decide } = await served(review)
  const answer = await ask('')
  assert.match(answer.headers.get('content-security-policy')!, /media-src 'self'/)
  const markup = await answer.text()
  const { document } = parseHTML(markup)
  assert.ok(document.querySelectorAll('audio').length >= 5, 'players')
  assert.ok(!markup.includes('<b>wrong'), 'a file name is text')
  const number = review.samples.findIndex(s => s.file === 'noise/own.wav')
  const sound = await ask(`recording/${number}`)
  assert.equal(sound.headers.get('content-type'), 'audio/wav')
  const bytes = new Uint8Array(await sound.arrayBuffer())
  const played = await readSound(bytes)
  assert.equal(played.samples.length, own.length)
  const off = Math.max(...own.map((v, i) => Math.abs(v - played.samples[i]!)))
  assert.ok(off < 1e-4, `off by ${off}`)
  const part = await ask(`recording/${number}`, { range: 'bytes=100-199' })
  assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 100-199/${bytes.length}`])
  assert.deepEqual(new Uint8Array(await part.arrayBuffer()), bytes.slice(100, 200))
  for (const range of ['bytes=9999999-', 'bytes=-5', 'bytes=5-2x', 'x'])
    assert.ok([200, 206].includes((await ask(`recording/${number}`, { range })).status), range)
  assert.equal((await ask(`recording/${number}`, { origin: 'http://evil.example' })).status, 403)
  assert.equal((await ask(`recording/${number}`, { 'sec-fetch-site': 'cross-site' })).status, 403)

  if (browserPath) {
    const wrong = await visited(url, async page => {
      const heard = await page.evaluate(
        `(async () => { const a = document.querySelector('audio'); a.muted = true; await a.play(); a.currentTime = 0.3; await new Promise(r => setTimeout(r, 200)); return [a.duration, a.currentTime, a.error] })()`,
      )
      const [duration, at, error] = heard as [number, number, unknown]
      assert.ok(duration > 0.5 && duration < 1 && at >= 0.3 && error === null, JSON.stringify(heard))
      if (process.env.ANNEAL_SHOTS)
        await page.screenshot({ path: join(process.env.ANNEAL_SHOTS, 'sounds.png'), fullPage: true })
    })
    assert.deepEqual(wrong, [])
  }

  await decide('noise/copy.wav', 'drop', { reason: 'near duplicate' })
  await close()
  const events: RunEvent[] = []
  await recipe.train(
    data,
    { ...options, clean: join(run, 'clean.jsonl'), out: join(root, 'sounds-2') },
    { onEvent: e => events.push(e) },
  )
  assert.deepEqual(leftOut(events), ['noise/copy.wav: left out by decision'])
})
