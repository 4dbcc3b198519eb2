import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rng } from '../../src/base/random.ts'
import { checkSplit, drawSplit, type SplitPlan, uncheckedLabels } from '../../src/data/split/draw-split.ts'
import type { Split, Task } from '../../src/data/types.ts'

interface Sample {
  labels: number[]
  values?: number[]
  split: Split
  group?: string
  time?: number
}

const items = (labels: number[][]): Sample[] => labels.map(own => ({ labels: own, split: 'train' }))
const draw = (samples: Sample[], plan: Partial<SplitPlan> & { task?: Task } = {}): Sample[] => {
  const drawn = samples.map(sample => ({ ...sample }))
  drawSplit(drawn, { valid: 0.2, seed: 42, ...plan })
  return drawn
}
const validOf = (drawn: Sample[]) => drawn.flatMap((item, i) => (item.split === 'valid' ? [i] : []))
const has = (drawn: Sample[], split: Split, label: number) =>
  drawn.filter(item => item.split === split && item.labels.includes(label)).length
const shareOf = (drawn: Sample[]) => validOf(drawn).length / drawn.length

/** Pictures with random labels; each label has its own probability. */
function multi(n: number, chances: number[], seed: number): Sample[] {
  const random = rng(seed)
  return items(Array.from({ length: n }, () => [...chances.keys()].filter(l => random.chance(chances[l]!))))
}

test('one label: the draws of a seed stay what they were', () => {
  const samples = items(Array.from({ length: 30 }, (_, i) => [i % 3]))
  assert.deepEqual(validOf(draw(samples)), [2, 13, 15, 17, 19, 24])
  assert.deepEqual(validOf(draw(samples, { seed: 7, valid: 0.34 })), [3, 9, 10, 17, 18, 20, 22, 28, 29])
})

test('several labels: each on both sides, in its share, a function of the seed', () => {
  const chances = [0.9, 0.5, 0.3, 0.1, 0.05, 0.02, 0.005, 0.002]
  const samples = multi(4000, chances, 1)
  const drawn = draw(samples, { task: 'multi' })
  assert.ok(Math.abs(shareOf(drawn) - 0.2) < 0.005, `${shareOf(drawn)}`)
  for (const label of chances.keys()) {
    const [train, valid] = [has(drawn, 'train', label), has(drawn, 'valid', label)]
    assert.ok(Math.abs(valid - 0.2 * (train + valid)) <= 1 + 0.01 * (train + valid), `${label}: ${train} and ${valid}`)
  }
  const bare = drawn.filter(item => item.labels.length === 0)
  assert.ok(bare.length > 50 && Math.abs(shareOf(bare) - 0.2) < 0.1, `${shareOf(bare)} of ${bare.length}`)
  assert.deepEqual(draw(samples, { task: 'multi' }), drawn)
  assert.notDeepEqual(draw(samples, { task: 'multi', seed: 43 }), drawn)
})

/** Checks that every label with two or more pictures is on both sides, and every label with one picture in training. */
const fits = (own: number[][], valid: (i: number) => boolean) =>
  [...new Set(own.flat())].every(label => {
    const held = own.flatMap((labels, i) => (labels.includes(label) ? [valid(i)] : []))
    return held.includes(false) && (held.length === 1 || held.includes(true))
  })

test('several labels: rare ones are on both sides where any division has them, and are named where not', () => {
  const sets = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { maxLength: 3 }), {
    minLength: 4,
    maxLength: 10,
  })
  let [possible, reached] = [0, 0]
  fc.assert(
    fc.property(sets, fc.integer({ min: 0, max: 1000 }), (own, seed) => {
      const drawn = draw(items(own), { task: 'multi', seed })
      const names = Array.from({ length: 7 }, (_, i) => `${i}`)
      const told = new Map(uncheckedLabels(names, drawn, { drawn: true }).map(({ file, kind }) => [file, kind]))
      for (const [i, name] of names.entries()) {
        const [train, valid] = [has(drawn, 'train', i), has(drawn, 'valid', i)]
        assert.ok(train > 0 || valid === 0, `${name} is not trained on`)
        const kind = train + valid === 1 ? 'single-picture' : train > 1 && valid === 0 ? 'one-sided' : undefined
        assert.equal(told.get(name), kind)
      }
      const masks = Array.from({ length: 2 ** own.length }, (_, mask) => mask)
      const half = (mask: number) => own.filter((_, i) => (mask >> i) & 1).length <= own.length / 2
      if (!masks.some(mask => half(mask) && fits(own, i => Boolean((mask >> i) & 1)))) return
      possible++
      reached += Number(fits(own, i => drawn[i]!.split === 'valid'))
    }),
    { seed: 5, numRuns: 400 },
  )
  assert.ok(possible > 200 && reached >= 0.99 * possible, `${reached} of ${possible}`)
})

