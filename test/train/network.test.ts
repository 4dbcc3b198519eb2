// A body and its head as one net.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { models } from '../../src/models/index.ts'
import { autocast, generator, noGrad, randn } from '../../src/torch/index.ts'
import { network } from '../../src/train/network.ts'

test('a head is computed in float32 from the features that autocast made, in training too', () => {
  const body = models.resnet18.build({ classes: 0, channels: 3 })
  const { net, head, features } = network(body, 5, { dropout: 0 })
  const x = randn([4, 3, 64, 64], { generator: generator(3) }).contiguous('channels_last')
  const of = () => autocast('bfloat16', () => ({ logits: net(x), seen: features(x) }))
  net.eval()
  const still = noGrad(of)
  assert.equal(still.logits.dtype, 'float32')
  const seen = still.seen.to('float32')
  assert.deepEqual(still.logits.numbers(), noGrad(() => head(seen)).numbers())
  const rounded = noGrad(() => autocast('bfloat16', () => head(seen)))
  assert.notDeepEqual(rounded.to('float32').numbers(), still.logits.numbers())

  const { logits, seen: recorded } = of()
  logits.pow(2).sum().backward()
  const made = head.parameters().map(p => p.grad!.numbers())
  net.zeroGrad()
  head(recorded.detach().to('float32')).pow(2).sum().backward()
  assert.deepEqual(
    made,
    head.parameters().map(p => p.grad!.numbers()),
  )
})
