import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noGrad, randn, scope } from '../../src/torch/index.ts'
import { network } from '../../src/train/network.ts'
import { models } from '../../src/vision/models/registry.ts'
import { checkStructure, difference, fileOf, graphOf, roughen, runFile } from './nets.make.ts'

const classes = 7

for (const [name, info] of Object.entries(models))
  test(`${name} as a graph gives the logits of the net, for one picture and for three`, async () => {
    const size = info.sizes === 'any' ? 64 : 32
    const net = network(info.build({ classes: 0, size }), classes, { dropout: 0.5 })
    roughen(net)
    const { graph, logits } = graphOf(net, [3, size, size], classes)
    checkStructure(graph, [logits], ['pixels'])
    net.net.eval()
    const inputs = [randn([1, 3, size, size]), randn([3, 3, size, size])]
    const wanted = inputs.map(x => noGrad(() => scope(() => net.net(x).numbers())))
    const made = await runFile(fileOf(graph), 'pixels', inputs)
    for (const [i, { [logits]: got }] of made.entries()) {
      assert.deepEqual(got!.dims, [inputs[i]!.shape[0], classes])
      const apart = difference(got!.values, wanted[i]!)
      assert.ok(apart <= 1e-4, `${name}, ${got!.dims[0]} pictures: the logits are ${apart} apart`)
    }
  })
