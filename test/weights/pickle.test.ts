import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readWeights } from '../../src/weights/file.ts'
import type { PickleValue } from '../../src/weights/globals.ts'
import type { Opcode } from '../../src/weights/opcodes.ts'
import { opcodes } from '../../src/weights/opcodes.ts'
import { unpickle } from '../../src/weights/pickle.ts'
import { refuser } from '../../src/weights/refuse.ts'
import type { Instruction } from '../helpers/weights.ts'
import { assemble, int, le, makeLegacy, makePth, sizes, stateDict, tensor, text } from '../helpers/weights.ts'

const run = (...program: Instruction[]): PickleValue =>
  unpickle(assemble(...program), { what: 'data.pkl', refuse: refuser('x.pth') }).value

const refused = (program: Instruction[], message: RegExp): void =>
  assert.throws(() => run(...program), { name: 'AnnealError', message })

const folder = mkdtempSync(join(tmpdir(), 'anneal-'))
after(() => rmSync(folder, { recursive: true }))

function read(bytes: Uint8Array): [string, number[]][] {
  const path = join(folder, 'x.pth')
  writeFileSync(path, bytes)
  return [...readWeights(path)].map(([name, { data }]) => [name, [...new Float32Array(Uint8Array.from(data).buffer)]])
}

const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)

test('plain values', () => {
  assert.equal(run(['LONG1', 10, Buffer.from('6cfc9c46f9206aa85019', 'hex')], 'STOP'), 0x1950a86a20f9469cfc6cn)
  assert.equal(run(['LONG1', 1, 0xff], 'STOP'), -1)
  assert.equal(run(['LONG1', 0], 'STOP'), 0)
  assert.equal(run(['LONG1', 2, 0xff, 0], 'STOP'), 255)
  assert.equal(run(['LONG4', le(9, 4), 0, 0, 0, 0, 0, 0, 0, 0, 1], 'STOP'), 2n ** 64n)
  assert.equal(run(['BININT', le(-5, 4)], 'STOP'), -5)
  assert.equal(run(['BININT2', le(65535, 2)], 'STOP'), 65535)
  assert.equal(run(['BINFLOAT', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], 'STOP'), 1.5)
  assert.equal(run(['SHORT_BINSTRING', 2, 'py'], 'STOP'), 'py')
  assert.deepEqual(run('MARK', int(1), 'NONE', 'NEWTRUE', 'TUPLE', 'STOP'), [1, null, true])
  assert.deepEqual(run('NONE', ['BINPUT', 0], 'POP', ['BINGET', 0], 'STOP'), null)
  assert.deepEqual(run(int(1), 'MEMOIZE', 'POP', ['LONG_BINGET', le(0, 4)], 'DUP', 'TUPLE2', 'STOP'), [1, 1])
})

test('a key named __proto__ is a key like any other', () => {
  const dict = run('EMPTY_DICT', text('__proto__'), int(1), 'SETITEM', 'STOP')
  assert.deepEqual(dict, new Map([['__proto__', 1]]))
  assert.equal(({} as Record<string, unknown>)['1'], undefined)
})

test("Python 2's OrderedDict comes as a list of pairs", () => {
  const pair: Instruction[] = ['MARK', text('a'), int(1), 'LIST']
  const program: Instruction[] = [['GLOBAL', 'collections\nOrderedDict\n'], 'MARK', 'MARK', ...pair, 'LIST', 'TUPLE']
  assert.deepEqual(run(...program, 'REDUCE', 'STOP'), new Map([['a', 1]]))
})

// Every way in which a pickle can name or call something.
const name = (module: string, attribute: string): Instruction => ['GLOBAL', `${module}\n${attribute}\n`]
const stackName = (module: string, attribute: string): Instruction[] => [text(module), text(attribute), 'STACK_GLOBAL']
const noState: Instruction[] = [name('collections', 'OrderedDict'), 'EMPTY_TUPLE', 'REDUCE']

