// Sets a clone up: packages, dist/, libtorch and the addon, each only if it is missing or stale. It runs before
// anything is installed, so it uses only Node. `--quiet` prints only failures. `--dist` stops after dist/.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const quiet = process.argv.includes('--quiet')
const at = (...parts) => join(root, ...parts)
const say = line => quiet || process.stderr.write(`${line}\n`)

/** Stops with one line that says what happened and what to do. */
function stop(line) {
  process.stderr.write(`set-up stopped: ${line}\n`)
  process.exit(1)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 12))
    stop(`Node ${process.versions.node} is too old; install Node 20.12 or newer`)
}

/** Runs `work` and prints how long it took. */
function timed(what, work) {
  const start = performance.now()
  work()
  say(`${what} in ${((performance.now() - start) / 1000).toFixed(1)} s`)
}

/** Runs a command. If it fails, prints the end of its output, which has the reason. */
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

/** Whether the installed packages are those of the lock file, as after a plain `npm install`. */
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

// TypeScript's libraries or @types/node declare these too. A program that has neither can still be type-checked.
const globals = `interface SymbolConstructor {
  readonly dispose: unique symbol
}
interface AbortSignal {
  readonly aborted: boolean
}
`

const comment = /^ *(?:\/?\*|\/\/).*$/gm
const arrays = /\b((?:Big)?(?:Int|Uint|Float)\d+(?:Clamped)?Array)<ArrayBuffer(?:Like)?>/g

/** Makes the declarations work without @types/node (a Buffer becomes a Uint8Array) and before TypeScript 5.7 (typed
 *  arrays have no type parameter). */
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
    [join('export', 'index.d.ts'), '..'],
  ])
    writeFileSync(join(folder, name), `/// <reference path="${at}/globals.d.ts" />\n${read(join(folder, name))}`)
}

// `require('anneal')`. Node itself loads the modules, not Jest, which replaces `require` and `node:module`: Jest's `require` loads
// no ES modules, and would load the addon once for each file of tests. Jest's class Module extends that of Node.
const required = `'use strict'
const Module = require('node:module')
const { createRequire } = Object.getPrototypeOf(Module).createRequire ? Object.getPrototypeOf(Module) : Module
try {
  module.exports = createRequire(__filename)('./index.js')
} catch (error) {
  if (error.code !== 'ERR_REQUIRE_ESM') throw error
  const text = 'anneal is made of ES modules, which require() of Node ' + process.versions.node + ' does not load: write const anneal = await import("anneal"), or use Node 20.19, 22.12 or later'
  throw Object.assign(new Error(text), { code: error.code })
}
`

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
      const build = ['-p', 'tsconfig.build.json', '--outDir', fresh, '--noEmitOnError', '--incremental', 'false']
      const tsc = ['node_modules/@typescript/native/bin/tsc', ...build, '--tsBuildInfoFile', 'null']
      must(process.execPath, tsc, 'mend these errors')
      portableTypes(at(fresh))
      for (const entry of ['.', 'torch', 'export', 'serve']) {
        writeFileSync(at(fresh, entry, 'index.cjs'), required)
        writeFileSync(at(fresh, entry, 'index.d.cts'), "export * from './index.js'\n")
      }
      // Bundles the command into few files, because Node needs a tenth of a second to find and read two hundred small
      // ones. They lie at the same depth as src/setup, whose files look for native/ relative to themselves. They have no comments
      // and no spaces, which are half a megabyte of the package; names stay, for stack traces.
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
        minifyWhitespace: true,
        logLevel: 'warning',
      })
      // The scripts of the pages that `anneal export --page` writes, which get onnxruntime-web from their caller, and of those
      // pages of `anneal serve` that have the same forms.
      // Those of texts and of tables have the runtime of their kind alone; those of tables with columns of texts the tokenizer, too.
      const licences = {}
      for (const [entry, name, ...others] of [
        ['main.ts', 'client.js', '@huggingface/tokenizers'],
        ['sound.ts', 'client-sound.js', '@huggingface/tokenizers'],
        ['text.ts', 'client-text.js'],
        ['rows.ts', 'client-table.js', '@huggingface/tokenizers'],
        ['rows.ts', 'client-table-texts.js'],
        ['served-text.ts', 'served-text.js'],
        ['served-rows.ts', 'served-table.js'],
      ]) {
        const { metafile } = buildSync({
          absWorkingDir: root,
          entryPoints: [join('src', 'page', 'client', entry)],
          outfile: join(fresh, 'page', name),
          bundle: true,
          minify: true,
          format: 'iife',
          globalName: 'annealPage',
          target: 'es2022',
          external: ['onnxruntime-web/*', ...others],
          alias: { 'csv-parse/sync': 'csv-parse/browser/esm/sync' },
          define: { 'import.meta.url': 'annealAddress' },
          legalComments: 'none',
          logLevel: 'warning',
          metafile: true,
        })
        licences[name] = packagesOf(metafile).map(licenceOf)
      }
      writeFileSync(at(fresh, 'page', 'licences.json'), JSON.stringify(licences))
      writeFileSync(at(fresh, '.anneal-src'), wanted)
      mkdirSync(at('build'), { recursive: true })
      if (existsSync(at('dist'))) renameSync(at('dist'), at(old))
      renameSync(at(fresh), at('dist'))
    })
  } finally {
    for (const folder of [fresh, old]) rmSync(at(folder), { recursive: true, force: true })
  }
}

/** The folders of the packages that a bundle holds. */
const packagesOf = ({ inputs }) =>
  [...new Set(Object.keys(inputs).flatMap(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []))].sort()

/** The name, version and licence of a package, whose text goes with the scripts that hold it. */
function licenceOf(folder) {
  const { name, version, license } = JSON.parse(read(at(folder, 'package.json')))
  const text = read(at(folder, 'LICENSE'))
  if (text === undefined)
    stop(`${folder} has no LICENSE, and a script of a page holds it: its licence must go with the page`)
  return { name, version, license, text }
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
// An installed package already has dist/ and its dependencies. A clone has to make them.
if (existsSync(at('tsconfig.build.json'))) {
  installPackages()
  await compile()
}
if (process.argv.includes('--dist')) process.exit(0)
const { libtorch } = await buildAddon()
const what = libtorch ? `libtorch ${libtorch.version} (${libtorch.source}, ${libtorch.folder})` : 'ANNEAL_ADDON'
say(`ready: ${what}, ${((performance.now() - start) / 1000).toFixed(1)} s`)
