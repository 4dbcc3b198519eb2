import assert from 'node:assert/strict'
import { test } from 'node:test'
import { model } from '../../src/models/index.ts'
import { full, manualSeed, nn } from '../../src/torch/index.ts'
import { Learner } from '../../src/train/learner.ts'
import { byDecay } from '../../src/train/param-groups.ts'
import { bits, classes, source } from '../helpers/train.ts'

/** Names of parameters with more than one dimension that are not decayed. */
function spared(name: string, size: number): string[] {
  const body = model(name).build({ classes: 0, size })
  const { decayed, plain } = byDecay([body])
  const named = [...body.namedParameters()]
  assert.equal(decayed.length + plain.length, named.length)
  assert.ok(
    decayed.every(p => p.shape.length > 1),
    'decayed.every(p => p.shape.length > 1)',
  )
  return named.filter(([, p]) => plain.includes(p) && p.shape.length > 1).map(([key]) => key)
}

test('no decay for what timm decays not: layer_scale, class token, position embeddings', () => {
  const scales = spared('convnext_tiny', 32)
  assert.equal(scales.length, 18, 'one a block')
  assert.ok(
    scales.every(key => key.endsWith('layer_scale')),
    `scales.every(key => key.endsWith('layer_scale'))`,
  )
  assert.deepEqual(spared('vit_b_16', 32), ['class_token', 'encoder.pos_embedding'])
  for (const name of ['resnet18', 'mobilenet_v2', 'efficientnet_b0']) assert.deepEqual(spared(name, 32), [], name)
})

/** The parameters after a step of AdamW, for a net with a separate scale before the last layer. */
async function stepped(weightDecay: number): Promise<Map<string, string>> {
  manualSeed(1)
  const m = { scale: nn.learned(full([3, 1, 1], 0.5), (x, w) => x.mul(w)), head: nn.linear(3, classes.length) }
  const net = nn.module(m, x => m.head(m.scale(x).mean([2, 3])))
  const groups = Object.entries(m).map(([name, module]) => ({ name, modules: [module] }))
  const parts = { train: source(16), valid: source(6, { name: 'valid' }) }
  const learn = new Learner({ net, groups }, { ...parts, classes, batchSize: 8, seed: 7, weightDecay })
  learn.seed()
  await learn.fit(1, { lr: 0.01, callbacks: [{ afterBatch: () => 'stop' }] })
  return bits(learn)
}

test('a step with decay moves a scale as one without does, and the weights beside it otherwise', async () => {
  const [without, decayed] = [await stepped(0), await stepped(0.5)]
  const differ = [...without.keys()].filter(name => without.get(name) !== decayed.get(name))
  assert.deepEqual(differ, ['head.weight'])
})
