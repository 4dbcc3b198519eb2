import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  divided,
  draw,
  fewOfEach,
  limited,
  type PictureSet,
  partsOf,
  readSet,
  type Sample,
  writeSet,
} from '../../bench/accuracy/data.ts'
import { chosenIn, keyOf, predicted, programsOf } from '../../bench/accuracy/programs.ts'
import { type Predicted, scorer, scores } from '../../bench/accuracy/scores.ts'
import { fft, logMel, readWav } from '../../bench/accuracy/spectrogram.ts'
import { meanOf, middle, ranks, resampled, tInterval } from '../../bench/accuracy/statistics.ts'
import { asText, type Row, summarise } from '../../bench/accuracy/summary.ts'
import { pictureFolder } from '../../bench/pictures.ts'

const work = mkdtempSync(join(tmpdir(), 'anneal-accuracy-test-'))
after(() => rmSync(work, { recursive: true, force: true }))
const near = (a: number, b: number, within = 1e-9) => assert.ok(Math.abs(a - b) <= within, `${a} is not ${b}`)

const set = (counts: readonly number[]): PictureSet => ({
  name: 'made',
  task: 'single',
  names: counts.map((_, c) => `class ${c}`),
  samples: counts.flatMap((n, c) =>
    Array.from({ length: n }, (_, i): Sample => ({ file: `/made/${c}/${i}`, labels: [c], split: 'train' })),
  ),
  drawn: { valid: true, test: true },
})
const filesOf = ({ samples }: PictureSet, part: string) =>
  samples.filter(({ split }) => split === part).map(({ file }) => file)

test('an undivided set gets parts by class, anew for each seed and the same for one seed', () => {
  const whole = set([40, 20, 10])
  const [one, again, two] = [divided(whole, 1), divided(whole, 1), divided(whole, 2)]
  assert.deepEqual(partsOf(one), [39, 10, 21])
  assert.deepEqual(one, again)
  for (const part of ['valid', 'test']) assert.notDeepEqual(filesOf(one, part), filesOf(two, part), part)
  for (const [label, n] of [40, 20, 10].entries())
    assert.equal(filesOf(one, 'test').filter(file => file.startsWith(`/made/${label}/`)).length, 0.3 * n, `${label}`)
  const all = ['train', 'valid', 'test'].flatMap(part => filesOf(one, part))
  assert.equal(new Set(all).size, 70, 'each picture is in one part')
})

test('parts that a set gives stay as they are', () => {
  const given = set([10, 10])
  const samples = given.samples.map((s, i): Sample => ({ ...s, split: i % 5 === 0 ? 'test' : 'train' }))
  const halfway = { ...given, samples, drawn: { valid: true, test: false } }
  const [one, two] = [divided(halfway, 1), divided(halfway, 2)]
  assert.deepEqual(filesOf(one, 'test'), filesOf(halfway, 'test'))
  assert.deepEqual(filesOf(two, 'test'), filesOf(halfway, 'test'))
  assert.notDeepEqual(filesOf(one, 'valid'), filesOf(two, 'valid'))
  const whole = divided({ ...one, drawn: { valid: false, test: false } }, 7)
  assert.deepEqual(filesOf(whole, 'valid'), filesOf(one, 'valid'))
})

test('regression is drawn from the whole range, several labels with the rare ones on both sides', () => {
  const numbers = Array.from(
    { length: 50 },
    (_, i): Sample => ({ file: `${i}`, labels: [], values: [i], split: 'train' }),
  )
  const values = numbers.filter((_, i) => draw(numbers, 'regression', 0.2, 3)[i]).map(({ values }) => values![0]!)
  assert.equal(values.length, 10)
  for (const [i, v] of values.sort((a, b) => a - b).entries()) assert.ok(v >= 5 * i && v < 5 * i + 5, `${values}`)
  const many = Array.from(
    { length: 40 },
    (_, i): Sample => ({ file: `${i}`, labels: i < 4 ? [0, 1] : [0], split: 'train' }),
  )
  const chosen = many.filter((_, i) => draw(many, 'multi', 0.25, 1)[i])
  assert.equal(chosen.filter(({ labels }) => labels.includes(1)).length, 1)
})

