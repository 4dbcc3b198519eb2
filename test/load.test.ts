// Loading the package changes nothing in the process; prediction does not change the memory settings; a bundle can predict too.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { findAddon } from '../src/setup/index.ts'
import { savedNet } from './helpers/saved-net.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'anneal-load-'))
const at = (...parts: string[]) => join(folder, ...parts)
after(() => rmSync(folder, { recursive: true, force: true }))

/** Bundles sources as ESM, without the packages that they import. */
function bundle(entries: Record<string, string>, outdir: string): void {
  const entryPoints = Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, join(root, path)]))
  buildSync({
    entryPoints,
    outdir,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'error',
  })
}

function run(file: string, { args = [] as string[], cwd = folder, env = {} } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args, file], {
    cwd,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    encoding: 'utf8',
    timeout: 120_000,
  })
  assert.equal(status, 0, stderr)
  return { stdout, stderr }
}

before(() => {
  symlinkSync(join(root, 'node_modules'), at('node_modules'))
  writeFileSync(at('package.json'), '{ "type": "module" }')
})

describe('import of anneal and of anneal/torch', () => {
  /** Records every use of node:fs, every started process, and what has changed in this process afterwards. */
  const spy = `
    import child from 'node:child_process'
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const used = (globalThis.used = [])
    const watched = (object, name) => {
      for (const [key, value] of Object.entries(object)) {
        if (typeof value !== 'function' || /^[A-Z]/.test(key)) continue
        object[key] = Object.assign(function (...args) {
          used.push([name + key, String(args[0])])
          return value.apply(this, args)
        }, value)
      }
    }
    watched(fs, 'fs.')
    watched(fs.promises, 'fs.promises.')
    watched(child, 'child_process.')
    syncBuiltinESMExports()`
  const program = (entry: string) => `
    const state = () => JSON.stringify([process.env, process.cwd(), process.umask(), process.title, process.eventNames(),
      process.eventNames().map(name => process.listenerCount(name)), process.execArgv, process.exitCode, Error.stackTraceLimit])
    const before = state()
    used.length = 0
    const anneal = await import(${JSON.stringify(entry)})
    const seen = [...used]
    console.log(JSON.stringify({
      seen, changed: state() === before ? '' : before + state(), names: Object.keys(anneal).length,
      loaded: /anneal\\.node|libtorch/.test((await import('node:fs')).readFileSync('/proc/self/maps', 'latin1')),
      open: process.getActiveResourcesInfo().filter(name => !/^(TTYWrap|PipeWrap|FSReqPromise|CloseReq)$/.test(name)),
    }))`

  before(() => {
    bundle({ index: 'src/index.ts', torch: 'src/torch/index.ts' }, at('bundled'))
    writeFileSync(at('spy.mjs'), spy)
    mkdirSync(at('home'))
    mkdirSync(at('empty'))
  })
  for (const entry of ['index', 'torch'])
    test(`${entry}: reads no file but the modules, starts nothing, leaves the process as it was`, () => {
      writeFileSync(at(`import-${entry}.mjs`), program(`./bundled/${entry}.js`))
      const env = {
        HOME: at('home'),
        ANNEAL_CACHE: at('home', 'cache'),
        XDG_CACHE_HOME: at('home', 'xdg'),
        TMPDIR: at('home'),
      }
      const { stdout, stderr } = run(at(`import-${entry}.mjs`), {
        args: ['--import', at('spy.mjs')],
        cwd: at('empty'),
        env,
      })
      const { seen, changed, names, loaded, open } = JSON.parse(stdout) as {
        seen: [name: string, path: string][]
        changed: string
        names: number
        loaded: boolean
        open: string[]
      }
      assert.ok(names > 10, `${names} exports`)
      assert.equal(stderr, '')
      // Reads of Node's loader.
      const isModule = ([, path]: [string, string]) =>
        /node_modules/.test(path) || path.includes(at('bundled')) || /package\.json$/.test(path)
      assert.deepEqual(
        seen.filter(use => !isModule(use)),
        [],
      )
      assert.ok(!seen.some(([name]) => /write|mkdir|append|unlink|rm|rename|spawn|exec|fork/i.test(name)), String(seen))
      assert.equal(changed, '')
      assert.equal(loaded, false, 'neither addon nor libtorch is loaded')
      assert.deepEqual(open, [])
      assert.deepEqual([readdirSync(at('home')), readdirSync(at('empty'))], [[], []], 'no file or folder was made')
    })
})

