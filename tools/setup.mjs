// Makes a clone ready: packages, dist/, libtorch and the addon, each only where it is missing or stale. It runs before
// anything is installed, so it needs Node alone. `--quiet` says nothing unless something fails; `--dist` ends with dist/.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const quiet = process.argv.includes('--quiet')
const at = (...parts) => join(root, ...parts)
const say = line => quiet || process.stderr.write(`${line}\n`)

/** Stops with one line: what happened and what to do. */
function stop(line) {
  process.stderr.write(`set-up stopped: ${line}\n`)
  process.exit(1)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 12))
    stop(`Node ${process.versions.node} is too old; install Node 20.12 or newer`)
}

/** Runs `work` and says how long it took. */
function timed(what, work) {
  const start = performance.now()
  work()
  say(`${what} in ${((performance.now() - start) / 1000).toFixed(1)} s`)
}

/** Runs a command; where it fails, its output ends with the reason. */
function must(command, args, todo) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status === 0) return
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`.split('\n').slice(-30).join('\n'))
  stop(`${[command, ...args].join(' ')} failed${error ? ` (${error.message})` : ''}; ${todo}`)
}

function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function digest(paths) {
  const hash = createHash('sha256')
  for (const path of paths)
    hash
      .update(`${path}\0`)
      .update(readFileSync(at(path)))
      .update('\0')
  return hash.digest('hex')
}

/** Whether what npm says it installed is what the lock file asks for, as after a plain `npm install`. */
function isInstalled() {
  try {
    const asked = JSON.parse(read(at('package-lock.json'))).packages
    const there = JSON.parse(read(at('node_modules', '.package-lock.json'))).packages
    return Object.entries(asked).every(
      ([name, { version, optional }]) =>
        name === '' || (there[name] ? there[name].version === version && existsSync(at(name)) : optional),
    )
  } catch {
    return false
  }
}

function installPackages() {
  const mark = at('node_modules', '.anneal-lock')
  const wanted = digest(['package-lock.json'])
  if (read(mark) === wanted) return
  if (!isInstalled())
    timed('packages installed', () => {
      say('installing packages (npm ci)')
      must('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], 'check the network and run it again')
    })
  writeFileSync(mark, wanted)
}

// Declared by TypeScript's own libraries or by @types/node too; a program that has neither can still be checked.
const globals = `interface SymbolConstructor {
  readonly dispose: unique symbol
}
interface AbortSignal {
  readonly aborted: boolean
}
`

const comment = /^ *(?:\/?\*|\/\/).*$/gm
const arrays = /\b((?:Big)?(?:Int|Uint|Float)\d+(?:Clamped)?Array)<ArrayBuffer(?:Like)?>/g

/** Makes declarations that need no others: a Buffer is a Uint8Array to who has no @types/node, and before TypeScript 5.7
 *  arrays said nothing of their memory. */
function portableTypes(folder) {
  for (const name of readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.d.ts'))) {
    const text = read(join(folder, name))
    const code = part => part.replace(/\bBuffer\b(?:<[^<>]*>)?/g, 'Uint8Array').replace(arrays, '$1')
    let at = 0
    let portable = ''
    for (const { 0: words, index } of text.matchAll(comment)) {
      portable += code(text.slice(at, index)) + words
      at = index + words.length
    }
    portable += code(text.slice(at))
    if (portable !== text) writeFileSync(join(folder, name), portable)
  }
  writeFileSync(join(folder, 'globals.d.ts'), globals)
  for (const [name, at] of [
    ['index.d.ts', '.'],
    [join('torch', 'index.d.ts'), '..'],
  ])
    writeFileSync(join(folder, name), `/// <reference path="${at}/globals.d.ts" />\n${read(join(folder, name))}`)
}

async function compile() {
  const sources = readdirSync(at('src'), { recursive: true })
    .map(name => join('src', name))
    .filter(name => name.endsWith('.ts'))
  const inputs = ['tools/setup.mjs', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']
  const wanted = digest([...sources.sort(), ...inputs])
  if (read(at('dist', '.anneal-src')) === wanted) return
  const { buildSync } = await import('esbuild')
  const fresh = `build/dist-${process.pid}`
  const old = `build/old-${process.pid}`
  try {
    timed('TypeScript compiled', () => {
      const tsc = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', fresh, '--noEmitOnError']
      must(process.execPath, [...tsc, '--incremental', 'false', '--tsBuildInfoFile', 'null'], 'mend these errors')
      portableTypes(at(fresh))
      // The command in few files: Node takes a tenth of a second to find and read two hundred small ones. They lie as
      // deep as those of src/setup, which look for native/ from where they are.
      buildSync({
        absWorkingDir: root,
        entryPoints: [join(fresh, 'cli', 'main.js'), join(fresh, 'setup', 'preload.js')],
        entryNames: '[name]',
        outdir: join(fresh, 'program'),
        bundle: true,
        splitting: true,
        format: 'esm',
        platform: 'node',
        target: 'node20',
        packages: 'external',
        logLevel: 'warning',
      })
      writeFileSync(at(fresh, '.anneal-src'), wanted)
      mkdirSync(at('build'), { recursive: true })
      if (existsSync(at('dist'))) renameSync(at('dist'), at(old))
      renameSync(at(fresh), at('dist'))
    })
  } finally {
    for (const folder of [fresh, old]) rmSync(at(folder), { recursive: true, force: true })
  }
}

async function buildAddon() {
  const { ensureAddon } = await import('../dist/setup/index.js')
  const { silent, streamReport } = await import('../dist/base/progress.js')
  try {
    return await ensureAddon(quiet ? silent : streamReport(process.stderr))
  } catch (error) {
    if (error.name !== 'AnnealError') throw error
    return stop(error.message)
  }
}

checkNode()
const start = performance.now()
// An installed package has dist/ and its dependencies; a clone has what makes them.
if (existsSync(at('tsconfig.build.json'))) {
  installPackages()
  await compile()
}
if (process.argv.includes('--dist')) process.exit(0)
const { libtorch } = await buildAddon()
const what = libtorch ? `libtorch ${libtorch.version} (${libtorch.source}, ${libtorch.folder})` : 'ANNEAL_ADDON'
say(`ready: ${what}, ${((performance.now() - start) / 1000).toFixed(1)} s`)
