// Tries the packages of build/release/ as their user does: an empty project, an empty home, no compiler, no CMake, no Python.
//
//   node tools/try-release.mjs [--nodes NODE,NODE] [--uid 12345] [--seed CACHE] [--quick] [--keep] [--root FOLDER]
//
// `--nodes`: the Nodes to try, as paths; default: this one. `--uid`: the user to be, if this one is root. `--seed`: a cache folder
// whose libtorch, weights and demo photos are copied instead of fetched. `--quick` leaves out Jest, vitest and the demo. `--root`: the
// folder of another Linux system, such as one that debootstrap made; everything runs in it (tools/release/elsewhere.mjs).
// Each step prints its time. The first one that fails stops it, with its output.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { commandIn, prepared, systemPath } from './release/elsewhere.mjs'
import { pictures, program, serve, strict, test } from './release/programs.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({
  options: {
    release: { type: 'string', default: join(root, 'build', 'release') },
    nodes: { type: 'string', default: process.execPath },
    uid: { type: 'string' },
    seed: { type: 'string' },
    quick: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    root: { type: 'string' },
  },
})
/** What a user's PATH has: a shell and small programs, no compiler. */
const tools =
  'sh env cat ls rm mkdir mv cp chmod ln uname tar gzip sed grep dirname basename readlink id sleep head tail wc'.split(
    ' ',
  )

const find = name =>
  process.env.PATH.split(delimiter)
    .map(folder => join(folder, name))
    .find(existsSync)

/** npm's program beside a Node, else that of the PATH. */
function npmOf(node) {
  const beside = join(dirname(node), '..', 'lib', 'node_modules', 'npm')
  if (existsSync(beside)) return resolve(beside)
  const { stdout } = spawnSync('npm', ['root', '-g'], { encoding: 'utf8' })
  return join(stdout.trim(), 'npm')
}

class Place {
  constructor(node) {
    this.folder = mkdtempSync(join(values.root ?? '', values.root ? '/tmp' : tmpdir(), 'anneal-try-'))
    chmodSync(this.folder, 0o755)
    for (const name of ['home', 'bin', 'project']) mkdirSync(join(this.folder, name))
    this.bin = join(this.folder, 'bin')
    this.project = join(this.folder, 'project')
    let npm = npmOf(node)
    if (values.root) {
      cpSync(resolve(node), join(this.bin, 'node'), { dereference: true })
      cpSync(npm, join(this.folder, 'npm'), { recursive: true, dereference: true })
      npm = this.inside(join(this.folder, 'npm'))
    } else {
      for (const name of tools) if (find(name)) symlinkSync(find(name), join(this.bin, name))
      symlinkSync(resolve(node), join(this.bin, 'node'))
    }
    for (const name of ['npm', 'npx'])
      writeFileSync(
        join(this.bin, name),
        `#!/bin/sh\nexec "${this.inside(this.bin)}/node" "${npm}/bin/${name}-cli.js" "$@"\n`,
        { mode: 0o755 },
      )
    this.write('package.json', '{ "private": true }\n')
  }

  /** A path as the system in which everything runs sees it. */
  inside(path) {
    return values.root ? join('/', relative(resolve(values.root), resolve(path))) : path
  }

  write(name, text) {
    const path = join(this.project, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }

  /** Gives all files to the user. */
  give(path = this.folder) {
    if (values.uid === undefined) return
    if (lstatSync(path).isSymbolicLink()) return
    chownSync(path, Number(values.uid), Number(values.uid))
    if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) this.give(join(path, name))
  }

  /** The command line that runs a command of `bin` as the user. */
  asUser(command, args) {
    const own = values.root ? command : join(this.bin, command)
    if (values.root) return commandIn(values.root, values.uid, this.inside(this.project), [own, ...args])
    if (values.uid === undefined) return [own, ...args]
    return [find('setpriv'), `--reuid=${values.uid}`, `--regid=${values.uid}`, '--clear-groups', own, ...args]
  }

