import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import type { RunEvent, RunResult } from '../../src/runs/index.ts'
import { type Ended, shape, shapeFolder, small, workspace } from '../helpers/cli.ts'

const work = workspace()
let json: Ended
let plain: Ended
const lines = (text: string) => text.split('\n').slice(0, -1)

before(async () => {
  await shapeFolder(work.path('shapes'))
  await shapeFolder(work.path('parts', 'train'), 12)
  await shapeFolder(work.path('parts', 'validation'), 4)
  // Different pictures, because copies would be leaks.
  for (const [part, from] of [
    ['validation', 12],
    ['test', 16],
  ] as const)
    for (const name of ['circle', 'square', 'triangle']) {
      await shapeFolder(work.path('parts', part), 0, [name])
      for (let n = 0; n < 4; n++) writeFileSync(work.path('parts', part, name, `${n}.png`), await shape(name, from + n))
    }
  json = await work.run(['train', 'shapes', ...small, '--epochs', '2', '--tta', '2', '--out', 'json', '--json'])
  plain = await work.run(['train', 'parts', ...small, '--epochs', '2', '--out', 'plain'])
})
after(() => work.remove())

test('--json: every line of stdout is JSON, and the last one is the result', () => {
  assert.equal(json.code, 0, json.stderr)
  const events = lines(json.stdout).map(line => JSON.parse(line) as RunEvent & Record<string, unknown>)
  const last = events.at(-1)!
  const { run, model, classes, metrics, loss, epochs, seconds, tta } = last as unknown as RunResult
  const accuracy = metrics.accuracy!
  assert.equal(last.type, 'done')
  assert.deepEqual([run, model, classes], ['json', 'squeezenet1_1', ['circle', 'square', 'triangle']])
  assert.ok(accuracy >= 0 && accuracy <= 1 && loss > 0, 'accuracy >= 0 && accuracy <= 1 && loss > 0')
  assert.ok(Number.isInteger(epochs) && epochs >= 3, 'Number.isInteger(epochs) && epochs >= 3')
  const { total, ...phases } = seconds
  assert.deepEqual(Object.keys(phases), ['data', 'head', 'whole', 'report'])
  const sum = Object.values(phases).reduce((a, b) => a + b)
  assert.ok(Math.abs(sum - total!) < 0.5 && total! < json.seconds, `${sum} of ${total}`)
  assert.deepEqual(JSON.parse(readFileSync(work.path('json', 'result.json'), 'utf8')).metrics.accuracy, accuracy)
  const { plain, augmented } = tta!.valid
  assert.deepEqual([tta!.views, tta!.join, plain.accuracy, Object.keys(augmented)], [2, 'mean', accuracy, ['accuracy']])
  assert.equal(json.stderr, '')
})

test('the events say each step: scan, rates, batches, epochs, choices with their reasons', () => {
  const events = lines(json.stdout).map(line => JSON.parse(line) as RunEvent)
  const of = <T extends RunEvent['type']>(type: T) =>
    events.filter(e => e.type === type) as Extract<RunEvent, { type: T }>[]
  assert.deepEqual(
    of('phase').map(e => e.phase),
    ['scan', 'features', 'find', 'head', 'find', 'whole'],
  )
  assert.equal(of('scan').length, 1)
  assert.ok(of('lrFind')[0]!.losses.length > 5, `of('lrFind')[0]!.losses.length > 5`)
  for (const { what, value, reason } of of('choice'))
    assert.ok(what && value && reason, `${what}: ${value} (${reason})`)
  const steps = of('batch').map(e => e.step)
  assert.deepEqual(
    steps,
    steps.map((_, i) => i + 1),
  )
  assert.ok(
    of('batch').every(e => e.lrs.length === (e.phase === 'head' ? 1 : 3)),
    `of('batch').every(e => e.lrs.length === (e.phase === 'head' ? 1 : 3))`,
  )
  assert.ok(
    of('epoch').every(e => Number.isFinite(e.trainLoss) && Number.isFinite(e.validLoss)),
    `of('epoch').every(e => Number.isFinite(e.trainLoss) && Number.isFin…`,
  )
})

test('the run folder holds what it should, and nothing half-written', () => {
  const files = readdirSync(work.path('json')).sort()
  const expected = ['best.json', 'best.safetensors', 'config.json', 'events.jsonl', 'interpret.json', 'last.json']
  expected.push('last.safetensors', 'metrics.csv', 'pictures.json', 'plots', 'report.html', 'result.json')
  assert.deepEqual(files, expected)
  const written = lines(readFileSync(work.path('json', 'events.jsonl'), 'utf8')).map(
    line => JSON.parse(line) as RunEvent,
  )
  assert.equal(written.at(-1)!.type, 'done')
  const epochs = written.filter(e => e.type === 'epoch').length
  assert.equal(lines(readFileSync(work.path('json', 'metrics.csv'), 'utf8')).length, epochs + 1)
})

test('plain output has no escape codes, and says the result and what to do next', () => {
  assert.equal(plain.code, 0, plain.stderr)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  assert.doesNotMatch(plain.stdout + plain.stderr, /[\x00-\x09\x0b-\x1f\x7f]/)
  assert.match(plain.stdout, /60 pictures in 3 classes: 36 train, 12 valid, 12 test/)
  assert.match(plain.stdout, /^valid accuracy [\d.]+ %, loss [\d.]+, after \d+ epochs/m)
  assert.match(plain.stdout, /^test accuracy [\d.]+ %, loss [\d.]+, 12 pictures/m)
  assert.match(plain.stdout, /anneal predict plain PICTURE/)
})