test('names that are not on the list are refused before anything is done with them', () => {
  for (const [module, attribute] of [
    ['os', 'system'],
    ['posix', 'system'],
    ['nt', 'system'],
    ['builtins', 'eval'],
    ['builtins', 'exec'],
    ['__builtin__', 'getattr'],
    ['subprocess', 'Popen'],
    ['torch', 'load'],
    ['torch.hub', 'load'],
    ['torch._utils', '_rebuild_tensor_v2.__globals__'],
    ['torch', '_utils._rebuild_qtensor'],
    ['collections', 'OrderedDict.__init__'],
    ['collections', ''],
    ['', 'OrderedDict'],
    ['constructor', 'prototype'],
    ['__proto__', 'toString'],
    ['numpy.core.multiarray', 'scalar'],
    ['runpy', '_run_code'],
    ['pip', 'main'],
    ['torch.storage', '_load_from_bytes'],
  ] as const) {
    const message = `at byte \\d+ asks for "${module}\\.${attribute}", which no state dict needs; it was not run`
    refused([name(module, attribute), 'STOP'], new RegExp(`GLOBAL ${message}`))
    refused([...stackName(module, attribute), 'STOP'], new RegExp(`STACK_GLOBAL ${message}`))
  }
  refused([int(0), ['GLOBAL', 'os\nsystem\n']], /x\.pth: data\.pkl: GLOBAL at byte 5 asks for "os\.system"/)
  refused(['MARK', text('id'), ['INST', 'os\nsystem\n']], /INST at byte 8 asks for "os\.system"/)
  refused([int(1), int(2), 'STACK_GLOBAL'], /STACK_GLOBAL at byte 10 has a name that is not text/)
})

test('a name cannot reach the terminal raw', () => {
  refused([name('a\u001b[2J', 'b\u009b'.padEnd(500, 'c'))], /asks for "a\\u001b\[2J\.b\\u009bc{60,80}…"/)
})

const others: Opcode[] = [
  ...(['OBJ', 'NEWOBJ', 'NEWOBJ_EX', 'EXT1', 'EXT2', 'EXT4', 'PERSID', 'NEXT_BUFFER', 'READONLY_BUFFER'] as const),
  ...([
    'INT',
    'LONG',
    'FLOAT',
    'STRING',
    'UNICODE',
    'GET',
    'PUT',
    'DICT',
    'EMPTY_SET',
    'ADDITEMS',
    'FROZENSET',
  ] as const),
  ...(['BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8', 'BYTEARRAY8'] as const),
]
test('opcodes that no state dict needs are refused by name', () => {
  for (const opcode of others)
    refused([[opcode, 1, '\n']], new RegExp(`${opcode} at byte 0 is not among the opcodes that a state dict needs`))
  const known = new Set<number>(Object.values(opcodes))
  for (let byte = 0; byte < 256; byte++)
    if (!known.has(byte))
      assert.throws(
        () => unpickle(Uint8Array.of(byte), { what: 'data.pkl', refuse: refuser('x.pth') }),
        /byte 0 is 0x.., which is not a pickle opcode/,
      )
})

