import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { recipeFor } from '../../src/api/recipe.ts'
import type { RunEvent } from '../../src/runs/index.ts'
import { openTexts } from '../../src/text/dataset.ts'
import { texts } from '../../src/text/domain/texts.ts'
import { decodeText } from '../../src/text/read/decode.ts'
import { textFiles } from '../../src/text/read/text-files.ts'
import { littleCheckpoint, madeTexts } from '../helpers/texts.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-texts-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const model = littleCheckpoint(folder)
const recipe = recipeFor(texts)

/** Class folders of text files. */
function classFolders(name: string, samples = madeTexts(80)): string {
  const at = join(folder, name)
  for (const c of ['bad', 'good']) mkdirSync(join(at, c), { recursive: true })
  for (const [i, { text, good }] of samples.entries()) writeFileSync(join(at, good ? 'good' : 'bad', `${i}.txt`), text)
  return at
}

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`

/** A table of lines, with the columns in its first. */
function table(name: string, columns: string, rows: readonly string[]): string {
  const at = join(folder, name)
  writeFileSync(at, `${columns}\n${rows.join('\n')}\n`)
  return at
}

const choicesOf = (events: readonly RunEvent[]) =>
  events.flatMap(e => (e.type === 'choice' ? [`${e.what}: ${e.value} (${e.reason})`] : []))

test('class folders: frozen features, then the whole net; the run predicts, evaluates and goes on', async () => {
  const data = classFolders('folders')
  const events: RunEvent[] = []
  const out = join(folder, 'run')
  const result = await recipe.train(data, { model, out, epochs: 2, seed: 3 }, { onEvent: e => events.push(e) })
  assert.deepEqual(result.classes, ['bad', 'good'])
  assert.ok(result.metrics.accuracy! >= 0.9, `accuracy ${result.metrics.accuracy}`)
  const choices = choicesOf(events)
  assert.ok(
    choices.some(line => line.startsWith('layer groups: embeddings | encoder.layer.0 | encoder.layer.1 | head')),
    choices.join('\n'),
  )
  const rates = choices.find(line => line.startsWith('rates: '))!
  assert.match(rates, /the usual rate of fine-tuning BERT/)
  const card = JSON.parse(readFileSync(join(out, 'best.json'), 'utf8'))
  assert.equal(card.domain, 'texts')
  const answers = []
  for await (const p of recipe.predict(out, ['the film cafe good', 'vu the text they'])) answers.push(p)
  assert.deepEqual(
    answers.map(p => (p.task === 'single' ? p.label : '')),
    ['good', 'bad'],
  )
  // The body of a run is a checkpoint for the next one.
  for (const given of [{ weights: out, model: 'auto' }, { model: out }]) {
    const next = join(folder, `next-${'weights' in given}`)
    const found = await recipe.train(data, { ...given, epochs: 0, out: next })
    assert.ok(found.metrics.accuracy! >= 0.9, `accuracy ${found.metrics.accuracy} from the body of a run`)
    assert.equal(found.model, 'little')
  }
  const again = await recipe.evaluate(out, classFolders('held-out', madeTexts(30, { seed: 9 })))
  assert.ok(again.metrics.accuracy! >= 0.9, `accuracy of held-out texts ${again.metrics.accuracy}`)
  assert.equal(again.samples, 30)
})

test('a table of texts: classes, several labels and numbers, by the columns that are named', async () => {
  const samples = madeTexts(60)
  const one = table(
    'reviews.csv',
    'id,review,stars,verdict',
    samples.map(
      ({ text, good }, i) =>
        `${i},${quoted(text)},${good ? 4.5 + (i % 5) / 10 : 1.5 + (i % 5) / 10},${good ? 'good' : 'bad'}`,
    ),
  )
  const index = await texts.index(one, { text: 'review', target: ['verdict'] })
  assert.equal(index.task, 'single')
  assert.equal(index.items.length, 60)
  assert.match(index.items[0]!.file, /reviews\.csv:2$/)
  const found = await texts.index(one, { target: ['verdict'] })
  assert.ok(
    found.choices.some(c => c.what === 'text column' && c.value === 'review'),
    JSON.stringify(found.choices),
  )
  const out = join(folder, 'numbers')
  const result = await recipe.train(one, {
    text: 'review',
    target: ['stars'],
    task: 'regression',
    model,
    out,
    epochs: 0,
  })
  assert.equal(result.task, 'regression')
  assert.ok(result.metrics.r2! > 0.6, JSON.stringify(result.metrics))

  const several = table(
    'tags.csv',
    'sentence,tags',
    samples.map(({ text, good }, i) => `${quoted(text)},${good ? 'warm;long' : i % 3 === 0 ? 'cold' : 'cold;long'}`),
  )
  const multi = await texts.index(several, { text: 'sentence', target: ['tags'], delimiter: ';' })
  assert.equal(multi.task, 'multi')
  assert.deepEqual(multi.classes, ['cold', 'long', 'warm'])
  const flags = table(
    'flags.csv',
    'comment,toxic,rude',
    samples.map(({ text, good }, i) => `${quoted(text)},${good ? 0 : 1},${i % 4 === 0 ? 1 : 0}`),
  )
  const two = await texts.index(flags, { text: 'comment', target: ['toxic', 'rude'] })
  assert.equal(two.task, 'multi')
  assert.deepEqual(two.classes, ['rude', 'toxic'])
  const trained = await recipe.train(flags, {
    text: 'comment',
    target: ['toxic', 'rude'],
    model,
    epochs: 0,
    out: join(folder, 'multi'),
  })
  assert.equal(trained.task, 'multi')
  const tested = await recipe.evaluate(join(folder, 'multi'), flags, { text: 'comment' })
  assert.equal(tested.samples, 60)
})

test('splits, groups and given parts of a table are those of pictures', async () => {
  const rows = madeTexts(40).map(
    ({ text, good }, i) => `${quoted(text)},${good},${['train', 'valid', 'test', 'train'][i % 4]},p${i >> 2}`,
  )
  const at = table('parts.csv', 'text,label,split,patient', rows)
  const parts = await texts.index(at, { text: 'text', target: ['label'] })
  assert.equal(parts.items.filter(i => i.split === 'test').length, 10)
  const grouped = await texts.index(at, { text: 'text', target: ['label'], splitColumn: false, groupColumn: 'patient' })
  const sides = new Map<string, Set<string>>()
  for (const { group, split } of grouped.items) sides.set(group!, (sides.get(group!) ?? new Set()).add(split))
  assert.equal(sides.size, 10)
  for (const [group, side] of sides) assert.equal(side.size, 1, group)
})

test('copies are dropped before the split, whatever their blanks, encodings and accents', async () => {
  const at = join(folder, 'copies')
  for (const c of ['a', 'b']) mkdirSync(join(at, c), { recursive: true })
  for (const [i, { text, good }] of madeTexts(30).entries()) writeFileSync(join(at, good ? 'a' : 'b', `${i}.txt`), text)
  writeFileSync(join(at, 'a', 'one.txt'), 'Das Café war schön\nund warm.')
  writeFileSync(join(at, 'a', 'two.txt'), 'Das Cafe\u0301 war scho\u0308n \r\n und warm.  ')
  writeFileSync(join(at, 'a', 'three.txt'), Buffer.from('Das Café war schön und warm.', 'latin1'))
  writeFileSync(join(at, 'a', 'four.txt'), Buffer.from('\ufeffDas Café war schön und warm.', 'utf16le'))
  writeFileSync(join(at, 'b', 'five.txt'), 'the same film in both')
  writeFileSync(join(at, 'a', 'six.txt'), 'the same  film in both')
  const data = openTexts((await texts.index(at, {})) as never)
  const of = (kind: string) => data.problems.filter(p => p.kind === kind).map(p => p.file)
  assert.deepEqual(of('duplicate'), ['a/one.txt', 'a/three.txt', 'a/two.txt'], JSON.stringify(data.problems))
  assert.deepEqual(of('conflict').sort(), ['a/six.txt', 'b/five.txt'])
  assert.match(data.problems.find(p => p.kind === 'duplicate')!.reason, /the same text is a\/four\.txt/)
  const encodings = data.choices.filter(c => c.what === 'encoding').map(c => c.value)
  assert.deepEqual(encodings.sort(), ['utf-16le', 'windows-1252'])
})

test('encodings are told apart, or named where they can not be', () => {
  const bytes = (...values: number[]) => Buffer.from(values)
  const read = (b: Buffer) => {
    const found = decodeText(b)
    return 'fault' in found ? found.fault : `${found.encoding} ${found.text}`
  }
  assert.equal(read(Buffer.from('naïve – “ü”')), 'utf-8 naïve – “ü”')
  assert.equal(read(Buffer.from('\ufeffmark')), 'utf-8 mark')
  assert.equal(read(Buffer.from('hello world', 'utf16le')), 'utf-16le hello world')
  assert.equal(read(Buffer.from('\ufeffjá', 'utf16le')), 'utf-16le já')
  assert.equal(read(bytes(0xfe, 0xff, 0, 0x68, 0, 0x69)), 'utf-16be hi')
  assert.equal(read(bytes(0x93, 0x48, 0x69, 0x94, 0x20, 0x97, 0x20, 0x61)), 'windows-1252 “Hi” — a')
  assert.equal(read(Buffer.from('Crème brûlée, très bon', 'latin1')), 'windows-1252 Crème brûlée, très bon')
  assert.match(read(bytes(0xfe, 0xff, 0, 0x68, 0)), /odd number of bytes/)
  assert.match(read(bytes(0x82, 0xb1, 0x82, 0xf1, 0x82, 0xc9, 0x82, 0xbf, 0x82, 0xcd)), /it may be .*shift_jis/)
  assert.match(read(bytes(0xc4, 0xe3, 0xba, 0xc3, 0xca, 0xc0, 0xbd, 0xe7)), /it may be gb18030/)
  assert.match(read(bytes(0xf0, 0xd2, 0xc9, 0xd7, 0xc5, 0xd4, 0x20, 0xcd, 0xc9, 0xd2)), /it may be koi8-r/)
  assert.match(read(Buffer.from('\x89PNG\r\n', 'latin1')), /a PNG picture/)
  assert.match(read(bytes(1, 2, 3, 4, 5, 6)), /control characters/)
})

test('files about a folder are not counted as its texts', () => {
  for (const name of [
    'README.txt',
    'license.txt',
    'LICENCE',
    'labels.txt',
    'classes.txt',
    'train.txt',
    'notes.md',
    '1.jpg',
  ])
    assert.equal(textFiles.isNamed(name), false, name)
  for (const name of ['1.txt', 'review 7.TXT', 'mail.eml', 'trains.txt', 'labelled.text'])
    assert.equal(textFiles.isNamed(name), true, name)
})

test('bad input gets a clear word', async () => {
  const columns = 'text,label,score'
  const rows = madeTexts(20).map(({ text, good }, i) => `${quoted(text)},${good},${i}`)
  const at = table('plain.csv', columns, rows)
  const refused = (path: string, options: Parameters<typeof texts.index>[1], message: RegExp) =>
    assert.rejects(async () => openTexts((await texts.index(path, options)) as never), message)
  await refused(
    at,
    { text: 'score', target: ['label'] },
    /column "score".*100 % of its cells are numbers, such as 0; expected texts\. Columns of texts: "text"/s,
  )
  await refused(at, { text: 'txt', target: ['label'] }, /no column "txt".*Did you mean "text"/s)
  await refused(at, { text: 'text', target: ['text'] }, /both name column "text"/)
  await refused(
    at,
    { text: 'text', target: ['label'], labels: 'x.csv' },
    /plain\.csv is a table, and labels names another one/,
  )
  await refused(
    table(
      'empty.csv',
      columns,
      rows.map(() => '"",true,1'),
    ),
    { text: 'text', target: ['label'] },
    /every cell of column "text" is empty/,
  )
  await refused(
    table(
      'one.csv',
      columns,
      rows.map((_, i) => `some text number ${i},same,1`),
    ),
    { text: 'text', target: ['label'] },
    /one label, "same"/,
  )
  const two = table(
    'two.csv',
    'title,body,label',
    madeTexts(20).map(({ text, good }, i) => `the good ${text} ${i},${text} they were,${good}`),
  )
  await refused(
    two,
    { target: ['label'] },
    /several columns of texts: "title", "body"\. Name one: text: "title" or text: "body"/,
  )
  const one = join(folder, 'one-class')
  mkdirSync(join(one, 'good'), { recursive: true })
  writeFileSync(join(one, 'good', '1.txt'), 'good film')
  await refused(one, {}, /has one class, "good".*at least two are needed/)
  const binary = classFolders('binary')
  writeFileSync(join(binary, 'good', 'x.txt'), Buffer.from([1, 2, 0, 3, 4, 0, 0, 9, 200, 7, 0, 1]))
  writeFileSync(join(binary, 'good', 'y.txt'), Buffer.from('PK\x03\x04rest of a docx', 'latin1'))
  writeFileSync(join(binary, 'good', 'z.txt'), '%PDF-1.7\n')
  writeFileSync(join(binary, 'bad', 'e.txt'), '')
  writeFileSync(join(binary, 'bad', 'f.txt'), ' \n\t')
  writeFileSync(
    join(binary, 'bad', 'g.txt'),
    Buffer.from('\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0! \xdd\xf2\xee \xf2\xe5\xea\xf1\xf2', 'latin1'),
  )
  await refused(binary, {}, /6 of the 86 texts .*can not be used/s)
  const data = openTexts((await texts.index(binary, { maxDamaged: 0.2 })) as never)
  const reasons = Object.fromEntries(data.problems.filter(p => p.kind === 'damaged').map(p => [p.file, p.reason]))
  assert.match(reasons['good/x.txt']!, /bytes that are not text \(a zero byte at 2\)/)
  assert.match(reasons['good/y.txt']!, /a zip archive or an office document/)
  assert.match(reasons['good/z.txt']!, /a PDF document/)
  assert.equal(reasons['bad/e.txt'], 'it is empty (0 bytes)')
  assert.equal(reasons['bad/f.txt'], 'it holds no words')
  assert.match(reasons['bad/g.txt']!, /not UTF-8, UTF-16 or Windows-1252; it may be windows-1251.*encoding names it/)
  const asked = openTexts((await texts.index(binary, { maxDamaged: 0.2 })) as never, { encoding: 'windows-1251' })
  assert.ok(
    asked.items.some(i => i.text === 'Привет, мир! Это текст'),
    'windows-1251 as asked',
  )
  assert.throws(() => openTexts({} as never, { encoding: 'klingon' }), /no encoding has this name/)
  assert.ok(!existsSync(join(folder, 'runs')), 'no run was left')
})

test('a run that is stopped goes on to the same weights; the folds of a run share their features', async () => {
  const data = classFolders('resumed', madeTexts(64))
  const options = { model, epochs: 3, seed: 5, folds: 2 }
  const weights = (run: string) =>
    createHash('sha256')
      .update(readFileSync(join(run, 'best.safetensors')))
      .digest('hex')
  const whole = join(folder, 'whole-run')
  const shared: string[] = []
  const hear = (e: RunEvent) => {
    if (e.type === 'line' && e.text.startsWith('features: read')) shared.push(e.text)
  }
  await recipe.train(data, { ...options, out: whole }, { onEvent: hear })
  assert.ok(shared.length > 0, 'no fold read the features of another')
  assert.match(shared[0]!, /an earlier run or fold/)
  const stopped = join(folder, 'stopped-run')
  const stop = new AbortController()
  const train = recipe.train(
    data,
    { ...options, out: stopped },
    {
      signal: stop.signal,
      onEvent: e => {
        if (e.type === 'epoch' && e.phase === 'whole') stop.abort()
      },
    },
  )
  await assert.rejects(train, /stopped/i)
  await recipe.resume(stopped)
  for (const fold of ['fold-1', 'fold-2'])
    assert.equal(weights(join(stopped, fold)), weights(join(whole, fold)), `${fold} has other weights`)
})
