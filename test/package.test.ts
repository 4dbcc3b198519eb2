import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'anneal-package-'))
const at = (...parts: string[]) => join(folder, ...parts)
const about = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
let packed: { filename: string; size: number; unpackedSize: number; files: { path: string }[] }
let files: Set<string>
after(() => rmSync(folder, { recursive: true, force: true }))

function run(command: string, args: string[], cwd: string) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_OPTIONS$/.test(name)))
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 300_000 })
  return { status, stdout, stderr, said: `${stdout}\n${stderr}` }
}

/** A clone as it is before anything was built, with the packages that building needs. */
function freshClone(to: string): void {
  const left = new Set(['.git', 'node_modules', 'dist', 'build', 'runs'])
  mkdirSync(to)
  for (const name of readdirSync(root))
    if (!left.has(name)) cpSync(join(root, name), join(to, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(to, 'node_modules'))
}

before(() => {
  freshClone(at('clone'))
  const { status, stdout, said } = run('npm', ['pack', '--json', '--pack-destination', folder], at('clone'))
  assert.equal(status, 0, said)
  ;[packed] = JSON.parse(stdout)
  files = new Set(packed.files.map(({ path }) => path))
  const { status: unpacked, said: why } = run('tar', ['-xzf', packed.filename], folder)
  assert.equal(unpacked, 0, why)
})

test('a fresh clone packs with all that its user needs, and nothing that only its makers need', () => {
  for (const path of [
    'LICENSE',
    'README.md',
    'package.json',
    'bin/anneal.mjs',
    'tools/setup.mjs',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/torch/index.js',
    'dist/torch/index.d.ts',
    'dist/program/main.js',
    'dist/program/preload.js',
    'native/CMakeLists.txt',
    'native/door.h',
    'native/kernels/ops/mobile.cpp',
    'native/pictures/door.cpp',
  ])
    assert.ok(files.has(path), path)
  for (const name of readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' }))
    if (statSync(join(root, 'native', name)).isFile()) assert.ok(files.has(`native/${name}`), name)
  const others = [...files].filter(path =>
    /^(test|bench(?!\/results\/.*\.svg$)|build|node_modules|runs)\b|\.(map|tsbuildinfo|log)$/.test(path),
  )
  assert.deepEqual(others, [])
  assert.ok(packed.size < 2e6 && packed.unpackedSize < 8e6, `${packed.size} bytes, ${packed.unpackedSize} unpacked`)
})

test('packing leaves the clone as it was', () => {
  assert.equal(readFileSync(at('clone', 'README.md'), 'utf8'), readFileSync(join(root, 'README.md'), 'utf8'))
  assert.deepEqual(readdirSync(at('clone', 'build')), [])
})

/** What a page links to, but for addresses and places in itself. */
const links = (text: string) =>
  Array.from(text.matchAll(/\]\((?![a-z]+:|#)([^)\s#]+)(?:#[^)]*)?\)/g), ([, path]) => path!)

test('every link of the README works: in a clone, on the page of the package, and in the package', () => {
  const own = readFileSync(join(root, 'README.md'), 'utf8')
  const relative = links(own)
  assert.ok(relative.length > 20, `${relative.length} links`)
  const holds = (path: string) => files.has(path) || [...files].some(file => file.startsWith(`${path}/`))
  for (const path of relative) {
    assert.ok(existsSync(join(root, path)), `${path} in the clone`)
    assert.ok(holds(path), `${path} in the package`)
  }
  const page = readFileSync(at('package', 'README.md'), 'utf8')
  assert.deepEqual(links(page), [])
  const base = `https://unpkg.com/anneal@${about.version}/`
  const absolute = Array.from(page.matchAll(/\]\((https:\/\/unpkg\.com\/[^)\s#]+)/g), ([, url]) => url!)
  assert.deepEqual(
    absolute,
    relative.map(path => base + path),
  )
})

test('every link of the pages in docs/, of CONTRIBUTING.md and of CHANGELOG.md names a file of the package', () => {
  const pages = [...files].filter(path => /^(docs\/.*|CONTRIBUTING|CHANGELOG)\.md$/.test(path))
  assert.ok(pages.length > 10, `${pages.length} pages`)
  for (const file of pages)
    for (const path of links(readFileSync(at('package', file), 'utf8')))
      assert.ok(files.has(join(dirname(file), path)), `${file}: ${path}`)
})

const program = `import * as anneal from 'anneal'
import { scope, type Tensor } from 'anneal/torch'

const learn = await anneal.learner('photos', 'resnet34')
const { suggestion: lr } = await learn.lrFind()
await learn.fit(3, { lr, cycleLen: 1, cycleMult: 2 })
const predicted = await learn.predict('kitten.jpg')
const label: string = predicted.task === 'single' ? predicted.label : ''
const classifier = anneal.loadClassifier('runs/latest', { task: 'multi' })
const { labels }: { labels: string[] } = await classifier.predict(new Uint8Array(3), { maxBytes: 1e6 })
for await (const p of classifier.predictAll(['a.jpg', { data: new Float32Array(3), width: 1, height: 1 }])) labels.push(p.file)
// @ts-expect-error: a model of several labels has no one label
;(await classifier.predict('kitten.jpg')).label
const result = await anneal.trainFolder('photos', { epochs: 2, augment: 'top-down' })
const share: number = result.metrics.accuracy
// @ts-expect-error: there is no such option
await anneal.trainFolder('photos', { epoch: 2 })
export const made: (t: Tensor) => Tensor = t => scope(() => t.add(share + label.length))
`

describe('a strict program without @types/node type-checks, declarations of the package included', () => {
  const consumer = at('consumer')
  before(() => {
    mkdirSync(join(consumer, 'node_modules'), { recursive: true })
    cpSync(at('package'), join(consumer, 'node_modules', 'anneal'), { recursive: true })
    writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(consumer, 'program.ts'), program)
  })
  const check = (name: string, options: object) => {
    const compilerOptions = { strict: true, skipLibCheck: false, noEmit: true, target: 'es2022', types: [], ...options }
    writeFileSync(join(consumer, `${name}.json`), JSON.stringify({ compilerOptions, files: ['program.ts'] }))
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { status, stdout } = run(process.execPath, [tsc, '-p', `${name}.json`], consumer)
    assert.equal(`${status} ${stdout}`, '0 ')
  }
  const node = { module: 'nodenext', moduleResolution: 'nodenext' }
  const bundler = { module: 'esnext', moduleResolution: 'bundler' }
  test('NodeNext, with TypeScript’s usual libraries', () => check('node', { ...node, lib: ['es2022', 'dom'] }))
  test('a bundler, without the DOM', () => check('bundler', { ...bundler, lib: ['es2022'] }))
  test('the newest libraries, and every check that there is', () =>
    check('newest', {
      ...node,
      lib: ['esnext', 'dom', 'dom.iterable'],
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noImplicitOverride: true,
      noPropertyAccessFromIndexSignature: true,
    }))
  test('beside @types/node', () => {
    for (const name of ['@types/node', 'undici-types'])
      cpSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), { recursive: true })
    check('types', { ...node, lib: ['es2023'], types: ['node'] })
  })
})

test('installed by npm it is imported, and its command runs', t => {
  mkdirSync(at('installed'))
  writeFileSync(at('installed', 'package.json'), '{ "private": true, "type": "module" }')
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=0']
  const install = run('npm', ['install', ...flags, at(packed.filename)], at('installed'))
  if (install.status !== 0 && /E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NOTCACHED)/.test(install.said))
    return t.skip('the package registry can not be reached')
  assert.equal(install.status, 0, install.said)
  const names =
    "import('anneal').then(a => console.log(typeof a.trainFolder, typeof a.learner, typeof a.loadClassifier))"
  const imported = run(process.execPath, ['-e', names], at('installed'))
  assert.deepEqual([imported.status, imported.stdout], [0, 'function function function\n'], imported.stderr)
  const help = run('npx', ['--no-install', 'anneal', '--help'], at('installed'))
  assert.equal(help.status, 0, help.said)
  assert.match(help.stdout, /^Usage: anneal/)
  const doctor = run('npx', ['--no-install', 'anneal', 'doctor', '--json'], at('installed'))
  assert.equal(doctor.status, 0, doctor.said)
  for (const { todo = '' } of JSON.parse(doctor.stdout).findings) assert.doesNotMatch(todo, /npm run/)
  // What set-up needs of the package is there: it finds that nothing is to be made of dist/.
  const setup = run(process.execPath, ['node_modules/anneal/tools/setup.mjs', '--dist'], at('installed'))
  assert.deepEqual([setup.status, setup.said.trim()], [0, ''])
})
