// Runs formatter, linter and compiler, then every test/**/*.test.ts in Node's test runner. The last line is the total,
// from the runner's own count: `N passed, N failed, N skipped`. `npm test -- torch` runs only the files with `torch` in
// their path.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const filters = process.argv.slice(2)
const files = readdirSync('test', { recursive: true })
  .filter(name => name.endsWith('.test.ts') && (filters.length === 0 || filters.some(part => name.includes(part))))
  .sort()
  .map(name => join('test', name))

/** Runs a check that is a command. Prints its output only if it fails. Returns whether it passed. */
function check(name, command) {
  const start = performance.now()
  return new Promise(done => {
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
    const said = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => said.push(bytes))
    child.on('close', status => {
      console.log(`${status === 0 ? '✔' : '✖'} ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
      if (status !== 0) console.log(Buffer.concat(said).toString())
      done(status === 0)
    })
  })
}

/** Runs the tests. Returns the runner's totals, or undefined if it was stopped before it had any. */
async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-test-'))
  const tap = join(folder, 'tap')
  mkdirSync(join(folder, 'speed'))
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${tap}`,
  ]
  // Some tests wait for others: for a signal, a browser, a server. One file more than two keeps two cores busy.
  const limits = [`--test-concurrency=${Math.min(3, availableParallelism() + 1)}`, '--test-timeout=600000']
  try {
    const code = await new Promise(done => {
      const args = [
        '--import',
        'tsx',
        '--import',
        './tools/from-dist/register.mjs',
        '--test',
        ...limits,
        ...reporters,
        ...files,
      ]
      const env = {
        ...process.env,
        // Several files compute at once: a thread that waits for work leaves its core to the others.
        OMP_WAIT_POLICY: process.env.OMP_WAIT_POLICY ?? 'PASSIVE',
        ANNEAL_TEST_PROGRAM: resolve('bin/anneal.mjs'),
        ANNEAL_TEST_SPEED: join(folder, 'speed'),
      }
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], env })
      for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
      child.on('close', done)
    })
    const totals = Object.fromEntries(
      Array.from(readFileSync(tap, 'utf8').matchAll(/^# (\w+) (\d+)$/gm), ([, name, n]) => [name, Number(n)]),
    )
    return totals.tests === undefined ? undefined : { code, ...totals }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

let passed = 0
let failed = 0
let skipped = 0
if (filters.length === 0) {
  const tsc = 'node_modules/@typescript/native/bin/tsc'
  const biome = 'node_modules/@biomejs/biome/bin/biome'
  const checks = await Promise.all([
    check('biome: format and lint', [biome, 'check', '--error-on-warnings', '--diagnostic-level=warn', '.']),
    check('tsc: types', [tsc, '--noEmit', '-p', '.']),
    check('tsc: types of the page', [tsc, '--noEmit', '-p', 'src/page/client']),
    check('api: exports, snapshot, docs/api', ['--import', 'tsx', 'tools/api.ts', '--check']),
    check('publint and attw: the package', ['--import', 'tsx', 'tools/package.ts']),
  ])
  passed += checks.filter(Boolean).length
  failed += checks.filter(ok => !ok).length
}

if (files.length === 0) console.log(`no test file has ${filters.join(' or ') || '.test.ts'} in its name`)
const totals = files.length ? await runTests() : undefined
if (totals) {
  passed += totals.pass
  skipped += totals.skipped + totals.todo
  failed += totals.fail + totals.cancelled
  // If the runner says that it failed, that counts, whatever its totals are.
  if (totals.code !== 0 && totals.fail + totals.cancelled === 0) failed++
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exitCode = failed === 0 && totals?.pass > 0 ? 0 : 1