test('REDUCE calls nothing but the list, and with nothing but what torch.save writes', () => {
  refused([text('os.system'), 'EMPTY_TUPLE', 'REDUCE'], /REDUCE at byte 15 calls the text "os.system"/)
  refused([name('torch', 'FloatStorage'), 'EMPTY_TUPLE', 'REDUCE'], /REDUCE .* calls torch\.FloatStorage/)
  refused([...noState, 'EMPTY_TUPLE', 'REDUCE'], /REDUCE .* calls a dict/)
  refused([name('collections', 'OrderedDict'), int(1), 'REDUCE'], /calls collections\.OrderedDict with arguments that/)
  refused([name('collections', 'OrderedDict'), text('ab'), 'TUPLE1', 'REDUCE'], /OrderedDict with arguments/)
  refused([name('torch', 'Size'), 'EMPTY_TUPLE', 'REDUCE'], /torch\.Size with arguments/)
  refused([name('torch', 'Size'), ...sizes([-1]), 'TUPLE1', 'REDUCE'], /torch\.Size with arguments/)
  refused([name('torch._utils', '_rebuild_parameter'), 'EMPTY_TUPLE', 'REDUCE'], /_rebuild_parameter with arguments/)
  refused([name('torch._utils', '_rebuild_tensor_v2'), 'EMPTY_TUPLE', 'REDUCE'], /_rebuild_tensor_v2 with arguments/)
  refused(tensor('0', { shape: [4, 4] }), /_rebuild_tensor_v2 with arguments/)
  refused(tensor('0', { offset: -1 }), /_rebuild_tensor_v2 with arguments/)
  refused(tensor('0', { strides: [-1] }), /_rebuild_tensor_v2 with arguments/)
  refused(tensor('0', { shape: [-4] }), /_rebuild_tensor_v2 with arguments/)
  refused(tensor('0', { shape: Array(65).fill(1), strides: Array(65).fill(1) }), /_rebuild_tensor_v2 with arguments/)
  refused(tensor('0', { shape: Array(9).fill(2 ** 30), strides: Array(9).fill(0) }), /_rebuild_tensor_v2 with/)
  refused(tensor('0', { numel: -1 }), /BINPERSID .* names a storage in a form that torch.save does not write/)
  refused(tensor('0', { type: 'ComplexFloatStorage' }), /asks for "torch\.ComplexFloatStorage"/)
})

test('BUILD gives attributes to an OrderedDict, which are dropped, and to nothing else', () => {
  assert.deepEqual(run(...noState, 'EMPTY_DICT', text('_metadata'), int(1), 'SETITEM', 'BUILD', 'STOP'), new Map())
  refused([name('torch', 'Size'), 'EMPTY_DICT', 'BUILD'], /BUILD at byte 13 sets attributes of torch\.Size from a dict/)
  refused([...tensor('0'), 'EMPTY_DICT', 'BUILD'], /BUILD .* sets attributes of a tensor/)
  refused([...noState, 'EMPTY_DICT', 'NONE', 'TUPLE2', 'BUILD'], /BUILD .* from a list or tuple/)
  refused(['EMPTY_LIST', 'EMPTY_DICT', 'BUILD'], /BUILD .* sets attributes of a list or tuple/)
})

test('a stack that is empty, cut off by a MARK, or of other things', () => {
  refused(['STOP'], /STOP at byte 0 finds nothing on the stack/)
  refused(['MARK', 'STOP'], /finds nothing/)
  refused([int(1), 'MARK', 'POP'], /POP at byte 6 finds nothing/)
  refused([int(1), 'MARK', 'TUPLE1'], /finds fewer than 1 values/)
  refused(['TUPLE'], /finds no MARK/)
  refused(['APPENDS'], /finds no MARK/)
  refused([int(1), 'NONE', 'APPEND'], /appends to the number 1; expected a list/)
  refused(['EMPTY_LIST', int(1), int(2), 'SETITEM'], /sets items of a list or tuple/)
  refused(['EMPTY_DICT', 'MARK', int(1), 'SETITEMS'], /has a key without a value/)
  refused([['BINGET', 7]], /asks for memo 7, which was never set/)
  refused([['BINPUT', 7]], /finds nothing/)
  refused(['NONE'], /the pickle ends at byte 1 without STOP/)
  refused([['PROTO', 77]], /gives protocol 77/)
})

