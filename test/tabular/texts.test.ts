import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { evaluateTable, predictTable, rowPredictor, trainTable } from '../../src/api/tables.ts'
import { rng } from '../../src/base/random.ts'
import { exportTable } from '../../src/export/index.ts'
import { encode, fitEncoding } from '../../src/tabular/encode.ts'
import { prepareFrame, prepareTable } from '../../src/tabular/prepare.ts'
import { frameOfRows } from '../../src/tabular/read/rows.ts'
import type { TableCard } from '../../src/tabular/run/card.ts'
import { rowPredictor as ownPredictor } from '../../src/tabular/run/predict.ts'
import { type TextEmbedder, withVectors } from '../../src/tabular/texts/embedder.ts'
import { withAnswers } from '../../src/tabular/texts/linear.ts'
import { workspace } from '../helpers/cli.ts'

const work = workspace()
after(() => work.remove())

const width = 24
/** A net that a program brings: each word adds a vector of its own. */
function bringsWords(digest = 'words 1'): TextEmbedder & { read: string[] } {
  const read: string[] = []
  const ofWord = (word: string) => {
    const random = rng(
      7,
      Array.from(word).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65521, 7),
    )
    return Array.from({ length: width }, () => random.normal(0, 1))
  }
  return {
    name: 'words',
    digest,
    width,
    read,
    async embed(texts) {
      read.push(...texts)
      const out = new Float32Array(texts.length * width)
      for (const [i, text] of texts.entries())
        for (const word of text.split(/\s+/)) for (const [k, v] of ofWord(word).entries()) out[i * width + k]! += v
      return out
    },
  }
}
const brought = bringsWords()
const embedder = async () => brought

const [praise, blame, filler] = [
  ['lovely', 'splendid', 'delicious', 'friendly'],
  ['awful', 'stale', 'rude', 'broken'],
  'the a soup table waiter was we ate there again with some bread and of'.split(' '),
]

/** Reviews whose words tell the verdict; the price does not. */
function makeReviews(path: string, rows = 190, seed = 1): void {
  const lines = ['review,price,verdict']
  for (let i = 0; i < rows; i++) {
    const random = rng(seed, i)
    const good = random.chance(0.5)
    const words = Array.from({ length: 8 }, () => filler[random.integer(filler.length)]!)
    words[random.integer(8)] = (good ? praise : blame)[random.integer(4)]!
    lines.push(`${words.join(' ')} ${i},${(10 + random.normal(0, 3)).toFixed(2)},${good ? 'good' : 'bad'}`)
  }
  writeFileSync(path, `${lines.join('\n')}\n`)
}
const quick = { model: 'realmlp', epochs: 16, members: 1 } as const
const said: string[] = []

before(async () => {
  makeReviews(work.path('reviews.csv'))
  makeReviews(work.path('new.csv'), 100, 2)
  await trainTable(
    work.path('reviews.csv'),
    { target: ['verdict'], ...quick, out: work.path('run') },
    {
      embedder,
      onEvent: event => {
        if (event.type === 'choice') said.push(`${event.what}: ${event.value}`)
      },
    },
  )
})

test('a column of texts is used, and tells what other columns do not', async () => {
  assert.ok(said.includes('column "review": text'), said.join('\n'))
  assert.ok(said.includes('texts of "review": vectors of words'), said.join('\n'))
  assert.match(said.find(line => line.startsWith('"review" alone')) ?? '', /accuracy \d/)
  const { metrics } = await evaluateTable(work.path('run'), work.path('new.csv'), { embedder })
  assert.ok(metrics.accuracy! > 0.78, `accuracy ${metrics.accuracy} with the texts`)
  const without = await trainTable(work.path('reviews.csv'), {
    target: ['verdict'],
    drop: ['review'],
    ...quick,
    out: work.path('without'),
  })
  assert.ok(without.metrics.accuracy! < 0.7, `accuracy ${without.metrics.accuracy} by the price alone`)
})

