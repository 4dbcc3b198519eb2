import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chosenLayers } from '../../src/export/quantize/choose.ts'
import type { Layer } from '../../src/export/quantize/layers.ts'
import type { Verdict } from '../../src/export/quantize/verdict.ts'

const all = Array.from({ length: 12 }, (_, i) => ({ node: { name: `layer ${i}` } }) as Layer)
const harms = [0, 0, 9, 0, 5, 0, 0, 3, 0, 1, 0, 0]
const harm = (layers: readonly Layer[]) => layers.reduce((sum, layer) => sum + harms[all.indexOf(layer)]!, 0)
const places = (layers: readonly Layer[]) => layers.map(layer => all.indexOf(layer))

for (const [limit, expected, most] of [
  [20, [], 1],
  [9, [2], 2],
  [4, [2, 4], 3],
  [1, [2, 4, 7], 6],
  [0.5, [2, 4, 7, 9], 6],
] as const)
  test(`worst first, no more than needed: at most ${limit} leaves ${expected.length} layers in float32`, async () => {
    const asked: number[] = []
    let tried = 0
    const { float, verdict } = await chosenLayers(all, {
      distance: async layers => {
        tried++
        return harm(layers)
      },
      verdict: async layers => {
        asked.push(all.length - layers.length)
        return { holds: harm(layers) <= limit, strain: harm(layers) / limit } as Verdict
      },
    })
    assert.deepEqual(places(float), expected, `asked ${asked}`)
    assert.ok(verdict.holds, 'it holds')
    assert.ok(asked.length <= most, `${asked}`)
    assert.equal(tried, expected.length === 0 ? 0 : all.length, 'layers are tried only where some must stay float32')
  })

test('if none of at most half of the layers holds, the best is returned', async () => {
  const asked: number[] = []
  const { float, verdict } = await chosenLayers(all, {
    distance: async harmful => harm(harmful),
    verdict: async layers => {
      asked.push(all.length - layers.length)
      return { holds: false, strain: 2 + harm(layers) } as Verdict
    },
  })
  assert.deepEqual(places(float), [2, 4, 7, 9])
  assert.equal(verdict.holds, false)
  assert.deepEqual(asked, [0, 1, 2, 4, 6], 'up to half')
})