test('lengths are checked against what is left before memory is spent', () => {
  refused([['BINUNICODE', le(0xffffffff, 4), 'abc']], /BINUNICODE at byte 0 needs 4294967295 bytes, but 3 are left/)
  refused([['BINUNICODE8', le(2n ** 64n - 1n, 8), 'abc']], /needs \d+ bytes, but 3 are left/)
  refused([['BINSTRING', le(-1, 4)]], /needs 4294967295 bytes, but 0 are left/)
  refused([['LONG4', le(2 ** 31, 4)]], /needs an integer of 2147483648 bytes, but at most 255 are supported/)
  refused([['FRAME', le(2n ** 63n, 8)]], /needs \d+ bytes, but 0 are left/)
  refused([['GLOBAL', 'os']], /needs a line/)
  refused([['BINUNICODE', le(2, 4), 0xff, 0xfe]], /text that is not UTF-8/)
})

test('bombs: memo, depth, width', () => {
  // Lists that each hold the one before ten times: 10^30 values if a reader expanded them.
  const laughs: Instruction[] = ['EMPTY_LIST', ['BINPUT', 0]]
  for (let level = 1; level <= 30; level++)
    laughs.push('EMPTY_LIST', 'MARK', ...Array<Instruction>(10).fill(['BINGET', level - 1]), 'APPENDS', [
      'BINPUT',
      level,
    ])
  assert.ok(Array.isArray(run(...laughs, 'STOP')), `Array.isArray(run(...laughs, 'STOP'))`)

  const deep = Buffer.concat([Buffer.alloc(200_000, ']'), Buffer.alloc(199_999, 'a'), Buffer.from('.')])
  assert.ok(
    Array.isArray(unpickle(deep, { what: 'data.pkl', refuse: refuser('x.pth') }).value),
    `Array.isArray(unpickle(deep, { what: 'data.pkl', refuse: refuser('x…`,
  )

  for (const byte of [']', '}', ')', 'N', '(']) {
    const wide = Buffer.alloc(8_000_000, byte)
    const run = () => unpickle(wide, { what: 'data.pkl', refuse: refuser('x.pth') })
    assert.throws(run, /at byte \d+ needs more work than the pickle of any state dict/)
  }

  // A list of 10,000 pairs made into an OrderedDict again and again.
  const pair: Instruction[] = ['NONE', 'NONE', 'TUPLE2', ['BINPUT', 0], 'POP']
  const list: Instruction[] = ['EMPTY_LIST', 'MARK', ...Array<Instruction>(10_000).fill(['BINGET', 0]), 'APPENDS']
  const again = assemble(['BINGET', 2], ['BINGET', 1], 'REDUCE')
  const squared = Buffer.concat([
    assemble(...pair, ...list, 'TUPLE1', ['BINPUT', 1], name('collections', 'OrderedDict'), ['BINPUT', 2]),
    ...Array<Buffer>(10_000).fill(again),
  ])
  assert.throws(() => unpickle(squared, { what: 'data.pkl', refuse: refuser('x.pth') }), /needs more work/)
})

test('a dict that holds itself is read, and has no tensors', () => {
  const self = assemble('EMPTY_DICT', ['BINPUT', 0], text('model'), ['BINGET', 0], 'SETITEM', 'STOP')
  assert.throws(() => read(makePth(self)), /x\.pth: it holds no tensors \(its entries: "model"\)/)
  assert.throws(() => read(makePth(assemble(int(3), 'STOP'))), /x\.pth: it holds no state dict/)
})

test('tensors made by hand, as a zip and as a legacy file', () => {
  const pickle = stateDict('w', tensor('0', { shape: [2, 2], strides: [1, 2] }))
  const storage = floats(1, 2, 3, 4)
  assert.deepEqual(read(makePth(pickle, { 0: storage })), [['w', [1, 3, 2, 4]]])
  assert.deepEqual(read(makeLegacy(pickle, [['0', 4, storage]])), [['w', [1, 3, 2, 4]]])
})