test('a label whose two pictures must both train is named', () => {
  const drawn = draw(items([[0, 1], [0, 2], [3], [3], [3], [3]]), { task: 'multi' })
  assert.deepEqual([has(drawn, 'train', 1), has(drawn, 'train', 2), has(drawn, 'valid', 0)], [1, 1, 0])
  const problems = uncheckedLabels(['a', 'b', 'c', 'd'], drawn, { drawn: true })
  assert.deepEqual(
    problems.map(({ kind, file }) => `${kind} ${file}`),
    ['one-sided a', 'single-picture b', 'single-picture c'],
  )
  assert.match(problems[0]!.reason, /its 2 pictures could not be divided: all are for training/)
})

/** Groups of different sizes, each with mostly one label. */
function grouped(count: number, seed: number): Sample[] {
  const random = rng(seed)
  return Array.from({ length: count }, (_, g) => {
    const lean = random.integer(5)
    const size = 1 + Math.floor(-15 * Math.log(random.uniform()))
    return Array.from({ length: size }, (): Sample => {
      const label = random.chance(0.6) ? lean : random.integer(5)
      return { labels: [label], split: 'train', group: `patient ${g}` }
    })
  }).flat()
}

const apart = (drawn: Sample[]) => {
  const valid = new Set(drawn.flatMap(({ split, group }) => (split === 'valid' ? [group] : [])))
  assert.ok(valid.size > 0, `valid.size > 0, got ${valid.size}`)
  for (const { split, group } of drawn) if (split === 'train') assert.ok(!valid.has(group), group)
}

test('groups stay on one side, and sizes and labels are balanced', () => {
  for (const seed of [1, 2, 3]) {
    const drawn = draw(grouped(120, seed), { seed })
    apart(drawn)
    assert.ok(Math.abs(shareOf(drawn) - 0.2) < 0.01, `${shareOf(drawn)}`)
    for (let label = 0; label < 5; label++) {
      const valid = has(drawn, 'valid', label)
      const share = valid / (valid + has(drawn, 'train', label))
      assert.ok(Math.abs(share - 0.2) < 0.02, `${label}: ${share}`)
    }
  }
})

test('few groups: neither side is empty, training has every label, one group alone is refused', () => {
  const of = (...sizes: [size: number, label: number][]) =>
    sizes.flatMap(([size, label], g) =>
      Array.from({ length: size }, (): Sample => ({ labels: [label], split: 'train', group: `${g}` })),
    )
  apart(draw(of([50, 0], [50, 0])))
  const three = draw(of([10, 0], [10, 1], [9, 1]))
  apart(three)
  assert.deepEqual([has(three, 'train', 0), has(three, 'valid', 1) > 0], [10, true])
  assert.throws(() => draw(of([10, 0])), /1 group can not be divided into 2 parts .*expected at least 2 groups/)
  assert.throws(() => draw(of([4, 0], [4, 0]), { folds: 3 }), /2 groups can not be divided into 3 parts/)
})

test('by time: the latest share validates, and no point in time is on both sides', () => {
  const at = (times: number[]) => times.map((time): Sample => ({ labels: [0], split: 'train', time }))
  const days = [...Array(100).keys()]
  assert.deepEqual(validOf(draw(at(days.map(day => (day * 37) % 100)), { by: 'time' })).length, 20)
  const drawn = draw(at(days.map(day => (day * 37) % 100)), { by: 'time' })
  assert.ok(
    drawn.every(({ split, time }) => (split === 'valid') === time! >= 80),
    `drawn.every(({ split, time }) => (split === 'valid') === time! >= 80)`,
  )
  const coarse = draw(at(days.map(day => Math.floor(day / 30))), { by: 'time' })
  assert.deepEqual(validOf(coarse), days.slice(90))
  assert.throws(
    () => draw(at([5, 5, 5]), { by: 'time' }),
    /at least two different times; 3 pictures have the same time/,
  )
})

