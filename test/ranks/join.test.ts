import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { describe, test } from 'node:test'
import { freePort, type RankProcess, runRanks, startRank, startRanks } from '../helpers/ranks.ts'
import { helper } from '../helpers/typescript.ts'

interface Found {
  sum: number[]
  half: number
  copied: number[]
  bytes: string
  told: { rank: number }
  again: number
  /** Said in a second group of the same processes. */
  next: number
  table: number[]
  differs: string
  heard: string[]
  shares: number[]
  left: boolean
  sent: number
}

for (const size of [2, 3])
  test(`${size} processes sum, copy, tell and compare`, async () => {
    const found = await runRanks<Found>(helper('rank-sums.ts'), size)
    const sum = (size * (size + 1)) / 2
    for (const f of found) {
      assert.deepEqual(f.sum, [sum, sum, sum, sum])
      assert.equal(f.half, sum)
      assert.deepEqual(f.copied, [0, 7])
      assert.equal(f.bytes, 'hello')
      assert.deepEqual(f.told, { rank: 0 })
      assert.equal(f.again, 40)
      assert.equal(f.next, 50)
      assert.deepEqual(
        f.table,
        Array.from({ length: size }, (_, r) => 1 / (r + 1)),
      )
      assert.match(f.differs, new RegExp(`rank 1 of ${size}: other words than rank 0`))
      assert.equal(f.left, true)
      assert.ok(f.sent > 0, `sent ${f.sent}`)
    }
    assert.deepEqual(
      found.flatMap(f => f.shares),
      [0, 1, 2, 3, 4, 5, 6],
    )
    assert.deepEqual(
      found[0]!.heard.sort(),
      Array.from({ length: size - 1 }, (_, i) => `rank ${i + 1}: about ${i + 1}`),
    )
  })

const joined = async (ranks: RankProcess[]) => {
  const until = performance.now() + 60_000
  while (!ranks.every(r => r.out().includes('joined'))) {
    if (performance.now() > until) throw new Error(`not joined: ${ranks.map(r => r.out() + r.err()).join('\n')}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

describe('ranks that are lost', { concurrency: 2 }, () => {
  for (const sums of ['0', '1'])
    for (const victim of [0, 1, 2])
      test(`rank ${victim} of 3 is killed ${sums === '1' ? 'while they sum' : 'between sums'}: the others end and say so`, async () => {
        const ranks = await startRanks(helper('rank-sums.ts', '--hold', '60'), 3, () => ({
          SUMS: sums,
          ANNEAL_SILENCE_SECONDS: '6',
        }))
        try {
          await joined(ranks)
          const began = performance.now()
          ranks[victim]!.child.kill('SIGKILL')
          for (const { rank, ended, err } of ranks.filter(r => r.rank !== victim)) {
            const { code } = await ended
            assert.equal(code, 1, `rank ${rank}: ${code} ${err()}`)
            assert.match(
              err(),
              new RegExp(`rank ${victim}\\b.*(no sign of life|can't be reached|ended with an error)`),
              err(),
            )
          }
          const seconds = (performance.now() - began) / 1000
          assert.ok(seconds < 25, `it took ${seconds} s`)
        } finally {
          for (const r of ranks) r.child.kill('SIGKILL')
        }
      })

  for (const [victim, sums, where] of [
    [0, '1', 'in a sum'],
    [1, '1', 'in a sum'],
    [0, 'told', 'and what it tells is waited for'],
    [0, 'done', 'after the work, while it writes the result'],
    [0, '0', 'between sums'],
    [1, '0', 'between sums'],
  ] as const)
    test(`rank ${victim} of 2 is stopped ${where}: the other one names it`, async () => {
      const ranks = await startRanks(helper('rank-sums.ts', '--hold', '60'), 2, () => ({
        SUMS: sums,
        ANNEAL_SILENCE_SECONDS: '4',
      }))
      try {
        await joined(ranks)
        ranks[victim]!.child.kill('SIGSTOP')
        const began = performance.now()
        const other = ranks[1 - victim]!
        const { code } = await other.ended
        const seconds = (performance.now() - began) / 1000
        assert.ok(seconds < 20, `it took ${seconds} s`)
        assert.equal(code, 1, `${code} ${other.err()}`)
        assert.match(other.err(), new RegExp(`rank ${victim}\\b.*no sign of life for \\d+ s`))
        if (sums === 'done') assert.match(other.err(), /had finished their work, and rank 0 was writing the result/)
      } finally {
        for (const r of ranks) r.child.kill('SIGKILL')
      }
    })
})

const failed = async (ranks: RankProcess[]) => {
  const ends = await Promise.all(ranks.map(r => r.ended))
  assert.ok(
    ends.every(e => e.code === 1),
    `${JSON.stringify(ends)} ${ranks.map(r => r.out() + r.err()).join('\n')}`,
  )
  return ranks.map(r => r.err())
}

test('ranks with other settings or threads are refused on all ranks, with the difference', async () => {
  const ranks = await startRanks(helper('rank-sums.ts'), 2, rank => ({
    FACTS: JSON.stringify({ 'the setting epochs': 3 + rank }),
    ANNEAL_THREADS: String(1 + rank),
  }))
  for (const said of await failed(ranks)) {
    assert.match(said, /the ranks differ: rank 1 \(.*\) has/)
    assert.match(said, /the setting epochs: 4, rank 0 3/)
    assert.match(said, /threads \(ANNEAL_THREADS\): 2, rank 0 1/)
  }
})

