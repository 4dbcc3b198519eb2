import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  aten,
  call,
  type DType,
  fromArray,
  generator,
  library,
  scope,
  Tensor,
  TorchError,
  tensor,
} from '../../src/torch/index.ts'

const numbers = (t: Tensor) => t.numbers()
const x = tensor([
  [1, 2],
  [3, 4],
])

/** The error of a call, checked to be readable: no C++ frames, no source paths of libtorch. */
function refusal(fn: () => unknown): TorchError {
  try {
    fn()
  } catch (error) {
    assert.ok(error instanceof TorchError, String(error))
    assert.doesNotMatch(error.message, /\.(cpp|h):\d|frame #|0x[0-9a-f]{6}|Exception raised/)
    return error
  }
  assert.fail('it was not refused')
}

test('arguments: tensors, a missing tensor, lists of tensors with holes', () => {
  assert.deepEqual(numbers(call('mm', x, x)), [7, 10, 15, 22])
  assert.deepEqual(numbers(call('linear', x, x, null)), [5, 11, 11, 25])
  assert.deepEqual(numbers(call('linear', x, x, undefined)), [5, 11, 11, 25])
  assert.deepEqual(numbers(call('linear', x, x, tensor([1, 0]))), [6, 11, 12, 25])
  assert.deepEqual(numbers(call('linear', x, x, { bias: tensor([1, 0]) })), [6, 11, 12, 25])
  assert.deepEqual(call('cat', [x, x], 1).shape, [2, 4])
  assert.deepEqual(numbers(call('index', x, [null, tensor([1n])])), [2, 4])
})

test('arguments: whole numbers, lists of them, one number for all of int[2], bigint, bool[3]', () => {
  assert.deepEqual(numbers(call('select', x, 0, 1)), [3, 4])
  assert.deepEqual(numbers(call('select', x, 0n, 1n)), [3, 4])
  assert.deepEqual(call('permute', x, [1, 0]).strides, [1, 2])
  const picture = aten.zeros([1, 1, 4, 4])
  assert.deepEqual(call('avg_pool2d', picture, 2).shape, [1, 1, 2, 2])
  assert.deepEqual(call('avg_pool2d', picture, [2]).shape, [1, 1, 2, 2])
  assert.deepEqual(call('avg_pool2d', picture, [2, 4]).shape, [1, 1, 2, 1])
  assert.deepEqual(numbers(call('sum', x, 1)), [3, 7])
  assert.deepEqual(numbers(call('sum', x, [0, 1])), [10])
  const weight = aten.ones([1, 1, 2, 2])
  const out = aten.ones([1, 1, 3, 3])
  const rest = [[1, 1], [0, 0], [1, 1], false, [0, 0], 1, [true, false, true]]
  const [dx, dw, db] = call('convolution_backward', out, picture, weight, [1], ...rest)
  assert.deepEqual(dx.shape, [1, 1, 4, 4])
  assert.equal(dw, null)
  assert.deepEqual(numbers(db), [9])
  for (const bad of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60, 2n ** 70n])
    refusal(() => call('select', x, 0, bad))
})

test('arguments: floats, booleans, strings', () => {
  assert.deepEqual(numbers(call('leaky_relu', tensor([-2]), 0.25)), [-0.5])
  assert.deepEqual(numbers(call('sum', x, [1], true)), [3, 7])
  assert.deepEqual(call('sum', x, [1], true).shape, [2, 1])
  assert.deepEqual(numbers(call('div', tensor([-7]), 2, { rounding_mode: 'floor' })), [-4])
  assert.deepEqual(numbers(call('div', tensor([-7]), 2, { rounding_mode: 'trunc' })), [-3])
  assert.match(refusal(() => call('div', x, 2, { rounding_mode: 'up' })).message, /trunc/)
  refusal(() => call('sum', x, [1], 1))
})

test('arguments: a Scalar keeps its kind: whole numbers, fractions, booleans, bigints', () => {
  const counts = tensor([1n, 2n])
  assert.equal(call('mul', counts, 2).dtype, 'int64')
  assert.equal(call('mul', counts, 2.5).dtype, 'float32')
  assert.equal(call('mul', counts, true).dtype, 'int64')
  assert.equal(call('mul', tensor([true]), true).dtype, 'bool')
  const big = 2n ** 62n + 1n
  assert.equal(call('add', tensor([0n]), big).data()[0], big)
  refusal(() => call('add', tensor([0n]), 2n ** 64n))
  assert.deepEqual(numbers(call('_foreach_add', [x, x], [1, 0.5])[1]), [1.5, 2.5, 3.5, 4.5])
})