test("an old file's view of a storage", () => {
  const view: Instruction[] = ['MARK', text('view'), int(1), int(2), 'TUPLE']
  const id: Instruction[] = ['MARK', text('storage'), name('torch', 'FloatStorage'), text('0'), text('cpu'), int(4)]
  const build = (shape: number): Instruction[] => [
    ...([
      name('torch._utils', '_rebuild_tensor'),
      'MARK',
      ...id,
      ...view,
      'TUPLE',
      'BINPERSID',
      int(0),
    ] as Instruction[]),
    ...([...sizes([shape]), ...sizes([1]), 'TUPLE', 'REDUCE'] as Instruction[]),
  ]
  const storages: [string, number, Buffer][] = [['0', 4, floats(1, 2, 3, 4)]]
  assert.deepEqual(read(makeLegacy(stateDict('w', build(2)), storages)), [['w', [2, 3]]])
  assert.throws(() => read(makeLegacy(stateDict('w', build(3)), storages)), /"w" reaches to element 4 .* ends at 3/)
})

test('lies about storages', () => {
  const lies: [Uint8Array, RegExp][] = [
    [makePth(stateDict('w', tensor('0'))), /no entry "w\/data\/0"/],
    [makePth(stateDict('w', tensor('../0')), { 0: floats(1, 2, 3, 4) }), /no entry "w\/data\/\.\.\/0"/],
    [
      makePth(stateDict('w', tensor('0')), { 0: floats(1, 2, 3) }),
      /storage "0" has 12 bytes, but its 4 float32 need 16/,
    ],
    [
      makePth(stateDict('w', tensor('0', { numel: 2 ** 30 })), { 0: floats(1) }),
      /has 4 bytes, but its 1073741824 float32/,
    ],
    [makePth(stateDict('w', tensor('0', { offset: 1 })), { 0: floats(1, 2, 3, 4) }), /"w" reaches to element 5/],
    [makePth(stateDict('w', tensor('0', { strides: [2] })), { 0: floats(1, 2, 3, 4) }), /"w" reaches to element 7/],
    [
      makePth(stateDict('w', tensor('0', { shape: [2 ** 30], strides: [0] })), { 0: floats(1, 2, 3, 4) }),
      /tensor "w" needs 4\.3 GB, but a file of \d+ B may use at most/,
    ],
    [
      makePth(stateDict('w', tensor('0', { shape: [0, 2 ** 30], strides: [1, 1], offset: 5 })), {
        0: floats(1, 2, 3, 4),
      }),
      /"w" reaches to element 5/,
    ],
    [
      makePth(
        assemble('EMPTY_DICT', text('a'), ...tensor('0'), 'SETITEM', text('b'), ...tensor('0', { type: 'IntStorage' })),
      ),
      /names storage "0" as 4 int32, but before as 4 float32/,
    ],
    [
      makeLegacy(stateDict('w', tensor('0')), [['0', 5, floats(1, 2, 3, 4)]]),
      /"0" declares 5 elements, but the pickle 4/,
    ],
    [makeLegacy(stateDict('w', tensor('0')), [['0', -(2n ** 63n), floats()]]), /"0" declares -\d+ elements/],
    [
      makeLegacy(stateDict('w', tensor('0', { numel: 2 ** 30 })), [['0', 2 ** 30, floats(1)]]),
      /"0" declares 4294967296 bytes, but 4 are left/,
    ],
    [makeLegacy(stateDict('w', tensor('0')), []), /storage "0" is not in the file/],
    [
      makeLegacy(stateDict('w', tensor('0')), [['1', 4, floats(1, 2, 3, 4)]]),
      /list of storages does not match its pickle/,
    ],
    [
      makeLegacy(stateDict('w', tensor('0')), [
        ['0', 4, floats(1, 2, 3, 4)],
        ['0', 4, floats(1, 2, 3, 4)],
      ]),
      /list of storages does not match its pickle/,
    ],
    [
      Buffer.concat([makeLegacy(stateDict('w', tensor('0')), [['0', 4, floats(1, 2, 3, 4)]]), le(0, 1)]),
      /1 bytes follow/,
    ],
  ]
  for (const [file, message] of lies) assert.throws(() => read(file), { name: 'AnnealError', message })
})