test('a set is cut to a number of pictures, or to some of each class', () => {
  const { samples } = set([60, 30, 10])
  const cut = limited(samples, 'single', 50, 1)
  assert.ok(cut.length <= 50 && cut.length >= 48, `${cut.length}`)
  assert.equal(cut.filter(({ labels }) => labels[0] === 1).length, 15)
  assert.equal(limited(samples, 'single', 100, 1).length, 100)
  const few = fewOfEach(samples, 20, 1)
  assert.deepEqual(
    [0, 1, 2].map(c => few.filter(({ labels }) => labels[0] === c).length),
    [20, 20, 10],
  )
})

test('a written set reads as it was: class folders as links, several labels, targets', async () => {
  const folder = await pictureFolder(join(work, 'pictures'), { pictures: 24, classes: 2, width: 32, height: 32 })
  const read = await readSet(folder)
  assert.deepEqual(read.drawn, { valid: true, test: true })
  assert.equal(read.samples.length, 24)
  const whole = divided(read, 1)
  const shape = ({ names, samples, task }: PictureSet) => ({
    task,
    samples: samples
      .map(s => [realpathSync(s.file).split('/').at(-1), s.labels.map(l => names[l]), s.values, s.split])
      .sort(),
  })
  const links = writeSet(join(work, 'links'), whole, { links: true })
  const back = await readSet(links.folder)
  assert.deepEqual(shape(back), shape(whole))
  assert.deepEqual(back.drawn, { valid: false, test: false })

  const several: PictureSet = {
    ...{ ...whole, task: 'multi', names: ['a', 'b c', 'd, e'] },
    samples: whole.samples.map((s, i) => ({ ...s, labels: i % 3 === 0 ? [0, 2] : [i % 3] })),
  }
  const multi = writeSet(join(work, 'multi'), several)
  assert.deepEqual(shape(await readSet(multi.folder)), shape(several))
  assert.deepEqual(shape(await readSet(`${multi.folder}:labels.csv`)), shape(several))

  const targets: PictureSet = {
    ...{ ...whole, task: 'regression', names: ['age', 'size, cm'] },
    samples: whole.samples.map((s, i) => ({ ...s, labels: [], values: [i % 4, i / 3] })),
  }
  assert.deepEqual(shape(await readSet(writeSet(join(work, 'targets'), targets).folder)), shape(targets))
})

test('copies are left out before parts are drawn', async () => {
  const folder = await pictureFolder(join(work, 'copies'), { pictures: 12, classes: 2, width: 32, height: 32 })
  const first = readFileSync(join(folder, 'class 0', '0.jpg'))
  writeFileSync(join(folder, 'class 0', 'copy.jpg'), first)
  assert.equal((await readSet(folder)).samples.length, 12)
  const parts = join(work, 'leak')
  for (const [part, name] of [
    ['train', '0.jpg'],
    ['train', '2.jpg'],
    ['train', '4.jpg'],
    ['test', '0.jpg'],
  ] as const) {
    mkdirSync(join(parts, part, 'class 0'), { recursive: true })
    writeFileSync(join(parts, part, 'class 0', name), readFileSync(join(folder, 'class 0', name)))
  }
  for (const part of ['train', 'test']) {
    mkdirSync(join(parts, part, 'class 1'), { recursive: true })
    const name = part === 'train' ? '1.jpg' : '3.jpg'
    writeFileSync(join(parts, part, 'class 1', name), readFileSync(join(folder, 'class 1', name)))
  }
  assert.deepEqual(partsOf(await readSet(parts)), [3, 0, 2], 'the training copy of a test picture is gone')
})

// truth 0 1 2 0; the third is wrong, and sure of it
const three: Predicted = {
  task: 'single',
  columns: 3,
  files: ['a', 'b', 'c', 'd'],
  truth: [0, 1, 2, 0],
  outputs: [0.8, 0.1, 0.1, 0.2, 0.6, 0.2, 1, 0, 0, 0.5, 0.25, 0.25],
}

