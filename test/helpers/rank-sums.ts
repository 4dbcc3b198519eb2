// One rank: joins, sums, and prints what it found. `--hold SECONDS`: joins, says so, and waits: with SUMS=1 in sums, with
// SUMS=told for what rank 0 tells, with SUMS=done until rank 0 is done. With LEAVES=1 it is asked to stop while
// ranks are waited for.
import { joinRanks } from '../../src/ranks/join.ts'
import { fromArray, full, group, zeros } from '../../src/torch/index.ts'

/** Whether this rank has come to the store. */
const hasCome = () => {
  try {
    return group.get(`anneal/facts/${process.env.RANK}`) !== undefined
  } catch {
    return false // it is in no group
  }
}

const hold = process.argv.indexOf('--hold')
const facts = process.env.FACTS ? JSON.parse(process.env.FACTS) : {}
const stop = new AbortController()
const leaving = process.env.LEAVES ? setInterval(() => hasCome() && stop.abort(), 100) : undefined
try {
  const ranks = await joinRanks({ facts, signal: stop.signal })
  if (hold >= 0) {
    process.stdout.write('joined\n')
    const until = performance.now() + Number(process.argv[hold + 1]) * 1000
    try {
      if (process.env.SUMS === '1') while (performance.now() < until) ranks.sum(zeros([1000]))
      const later = () => new Promise(resolve => setTimeout(resolve, until - performance.now(), null))
      if (process.env.SUMS === 'told') await ranks.fromFirst('later', later)
      if (process.env.SUMS === 'done') await ranks.untilFirstIsDone()
      while (performance.now() < until && !ranks.signal?.aborted) await new Promise(resolve => setTimeout(resolve, 50))
      throw ranks.explained(new Error('nothing happened'))
    } catch (error) {
      const reason = ranks.explained(error) as Error
      await ranks.leave('failed', reason.message)
      throw reason
    }
  }
  const t = full([4], ranks.rank + 1)
  ranks.sum(t)
  const half = full([1000], ranks.rank + 1).to('bfloat16')
  const wait = ranks.beginSum(half)
  wait()
  const copied = fromArray(Float32Array.from([ranks.rank, 7]), [2])
  ranks.copyFirst([copied])
  const bytes = ranks.bytesOfFirst(ranks.isFirst ? new TextEncoder().encode('hello') : undefined, 5)
  const told = await ranks.fromFirst('a', () => ({ rank: ranks.rank }))
  const again = await ranks.fromFirst('a', () => ranks.rank + 40)
  const table = new Float64Array(ranks.size)
  table[ranks.rank] = 1 / (ranks.rank + 1)
  ranks.gather(table)
  ranks.compare('words', 'the same')
  let differs = ''
  try {
    ranks.compare('words', ranks.rank === 1 ? 'others' : 'the same')
  } catch (error) {
    differs = (error as Error).message
  }
  const heard: string[] = []
  ranks.hearWarnings(text => heard.push(text))
  ranks.warnFirst(`about ${ranks.rank}`)
  const shares = Array.from(ranks.share(Uint32Array.from({ length: 7 }, (_, i) => i)).samples)
  const listening = process.env.PORTS
    ? await (await import('node:fs/promises')).readFile('/proc/self/net/tcp', 'utf8')
    : ''
  const work = ranks.work()
  await ranks.leave('done')
  const left = (() => {
    try {
      group.work()
      return false
    } catch {
      return true
    }
  })()
  // The same process joins once more, as a program does that trains and then evaluates.
  const second = await joinRanks({ facts })
  const next = await second.fromFirst('a', () => second.rank + 50)
  await second.leave('done')
  process.stdout.write(
    `${JSON.stringify({ next, sum: [...t.data()], half: half.to('float32').item === undefined ? 0 : half.to('float32').mean().item(), copied: [...copied.data()], bytes: Buffer.from(bytes).toString(), told, again, table: [...table], differs, heard, shares, left, listening, sent: work.sentBytes })}\n`,
  )
} catch (error) {
  process.stderr.write(`${(error as Error).name}: ${(error as Error).message}\n`)
  process.exitCode = 1
} finally {
  clearInterval(leaving)
}
