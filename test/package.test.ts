import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
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
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findAddon } from '../src/setup/index.ts'
import { sourcesDigest } from '../src/setup/state.ts'
import { which } from '../src/setup/which.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'anneal-package-'))
const at = (...parts: string[]) => join(folder, ...parts)
const about = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
let packed: { filename: string; size: number; unpackedSize: number; files: { path: string }[] }
let files: Set<string>
after(() => rmSync(folder, { recursive: true, force: true }))

function run(command: string, args: string[], cwd: string, changed: Record<string, string> = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_OPTIONS$/.test(name))
  const env = { ...Object.fromEntries(kept), ...changed }
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 300_000 })
  return { status, stdout, stderr, said: `${stdout}\n${stderr}` }
}

/** A clone before any build, with the packages that a build needs. */
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
  assert.ok(packed.size < 3e6 && packed.unpackedSize < 1e7, `${packed.size} bytes, ${packed.unpackedSize} unpacked`)
})

test('packing leaves the clone as it was', () => {
  assert.equal(readFileSync(at('clone', 'README.md'), 'utf8'), readFileSync(join(root, 'README.md'), 'utf8'))
  assert.deepEqual(readdirSync(at('clone', 'build')), [])
})

/** The links of a page, without web addresses and links within the page. */
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
// @ts-expect-error: a multi-label prediction has no single label
;(await classifier.predict('kitten.jpg')).label
const result = await anneal.trainFolder('photos', { epochs: 2, augment: 'top-down' })
const share: number = result.metrics.accuracy ?? 0
// @ts-expect-error: there is no such option
await anneal.trainFolder('photos', { epoch: 2 })
export const made: (t: Tensor) => Tensor = t => scope(() => t.add(share + label.length))
`

/** Every door of the package, as a strict program goes through it. */
const doors = `import {
  AnnealError, type BatchTransform, type Callback, type Dataset, type Domain, type DomainContext, type FitOptions,
  type ImageDataset, type ImageInput, type Index, imageModel, Learner, type LossFunction, learner, loadClassifier,
  type MetricFunction, type ModelName, metrics, models, type Opened, type OptimizerFunction, type Precision, type Report,
  recipeFor, type Sample, type Schedule, type Source, schedules, Stopped, type Targets, type ToEvaluate, type TrainHooks,
  type TrainOptions, trainFolder,
} from 'anneal'
import { aten, type DType, F, fromArray, nn, noGrad, optim, scope, type StoredTensor, Tensor, tensors } from 'anneal/torch'

declare const signal: AbortSignal

// Training: options as an object of their own, hooks, what comes back.
const model: ModelName = 'resnet34'
const options: TrainOptions = { model, epochs: 2, size: 128, labelOf: file => file.split('-')[0], groupRegex: /^[a-z]+/ }
const report: Report = notice => void ('line' in notice ? notice.line : notice.done)
const hooks: TrainHooks = { report, signal: signal, onEvent: event => event.type }
const { metrics: found, run } = await trainFolder('photos', options, hooks)
const accuracy: number | undefined = found['accuracy']
// @ts-expect-error: there is no such model
await trainFolder('photos', { model: 'resnet43' })
// @ts-expect-error: there is no such model
await learner('photos', 'resnet43')
// @ts-expect-error: there is no such optimizer
await trainFolder('photos', { optimizer: 'rmsprop' })
// @ts-expect-error: layers of the head are a list
await trainFolder('photos', { hidden: 512 })

// A learner over pictures, with parts of one's own.
const loss: LossFunction = (outputs, targets, given) => F.crossEntropy(outputs, targets, given)
const share: MetricFunction = (outputs, targets, columns) => outputs.length / targets.length / columns
const sgd: OptimizerFunction = groups => optim.sgd(groups, { momentum: 0.9 })
const noise: BatchTransform = (x, { random }) => x.mul(random.uniform(0.9, 1.1))
const { cosine, linear, sequence } = schedules
const lr: Schedule = sequence([0.3, linear(0.1, 1)], [0.7, cosine(1, 0)])
const clip: Callback = {
  name: 'clip',
  afterLoss(batch) { batch.loss = batch.loss.div(2) },
  beforeStep: ({ number }) => (number % 2 ? 'skip batch' : undefined),
  afterEpoch: async ({ validLoss }) => (validLoss < 0.1 ? 'stop' : undefined),
  beforeFit(_, learn) { noGrad(() => learn.network.net.parameters().map(p => p.grad)) },
}
const learn = await learner('photos', model, { loss, optimizer: sgd, metrics: { share }, batchTransforms: [noise], callbacks: [clip] })
const data: ImageDataset = learn.data
const fit: FitOptions = { lr: [1e-4, 1e-3, 1e-2], schedule: { lr, momentum: t => 0.95 - 0.1 * lr(t) } }
const [first] = await learn.fit(3, fit)
const seconds: number = first?.seconds ?? 0
const kept = learn.state()
learn.loadState(kept)
const loop: string = learn.showTrainingLoop()
const own = await learner('photos', ({ channels = 3 }) => {
  const body = { conv: nn.conv2d(channels, 8, 3) }
  return imageModel(body, { features: x => body.conv(x), numFeatures: 8, channels })
})