test('scores are accuracy, log loss and calibration; one wrong certainty is not infinite', () => {
  const { score, loss, ece } = scores(three)
  assert.equal(score, 0.75)
  near(loss, (-Math.log(0.8) - Math.log(0.6) - Math.log(2 ** -23) - Math.log(0.5)) / 4, 1e-6)
  near(ece!, (0.2 + 0.4 + 1 + 0.5) / 4, 1e-9)
  const multi: Predicted = {
    ...{ task: 'multi', columns: 2, files: ['a', 'b', 'c'] },
    ...{ truth: [1, 0, 0, 1, 1, 1], outputs: [0.9, 0.2, 0.6, 0.7, 0.5, 0.1] },
  }
  near(scores(multi).score, ((1 + 2 / 3) / 2 + (1 + 2 / 3) / 2) / 2)
  const regression: Predicted = {
    ...{ task: 'regression', columns: 1, files: ['a', 'b', 'c'] },
    ...{ truth: [0, 1, 2], outputs: [0, 1, 1] },
  }
  assert.deepEqual(scores(regression), { score: 0.5, loss: 1 / 3, ece: null })
  for (const p of [three, multi, regression]) near(scorer(p)(Int32Array.from(p.files.keys())), scores(p).score)
  near(scorer(three)(Int32Array.of(2, 2, 0)), 1 / 3)
})

test('means, intervals and ranks', () => {
  assert.deepEqual(meanOf([3]), { mean: 3, error: null, n: 1 })
  near(meanOf([1, 2, 3]).error!, Math.sqrt(1 / 3))
  assert.equal(tInterval([5]), null)
  near(tInterval([1, 2, 3])![1], 2 + 4.303 * Math.sqrt(1 / 3), 1e-9)
  const many = Array.from({ length: 61 }, (_, i) => i) // 60 degrees of freedom: 2.0003
  near((tInterval(many)![1] - 30) / meanOf(many).error!, 2.0003, 1e-3)
  assert.deepEqual(ranks([0.8, 0.9, 0.8, 0.1]), [2.5, 1, 2.5, 4])
  assert.deepEqual(middle(Array.from({ length: 101 }, (_, i) => i)), [2.5, 97.5])
})

const yesNo = (right: readonly boolean[], files = right.map((_, i) => `${i}`)): Predicted => ({
  ...{ task: 'single', columns: 2, files, truth: right.map(() => 1) },
  outputs: right.flatMap(r => (r ? [0.1, 0.9] : [0.9, 0.1])),
})

test('the bootstrap is paired: programs with the same errors have no difference, others the binomial one', () => {
  const right = Array.from({ length: 200 }, (_, i) => i % 5 !== 0)
  const [a, b, c] = [yesNo(right), yesNo(right), yesNo(right.map((r, i) => (i < 40 ? true : r)))]
  const [first, same, better] = resampled([[a, b, c]], { rounds: 800 })
  assert.deepEqual(first, same)
  const spread = (v: Float64Array) => meanOf([...v]).error! * Math.sqrt(v.length)
  near(spread(first!), Math.sqrt((0.8 * 0.2) / 200), 0.003)
  const gain = better!.map((v, i) => v - first![i]!)
  near(meanOf([...gain]).mean, 8 / 200, 0.002)
  near(spread(gain), Math.sqrt((0.04 * 0.96) / 200), 0.0015)
})

test('seeds with the same test pictures are no more pictures; other test pictures are', () => {
  const right = Array.from({ length: 100 }, (_, i) => i % 4 !== 0)
  const spread = (runs: Predicted[][]) => meanOf([...resampled(runs, { rounds: 800 })[0]!]).error!
  const once = spread([[yesNo(right)]])
  near(spread([[yesNo(right)], [yesNo(right)], [yesNo(right)]]) / once, 1, 1e-9)
  const other = yesNo(
    right,
    right.map((_, i) => `other ${i}`),
  )
  near(spread([[yesNo(right)], [other]]) / once, Math.SQRT1_2, 0.08)
  assert.throws(() => resampled([[yesNo(right), other]]), /different test pictures/)
})

