import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json } from '../../src/base/json.ts'

test('a Map is an object whose keys stand in its order, whatever they look like', () => {
  const classes = ['-1', '01', '1', '1.0', '2', '9a', '10', '__proto__', 'constructor', 'toString', 'say "hi"', 'ü']
  const text = json({ file: 'x', probabilities: new Map(classes.map((name, i) => [name, i / 16])) })
  const keys = [...text.matchAll(/"((?:[^"\\]|\\.)*)":[\d.]+/g)].map(([, key]) => JSON.parse(`"${key}"`))
  assert.deepEqual(keys, classes)
  assert.equal(Object.entries(JSON.parse(text).probabilities).length, classes.length)
})

test('all else is as JSON has it', () => {
  const value = {
    a: [1, 'x', null, undefined, { b: true }],
    c: undefined,
    d: Number.NaN,
    e: new Date(0),
    f: () => 1,
    '2': 'two',
  }
  assert.equal(json(value), JSON.stringify(value))
  assert.equal(
    json([
      new Map([
        ['10', [new Map([['2', 1]])]],
        ['9', {}],
      ]),
    ]),
    '[{"10":[{"2":1}],"9":{}}]',
  )
})