test('arguments: dtype, device, layout, memory format, generator', () => {
  assert.equal(call('zeros', [2], { dtype: 'int16', device: 'cpu', layout: 'strided' }).dtype, 'int16')
  assert.equal(call('empty', [2], { device: 'meta' }).device, 'meta')
  const lasting = call('empty', [1, 3, 2, 2], { memory_format: 'channels_last' })
  assert.deepEqual(lasting.strides, [12, 1, 6, 3])
  assert.deepEqual(call('contiguous', lasting, { memory_format: 'contiguous_format' }).strides, [12, 4, 2, 1])
  const draw = () => numbers(call('rand', [4], { generator: generator(7) }))
  assert.deepEqual(draw(), draw())
  assert.notDeepEqual(draw(), numbers(call('rand', [4], { generator: generator(8) })))
  refusal(() => call('rand', [4], { generator: x }))
  refusal(() => call('relu', generator(1)))
  refusal(() => call('zeros', [2], { dtype: 'float31' }))
  assert.match(refusal(() => call('zeros', [2], { device: 'gpu' })).message, /cuda/)
})

test('the overload is the one that the arguments fit', () => {
  assert.deepEqual(numbers(call('add', x, x)), [2, 4, 6, 8])
  assert.deepEqual(numbers(call('add', x, 1)), [2, 3, 4, 5])
  assert.deepEqual(numbers(call('add', x, x, { alpha: -1 })), [0, 0, 0, 0])
  assert.deepEqual(numbers(call('pow', 2, x)), [2, 4, 8, 16])
  assert.deepEqual(numbers(call('max', x)), [4])
  assert.deepEqual(numbers(call('max', x, 0)[0]), [3, 4])
  assert.deepEqual(numbers(call('max', x, tensor([2, 3]))), [2, 3, 3, 4])
  assert.deepEqual(call('split', x, 1).length, 2)
  assert.deepEqual(call('split', x, [1, 1], 1)[1].shape, [2, 1])
  assert.deepEqual(numbers(call('clamp', x, { min: 2 })), [2, 2, 3, 4])
  assert.deepEqual(numbers(call('clamp', x, { max: tensor([2, 3]) })), [1, 2, 2, 3])
  assert.deepEqual(numbers(call('add.Scalar', x, 1)), [2, 3, 4, 5])
  refusal(() => call('add.Tensor', x, 1))
})

