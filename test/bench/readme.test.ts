import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { withFigures } from '../../bench/readme.ts'

for (const [name, tables] of [
  ['README.md', 1],
  ['docs/speed.md', 5],
  ['docs/ranks.md', 1],
] as const)
  test(`the figures in ${name} are those of bench/results`, () => {
    const text = readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
    assert.equal(text.match(/<!-- figures: /g)?.length, tables)
    assert.equal(withFigures(text), text, 'node --import tsx bench/readme.ts')
  })

test('a table that nobody makes is refused by name', () => {
  assert.throws(
    () => withFigures('<!-- figures: dreams -->\n\n<!-- end -->'),
    /no figures "dreams"; there are summary, five steps/,
  )
})
