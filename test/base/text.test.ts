import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { columns, flat, padded, printable, shownName, shownNames } from '../../src/base/text.ts'
import { classificationReport, classificationReportMulti } from '../../src/train/metrics.ts'

test('columns of a terminal: wide letters take two, accents of their own none', () => {
  for (const [text, width] of [
    ['', 0],
    ['dress', 5],
    ['größe', 5],
    ['gro\u0308\u00dfe', 5],
    ['连衣裙', 6],
    ['ワンピース', 10],
    ['ﾜﾝ', 2], // half-width
    ['드레스', 6],
    ['Ａ１', 4], // full-width
    ['🍎', 2],
    ['👩‍👩‍👧', 2],
    ['❤️', 2],
    ['платье', 6],
    ['—', 1],
  ] as const)
    assert.equal(columns(text), width, text)
  assert.equal(padded('连衣裙', 8), '连衣裙  ')
})

test('a name in a table is one line of at most forty columns, with what can not be seen written out', () => {
  assert.equal(shownName('a\nb\tc\r'), 'a\\nb\\tc\\r')
  assert.equal(shownName('\u001b[31mred\u0007'), '\\u001b[31mred\\u0007')
  assert.equal(shownName('txt\u202egpj.exe'), 'txt\\u202egpj.exe')
  assert.equal(shownName('dress\u200b'), 'dress\\u200b')
  assert.equal(shownName('say "hi", ok'), 'say "hi", ok')
  assert.equal(shownName('👩‍👩‍👧'), '👩‍👩‍👧', 'what joins an emoji stays')
  const long = shownName(`begin${'x'.repeat(300)}end`)
  assert.equal(long, `begin${'x'.repeat(21)}…${'x'.repeat(10)}end`)
  assert.equal(columns(shownName('连'.repeat(300))) <= 40, true)
})

test('names that look the same once they are cut bear their place', () => {
  const [a, b] = [`a${'x'.repeat(300)}z`, `a${'x'.repeat(301)}z`]
  const shown = shownNames([a, 'dress', b])
  assert.deepEqual(
    shown.map(text => text.replace(/^a.*z/, '…')),
    ['… (1)', 'dress', '… (3)'],
  )
})

test('whatever a name is, it stays one line that steers nothing', () => {
  const steers = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/u
  const any = fc.string({ unit: 'binary', maxLength: 200 })
  fc.assert(
    fc.property(any, fc.integer({ min: 4, max: 80 }), (name, width) => {
      const shown = shownName(name, width)
      assert.ok(!steers.test(shown), JSON.stringify(shown))
      assert.ok(columns(shown) <= width, `${columns(shown)} of ${width}: ${JSON.stringify(shown)}`)
      assert.ok(!steers.test(flat(name)), JSON.stringify(flat(name)))
      assert.ok(
        printable(name).every(line => !steers.test(line)),
        'printable(name).every(line => !steers.test(line))',
      )
    }),
  )
})

test('the classification report keeps its columns, whatever the classes are called', () => {
  const names = ['a\nb', 'x'.repeat(300), '连衣裙', '\u001b[2Jred', 'plain', '🍎 apple']
  const actual = names.flatMap((_, c) => [c, c])
  const single = classificationReport(actual, actual, names, { terminal: true })
  const targets = Float32Array.from(actual.flatMap(c => names.map((_, i) => (i === c ? 1 : 0))))
  const multi = classificationReportMulti(targets, targets, names, { terminal: true })
  for (const report of [single, multi]) {
    const lines = report.split('\n').filter(line => line !== '')
    assert.equal(lines.length, 1 + names.length + (report === single ? 3 : 4))
    const width = columns(lines[0]!)
    assert.deepEqual(new Set(lines.map(columns)), new Set([width]), report)
    assert.ok(width < 100, `${width}`)
    assert.match(report, /a\\nb/)
    assert.ok(!report.includes('\u001b'), 'nothing steers the terminal')
  }
})