test('the summary compares the first program with the others, over the sets and seeds that all have', () => {
  const made = (name: string, program: string, seed: number, share: number): [Row, Predicted] => {
    const p = yesNo(
      Array.from({ length: 100 }, (_, i) => i < share),
      Array.from({ length: 100 }, (_, i) => `${name} ${i}`),
    )
    const key = `${name} ${program} ${seed}`
    const about = { pictures: [50, 10, 100] as [number, number, number], chosen: {}, date: '', commit: 'c' }
    return [{ key, set: name, seed, program, task: 'single', ...about, ...scores(p), seconds: 10 * seed }, p]
  }
  const runs = [
    ...[1, 2].flatMap(seed => [made('x', 'ours', seed, 90), made('x', 'theirs', seed, 80)]),
    ...[made('y', 'ours', 1, 70), made('y', 'ours', 2, 10), made('y', 'theirs', 1, 75)],
    made('z', 'ours', 1, 60),
  ]
  const predictions = new Map(runs.map(([row, p]) => [row.key, p]))
  const rows = runs.map(([row]) => row)
  const summary = summarise(rows, ['ours', 'theirs'], row => predictions.get(row.key)!, { rounds: 400 })
  const [x, y, z] = summary.sets
  near(x!.differences.theirs!.mean, 0.1)
  assert.ok(x!.differences.theirs!.pictures[0] > 0.03, `${x!.differences.theirs!.pictures}`)
  assert.deepEqual(y!.seeds, [1], 'seed 2 lacks a program')
  near(y!.differences.theirs!.mean, -0.05)
  assert.deepEqual(z!.differences, {})
  const { overall } = summary
  assert.deepEqual(overall.sets, ['x', 'y'])
  near(overall.programs.ours!.score, 0.8)
  assert.deepEqual([overall.programs.ours!.rank, overall.programs.theirs!.rank], [1.5, 1.5])
  const { mean, better, worse, least } = overall.differences.theirs!
  near(mean, 0.025)
  near(least, -0.05)
  assert.deepEqual([better, worse], [1, 1])
  assert.match(asText(summary), /\| x \| accuracy \| 50 \/ 10 \/ 100 \| 2 \| 90\.0 ± 0\.0 \| 80\.0 ± 0\.0 \|/)
  assert.match(asText(summary), /\| y \| −5\.0 \(−\d+\.\d to [−+]\d\.\d\) \|/)
})

test('variants are the command with other flags, words in quotes kept whole', () => {
  const [ours, probe, frozen, before] = programsOf(
    ['anneal', 'probe'],
    ['frozen=--epochs 0 --hidden "512 256"', 'before=@/old/bin/anneal.mjs --views 2'],
  )
  assert.deepEqual(ours, { name: 'anneal', kind: 'anneal', flags: [], bin: 'bin/anneal.mjs' })
  assert.deepEqual(probe, { name: 'probe', kind: 'rival', script: 'accuracy_probe.py', args: [] })
  assert.deepEqual(frozen, { ...ours, name: 'frozen', flags: ['--epochs', '0', '--hidden', '512 256'] })
  assert.deepEqual(before, { ...ours, name: 'before', flags: ['--views', '2'], bin: '/old/bin/anneal.mjs' })
  assert.throws(() => programsOf(['keras'], []), /no program keras; there are anneal, probe/)
  assert.throws(() => programsOf([], ['--epochs 0']), /--variant is NAME=FLAGS/)
  assert.throws(() => programsOf(['anneal'], ['anneal=--epochs 0']), /two programs named anneal/)
  for (const { script } of programsOf(['probe', 'fastai', 'fastai20', 'timm'], []).flatMap(p =>
    p.kind === 'rival' ? [p] : [],
  ))
    assert.ok(existsSync(new URL(`../../bench/rivals/${script}`, import.meta.url)), script)
})

