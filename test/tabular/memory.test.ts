import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { collectGarbage } from '../../src/base/memory.ts'
import { returnMemory } from '../../src/tabular/models/lightgbm/memory.ts'

test('large arrays go back to the system when they are freed, on Linux with glibc; elsewhere nothing is changed', async () => {
  returnMemory()
  const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
  const rss = () => process.memoryUsage().rss / 1e6
  let kept: (Float64Array | undefined)[] = []
  // Every other array is dropped, so that the freed ones lie between those in use.
  for (let i = 0; i < 40; i++) {
    const values = new Float64Array(1e6).fill(1)
    kept.push(i % 2 ? values : undefined)
  }
  const full = rss()
  assert.equal(kept.length, 40)
  kept = []
  // V8 frees arrays on another thread.
  for (let i = 0; i < 50 && rss() >= full - 140; i++) {
    collectGarbage()
    await setTimeout(20)
  }
  if (glibcVersionRuntime !== undefined) assert.ok(rss() < full - 140, `${full} MB, then ${rss()} MB`)
})