test('what a module does to the disk as it is loaded would be seen', () => {
  writeFileSync(
    at('bundled', 'reads.js'),
    "import { existsSync } from 'node:fs'\nexport const there = existsSync('/somewhere')",
  )
  writeFileSync(
    at('reads.mjs'),
    "used.length = 0\nawait import('./bundled/reads.js')\nconsole.log(JSON.stringify(used))",
  )
  const { stdout } = run(at('reads.mjs'), { args: ['--import', at('spy.mjs')] })
  assert.match(stdout, /\["fs\.existsSync","\/somewhere"\]/)
})

test('malloc is set for training alone: not by loading libtorch, nor by predicting', () => {
  const net = savedNet(folder)
  const source = (name: string) => JSON.stringify(new URL(name, import.meta.url).href)
  const code = `
    const { keepsMemory, scope, tensor } = await import(${source('../src/torch/index.ts')})
    const said = []
    scope(() => tensor([1]).add(1))
    said.push(keepsMemory())
    const { loadClassifier } = await import(${source('../src/index.ts')})
    for (const worker of [true, false]) {
      const c = loadClassifier(${JSON.stringify(net)}, { worker })
      await c.predict({ data: new Uint8Array(64 * 64), width: 64, height: 64 })
      await c.close()
      said.push(keepsMemory())
    }
    const { learner } = await import(${source('./helpers/train.ts')})
    await learner().fit(1)
    said.push(keepsMemory())
    console.log(JSON.stringify(said))`
  mkdirSync(join(root, 'build'), { recursive: true })
  writeFileSync(join(root, 'build', `load-${process.pid}.mts`), code)
  try {
    const file = join(root, 'build', `load-${process.pid}.mts`)
    const { stdout } = run(file, { args: ['--import', 'tsx'], cwd: root })
    assert.deepEqual(JSON.parse(stdout), [false, false, false, process.platform === 'linux'])
  } finally {
    rmSync(join(root, 'build', `load-${process.pid}.mts`), { force: true })
  }
})

describe('bundled as ESM into another program', () => {
  const program = `
    import { loadClassifier } from '${join(root, 'src/index.ts')}'
    const classifier = loadClassifier(process.argv[2])
    const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => i % 256)
    const { scores } = await classifier.predict({ data, width: 64, height: 64 })
    console.log(JSON.stringify([...scores]))
    await classifier.close()`
  let net: string
  const predicted = (bundle: string) => {
    const env = { ANNEAL_ADDON: findAddon()!.path }
    const { status, stdout, stderr } = spawnSync(process.execPath, [bundle, net], {
      cwd: folder,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      timeout: 120_000,
    })
    assert.equal(status, 0, stderr)
    return { scores: JSON.parse(stdout) as number[], stderr }
  }
  let alone: ReturnType<typeof predicted>
  before(() => {
    net = savedNet(folder, { name: 'bundled-net' })
    writeFileSync(at('program.ts'), program)
    mkdirSync(at('alone'))
    mkdirSync(at('beside'))
    const options = { bundle: true, format: 'esm', platform: 'node', packages: 'external', logLevel: 'error' } as const
    buildSync({ ...options, entryPoints: [at('program.ts')], outfile: at('alone', 'program.js') })
    cpSync(at('alone', 'program.js'), at('beside', 'program.js'))
    const worker = join(root, 'src/vision/inference/predict-worker.ts')
    buildSync({ ...options, entryPoints: [worker], outfile: at('beside', 'predict-worker.js') })
    alone = predicted(at('alone', 'program.js'))
  })
  test('alone it predicts in the calling thread, and says so', () => {
    assert.equal(alone.scores.length, 3)
    assert.match(alone.stderr, /ANNEAL_IN_THREAD.*anneal predicts in the calling thread/)
  })
  test('with the file of the thread beside it, in that thread, to the same bits', () => {
    const { scores, stderr } = predicted(at('beside', 'program.js'))
    assert.deepEqual([scores, stderr], [alone.scores, ''])
  })
})
