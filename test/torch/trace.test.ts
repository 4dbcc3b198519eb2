import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  aten,
  autocast,
  call,
  cat,
  F,
  keep,
  kernelsInUse,
  liveTensors,
  nn,
  ones,
  randn,
  scope,
  type Tensor,
  type TensorHandle,
  zeros,
} from '../../src/torch/index.ts'
import { TracedConstant, type TracedValue, trace } from '../../src/torch/trace.ts'

const operators = (fn: (x: Tensor) => Tensor, x = randn([2, 3])) => trace(x => [fn(x)], x).calls.map(c => c.operator)

test('a trace records the operators that depend on the input, with all arguments by name', () => {
  const w = keep(randn([4, 3]))
  const { input, calls, outputs } = trace(x => [aten.linear(x, w.mul(2)).relu()], randn([2, 3]), {
    names: new Map<TensorHandle, string>([[w, 'fc.weight']]),
  })
  assert.deepEqual(
    calls.map(c => c.operator),
    ['linear', 'relu'],
  )
  const [{ arguments: args }] = calls as [(typeof calls)[0]]
  assert.deepEqual(Object.keys(args), ['input', 'weight', 'bias'])
  assert.equal(args.input, input)
  assert.equal(args.bias, null)
  const weight = args.weight as TracedConstant
  assert.ok(weight instanceof TracedConstant, 'the weight is a constant')
  assert.equal(weight.name, 'fc.weight')
  const doubled = new Float32Array(weight.data.buffer, weight.data.byteOffset, 12)
  assert.deepEqual(Array.from(doubled), w.mul(2).numbers())
  assert.deepEqual(outputs[0]!.shape, [2, 4])
  assert.equal(outputs[0], calls[1]!.results[0])
})

test('defaults, one number for two, and overloads are read from the schema', () => {
  const { calls } = trace(
    x => [
      aten
        .max_pool2d(x, 2)
        .add(1)
        .add(aten.max_pool2d(x, [2], { stride: 2 })),
    ],
    zeros([1, 1, 4, 4]),
  )
  assert.deepEqual(calls[0]!.arguments, {
    self: calls[0]!.arguments.self,
    kernel_size: [2, 2],
    stride: [],
    padding: [0, 0],
    dilation: [1, 1],
    ceil_mode: false,
  })
  assert.deepEqual(calls[2]!.arguments.kernel_size, [2, 2])
  assert.deepEqual(calls[2]!.arguments.stride, [2, 2])
  assert.deepEqual(
    calls.filter(c => c.operator === 'add').map(c => c.overload),
    ['Scalar', 'Tensor'],
  )
})

test('an operator in place makes a new value, which both handles mean', () => {
  const { calls, outputs } = trace(
    x => {
      const y = x.mul(2)
      const z = F.relu_(y)
      return [y.add(z)]
    },
    randn([2]),
  )
  assert.deepEqual(
    calls.map(c => c.operator),
    ['mul', 'relu', 'add'],
  )
  const [relu] = calls[1]!.results
  assert.equal(calls[2]!.arguments.self, relu)
  assert.equal(calls[2]!.arguments.other, relu)
  assert.equal(outputs[0], calls[2]!.results[0])
})

test('a tensor that was changed through another view is refused when it is read, and only then', () => {
  const changed = /reads a tensor that add_ changed through another view of it; call add instead/
  const views: Record<string, (x: Tensor) => Tensor> = {
    'a view after its base': x => {
      const y = x.mul(2)
      const v = y.reshape(-1)
      y.add_(1)
      return v
    },
    'a base after its view': x => {
      const y = x.mul(2)
      y.transpose(0, 1).add_(1)
      return y.mul(1)
    },
    'a view after another of the same base': x => {
      const y = x.mul(2)
      const [a, b] = [y.narrow(1, 0, 2), y.narrow(1, 1, 2)]
      a.add_(1)
      return b.mul(2)
    },
    'a view of a view': x => {
      const y = x.mul(2)
      const far = y.reshape(-1).narrow(0, 1, 2)
      y.add_(1)
      return far.mul(2)
    },
  }
  for (const [name, fn] of Object.entries(views)) assert.throws(() => operators(fn), changed, name)
  const fine = operators(x => {
    const [a, b] = aten.chunk(x.mul(2), 2, { dim: 1 }) as [Tensor, Tensor]
    aten.relu_(b)
    return cat([a, b], 1)
  })
  assert.deepEqual(fine, ['mul', 'chunk', 'relu', 'cat'])
})

