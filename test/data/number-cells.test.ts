import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FolderIndex, LabelOptions } from '../../src/data/index.ts'
import { choicesOf, indexed, times } from '../helpers/labels.ts'

/** Sixty different amounts with one digit behind the point: 10.1, 10.4, … */
const amounts = Array.from({ length: 60 }, (_, i) => (101 + 3 * i) / 10)
const valuesOf = ({ items }: FolderIndex) =>
  [...items]
    .sort((a, b) => Number(/(\d+)\.jpg$/.exec(a.file)![1]) - Number(/(\d+)\.jpg$/.exec(b.file)![1]))
    .map(i => i.values![0])

test('numbers as people write them are numbers, and it is said how they were read', async t => {
  const ways: [way: string, write: (value: number) => string, said: RegExp | undefined, factor?: number][] = [
    ['point', v => `${v}`, undefined],
    ['decimal comma', v => `${v}`.replace('.', ','), /a comma before the fraction .*"10,1" is 10.1/],
    ['percent', v => `${v} %`, /in percent/],
    ['unit', v => `${v} kg`, /in "kg"/],
    ['unit without a blank', v => `${v}cm`, /in "cm"/],
    ['currency before', v => `$${v}`, /in "\$"/],
    ['currency behind, comma', v => `${v} €`.replace('.', ','), /a comma before the fraction, in "€"/],
    ['full width', v => `${v}`.replace(/\d/g, d => String.fromCharCode(0xff10 + Number(d))), /other scripts/],
    ['Arabic digits', v => `${v}`.replace(/\d/g, d => String.fromCharCode(0x660 + Number(d))), /other scripts/],
    ['plus', v => `+${v}`, undefined],
    ['exponent', v => v.toExponential(), undefined],
    ['exponent, comma', v => v.toExponential().replace('.', ','), /a comma before the fraction/],
    ['English thousands', v => (v + 1e6).toLocaleString('en-US'), /"," between thousands/, 1e6],
    ['German thousands', v => (v + 1e6).toLocaleString('de-DE'), /a comma before the fraction, "." between/, 1e6],
    ['French thousands', v => (v + 1e6).toLocaleString('fr-FR'), /a comma before the fraction, a blank between/, 1e6],
    ['Swiss thousands', v => (v + 1e6).toLocaleString('de-CH'), /"'" between thousands/, 1e6],
    ['Indian thousands', v => (v + 1e7).toLocaleString('en-IN'), /"," between thousands/, 1e7],
  ]
  for (const [way, write, said, more = 0] of ways)
    for (const options of [{}, { targets: ['size'] }] as LabelOptions[]) {
      const index = await indexed(t, 'size', amounts.map(write), options)
      assert.equal(index.task, 'regression', way)
      valuesOf(index).forEach((value, i) => {
        assert.ok(Math.abs(value! - amounts[i]! - more) < 1e-6, `${way}: ${write(amounts[i]!)} became ${value}`)
      })
      const [told] = choicesOf(index, 'numbers')
      if (said) assert.match(told ?? 'nothing', said, way)
      else assert.equal(told, undefined, way)
    }
})

test('negative numbers: minus signs of every kind, parentheses', async t => {
  const cells = amounts.map((v, i) => [`-${v}`, `−${v}`, `(${v})`, `${v}`][i % 4]!)
  const values = valuesOf(await indexed(t, 'gain', cells))
  assert.deepEqual(
    values,
    amounts.map((v, i) => (i % 4 < 3 ? -v : v)),
  )
})

test('a comma that may part thousands or fractions is asked about', async t => {
  const cells = Array.from({ length: 60 }, (_, i) => `${1 + (i % 9)},${100 + i}`)
  await assert.rejects(
    indexed(t, 'size', cells),
    /line 2, column "size": "1,100" may be 1.1 \(a decimal comma\) or 1100 .*decimal: "," reads it as 1.1, decimal: "." as 1100/,
  )
  assert.equal(valuesOf(await indexed(t, 'size', cells, { decimal: ',' }))[0], 1.1)
  assert.equal(valuesOf(await indexed(t, 'size', cells, { decimal: '.' }))[0], 1100)
  const settled = [...cells.slice(1), '1,234,567']
  assert.equal(valuesOf(await indexed(t, 'size', settled)).at(-1), 1234567)
})

