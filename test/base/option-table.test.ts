import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bool, choice, func, int, list, number, off, or, path, pattern, text } from '../../src/base/option-kinds.ts'
import { byGroup, checkTable, group, helpOf, type Options, takenBy } from '../../src/base/option-table.ts'
import { inFile } from '../../src/base/options.ts'

const table = {
  ...group('Pictures', ['train', 'learner'], {
    size: int(32, 2048).flag('--size <pixels>').says('the side').otherwise("the model's own").example(224),
    sizes: list(int(32, 2048), { least: 1 }).example([128, 224]).on('train'),
    share: number({ from: 0, below: 1 }, 'a share').default(0.5, 'it is usual'),
    how: choice('balanced', 'effective').says('how'),
    column: or(off(), text('the name of a column')).example('split'),
    rate: or(number({ above: 0 }, 'a rate'), list(number({ above: 0 }, 'a rate'))).example(0.01),
    regex: pattern().example('^a'),
    of: func<(file: string) => string>('a function'),
    flag: or(bool(), int(1, 64)).example(4),
    file: path('the path of a file').example('a.csv'),
  }),
}

const refused = (given: unknown, reason: RegExp) =>
  assert.throws(() => checkTable(table, given as object, { who: 'call' }), { name: 'AnnealError', message: reason })

test('values that do not fit are refused: what was received, what was expected, an example', () => {
  refused({ size: 31 }, /^size: expected a whole number from 32 to 2048, got 31\. Example: \{ size: 224 \}\.$/)
  refused({ size: '224' }, /got "224"/)
  refused({ size: null }, /got null/)
  refused({ size: 64.5 }, /got 64\.5/)
  refused({ size: Number.NaN }, /got NaN/)
  refused({ sizes: '128,224' }, /^sizes: expected a list of whole numbers from 32 to 2048, got "128,224"\. Example: \{ sizes: \[128, 224\] \}\.$/) // biome-ignore format: one line
  refused({ sizes: [] }, /got \[\]/)
  refused({ sizes: [64, 'x'] }, /^sizes: expected a whole number from 32 to 2048, got "x"/)
  refused({ share: 1 }, /expected a share from 0 to below 1, got 1\. Example: \{ share: 0\.5 \}/)
  refused({ share: Number.POSITIVE_INFINITY }, /got Infinity/)
  refused({ how: 'balancd' }, /expected balanced, effective, got "balancd"\. Did you mean "balanced"\?/)
  refused({ column: true }, /expected false or the name of a column, got true/)
  refused({ column: '' }, /got ""/)
  refused({ rate: [0.1, -1] }, /expected a rate above 0, got -1/)
  refused({ rate: 'x' }, /expected a rate above 0, or a list of them, got "x"/)
  refused({ regex: 4 }, /expected a regular expression, got 4/)
  refused({ of: 'x' }, /expected a function, got "x"/)
  refused({ flag: 'yes' }, /expected true or false or a whole number from 1 to 64/)
  refused({ file: 3 }, /expected the path of a file, got 3/)
  for (const given of [3, null, 'abc', [1]]) refused(given, /^call: expected an object of options, got /)
})

test('values that fit pass, and so does what is undefined', () => {
  const given: Options<typeof table> = {
    size: 224,
    sizes: [64],
    share: 0,
    how: 'effective',
    column: false,
    rate: [0.1],
    regex: /a/,
    of: file => file,
    flag: true,
    file: 'x',
  }
  checkTable(table, given, { who: 'call' })
  checkTable(table, { size: undefined }, { who: 'call' })
})

test('unknown names: the nearest one, one of another call, what the call takes beside the table', () => {
  refused({ siz: 3 }, /^call has no option "siz"\. Did you mean "size"\?$/)
  refused({ SIZE: 3 }, /Did you mean "size"/)
  refused({ 'si-ze': 3 }, /Did you mean "size"/)
  refused({ quite: 3 }, /^call has no option "quite"\. The page docs\/options\.md lists all of them\.$/)
  const others = { other: { epochs: int(0) } }
  const check = (given: object) => checkTable(table, given, { who: 'call', also: ['signal'], others })
  assert.throws(() => check({ epochs: 3 }), /^AnnealError: call has no option "epochs"; it is an option of other\.$/)
  assert.throws(() => check({ signl: 3 }), /Did you mean "signal"/)
  check({ signal: 3 })
})

test('in a file, messages name the file and write as JSON does', () => {
  const by = inFile('train.json')
  assert.throws(() => checkTable(table, { size: 'x' }, { who: 'train.json', by }), {
    message: 'train.json: "size": expected a whole number from 32 to 2048, got "x". Example: "size": 224.',
  })
})

test('what is typed is read as the kind that it fits; what fits none stays as it was typed', () => {
  const rows: [keyof typeof table, text: string, value: unknown][] = [
    ['size', '224', 224],
    ['size', 'x', 'x'],
    ['size', ' ', ' '],
    ['sizes', '128,224', [128, 224]],
    ['sizes', '', []],
    ['column', 'none', false],
    ['column', 'part', 'part'],
    ['rate', '1e-3', 0.001],
    ['rate', '1e-3,1e-2', [0.001, 0.01]],
    ['rate', '1e', '1e'],
    ['flag', '8', 8],
  ]
  for (const [name, typed, value] of rows) assert.deepEqual(table[name].kind.read(typed), value, `${name} ${typed}`)
  assert.deepEqual(table.sizes.kind.read('224', [128]), [128, 224], 'a flag typed twice')
})

test('a table of one command, by headings, with help', () => {
  assert.deepEqual(Object.keys(takenBy(table, 'learner')).includes('sizes'), false)
  const added = {
    ...table,
    ...group('Run', ['train'], { seed: int(0) }),
    ...group('Pictures', ['train'], { last: int(0) }),
  }
  assert.deepEqual([...new Set(byGroup(added).map(([, { facts }]) => facts.group))], ['Run', 'Pictures'])
  assert.equal(helpOf(table.size), "the side (default: the model's own)")
  assert.equal(helpOf(table.how), 'how: balanced, effective')
})

test('the types of a table are those of its options', () => {
  const wrong: Options<typeof table>[] = [
    // @ts-expect-error a word for a number
    { size: 'large' },
    // @ts-expect-error a word that is not a choice
    { how: 'balancd' },
    // @ts-expect-error a name that is not in the table
    { siz: 3 },
  ]
  for (const given of wrong) refused(given, /./)
})
