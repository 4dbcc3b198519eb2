import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { shape, small, workspace } from '../helpers/cli.ts'
import { head } from '../helpers/labels.ts'

const work = workspace()
after(work.remove)

/** A table of minimal pictures. The labels are refused before a picture is decoded. */
function table(name: string, column: string, cells: readonly string[]): string[] {
  mkdirSync(work.path(name), { recursive: true })
  for (const i of cells.keys()) writeFileSync(work.path(name, `${i}.jpg`), head)
  const rows = cells.map((cell, i) => `${i}.jpg\t${cell}`)
  writeFileSync(work.path(`${name}.tsv`), [`file\t${column}`, ...rows].join('\n'))
  return ['train', name, '--labels', `${name}.tsv`, ...small]
}

const times = (n: number, ...cells: string[]) => Array.from({ length: n }, () => cells).flat()

test('what reads in two ways is an error of one line that names cell and flags', async () => {
  const cases: [args: string[], message: RegExp][] = [
    [
      table('words', 'label', times(4, 'dress', 'long shirt', 'shirt', 'short shirt', 'skirt', 'short skirt')),
      /^anneal: words.tsv, line 3, column "label": "long shirt" may be .*--task single takes .*--delimiter ' ' cuts/,
    ],
    [
      table(
        'comma',
        'size',
        Array.from({ length: 30 }, (_, i) => `1,${100 + i}`),
      ),
      /--decimal , reads it as 1.1, --decimal \. as 1100/,
    ],
    [
      table('none', 'defect', times(8, 'dent', 'none')),
      /--missing '' takes it as a class, --missing none leaves these rows out/,
    ],
    [table('minus', 'a\tb', times(4, '1\t-1', '-1\t1')), /--minus-one absent reads -1 as 0, --minus-one present/],
    [table('most', 'label', ['a', 'b', ...times(6, 'nan')]), /6 of 8 rows have no label .*--max-left-out 0.75/],
    [
      table(
        'years',
        'label',
        Array.from({ length: 30 }, (_, i) => `${1950 + 2 * i}`),
      ),
      /--task single .*--task regression/,
    ],
  ]
  for (const [args, message] of cases) {
    const { code, stderr } = await work.run(args)
    assert.equal(code, 1, stderr)
    assert.match(stderr, message)
    assert.equal(stderr.trim().split('\n').length, 1, stderr)
  }
})

test('values that an option has not are refused', async () => {
  const args = table('odd', 'label', times(4, 'a', 'b'))
  for (const more of [
    ['--decimal', 'x'],
    ['--minus-one', 'no'],
    ['--max-left-out', '2'],
  ]) {
    const { code, stderr } = await work.run([...args, ...more])
    assert.notEqual(code, 0, `${more}`)
    assert.match(stderr, new RegExp(more[0]!), stderr)
  }
})

const classes = ['-1', '01', '1', '9a', '10', 'cafe\u0301']

before(async () => {
  const kinds = ['circle', 'square', 'triangle']
  for (const [c, name] of classes.entries())
    for (let n = 0; n < 6; n++) {
      const file = work.path('photos', n % 2 ? name.normalize('NFC') : name, `${n}.png`)
      mkdirSync(join(file, '..'), { recursive: true })
      writeFileSync(file, await shape(kinds[c % 3]!, 10 * c + n))
    }
  const run = await work.run(['train', 'photos', ...small, '--epochs', '1', '--out', 'run'])
  assert.equal(run.code, 0, run.stderr)
  assert.match(
    run.stdout + run.stderr,
    /one label: "caf\u00e9" \(written in 2 ways that read the same: .*"cafe\\u0301" 1 folder/,
  )
  assert.match(run.stdout + run.stderr, /nearly the same: "01" 6 pictures, "1" 6 pictures|nearly the same: "1" 6/)
})

test('probabilities stand in the order of the classes, on the command line and in a program', async () => {
  const expected = JSON.parse(readFileSync(work.path('run/best.json'), 'utf8')).classes as string[]
  assert.deepEqual(expected, ['-1', '01', '1', '9a', '10', 'caf\u00e9'])
  const picture = work.path('photos/10/0.png')
  const { stdout } = await work.run(['predict', 'run', picture, '--json'])
  const [, inner = ''] = /"probabilities":\{([^}]*)\}/.exec(stdout) ?? []
  const pairs = [...inner.matchAll(/"([^"]*)":([\d.e-]+)/g)].map(([, name, p]): [string, number] => [name!, Number(p)])
  assert.deepEqual(
    pairs.map(([name]) => name),
    expected,
  )
  const { label, probability } = JSON.parse(stdout)
  const [top] = [...pairs].sort((a, b) => b[1] - a[1])
  assert.deepEqual([label, probability], top)

  const classifier = loadClassifier(work.path('run'), { task: 'single' })
  const prediction = await classifier.predict(picture)
  assert.deepEqual(
    Array.from(prediction.scores),
    classifier.classes.map(name => prediction.probabilities[name]),
  )
})

test('evaluation finds the classes of the model under the other form of their letters', async () => {
  for (const form of ['NFC', 'NFD'] as const) {
    cpSync(work.path('photos/10'), work.path(form, '10'), { recursive: true })
    cpSync(work.path('photos', 'caf\u00e9'), work.path(form, 'caf\u00e9'.normalize(form)), { recursive: true })
    const { code, stdout, stderr } = await work.run(['evaluate', 'run', form, '--json'])
    assert.equal(code, 0, stderr)
    assert.equal(JSON.parse(stdout).samples, 9, form)
  }
})
