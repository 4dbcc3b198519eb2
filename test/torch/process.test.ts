import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { scope, tensor } from '../../src/torch/index.ts'
import { startWorker, train } from '../helpers/torch-net.ts'
import { typescript } from '../helpers/typescript.ts'

const at = (name: string) => JSON.stringify(new URL(name, import.meta.url).href)

/** Runs code in a separate process, with all names of torch and `train`. */
function child(code: string, { env = {}, flags = [] as string[] } = {}) {
  const head = `const { aten, fromArray, liveTensors, rand, scope, tensor, Tensor, zeros } = await import(${at('../../src/torch/index.ts')})
const { startWorker, train } = await import(${at('../helpers/torch-net.ts')})\n`
  const args = [...typescript, ...flags, '--input-type=module', '-e', head + code]
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  return { status, signal, stdout, stderr }
}

test('200 training steps: live tensors stay, and after the first fifty resident memory does', t => {
  const { stdout, stderr } = child(`
    const rss = [], live = []
    train(200, { size: 64, onStep: i => { live.push(liveTensors()); if (i % 50 === 49) rss.push(process.memoryUsage().rss) } })
    console.log(JSON.stringify({ rss, live }))`)
  assert.notEqual(stdout, '', stderr)
  const { rss, live } = JSON.parse(stdout) as { rss: number[]; live: number[] }
  assert.deepEqual(new Set(live.slice(1)), new Set([live[1]]))
  const grown = (rss.at(-1)! - rss[0]!) / 2 ** 20
  t.diagnostic(`resident memory grew by ${grown.toFixed(1)} MiB in 150 steps`)
  assert.ok(grown < 30, `${rss}`)
})

test('an array lent to a tensor lives as long as the tensor, and a view as long as the view', () => {
  const { stdout, stderr } = child(
    `
    const turn = () => new Promise(done => setTimeout(done))
    const collect = async () => { for (let i = 0; i < 5; i++) { gc(); await turn() } }
    let lentGone = false, tensorGone = false
    const registry = new FinalizationRegistry(set => set())
    const t = (() => {
      const array = new Float32Array(1e6).fill(3)
      registry.register(array.buffer, () => { lentGone = true })
      return fromArray(array, [1e6], { copy: false })
    })()
    await collect()
    const whileLent = [lentGone, t.sum().item()]
    let view = t.view()
    t.dispose()
    await collect()
    const whileViewed = [lentGone, view[999_999]]
    view = undefined
    await collect()
    tensor(0) // dead tensors are released at the next call
    await collect()
    console.log(JSON.stringify([whileLent, whileViewed, lentGone]))`,
    { flags: ['--expose-gc'] },
  )
  assert.deepEqual(JSON.parse(stdout || 'null'), [[false, 3e6], [false, 3], true], stderr)
})

test('tensors outside every scope are freed when the collector finds them, and it is told their size', () => {
  const { stdout, stderr } = child(
    `
    const start = liveTensors()
    let most = 0
    for (let i = 0; i < 300; i++) {
      zeros([1 << 20]).fill_(1) // 4 MiB
      most = Math.max(most, process.memoryUsage().rss)
      if (i % 10 === 0) await new Promise(done => setTimeout(done))
    }
    gc()
    await new Promise(done => setTimeout(done, 20))
    gc()
    await new Promise(done => setTimeout(done, 20))
    console.log(JSON.stringify({ left: liveTensors() - start, most: most / 2 ** 20 }))`,
    { flags: ['--expose-gc'] },
  )
  const { left, most } = JSON.parse(stdout || 'null') ?? assert.fail(stderr)
  assert.equal(left, 0)
  assert.ok(most < 1100, `${most} MiB of 1,200 made`)
})

test('with ANNEAL_DEBUG=1 a freed tensor says where it was made and freed', () => {
  const { stdout, stderr } = child(
    `
    function makesIt() { return tensor([1, 2]) }
    function freesIt(t) { t.dispose() }
    const t = makesIt()
    freesIt(t)
    for (const use of [() => t.add(1), () => t.shape]) try { use() } catch (error) { console.log(error.name, error.message) }`,
    { env: { ANNEAL_DEBUG: '1' } },
  )
  assert.equal(stdout.match(/TorchError (add|shape): a tensor was used after it was freed/g)?.length, 2, stderr)
  assert.match(stdout, /made at:\n[\s\S]*makesIt[\s\S]*freed at:\n[\s\S]*freesIt/)
})

test('process.exit in the middle of a step ends with its code', () => {
  for (const code of [0, 7, 42])
    for (const where of [
      `train(9, { onStep: i => { if (i === 2) process.exit(${code}) } })`,
      `scope(() => { const w = zeros([64, 64]); w.requiresGrad = true; w.mul(w).sum(); process.exit(${code}) })`,
      `setTimeout(() => process.exit(${code}), 5); for (;;) { await 0; if (performance.now() > 1e9) break; train(1); await new Promise(setImmediate) }`,
    ]) {
      const { status, signal, stderr } = child(where)
      assert.deepEqual({ status, signal }, { status: code, signal: null }, stderr)
    }
})

test('process.exit while a worker computes ends with its code', () => {
  const code = `
    startWorker('forever').on('message', () => { train(2); process.exit(7) })`
  for (let i = 0; i < 3; i++) {
    const { status, signal, stderr } = child(code)
    assert.deepEqual({ status, signal }, { status: 7, signal: null }, stderr)
  }
})

test('workers load the addon and train beside the main thread, which learns too', async () => {
  const worker = () =>
    new Promise<number[]>((done, failed) => {
      const w = startWorker('train')
      w.on('message', done)
      w.on('error', failed)
    })
  const both = Promise.all([worker(), worker()])
  const losses: number[] = []
  for (let i = 0; i < 10; i++) {
    losses.splice(0, losses.length, ...train(20, { bfloat16: false }))
    await new Promise(setImmediate)
  }
  const others = await both
  assert.ok(losses.at(-1)! < losses[0]! / 2, `${losses}`)
  // Each process has its own seed, so the weights differ; each learns the batch.
  for (const other of others) assert.ok(other.length === 20 && other.at(-1)! < other[0]! / 2, `${other}`)
})

test('what a call costs', t => {
  const x = tensor([1, 2])
  const time = (n: number) => {
    const start = performance.now()
    scope(() => {
      for (let i = 0; i < n; i++) x.relu()
    })
    return ((performance.now() - start) * 1000) / n
  }
  time(2000)
  const microseconds = Math.min(...Array.from({ length: 5 }, () => time(2000)))
  t.diagnostic(`a call costs ${microseconds.toFixed(2)} microseconds`)
  assert.ok(microseconds < 1000, `microseconds < 1000, got ${microseconds}`)
})
