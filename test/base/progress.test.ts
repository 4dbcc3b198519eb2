import assert from 'node:assert/strict'
import { test } from 'node:test'
import { streamReport } from '../../src/base/progress.ts'

test('in a log each quarter of a download is a line, and no line comes twice', () => {
  const written: string[] = []
  const report = streamReport({ write: text => written.push(text) }, () => 0)
  const [what, total] = ['photos', 6_610_716]
  report({ line: 'fetching photos' })
  for (const done of [0, 2_000_000, 2_100_000, 4_000_000, total - 1, total - 1, total]) report({ what, done, total })
  report({ what: 'weights', done: total, total })
  const lines = ['2.0 MB of 6.6 MB', '4.0 MB of 6.6 MB', '6.6 MB of 6.6 MB'].map(size => `  photos: ${size}\n`)
  assert.deepEqual(written, ['fetching photos\n', ...lines, '  weights: 6.6 MB of 6.6 MB\n'])
})