test('options go by name; unknown, missing, repeated and surplus arguments are named', () => {
  assert.deepEqual(numbers(call('softmax', { self: x, dim: 0 })).length, 4)
  assert.match(refusal(() => call('relu', x, { inplace: true })).message, /no option "inplace"/)
  assert.match(refusal(() => call('relu', x, { self: x })).message, /repeats/)
  assert.match(refusal(() => call('relu')).message, /"self" \(Tensor\) is missing/)
  assert.match(refusal(() => call('relu', x, 1)).message, /takes 1, got 2/)
  assert.match(refusal(() => call('relu', 'x')).message, /"self" must be Tensor/)
  assert.match(refusal(() => call('add', ...Array(200).fill(x))).message, /at most 32/)
  assert.deepEqual(numbers(call('relu', x, undefined, undefined)), [1, 2, 3, 4])
  const message = refusal(() => call('conv2d', x, { stridee: 2 })).message
  assert.match(message, /aten::conv2d\(Tensor input, Tensor weight/)
})

test('an operator that this libtorch has not, or not with this overload', () => {
  assert.match(refusal(() => call('conv5d', x)).message, /no operator "conv5d".*libtorch \d/)
  assert.match(refusal(() => call('add.Tensr', x)).message, /it has .*add\.Tensor/)
  assert.equal((aten as { then?: unknown }).then, undefined, 'it can be awaited')
})

test('results: several tensors, lists, numbers, booleans, nothing', () => {
  const [values, indices] = call('sort', tensor([3, 1, 2]))
  assert.deepEqual([numbers(values), indices.dtype, numbers(indices)], [[1, 2, 3], 'int64', [1, 2, 0]])
  assert.deepEqual(
    call('unbind', x).map((t: Tensor) => t.shape),
    [[2], [2]],
  )
  assert.equal(call('size.int', x, 1), 2)
  assert.equal(call('is_floating_point', x), true)
  assert.equal(call('equal', x, x.clone()), true)
  assert.equal(call('_foreach_mul_', [x.clone()], 2), undefined)
  assert.equal(call('item', tensor([2.5])), 2.5)
})

test('variants that write to `out`, and in-place ones, give an alias of what they wrote', () => {
  const out = aten.zeros([2, 2])
  const given = call('add.out', x, x, { out })
  assert.deepEqual(numbers(out), [2, 4, 6, 8])
  given.fill_(1)
  assert.deepEqual(numbers(out), [1, 1, 1, 1])
  const changed = aten.mul_(out, 3)
  assert.notEqual(changed, out)
  changed.dispose()
  assert.deepEqual(numbers(out), [3, 3, 3, 3], 'the alias is gone, the tensor is not')
})

test('every dtype comes in and goes out', () => {
  const arrays: [DType, ArrayBufferView & { length: number }, string][] = [
    ['uint8', Uint8Array.of(0, 255), 'Uint8Array'],
    ['int8', Int8Array.of(-128, 127), 'Int8Array'],
    ['int16', Int16Array.of(-32768, 32767), 'Int16Array'],
    ['int32', Int32Array.of(-(2 ** 31), 2 ** 31 - 1), 'Int32Array'],
    ['int64', BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n), 'BigInt64Array'],
    ['float32', Float32Array.of(-0, Math.fround(1 / 3)), 'Float32Array'],
    ['float64', Float64Array.of(1 / 3, Number.NaN), 'Float64Array'],
    ['bool', Uint8Array.of(0, 1), 'Uint8Array'],
    ['bfloat16', Uint16Array.of(0x3f80, 0xc040), 'Uint16Array'],
    ['float16', Uint16Array.of(0x3c00, 0xc200), 'Uint16Array'],
  ]
  for (const [dtype, data, name] of arrays) {
    const t = fromArray(data, [2], { dtype })
    assert.equal(t.dtype, dtype)
    assert.equal(t.data().constructor.name, name)
    assert.deepEqual(t.data(), data)
  }
  for (const dtype of ['bfloat16', 'float16'] as const)
    assert.deepEqual(numbers(fromArray(arrays.find(a => a[0] === dtype)![1], [2], { dtype })), [1, -3])
  assert.equal(fromArray(Buffer.from([1, 2, 3]), [3]).dtype, 'uint8')
  assert.throws(() => fromArray(Uint16Array.of(1), [1]), /Uint16Array needs `dtype`/)
  refusal(() => call('zeros', [1], { dtype: 'complex64' }).data())
})

test('numbers in: nested, inferred, exact', () => {
  assert.deepEqual(tensor(3).shape, [])
  assert.deepEqual([tensor([1]).dtype, tensor([1n]).dtype, tensor([true]).dtype], ['float32', 'int64', 'bool'])
  assert.deepEqual(numbers(tensor([2 ** 31 - 1], { dtype: 'int32' })), [2 ** 31 - 1])
  assert.deepEqual(tensor([[], []]).shape, [2, 0])
  assert.throws(() => tensor([[1, 2], [3]]), /expected 2 elements at depth 1, got 1/)
  assert.throws(() => tensor([1, [2]]), /expected no elements at depth 1/)
  assert.throws(() => tensor([[1], 2]), /as deep as the first/)
})

test('tensors of no dimension and of no element', () => {
  const zero = tensor(5)
  assert.deepEqual([zero.shape, zero.numel, zero.item(), [...(zero.data() as Float32Array)]], [[], 1, 5, [5]])
  const none = fromArray(new Float32Array(0), [0, 3], { copy: false })
  assert.deepEqual(
    [none.shape, none.numel, none.byteLength, none.data().length, none.view().length],
    [[0, 3], 0, 0, 0, 0],
  )
  assert.deepEqual(aten.cat([none, aten.ones([1, 3])]).shape, [1, 3])
  assert.equal(none.sum().item(), 0)
  refusal(() => none.item())
})

