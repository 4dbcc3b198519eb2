import assert from 'node:assert/strict'
import { test } from 'node:test'
import { choicesOf, indexed, kindsOf, labelsOf } from '../helpers/labels.ts'

const celeba = ['1\t-1\t-1', '-1\t1\t1', '1\t1\t-1', '-1\t-1\t1', '-1\t-1\t-1']
const chexpert = ['1.0\t0.0\t', '0.0\t-1.0\t1.0', '\t1.0\t0.0', '1.0\t\t-1.0', '\t\t', '0.0\t1.0\t1.0', '1.0\t0.0\t0.0']

test('label columns of -1 and 1, or 0, 1 and -1: it asks what -1 means', async t => {
  await assert.rejects(
    indexed(t, 'Bald\tHat\tSmiling', celeba),
    /line 2, column "Hat": it holds -1 \(9 cells .*\(as in CelebA\).*minusOne: "absent" .*"present" .*"unknown" leaves out/,
  )
  await assert.rejects(
    indexed(t, 'Edema\tFracture\tMass', chexpert),
    /column "Fracture": it holds -1 \(2 cells .*uncertain, as in CheXpert/,
  )
  await assert.rejects(
    indexed(t, 'a\tb', ['1\t-1', '0\t1', '1\t0', '0\t0'], { labelColumn: ['a', 'b'] }),
    /it holds -1 \(1 cell .*does/,
  )
})

test('what is said is done', async t => {
  const absent = await indexed(t, 'Bald\tHat\tSmiling', celeba, { minusOne: 'absent' })
  assert.deepEqual(Object.values(labelsOf(absent)), ['Bald', 'Hat + Smiling', 'Bald + Hat', 'Smiling', ''])
  assert.deepEqual(choicesOf(absent, '-1'), ['absent (minusOne: "absent": 9 cells)'])
  const present = await indexed(t, 'Edema\tFracture\tMass', chexpert, { minusOne: 'present' })
  assert.deepEqual(Object.values(labelsOf(present)), [
    'Edema',
    'Fracture + Mass',
    'Fracture',
    'Edema + Mass',
    'Fracture + Mass',
    'Edema',
  ])
  const unknown = await indexed(t, 'Edema\tFracture\tMass', chexpert, { minusOne: 'unknown' })
  assert.deepEqual(Object.keys(labelsOf(unknown)), ['0.jpg', '2.jpg', '5.jpg', '6.jpg'])
  assert.deepEqual(kindsOf(unknown).slice(0, 3), ['unlabelled 1.jpg', 'unlabelled 3.jpg', 'unlabelled 4.jpg'])
  await assert.rejects(
    indexed(t, 'Bald\tHat\tSmiling', celeba, { minusOne: 'unknown' }),
    /5 of 5 rows have no label \(100.0 %\)/,
  )
})

test('empty cells are 0, and that is said; a row of nothing tells nothing where 0 is written', async t => {
  const some = await indexed(t, 'a\tb', ['1\t0', '0\t', '\t1', '\t', 'nan\tyes', '1\t1'], { labelColumn: ['a', 'b'] })
  assert.deepEqual(labelsOf(some), { '0.jpg': 'a', '1.jpg': '', '2.jpg': 'b', '4.jpg': 'b', '5.jpg': 'a + b' })
  assert.match(choicesOf(some, 'empty label cells').join(), /taken as 0 \(3 cells/)
  assert.deepEqual(kindsOf(some).slice(0, 1), ['unlabelled 3.jpg'])
  const crosses = await indexed(t, 'a\tb', ['1\t', '\t1', '\t', '1\t1'], { labelColumn: ['a', 'b'] })
  assert.deepEqual(Object.values(labelsOf(crosses)), ['a', 'b', '', 'a + b'])
  const mixed = await indexed(t, 'a\tb', ['yes\t0', 'No\tTRUE', '1\tn', 'y\t1.0'])
  assert.deepEqual(Object.values(labelsOf(mixed)), ['a', 'b', 'a', 'a + b'])
  await assert.rejects(
    indexed(t, 'a\tb', ['1\t0', '0\t2', '1\t1'], { labelColumn: ['a', 'b'] }),
    /"2" is neither 0 nor 1/,
  )
})