  /** Runs a command as the user. Throws if its exit code is another than `code`. */
  run(what, command, args, { code = 0, env = {}, minutes = 10 } = {}) {
    const start = performance.now()
    // What an office gives its users too: certificates and npm's registry.
    const given = Object.fromEntries(
      Object.entries(process.env).filter(([name]) =>
        /^(npm_config_(cafile|registry)|NODE_EXTRA_CA_CERTS|https?_proxy)$/i.test(name),
      ),
    )
    const [first, ...rest] = this.asUser(command, args)
    const { status, stdout, stderr } = spawnSync(first, rest, {
      cwd: this.project,
      env: {
        ...given,
        HOME: this.inside(join(this.folder, 'home')),
        PATH: values.root ? `${this.inside(this.bin)}:${systemPath}` : this.bin,
        ANNEAL_THREADS: process.env.ANNEAL_THREADS ?? '2',
        npm_config_update_notifier: 'false',
        ...env,
      },
      encoding: 'utf8',
      timeout: minutes * 60_000,
      maxBuffer: 1 << 28,
    })
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    if (status !== code) {
      process.stdout.write(`✖ ${what} (${seconds} s): exit code ${status}\n${stdout}${stderr}\n`)
      throw new Error(what)
    }
    process.stdout.write(`✔ ${what} (${seconds} s)\n`)
    return `${stdout}\n${stderr}`
  }
}

/** The commands \`npx anneal …\` in a text, with what a person puts in for the names in capitals. */
function commandsIn(text) {
  const plain = text
    .replace(/<[^>]*>/g, '\n')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
  const found = Array.from(plain.matchAll(/npx anneal [^\n\x60]*/g), ([line]) => line.trim().replace(/[.,;]$/, ''))
  return [...new Set(found)]
}