test('one cell that is not a number among numbers: the cell, what it may be, and how to go on', async t => {
  const cases: [cell: string, message: RegExp][] = [
    [
      'abc',
      /line 32, column "age": "abc" is not a number, .*Correct the cell, or leave such rows out \(missing: \["abc"\]\)/,
    ],
    ['12 kg', /"12 kg" is not a number, .*It has "kg", and 59 other numbers have no unit/],
    ['50 %', /"50 %" is not a number, .*It has "%"/],
    ['3,5', /"3,5" is not a number, .*decimal: "," would read this one as 3.5/],
    ['<5', /"<5" is not a number/],
    ['12-15', /"12-15" is not a number/],
  ]
  for (const [cell, message] of cases) {
    const cells = amounts.map((v, i) => (i === 30 ? cell : `${v}`))
    await assert.rejects(indexed(t, 'age', cells), message, cell)
    await assert.rejects(
      indexed(t, 'age', cells, { task: 'regression' }),
      /line 32, column "age": .* is not a number; expected/,
    )
    assert.equal((await indexed(t, 'age', cells, { task: 'single' })).task, 'single')
  }
  const thousand = amounts.map((v, i) => (i === 30 ? '1,234.5' : `${v}`))
  assert.equal(valuesOf(await indexed(t, 'age', thousand))[30], 1234.5)
  const mixed = amounts.map((v, i) => (i % 3 ? `${v} kg` : `${v} lb`))
  await assert.rejects(
    indexed(t, 'weight', mixed),
    /"10.1 lb" is not a number, .*It has "lb", and 40 other numbers have "kg"/,
  )
})

test('numbers with few values and commas may be labels, amounts or classes: it asks', async t => {
  await assert.rejects(
    indexed(t, 'rating', times(6, '1,0', '1,5', '2,0', '2,5', '0,1', '0,2', '5,1')),
    /may be a number \(task: "regression"\), one class, or 2 labels .*task: "single" .*delimiter: ","/,
  )
  const classes = await indexed(t, 'rating', times(6, '1.5', '2.5', '3.5'))
  assert.deepEqual([classes.task, classes.classes], ['single', ['1.5', '2.5', '3.5']])
})

test('whole numbers in a column called label or class are classes; elsewhere the other way is said', async t => {
  const digits = [...times(1, ...'0123456789'), ...'02468']
  for (const column of ['label', 'class', 'Class_ID', 'category', 'target', 'y', 'trueLabel', 'species']) {
    const index = await indexed(t, column, digits)
    assert.deepEqual([index.task, index.classes.length], ['single', 10], column)
    assert.match(choicesOf(index, 'task').join(), /task: "regression" the model would predict amounts/, column)
  }
  for (const column of ['stage', 'voltage', 'age', 'percentage', 'count']) {
    const index = await indexed(t, column, digits)
    assert.equal(index.task, 'regression', column)
    assert.match(choicesOf(index, 'task').join(), /hardly repeat; task: "single" takes each number as a class/, column)
  }
  const thirty = await indexed(t, 'target', times(2, ...Array.from({ length: 30 }, (_, i) => `${i}`)))
  assert.deepEqual([thirty.task, thirty.classes.length], ['single', 30])
  const years = Array.from({ length: 30 }, (_, i) => `${1950 + 2 * i}`)
  await assert.rejects(
    indexed(t, 'label', years),
    /30 different numbers in 30 rows of "label", whole numbers from 1950 to 2008, may be classes or amounts.*task: "single" .*task: "regression"/,
  )
  assert.equal((await indexed(t, 'label', years, { task: 'regression' })).task, 'regression')
})