test('copy: false shares memory both ways, and views of one tensor see each other', () => {
  const array = Float32Array.of(1, 2, 3, 4)
  const shared = fromArray(array, [2, 2], { copy: false })
  const copied = fromArray(array, [2, 2])
  array[0] = 10
  assert.deepEqual([numbers(shared)[0], numbers(copied)[0]], [10, 1])
  shared.add_(1)
  assert.deepEqual([...array], [11, 3, 4, 5])
  const [a, b] = [copied.view(), copied.view()]
  a[3] = 7
  assert.equal(b[3], 7)
  assert.equal(copied.select(0, 1).select(0, 1).item(), 7)
  refusal(() => copied.transpose(0, 1).view())
  const middle = fromArray(array.subarray(1, 3), [2], { copy: false })
  assert.deepEqual(numbers(middle), [3, 4])
  const across = fromArray(new Float32Array(new SharedArrayBuffer(8)), [2], { copy: false })
  assert.deepEqual(numbers(across.fill_(2)), [2, 2])
})

test('what does not fit its shape is refused before memory is touched', () => {
  const data = new Float32Array(4)
  assert.match(refusal(() => fromArray(data, [3])).message, /needs 12 bytes, the array has 16/)
  refusal(() => fromArray(data, [-1, -4]))
  refusal(() => fromArray(data, [2 ** 40, 2 ** 40]))
  refusal(() => fromArray(data, [1.5, 2]))
  refusal(() => fromArray(new DataView(new ArrayBuffer(4)), [1], { dtype: 'float32' }))
})

test('a wrong shape, dtype or device names the operator and what it got', () => {
  const kernel = aten.zeros([2, 3, 3, 3])
  const wrong = refusal(() => aten.conv2d(aten.zeros([1, 1, 8, 8]), kernel))
  assert.equal(wrong.op, 'conv2d')
  assert.deepEqual(wrong.shapes, [
    [1, 1, 8, 8],
    [2, 3, 3, 3],
  ])
  assert.deepEqual(
    [wrong.dtypes, wrong.devices],
    [
      ['float32', 'float32'],
      ['cpu', 'cpu'],
    ],
  )
  assert.match(wrong.message, /^conv2d: .*3 channels.*1 channels.*got float32 \[1,1,8,8\], float32 \[2,3,3,3\]/)
  assert.match(refusal(() => x.matmul(tensor([1, 2, 3]))).message, /^matmul: .*float32 \[2,2\], float32 \[3\]/)
  const types = refusal(() => aten.mm(x, x.to('float64')))
  assert.deepEqual(types.dtypes, ['float32', 'float64'])
  const devices = refusal(() => x.add(aten.zeros([2], { device: 'meta' })))
  assert.match(devices.message, /float32 \[2\] on meta/)
  assert.match(refusal(() => aten.cat([x, aten.zeros([3])])).message, /float32 \[3\]/)
  if (library().cudaDevices === 0) {
    const { message } = refusal(() => aten.zeros([1], { device: 'cuda' }))
    assert.ok(message.length < 200, message)
  }
  assert.match(refusal(() => x.item()).message, /^item: .*one element, got 4/)
  assert.match(refusal(() => x.backward()).message, /^backward: .*require grad/)
})

test('a freed tensor is told from no tensor, in operators and in properties', () => {
  const gone = x.clone()
  gone.dispose()
  assert.equal(String(gone), 'Tensor(freed)')
  for (const use of [
    () => gone.add(1),
    () => x.add(gone),
    () => aten.cat([x, gone]),
    () => gone.shape,
    () => gone.item(),
  ])
    assert.match(refusal(use).message, /used after it was freed \(ANNEAL_DEBUG=1/)
  assert.deepEqual(refusal(() => x.add(gone)).shapes, [[2, 2]])
  const inner = scope(() => {
    const made = x.add(1)
    scope(() => made)
    return { made, lost: scope(() => [x.add(2)].length && x) }
  })
  assert.deepEqual(numbers(inner.made), [2, 3, 4, 5])
  assert.ok(inner.lost instanceof Tensor, 'inner.lost instanceof Tensor')
})
