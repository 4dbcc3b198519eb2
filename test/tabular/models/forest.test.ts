import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Forest } from '../../../src/tabular/models/forest.ts'
import { Trees } from '../../../src/tabular/models/trees.ts'
import { encodedOf, golden, target } from './tables.make.ts'

for (const { name, text, rows, raw, predicted } of golden.forests) {
  const data = Float32Array.from(rows.flat(), value => value ?? Number.NaN)
  test(`the sums of a forest are LightGBM's, bit by bit (${name})`, () => {
    assert.deepEqual([...new Forest(text).sums(data, rows.length)], raw)
  })
  test(`trees predict what LightGBM predicts (${name})`, async () => {
    const classes = name === 'multi' ? 3 : name === 'binary' ? 2 : 1
    const info = target(classes === 1 ? 'regression' : 'single', classes)
    const found = await new Trees([text], info).predict(encodedOf(data, 4, 2))
    const wanted = classes === 2 ? predicted.flatMap(p => [1 - p, p]) : predicted
    assert.equal(found.length, wanted.length, `${found.length} predictions`)
    for (const [i, value] of wanted.entries())
      assert.ok(
        Math.abs(found[i]! - value) <= 1e-15 * Math.max(1, Math.abs(value)),
        `${i}: ${found[i]}, expected ${value}`,
      )
  })
}

test('a text that is not a model of LightGBM 4 is refused, and the error names it', () => {
  const { text } = golden.forests[0]!
  const refused = /expected the model text of LightGBM 4/
  assert.throws(() => new Forest('', 'a.txt'), refused)
  assert.throws(() => new Forest(text.replace('version=v4', 'version=v9'), 'a.txt'), /a\.txt: it is not a model text/)
  assert.throws(() => new Forest(text.replace(/\n\nTree=3\n[\s\S]*?\n\n/, '\n\n'), 'a.txt'), refused)
  assert.throws(
    () => new Forest(text.replace(/left_child=\S+ /, 'left_child='), 'a.txt'),
    /one split fewer than leaves/,
  )
})

test('rows of another number of features are refused', async () => {
  const model = new Trees([golden.forests[0]!.text], target('regression', 1))
  await assert.rejects(model.predict(encodedOf(new Float32Array(10), 3, 2)), /the model has 6 features, got rows of 5/)
})