test('a result of several tensors is recorded as several values', () => {
  const { calls } = trace(
    x => {
      const [q, , v] = aten.unbind(x) as [Tensor, Tensor, Tensor]
      return [q.add(v)]
    },
    randn([3, 2]),
  )
  assert.equal(calls[0]!.results.length, 3)
  assert.equal(calls[1]!.arguments.self, calls[0]!.results[0])
  assert.equal(calls[1]!.arguments.other, calls[0]!.results[2])
})

test('what a record can not hold is refused, with what to do', () => {
  const refused: Record<string, [RegExp, (x: Tensor) => Tensor]> = {
    item: [/reads elements .*\(item\).*Compute with tensors alone/, x => x.mul(x.sum().item())],
    numbers: [/reads elements .*\(data\)/, x => x.mul(x.numbers()[0]!)],
    view: [/reads elements .*\(view\)/, x => x.mul(Number(x.view()[0]))],
    equal: [/equal returns a boolean that depends on the input/, x => (call('equal', x, x) ? x.mul(2) : x)],
    constant: [/an output of the function does not depend on its input/, () => ones([2])],
    written: [
      /copy_ writes a value that depends on the input into a tensor that does not; join tensors by cat or stack/,
      x => zeros([2, 3]).copy_(x),
    ],
    nested: [/a trace is running already/, x => trace(y => [y], x) && x],
  }
  for (const [name, [message, fn]] of Object.entries(refused)) assert.throws(() => operators(fn), message, name)
  assert.deepEqual(
    operators(x => x.mul(call('size', x, 1))),
    ['mul'],
    'sizes may be read',
  )
})

test('a constant has the elements of the time when it was read', () => {
  const w = keep(zeros([3]))
  const { calls } = trace(
    x => {
      const y = x.mul(w)
      w.add_(1)
      return [y.mul(w)]
    },
    randn([3]),
    { names: new Map<TensorHandle, string>([[w, 'w']]) },
  )
  const elements = calls.map(c => new Float32Array((c.arguments.other as TracedConstant).data.slice().buffer)[0])
  assert.deepEqual(elements, [0, 1])
})

test('errors pass, and leave training as it was', () => {
  const live = liveTensors()
  const model = nn.sequential(nn.conv2d(1, 2, 3), nn.batchNorm2d(2))
  const made = liveTensors()
  const kernels = kernelsInUse()
  scope(() => {
    assert.throws(() => operators(x => x.matmul(x), zeros([2, 3])), /matmul|mat1/, 'the error of libtorch')
    assert.throws(() => operators(x => aten.add(x, 'a' as never)), /add: the arguments do not fit/)
    assert.throws(() => operators(() => assert.fail('own'), zeros([2, 3])), /own/)
    const freed = ones([1])
    freed.dispose()
    assert.throws(() => operators(x => x.add(freed), zeros([2, 3])), /add: a tensor was used after it was freed/)
    trace(x => [model(x)], zeros([1, 1, 4, 4]))
  })
  assert.equal(liveTensors(), made, 'a trace keeps no tensor')
  assert.equal(kernelsInUse(), kernels)
  const x = randn([2, 1, 4, 4])
  const loss = model(x).sum()
  loss.backward()
  const { weight } = model.children['0']!.own.parameters
  assert.ok(weight!.grad !== null, 'gradients are recorded again')
  assert.ok(made > live, 'the model has tensors')
})

test('it computes in float32 inside autocast, and with the kernels of libtorch', () => {
  const conv = nn.conv2d(16, 32, 3, { padding: 1 })
  const x = aten.contiguous(randn([2, 16, 16, 16]), { memory_format: 'channels_last' })
  const { calls } = autocast('bfloat16', () => trace(x => [conv(x)], x))
  assert.deepEqual(
    calls.map(c => [c.operator, (c.results[0] as TracedValue).dtype]),
    [['conv2d', 'float32']],
  )
})
