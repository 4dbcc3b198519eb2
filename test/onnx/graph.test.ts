import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as ort from 'onnxruntime-web/wasm'
import { cardKey, Graph } from '../../src/onnx/index.ts'

ort.env.wasm.numThreads = 1 // else it asks for the number of processors, which its bundle cannot do in Node

test('a graph runs in onnxruntime, with strings and unicode, and its metadata stand in its first bytes', async () => {
  const g = new Graph()
  const image = g.input('image', 'uint8', ['N', 'H', 'W', 3])
  const x = g.add('Cast', [image], { to: 1 })
  g.output(g.add('ReduceMean', [x, g.ints('axes', [1, 2])], { keepdims: 0 }, 'features'), 'float', ['N', 3])
  const best = g.add('ArgMax', ['features'], { axis: -1, keepdims: 0 })
  g.output(g.add('Gather', [g.strings('names', ['a', 'b', 'ö']), best], { axis: 0 }, 'label'), 'string', ['N'])
  const file = g.encode({ producer: 'anneal', version: '1', metadata: { [cardKey]: '{"task":"single"}' } })
  const head = new TextDecoder().decode(file.subarray(0, 120))
  assert.ok(head.includes(cardKey) && head.includes('{"task":"single"}'), `the metadata are not first: ${head}`)
  const session = await ort.InferenceSession.create(file)
  const { features, label } = await session.run({
    image: new ort.Tensor('uint8', Uint8Array.from([1, 2, 3, 4, 5, 6, 9, 2, 1, 7, 2, 1]), [2, 1, 2, 3]),
  })
  assert.deepEqual(Array.from(features!.data as Float32Array), [2.5, 3.5, 4.5, 8, 2, 1])
  assert.deepEqual(label!.data, ['ö', 'a'])
  await session.release()
})