test('a port that is taken: one line', async () => {
  const port = await freePort()
  const server = createServer(socket => socket.destroy())
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  try {
    const rank = startRank(helper('rank-sums.ts'), { rank: 0, size: 2, port })
    const [said] = await failed([rank])
    assert.match(said!, new RegExp(`port ${port} of 127.0.0.1 is taken by another program. Set MASTER_PORT`))
  } finally {
    server.close()
  }
})

test('nobody at the address, an address that is not of this machine, ranks that do not come: one line each', async () => {
  const port = await freePort()
  const soon = { ANNEAL_JOIN_SECONDS: '2' }
  const ranks = [
    startRank(helper('rank-sums.ts'), { rank: 1, size: 2, port, env: soon }),
    startRank(helper('rank-sums.ts'), { rank: 0, size: 2, port, env: { ...soon, MASTER_ADDR: '192.0.2.1' } }),
    startRank(helper('rank-sums.ts'), { rank: 0, size: 3, port: await freePort(), env: soon }),
    startRank(helper('rank-sums.ts'), {
      rank: 1,
      size: 2,
      port,
      env: { ...soon, MASTER_ADDR: 'no.such.name.invalid' },
    }),
  ]
  const [alone, foreign, missing, unknown] = await failed(ranks)
  assert.match(alone!, /rank 1 could not reach rank 0 at 127.0.0.1:\d+ for 2 s: nothing listens there/)
  assert.match(foreign!, /MASTER_ADDR=192.0.2.1 .* is no address of this machine/)
  assert.match(missing!, /ranks 1, 2 of 3 did not come within 2 s/)
  assert.match(unknown!, /could not reach rank 0 at no.such.name.invalid:\d+ for 2 s: the name/)
})

describe('while ranks are waited for', { concurrency: 3 }, () => {
  const two = async (join: string, env: Record<string, string> = {}) => {
    const port = await freePort()
    const ranks = [0, 1].map(rank =>
      startRank(helper('rank-sums.ts'), {
        rank,
        size: 3,
        port,
        env: { ANNEAL_JOIN_SECONDS: join, ...(rank === 1 ? env : {}) },
      }),
    )
    await untilListening(port)
    return ranks as [RankProcess, RankProcess]
  }

  test('rank 0 is stopped: the others do not wait without end', async () => {
    const [first, second] = await two('8')
    try {
      await new Promise(resolve => setTimeout(resolve, 1500))
      first.child.kill('SIGSTOP')
      const { code, seconds } = await second.ended
      assert.equal(code, 1, second.err())
      assert.match(second.err(), /rank 0.*no sign of life|ranks? [02, ]+ of 3 did not come/)
      assert.ok(seconds < 40, `it took ${seconds} s`)
    } finally {
      for (const r of [first, second]) r.child.kill('SIGKILL')
    }
  })

  test('a rank leaves: the others say so, and wait no longer', async () => {
    const [first, second] = await two('60', { LEAVES: '1' })
    try {
      const { code, seconds } = await first.ended
      assert.equal(code, 1, first.err())
      assert.match(first.err(), /rank 1 of 3 has left before all ranks had come: it was stopped/)
      assert.ok(seconds < 40, `it took ${seconds} s`)
    } finally {
      for (const r of [first, second]) r.child.kill('SIGKILL')
    }
  })

  test('rank 0 is killed: one line', async () => {
    const [first, second] = await two('60')
    try {
      await new Promise(resolve => setTimeout(resolve, 1500))
      first.child.kill('SIGKILL')
      const { code } = await second.ended
      assert.equal(code, 1, second.err())
      assert.match(
        second.err(),
        /^\w+: rank 1 of 3(: rank 0, which keeps the group together, has ended before all ranks had come| could not reach rank 0) .*\n$/,
      )
    } finally {
      for (const r of [first, second]) r.child.kill('SIGKILL')
    }
  })
})

/** Waits until something listens at a port. */
async function untilListening(port: number): Promise<void> {
  const until = performance.now() + 60_000
  const tried = () =>
    new Promise<boolean>(resolve => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.once('connect', () => resolve(socket.destroy() !== undefined))
      socket.once('error', () => resolve(false))
    })
  while (!(await tried())) {
    if (performance.now() > until) throw new Error(`nothing listens at port ${port}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

test('two processes with the same rank: the second is refused, and says so', async () => {
  const port = await freePort()
  const first = startRank(helper('rank-sums.ts'), { rank: 0, size: 2, port, env: { ANNEAL_JOIN_SECONDS: '30' } })
  const one = startRank(helper('rank-sums.ts', '--hold', '8'), { rank: 1, size: 2, port })
  await new Promise(resolve => setTimeout(resolve, 100))
  const two = startRank(helper('rank-sums.ts', '--hold', '8'), { rank: 1, size: 2, port })
  try {
    const ended = await Promise.race([one.ended.then(() => one), two.ended.then(() => two)])
    assert.match(ended.err(), /rank 1 of 2 has come already to 127.0.0.1:\d+/)
  } finally {
    for (const r of [first, one, two]) r.child.kill('SIGKILL')
  }
})