function tryOne(node) {
  const place = new Place(node)
  const { stdout: version } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  const [major, minor] = version.slice(1).split('.').map(Number)
  const requires = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)
  process.stdout.write(`Node ${version.trim()}, ${place.folder}\n`)
  const wanted = [/^anneal-\d/, new RegExp(`^anneal-${process.platform}-${process.arch}-`)]
  const tarballs = readdirSync(values.release).filter(name => wanted.some(pattern => pattern.test(name)))
  for (const name of tarballs) cpSync(join(values.release, name), join(place.folder, name))
  const files = tarballs.map(name => `../${name}`)
  if (values.seed)
    for (const name of ['libtorch', 'weights', 'demo'].filter(name => existsSync(join(values.seed, name))))
      cpSync(join(values.seed, name), join(place.folder, 'home', '.cache', 'anneal', name), { recursive: true })
  place.write('pictures.mjs', pictures)
  place.write('serve.mjs', serve)
  place.write('main.mjs', program('runs/mjs').replace('ANNEAL', "await import('anneal')"))
  place.write(
    'main.cjs',
    `async function main() {\n${program('runs/cjs').replace('ANNEAL', "require('anneal')")}}\nmain().catch(error => { console.error(error); process.exit(1) })\n`,
  )
  place.write(
    'old.cjs',
    "try { require('anneal'); process.exit(1) } catch (error) { console.log(error.message); process.exit(/await import/.test(error.message) ? 0 : 1) }\n",
  )
  place.give()
  const flags = ['--no-audit', '--no-fund', '--prefer-offline']
  place.run('npm install', 'npm', ['install', ...flags, ...files])
  const doctor = place.run('npx anneal doctor', 'npx', ['anneal', 'doctor'])
  for (const part of [/✓ package +@anneal\/\S+ \d/, /Anneal is not set up[\s\S]*\n {2}\S/])
    if (!part.test(doctor)) throw new Error(`doctor: ${part}\n${doctor}`)
  place.run('photos', 'node', ['pictures.mjs'])
  const trained = place.run('npx anneal train photos', 'npx', ['anneal', 'train', 'photos', '--minutes', '0.3'])
  const run = join(
    'runs',
    readdirSync(join(place.project, 'runs')).find(name => name !== 'latest'),
  )
  const report = readFileSync(join(place.project, run, 'report.html'), 'utf8')
  for (const command of commandsIn(`${doctor}\n${trained}\n${report}`)) {
    const filled = command.replace(/\b(PICTURE|FILE)\b/, 'photos/cats/1.jpg').replace(/\bFOLDER\b/, 'photos')
    if (/anneal clean .*(?<!--list)$/.test(filled)) place.run(`${filled} --list`, 'sh', ['-c', `${filled} --list`])
    else place.run(filled, 'sh', ['-c', filled])
  }
  place.run('npx anneal doctor, ready', 'npx', ['anneal', 'doctor'])
  place.run('import in .mjs', 'node', ['main.mjs'])
  if (requires) place.run('require in .cjs', 'node', ['main.cjs'])
  else place.run('require says what to do', 'node', ['old.cjs'])
  place.run('npm install of onnxruntime', 'npm', [
    'install',
    ...flags,
    '--ignore-scripts',
    'onnxruntime-node',
    'onnxruntime-web',
  ])
  place.run(`npx anneal export ${run}`, 'npx', ['anneal', 'export', run])
  const answer = place.run(`npx anneal serve ${run}`, 'node', ['serve.mjs', run])
  process.stdout.write(`  ${answer.trim()}\n`)
  if (values.quick) return place
  place.run('npx anneal demo', 'npx', ['anneal', 'demo', '--minutes', '0.3'])
  place.run('npm install of TypeScript, Jest and vitest', 'npm', [
    'install',
    ...flags,
    '--save-dev',
    'typescript',
    'jest',
    'vitest',
    '@types/node',
  ])
  place.write('src/main.mts', strict)
  place.write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        strict: true,
        module: 'nodenext',
        target: 'es2022',
        skipLibCheck: false,
        outDir: 'out',
        rootDir: 'src',
        types: ['node'],
      },
      include: ['src'],
    }),
  )
  const names = '{ trainFolder, loadClassifier }'
  place.write(
    'jest/one.test.js',
    test(`const ${names} = require('anneal')\nconst { ones, fromArray } = require('anneal/torch')`, 'jest-one'),
  )
  place.write(
    'jest/two.test.js',
    test(`const ${names} = require('anneal')\nconst { ones, fromArray } = require('anneal/torch')`, 'jest-two'),
  )
  place.write(
    'jest-esm/three.test.mjs',
    test(
      `import { createRequire } from 'node:module'\nimport { test, expect } from '@jest/globals'\nimport ${names} from 'anneal'\nimport { ones, fromArray } from 'anneal/torch'\nconst require = createRequire(import.meta.url)`,
      'jest-esm',
    ),
  )
  const four = test(
    `import { createRequire } from 'node:module'\nimport { test, expect } from 'vitest'\nimport ${names} from 'anneal'\nimport { ones, fromArray } from 'anneal/torch'\nconst require = createRequire(import.meta.url)`,
    'vitest',
  )
  place.write('vitest/four.test.ts', four)
  place.write('vitest/five.test.ts', four)
  place.give()
  place.run('tsc, strict', 'npx', ['tsc'])
  place.run('the compiled program', 'node', ['out/main.mjs'])
  if (requires) place.run('Jest', 'npx', ['jest', 'jest/', '--rootDir=.'])
  place.run('Jest with ES modules', 'npx', ['jest', '--rootDir=.', '--testMatch=**/jest-esm/*.mjs'], {
    env: { NODE_OPTIONS: '--experimental-vm-modules' },
  })
  for (const pool of ['forks', 'threads'])
    place.run(`vitest, ${pool}`, 'npx', ['vitest', 'run', '--globals', `--pool=${pool}`, 'vitest'])
  return place
}

if (values.root) {
  values.uid ??= '12345'
  process.stdout.write(`${prepared(values.root)}\n`)
}
for (const node of values.nodes.split(',')) {
  const place = tryOne(node)
  if (!values.keep) rmSync(place.folder, { recursive: true, force: true })
}