test('the card holds the texts as numbers: 24 directions or fewer, and what a linear model says', () => {
  const card = JSON.parse(readFileSync(work.path('run', 'best.json'), 'utf8')) as TableCard
  const one = card.encoding.columns.find(({ column }) => column === 'review')
  assert.equal(one?.kind, 'text')
  assert.ok(one?.kind === 'text' && one.components <= width, 'not more directions than the vector has numbers')
  assert.deepEqual(one.linear?.says, ['good'])
  assert.equal(one.net.digest, 'words 1')
})

test('rows one by one get the answers that the table gets; a missing text is answered; each text is read once', async () => {
  const told = await predictTable(work.path('run'), work.path('new.csv'), { embedder })
  const expected = [...told.predictions()]
  const predict = await ownPredictor(work.path('run'), { embedder })
  const rows = readFileSync(work.path('new.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map(line => ({ price: Number(line.split(',')[1]), review: line.split(',')[0]! }))
  const before = brought.read.length
  const answers = await predict([...rows, rows[0]!])
  assert.equal(brought.read.length - before, rows.length, 'equal texts are read once')
  for (const [i, answer] of answers.slice(0, rows.length).entries()) {
    assert.ok(answer.task === 'single' && expected[i]?.task === 'single', 'classes are predicted')
    assert.equal(answer.label, expected[i].label)
    assert.ok(Math.abs(answer.probability - expected[i].probability) < 1e-5, `row ${i}`)
  }
  const [none] = await predict([{ price: 10, review: null }, rows[0]!])
  assert.ok(none?.task === 'single' && none.probability < 0.9, 'without its text a row says little')
})

test('rows of the training table are known again, although vectors differ in their last digits', async () => {
  const shaken: TextEmbedder = {
    ...brought,
    embed: async texts => (await brought.embed(texts)).map(v => v * (1 + 1e-6)),
  }
  const { seen } = await evaluateTable(work.path('run'), work.path('reviews.csv'), { embedder: async () => shaken })
  assert.equal(seen, 152)
  assert.equal((await evaluateTable(work.path('run'), work.path('new.csv'), { embedder })).seen, 0)
})

test('training rows get answers of models that did not see them: on drawn labels they are right half of the time', async () => {
  const rows = Array.from({ length: 120 }, (_, i) => {
    const random = rng(3, i)
    const words = Array.from({ length: 12 }, () => filler[random.integer(filler.length)]!)
    return { note: `${words.join(' ')} ${i}`, y: random.chance(0.5) ? 'a' : 'b' }
  })
  const read = await withVectors(frameOfRows(rows, { as: { note: 'text' } }), ['note'], { embedder })
  const options = { target: 'y', embedder, seed: 1 }
  const prepared = prepareFrame(read, options)
  const { frame, encoding } = await withAnswers(prepared, {
    train: prepared.split.train,
    targets: { ...prepared.target.info, values: prepared.target.values },
    seed: 1,
    tell: () => {},
  })
  const right = (of: typeof frame) => {
    const { numbers, numberNames } = encode(of, encoding, prepared.split.train)
    const at = numberNames.indexOf('note says b')
    assert.ok(at >= 0, numberNames.join())
    const hits = Array.from(prepared.split.train).filter(
      (row, i) => (numbers[i * numberNames.length + at]! > 0 ? 'b' : 'a') === rows[row]!.y,
    )
    return hits.length / prepared.split.train.length
  }
  assert.ok(right(frame) < 0.65, `${right(frame)} of the training rows`)
  assert.ok(right(read) > right(frame), 'the model on all training rows knows them better')
})

test('the directions are those in which the training texts differ most, the largest first, and independent', async () => {
  const rows = Array.from({ length: 300 }, (_, i) => {
    const random = rng(5, i)
    return { note: Array.from({ length: 6 }, () => filler[random.integer(filler.length)]!).join(' '), n: i }
  })
  const frame = await withVectors(frameOfRows(rows, { as: { note: 'text' } }), ['note'], { embedder })
  const all = Int32Array.from({ length: 300 }, (_, i) => i)
  const uses = [{ name: 'note', kind: 'text', used: true, reason: '' }] as const
  const { numbers, numberNames } = encode(frame, fitEncoding(frame, uses, all))
  const w = numberNames.length
  const product = (a: number, b: number) => all.reduce((sum, r) => sum + numbers[r * w + a]! * numbers[r * w + b]!, 0)
  const powers = Array.from({ length: w }, (_, k) => product(k, k))
  assert.deepEqual(
    powers,
    [...powers].sort((a, b) => b - a),
  )
  assert.ok(Math.abs(product(0, 1)) < 1e-3 * powers[0]!, 'two directions are independent')
  const { vectors, values } = frame.columns[0] as Extract<(typeof frame.columns)[number], { type: 'words' }>
  const mean = Array.from({ length: width }, (_, k) =>
    values.codes.reduce((sum, code) => sum + vectors!.values[code * width + k]! / 300, 0),
  )
  const whole = values.codes.reduce(
    (sum, code) => sum + mean.reduce((s, m, k) => s + (vectors!.values[code * width + k]! - m) ** 2, 0),
    0,
  )
  const held = powers.reduce((a, b) => a + b, 0) / whole
  assert.ok(w < width && Math.abs(held - 1) < 1e-3, `${held} of the differences in ${w} directions; none without any`)
})

test('numbers from texts: R² over folds, with the log scale', async () => {
  const rows = Array.from({ length: 200 }, (_, i) => {
    const random = rng(9, i)
    const words = Array.from({ length: 6 }, () => filler[random.integer(filler.length)]!)
    return `${words.join(' ')},${Math.round(100 * Math.exp(words.filter(w => w === 'bread').length))}`
  })
  writeFileSync(work.path('prices.csv'), `note,price\n${rows.join('\n')}\n`)
  const table = await prepareTable(work.path('prices.csv'), {
    target: 'price',
    task: 'regression',
    log: true,
    as: { note: 'text' },
    embedder,
  })
  const line = table.choices.find(({ what }) => what === '"note" alone')
  assert.match(line?.value ?? '', /^R² (0\.[6-9]|1)/)
})

test('folds share the vectors, and each has answers of its own', async () => {
  const before = brought.read.length
  const out = work.path('folds')
  const { metrics } = await trainTable(
    work.path('reviews.csv'),
    { target: ['verdict'], ...quick, folds: 3, out },
    { embedder },
  )
  assert.equal(brought.read.length - before, 190, 'each text is read once')
  assert.ok(metrics.accuracy! > 0.75, `accuracy ${metrics.accuracy} over the folds`)
  const told = await predictTable(out, work.path('new.csv'), { embedder })
  assert.equal(told.rows, 100)
})

test('without a net texts are left out in training, and refused by name in prediction; another net is refused', async () => {
  const table = await prepareTable(work.path('reviews.csv'), { target: 'verdict' })
  const use = table.uses.find(({ name }) => name === 'review')
  assert.equal(use?.used, false)
  const predict = await ownPredictor(work.path('run'))
  await assert.rejects(predict([{ review: 'lovely soup', price: 1 }]), /reads texts in "review", and no net for texts/)
  const other = await ownPredictor(work.path('run'), { embedder: async () => bringsWords('words 2') })
  await assert.rejects(other([{ review: 'lovely soup', price: 1 }]), /read by words \(words 2\).*trained with words/)
  assert.equal(typeof rowPredictor, 'function')
})

test('what can not be: a column of numbers as texts; an ONNX file', async () => {
  await assert.rejects(
    prepareTable(work.path('reviews.csv'), { target: 'verdict', embedder, as: { price: 'text' } }),
    /"price"/,
  )
  await assert.rejects(
    exportTable(work.path('run'), { embedder }),
    /"review" holds texts, which words reads\. It is a net of your own.* drop: \["review"\]/s,
  )
  await assert.rejects(
    exportTable(work.path('run'), {}),
    /the texts of "review" by words \(words 1\), and the net at hand is all-MiniLM-L6-v2/,
  )
})