test('numbers: each side has its share of small and large ones', () => {
  const random = rng(3)
  const samples = Array.from(
    { length: 500 },
    (): Sample => ({ labels: [], values: [random.normal() ** 3], split: 'train' }),
  )
  const order = [...samples.keys()].sort((a, b) => samples[a]!.values![0]! - samples[b]!.values![0]!)
  const drawn = draw(samples, { task: 'regression' })
  assert.equal(validOf(drawn).length, 100)
  for (let start = 0; start < 500; start += 50)
    assert.equal(order.slice(start, start + 50).filter(i => drawn[i]!.split === 'valid').length, 10)
})

/** The largest number of pictures of a label in one group. */
const largest = (samples: Sample[], label: number) => {
  const counts = new Map<string, number>()
  for (const { labels, group } of samples) if (labels.includes(label)) counts.set(group!, (counts.get(group!) ?? 0) + 1)
  return Math.max(...counts.values())
}

test('folds: every picture validates once, each fold has its share, the rarest train in all', () => {
  const cases: [name: string, samples: Sample[], task: Task][] = [
    ['one label', items(Array.from({ length: 203 }, (_, i) => [i % 7 ? (i % 5 ? 0 : 1) : 2]).concat([[3]])), 'single'],
    ['several', multi(1003, [0.8, 0.4, 0.1, 0.03, 0.006], 4).concat(items([[0, 5]])), 'multi'],
    ['groups', grouped(60, 9), 'single'],
    [
      'numbers',
      Array.from({ length: 101 }, (_, i): Sample => ({ labels: [], values: [(i * 17) % 101], split: 'train' })),
      'regression',
    ],
  ]
  for (const [name, samples, task] of cases) {
    const folds = Array.from({ length: 5 }, (_, fold) => draw(samples, { task, folds: 5, fold }))
    const times = samples.map((_, i) => folds.filter(fold => fold[i]!.split === 'valid').length)
    const alone = name === 'one label' || name === 'several' ? 1 : 0
    assert.deepEqual(
      [times.filter(n => n === 1).length, times.filter(n => n === 0).length],
      [samples.length - alone, alone],
    )
    for (const fold of folds) {
      assert.ok(Math.abs(shareOf(fold) - 0.2) < (name === 'groups' ? 0.025 : 0.01), `${name}: ${shareOf(fold)}`)
      if (name === 'groups') apart(fold)
      for (let label = 0; label < 5; label++) {
        const [train, valid] = [has(fold, 'train', label), has(fold, 'valid', label)]
        const slack = name === 'groups' ? largest(samples, label) : 1 + 0.01 * (train + valid)
        assert.ok(Math.abs(valid - 0.2 * (train + valid)) <= slack, `${name}, ${label}: ${train} and ${valid}`)
      }
    }
  }
})

test('test items are left as they are, and decide nothing', () => {
  const samples = items([[0], [0], [0], [1], [1]])
  const test: Sample = { labels: [0], split: 'test' }
  const drawn = draw([test, ...samples.slice(0, 2), test, ...samples.slice(2)])
  assert.deepEqual([drawn[0], drawn[3]], [test, test])
  const without = draw(samples).map(item => item.split)
  assert.deepEqual(
    drawn.map(item => item.split).filter(split => split !== 'test'),
    without,
  )
})

test('plans that can not be are refused', () => {
  const refused = (plan: Partial<SplitPlan>, message: RegExp) =>
    assert.throws(() => checkSplit({ valid: 0.2, seed: 1, ...plan }), { name: 'AnnealError', message })
  refused({ folds: 1 }, /folds is a whole number from 2 to 1000; got 1/)
  refused({ folds: 2.5 }, /got 2.5/)
  refused({ folds: 5, fold: 5 }, /one of the 5 folds, from 0 to 4; got 5/)
  refused({ folds: 5, by: 'time' }, /contradict/)
  assert.throws(() => draw(items([[0], [1]]), { folds: 3 }), /3 folds of 2 pictures/)
})