test('the whole phase never ends below the frozen one', () => {
  for (const { stdout } of [plain])
    assert.ok(
      Number(/^valid accuracy ([\d.]+)/m.exec(stdout)![1]) >= Number(/^frozen: accuracy ([\d.]+)/m.exec(stdout)![1]),
      `Number(/^valid accuracy ([\\d.]+)/m.exec(stdout)![1]) >= Number(/^fr…`,
    )
})

test('the same command gives the same weights', async () => {
  const again = await work.run(['train', 'shapes', ...small, '--epochs', '2', '--out', 'again'])
  assert.equal(again.code, 0, again.stderr)
  for (const file of ['best.safetensors', 'last.safetensors', 'interpret.json'])
    assert.ok(readFileSync(work.path('json', file)).equals(readFileSync(work.path('again', file))), file)
})

test('predict: a line a picture, and the accuracy that the run promised', async () => {
  const dir = work.path('parts', 'test')
  const { code, stdout, stderr } = await work.run(['predict', 'plain', dir, '--json'])
  assert.equal(code, 0, stderr)
  const card = JSON.parse(readFileSync(work.path('plain', 'best.json'), 'utf8'))
  assert.match(card.precision, /^(float32|bfloat16)$/) // depends on the machine
  const found = lines(stdout).map(line => JSON.parse(line))
  assert.equal(found.length, 12)
  for (const { file, label, probability, probabilities, ...more } of found) {
    assert.deepEqual(more, { precision: card.precision })
    assert.ok(existsSync(file), 'existsSync(file)')
    assert.deepEqual(Object.keys(probabilities), ['circle', 'square', 'triangle'])
    const values = Object.values(probabilities) as number[]
    assert.ok(
      Math.abs(values.reduce((a, b) => a + b) - 1) < 1e-5,
      'Math.abs(values.reduce((a, b) => a + b) - 1) < 1e-5',
    )
    assert.equal(probability, Math.max(...values))
    assert.equal(probabilities[label], probability)
  }
  const right = found.filter(({ file, label }) => file.split('/').at(-2) === label).length
  const { test } = JSON.parse(readFileSync(work.path('plain', 'result.json'), 'utf8'))
  assert.equal(right / 12, test.metrics.accuracy)
  const one = await work.run(['predict', 'plain/best.json', `${dir}/circle/0.png`, '--top', '3'])
  assert.match(one.stdout, /^\S+0\.png {2}(\w+ [\d.]+ %, ){2}\w+ [\d.]+ %\n$/)
})

test('predict: what can not be read is named, the others are predicted', async () => {
  writeFileSync(work.path('no picture.jpg'), 'hello')
  const mixed = await work.run(['predict', 'plain', 'no picture.jpg', 'shapes/circle/1.png', '--json'])
  assert.equal(mixed.code, 1)
  assert.equal(lines(mixed.stdout).length, 1)
  assert.match(mixed.stderr, /^anneal: no picture\.jpg.*\nanneal: 1 picture of 2 could not be read\n$/)
  cpSync(work.path('shapes/circle/1.png'), work.path('mix/good.png'))
  for (const [name, content] of [['empty.jpg', ''], ['cut.jpg', 'hello'], ['notes.txt', 'hello']] as const) // biome-ignore format: a table
    writeFileSync(work.path(`mix/${name}`), content)
  const folder = await work.run(['predict', 'plain', 'mix'])
  assert.equal(folder.code, 1, 'what claims to be a picture and is none counts')
  assert.equal(lines(folder.stdout).length, 1)
  assert.match(folder.stderr, /^anneal: empty\.jpg: it is empty \(0 bytes\)$/m)
  assert.match(folder.stderr, /^anneal: passed over notes\.txt: it holds text, not a picture$/m)
  assert.match(folder.stderr, /\nanneal: 2 pictures of 3 could not be read\n$/)
  for (const args of [
    ['nope', 'shapes/circle/1.png'],
    ['plain', 'nope.png'],
    ['plain', 'no picture.jpg'],
    ['shapes', 'shapes/circle/1.png'],
    ['plain', 'shapes/circle/1.png', '--top', '0'],
  ]) {
    const { code, stdout, stderr } = await work.run(['predict', ...args])
    assert.deepEqual([code, stdout], [1, ''], args.join(' '))
    assert.match(stderr, /^anneal: .+\n( {2}caused by: .+\n)?$/)
  }
})

test('runs lists them with their results; report draws again', async () => {
  const { code, stdout } = await work.run(['runs', '.', '--json'])
  assert.equal(code, 0)
  const found = lines(stdout).map(line => JSON.parse(line))
  assert.deepEqual(found.map(r => [r.name, r.state]).sort(), [
    ['again', 'done'],
    ['json', 'done'],
    ['plain', 'done'],
  ])
  const table = await work.run(['runs', '.'])
  assert.match(table.stdout, /squeezenet1_1\s+accuracy [\d.]+ %/)
  assert.equal((await work.run(['report', 'json'])).stdout, 'json/report.html\n')
})