// A learner over any source.
const rows: Source = { count: 2, batch: samples => ({ x: fromArray(new Float32Array(4), [2, 2]), y: fromArray(BigInt64Array.from(samples, BigInt), [2]) }) }
const net = nn.sequential(nn.linear(2, 2))
const plain = new Learner({ net, groups: [{ name: 'all', modules: [net] }] }, { train: rows, valid: rows, classes: ['a', 'b'] })
const { targets, probabilities }: { targets: Targets; probabilities: Float32Array | Float64Array } = await plain.validate()

// Prediction of whatever a program holds.
declare const url: { readonly href: string; readonly protocol: string }
declare const blob: { readonly size: number; readonly type: string; arrayBuffer(): Promise<ArrayBuffer>; stream(): AsyncIterable<Uint8Array> }
const precision: Precision = 'float32'
const classifier = loadClassifier(run, { task: 'single', precision })
const inputs: ImageInput[] = ['a.jpg', url, blob, new Uint8Array(3), new ArrayBuffer(3), { data: new Uint8Array(3), width: 1, height: 1 }]
for await (const { label, probability } of classifier.predictAll(inputs, { signal: signal })) label.at(probability)
classifier[Symbol.dispose]()

// Metrics, models, errors.
const f1: number = metrics.fBeta(new Uint8Array(4), new Uint8Array(4), 2, { average: 'macro' })
const each: number[] = metrics.fBeta(new Uint8Array(4), new Uint8Array(4), 2, { average: 'none' })
const top1: number = models.resnet34.top1 + models[model].top1
const names = Object.keys(models) as ModelName[]
const codeOf = (error: unknown) => (error instanceof Stopped ? 'stopped' : error instanceof AnnealError ? error.exitCode : undefined)

// A kind of data of one's own.
interface Row extends Sample { x: readonly number[] }
interface Scale { mean: readonly number[] }
type RowBody = nn.Module & { features(x: Tensor): Tensor; pooled(x: Tensor): Tensor; pooledFeatures: number; groups: string[][] }
declare const opened: Opened<RowBody, Scale>
declare const toEvaluate: ToEvaluate<Scale>
declare const index: Index & { items: Row[] }
const domain: Pick<Domain<{ seed?: number | undefined }, RowBody, Scale, readonly number[]>, 'name' | 'index' | 'open' | 'batch'> = {
  name: 'rows',
  index: async () => index,
  open: async (_, { options: { seed = 1 }, narrator }: DomainContext<{ seed?: number | undefined }>) => (narrator.choice('seed', String(seed), 'given'), opened),
  batch: async (values, { mean }) => fromArray(Float32Array.from(values.flat(), (v, i) => v - (mean[i] ?? 0)), [values.length, mean.length]),
}
declare const rest: Omit<Domain<{ seed?: number | undefined }, RowBody, Scale, readonly number[]>, keyof typeof domain>
const recipe = recipeFor({ ...domain, ...rest })
await recipe.train('rows.json', { epochs: 1, seed: 2 })
for await (const answer of recipe.predict(run, [[1, 2]])) if (answer.task === 'regression') answer.values

// Tensors.
const half: DType = 'bfloat16'
const sum = scope(() => aten.add(new Tensor(0), 1, { alpha: 2 }).to(half))
const stored: ReadonlyMap<string, StoredTensor | Tensor> = new Map()
export const all = [accuracy, data, seconds, loop, own, targets, probabilities, f1, each, top1, names, codeOf, sum, stored, toEvaluate, tensors, {} as Dataset]
`

/** What the web has for pictures. */
const web = `import { type ImageInput, loadClassifier } from 'anneal'