test('a run is another one where its files, flags, seed or model are', () => {
  const setting = { model: 'm', weights: 'w', size: undefined, threads: undefined, python: 'python3' }
  const [ours, other, renamed] = programsOf(['anneal'], ['other=--epochs 0', 'renamed='])
  const whole = divided(set([20, 20]), 1)
  const key = keyOf(ours!, whole, { seed: 1, setting })
  assert.equal(keyOf(renamed!, whole, { seed: 1, setting: { ...setting, python: 'python' } }), key)
  const different = [
    keyOf(other!, whole, { seed: 1, setting }),
    keyOf(ours!, divided(set([20, 20]), 2), { seed: 1, setting }),
    keyOf(ours!, whole, { seed: 2, setting }),
    keyOf(ours!, whole, { seed: 1, setting: { ...setting, size: 128 } }),
  ]
  assert.equal(new Set([key, ...different]).size, 5)
})

test('predictions must be there, as numbers, for each test picture', () => {
  const whole: PictureSet = {
    ...set([2, 2]),
    samples: set([2, 2]).samples.map(s => ({ ...s, split: 'test' as const })),
  }
  const rows = [0, 1, 2, 3].map(() => [0.5, 0.5])
  assert.deepEqual(predicted(whole, rows).truth, [0, 0, 1, 1])
  assert.throws(() => predicted(whole, rows.slice(1)), /3 predictions for 4 test pictures/)
  assert.throws(() => predicted(whole, [...rows.slice(1), [Number.NaN, 1]]), /the prediction for \/made\/1\/1 is/)
})

test('what a run chose is read from its events', () => {
  const events = [
    { t: 1, type: 'choice', what: 'rates', value: '1e-3', reason: '' },
    { t: 2, type: 'line', text: 'frozen: accuracy 80.0 %, loss 0.5' },
    { t: 3, type: 'choice', what: 'rates', value: '2e-3', reason: '' },
    { type: 'done', model: 'm', loss: 0.4, metrics: { accuracy: 0.9 }, epochs: 6, seconds: { total: 9 } },
  ]
  const { choices, frozen, validation } = chosenIn(`${events.map(e => JSON.stringify(e)).join('\n')}\n`)
  assert.deepEqual(choices, { rates: '2e-3' })
  assert.equal(frozen, 'accuracy 80.0 %, loss 0.5')
  assert.deepEqual(validation, { accuracy: 0.9, loss: 0.4 })
})

test('a tone lies in its mel band, in the middle of the picture', () => {
  const [re, im] = [Float64Array.from({ length: 8 }, (_, i) => Math.cos((2 * Math.PI * i) / 8)), new Float64Array(8)]
  fft(re, im)
  for (const [k, v] of re.entries()) near(v, k === 1 || k === 7 ? 4 : 0)
  for (const v of im) near(v, 0)
  const [rate, hertz, count] = [8000, 1000, 2000]
  const wav = Buffer.alloc(44 + 2 * count)
  wav.write('RIFF', 0)
  wav.write('WAVEfmt ', 8)
  for (const [at, v] of [
    [16, 16],
    [24, rate],
    [28, 2 * rate],
    [40, 2 * count],
  ] as const)
    wav.writeUInt32LE(v, at)
  for (const [at, v] of [
    [20, 1],
    [22, 1],
    [32, 2],
    [34, 16],
  ] as const)
    wav.writeUInt16LE(v, at)
  wav.write('data', 36)
  for (let i = 0; i < count; i++)
    wav.writeInt16LE(Math.round(16000 * Math.sin((2 * Math.PI * hertz * i) / rate)), 44 + 2 * i)
  const { samples, rate: got } = readWav(wav)
  assert.deepEqual([samples.length, got], [count, rate])
  const [bands, frames] = [64, 64]
  const picture = logMel(samples, { rate, frames, bands })
  const column = Array.from({ length: bands }, (_, b) => picture[b * frames + frames / 2]!)
  const loudest = bands - 1 - column.indexOf(Math.max(...column))
  const mel = (f: number) => 2595 * Math.log10(1 + f / 700)
  near((loudest + 1) * (mel(rate / 2) / (bands + 1)), mel(hertz), mel(rate / 2) / bands)
  near(picture[0]!, -80)
  assert.throws(() => readWav(Buffer.from('hello there, no sound')), /not a WAV file/)
})