const inputs: ImageInput[] = [new URL('file:///a.jpg'), new Blob([]), new Blob([]).stream(), new ImageData(1, 1)]
export const answers = loadClassifier('run').predictAll(inputs, { signal: new AbortController().signal })
`

describe('a strict program without @types/node type-checks, declarations of the package included', () => {
  const consumer = at('consumer')
  before(() => {
    mkdirSync(join(consumer, 'node_modules'), { recursive: true })
    cpSync(at('package'), join(consumer, 'node_modules', 'anneal'), { recursive: true })
    writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(consumer, 'program.ts'), program)
    writeFileSync(join(consumer, 'doors.ts'), doors)
    writeFileSync(join(consumer, 'web.ts'), web)
  })
  const check = (name: string, options: object, files = ['program.ts', 'doors.ts']) => {
    const compilerOptions = { strict: true, skipLibCheck: false, noEmit: true, target: 'es2022', types: [], ...options }
    writeFileSync(join(consumer, `${name}.json`), JSON.stringify({ compilerOptions, files }))
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { status, stdout } = run(process.execPath, [tsc, '-p', `${name}.json`], consumer)
    assert.equal(`${status} ${stdout}`, '0 ')
  }
  const node = { module: 'nodenext', moduleResolution: 'nodenext' }
  const bundler = { module: 'esnext', moduleResolution: 'bundler' }
  test('NodeNext, with TypeScript’s usual libraries', () => check('node', { ...node, lib: ['es2022', 'dom'] }))
  test('a bundler, without the DOM', () => check('bundler', { ...bundler, lib: ['es2022'] }))
  const every = {
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    noPropertyAccessFromIndexSignature: true,
  }
  test('the newest libraries, and every check that there is', () =>
    check('newest', { ...node, ...every, lib: ['esnext', 'dom', 'dom.iterable', 'dom.asynciterable'] }, [
      'program.ts',
      'doors.ts',
      'web.ts',
    ]))
  test('a bundler with every check that there is', () => check('every', { ...bundler, ...every, lib: ['es2023'] }))
  test('beside @types/node', () => {
    for (const name of ['@types/node', 'undici-types'])
      cpSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), { recursive: true })
    check('types', { ...node, lib: ['es2023'], types: ['node'] })
  })
})

/** A folder with a build of the addon as `tools/prebuild.mjs` makes one, from the addon of this machine: it looks for libtorch
 *  beside itself, and names no folder of this machine. */
function prebuilt(library: string, addon: string, libtorch: string): string {
  const target = `${process.platform}-${process.arch}`
  const to = at('prebuilt', target)
  mkdirSync(to, { recursive: true })
  const files: Record<string, object> = {}
  for (const name of ['anneal.node', 'preload.node']) {
    const data = readFileSync(join(dirname(addon), name))
    const lib = Buffer.from(`${dirname(library)}\0`)
    const own = Buffer.from('$ORIGIN/lib:$ORIGIN'.padEnd(lib.length, '\0'))
    assert.ok(own.length === lib.length, `the path ${dirname(library)} is too short to be replaced`)
    for (let i = data.indexOf(lib); i >= 0; i = data.indexOf(lib)) own.copy(data, i)
    const home = Buffer.from(`${homedir()}/`)
    for (let i = data.indexOf(home); i >= 0; i = data.indexOf(home)) data.fill('x', i, i + home.length)
    writeFileSync(join(to, name), data)
    files[name] = { bytes: data.length, sha256: createHash('sha256').update(data).digest('hex') }
  }
  const manifest = { target, anneal: about.version, libtorch, sources: sourcesDigest(), nodeApi: 8, files }
  writeFileSync(join(to, 'manifest.json'), JSON.stringify(manifest))
  return at('prebuilt')
}

/** Programs that a user's PATH has where there is no compiler, no CMake and no Python. */
function plainPath(): string {
  const bin = at('bin')
  mkdirSync(bin)
  for (const name of ['sh', 'env', 'node', 'npm', 'npx', 'uname', 'rm', 'mkdir', 'sed', 'dirname', 'readlink'])
    if (which(name)) symlinkSync(which(name)!, join(bin, name))
  return bin
}

const pictures = `import { mkdirSync } from 'node:fs'
import sharp from 'sharp'
for (const [name, background] of [['cats', '#c33'], ['dogs', '#36c']])
  for (let n = 0; n < 8; n++) {
    mkdirSync('photos/' + name, { recursive: true })
    await sharp({ create: { width: 70 + n, height: 80, channels: 3, background } }).jpeg().toFile('photos/' + name + '/' + n + '.jpg')
  }
const { trainFolder, loadClassifier } = await import('anneal')
const { run } = await trainFolder('photos', { model: 'squeezenet1_1', pretrained: false, size: 64, epochs: 0, views: 1, out: 'runs/one' })
const classifier = loadClassifier(run, { worker: false })
console.log('predicted', (await classifier.predict('photos/cats/1.jpg')).label)
`

test('the packages of a release: installed by npm, without a compiler, anneal trains, predicts and is required', {
  skip: process.platform !== 'linux' && 'the addon of this machine is made portable on Linux alone',
}, t => {
  const { path, library, libtorch } = findAddon()!
  assert.ok(library && libtorch, 'set-up has built an addon')
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=0']
  const folders = ['--prebuilt', prebuilt(library, path, libtorch.version), '--out', at('release')]
  const name = `${process.platform}-${process.arch}`
  const release = run(
    process.execPath,
    ['tools/release.mjs', '--here', '--only', `anneal,${name},run`, ...folders],
    at('clone'),
  )
  assert.equal(release.status, 0, release.said)
  const tarballs = [`anneal-${about.version}.tgz`, `anneal-${name}-${about.version}.tgz`]
  assert.match(
    readFileSync(at('release', 'RELEASE.md'), 'utf8'),
    new RegExp(`\`${tarballs[1]}\` \\| .*\\| \`[0-9a-f]{64}\``),
  )

  mkdirSync(at('installed'))
  mkdirSync(at('home'))
  writeFileSync(at('installed', 'package.json'), '{ "private": true, "type": "module" }')
  const cache = run('npm', ['config', 'get', 'cache'], root).stdout.trim()
  // Only libtorch comes from the machine; everything else that set-up makes goes into an empty home.
  const env = { HOME: at('home'), PATH: plainPath(), npm_config_cache: cache, ANNEAL_LIBTORCH: libtorch.folder }
  const user = (command: string, ...args: string[]) => run(command, args, at('installed'), env)
  const install = user('npm', 'install', ...flags, ...tarballs.map(file => at('release', file)))
  if (install.status !== 0 && /E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NOTCACHED)/.test(install.said))
    return t.skip('the package registry can not be reached')
  assert.equal(install.status, 0, install.said)
  const installed = JSON.parse(readFileSync(at('installed/node_modules/anneal/package.json'), 'utf8'))
  assert.deepEqual(installed.optionalDependencies, { [`@anneal/${name}`]: about.version })
  assert.deepEqual([installed.scripts, installed.devDependencies], [undefined, undefined])
  assert.equal(about.optionalDependencies, undefined, 'npm ci in a clone needs no platform package')

  const names =
    "import('anneal').then(a => console.log(typeof a.trainFolder, typeof a.learner, typeof a.loadClassifier))"
  const imported = user('node', '-e', names)
  assert.deepEqual([imported.status, imported.stdout], [0, 'function function function\n'], imported.stderr)
  const required = user('node', '--input-type=commonjs', '-e', "console.log(typeof require('anneal').trainFolder)")
  assert.match(required.said, /^function$|await import\("anneal"\), or use Node 20\.19/m)
  const help = user('npx', '--no-install', 'anneal', '--help')
  assert.equal(help.status, 0, help.said)
  assert.match(help.stdout, /^Usage: anneal/)
  const doctor = user('npx', '--no-install', 'anneal', 'doctor', '--json')
  assert.equal(doctor.status, 0, doctor.said)
  const { findings, mend } = JSON.parse(doctor.stdout)
  for (const { todo = '' } of findings) assert.doesNotMatch(todo, /npm run/)
  const stateOf = (what: string) => findings.find(({ name }: { name: string }) => name === what).state
  assert.deepEqual([stateOf('package'), stateOf('compiler'), stateOf('addon')], ['ok', 'info', 'missing'])
  assert.equal(mend, 'npx anneal setup')
  // The first use sets up, without a compiler.
  writeFileSync(at('installed', 'main.mjs'), pictures)
  const trained = user('node', 'main.mjs')
  assert.match(trained.stdout, /^predicted (cats|dogs)$/m, trained.said)
  const predicted = user('npx', '--no-install', 'anneal', 'predict', 'runs/one', 'photos/dogs/1.jpg')
  assert.match(predicted.stdout, /^photos\/dogs\/1\.jpg +(cats|dogs) /m, predicted.said)
  const set = user('npx', '--no-install', 'anneal', 'setup')
  assert.match(set.stdout, /addon ready \(from @anneal\/.*\): .*\/home\/\.cache\/anneal\/addon\//, set.said)
  // The package has everything that set-up needs: it finds that dist/ needs no build.
  const setup = user('node', 'node_modules/anneal/tools/setup.mjs', '--dist')
  assert.deepEqual([setup.status, setup.said.trim()], [0, ''])
})
