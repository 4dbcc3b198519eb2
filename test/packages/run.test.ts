import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { checkPackage, Package } from '@arethetypeswrong/core'
import { build } from 'esbuild'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { exportModel } from '../../src/export/export-model.ts'
import { exportSound } from '../../src/export/sound/export-sound.ts'
import { exportText } from '../../src/export/text/export-text.ts'
import { loadSoundClassifier } from '../../src/sound/index.ts'
import { loadTextClassifier } from '../../src/text/run/predict.ts'
import { loadClassifier } from '../../src/vision/inference/classifier.ts'
import { savedSound } from '../export/sounds.make.ts'
import { savedText } from '../export/texts.make.ts'
import { openSite, type SiteFile } from '../helpers/browser.ts'
import { browserPath } from '../helpers/chromium.ts'
import { goldenPictures } from '../helpers/pictures.ts'
import { allMarks, marked, runsFolder } from '../helpers/recipe.ts'
import { makers, wav } from '../sound/sound.make.ts'

// The package as npm would publish it, in an empty project. Packages beside it are links to those of this folder, so
// that no registry is asked.
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'anneal-run-'))
const project = join(folder, 'project')
const at = (...parts: string[]) => join(project, ...parts)
const runs = runsFolder()
after(() => {
  rmSync(folder, { recursive: true, force: true })
  runs.remove()
})

const pictures = goldenPictures.filter(({ name }) => /^(jpeg|png|gif|webp|avif)/.test(name))
let expected: number[][]
let files: string[]

function run(command: string, args: string[], cwd = project) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_OPTIONS$/.test(name)))
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 120_000 })
  return { status, stdout, said: `${stdout}\n${stderr}`.slice(0, 3000) }
}
const node = (code: string, { flags = [], cwd = project }: { flags?: string[]; cwd?: string } = {}) => {
  writeFileSync(join(cwd, 'main.mjs'), code)
  return run(process.execPath, [...flags, 'main.mjs'], cwd)
}
const put = (files: Record<string, string | Uint8Array>) => {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(at(name)), { recursive: true })
    writeFileSync(at(name), content)
  }
}
const link = (...names: string[]) => {
  for (const name of names) symlinkSync(join(root, 'node_modules', name), at('node_modules', name), 'junction')
}

before(async () => {
  mkdirSync(at('node_modules', '@anneal'), { recursive: true })
  const packed = run('npm', ['pack', '--json', '--pack-destination', folder], join(root, 'packages', 'run'))
  assert.equal(packed.status, 0, packed.said)
  const [{ filename, files: list }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[')))
  files = list.map(({ path }: { path: string }) => path)
  const unpacked = run('tar', ['-xzf', join(folder, filename)], folder)
  assert.equal(unpacked.status, 0, unpacked.said)
  renameSync(join(folder, 'package'), at('node_modules', '@anneal', 'run'))
  put({ 'package.json': JSON.stringify({ name: 'project', type: 'module', private: true }) })
  cpSync(project, join(folder, 'bare'), { recursive: true })
  link('onnxruntime-node', 'onnxruntime-web', 'onnxruntime-common', 'sharp')

  // A trained net, and what it predicts for the golden pictures.
  const data: Record<string, Buffer> = {}
  for (let n = 0; n < 24; n++)
    data[`data/${allMarks[n % 3]}/${n}.png`] = await marked(n, [allMarks[n % 3]!], 30 + (n % 8))
  runs.put(data)
  const { dir } = await runs.train('data', 'run', { epochs: 1, seed: 3 })
  const { file } = await exportModel(dir, { out: at('model.onnx'), check: false })
  assert.ok(existsSync(file), file)
  const classifier = loadClassifier(dir, { worker: false })
  expected = []
  for (const { bytes } of pictures) expected.push([...(await classifier.predict(bytes)).scores])
  await classifier.close()
  for (const [i, { bytes }] of pictures.entries()) put({ [`pictures/${i}`]: bytes })
})

/** Fails if scores differ from those of the trained net by more than `bound`. */
function same(scores: readonly (readonly number[])[], bound: (name: string) => number): void {
  assert.equal(scores.length, expected.length)
  const wrong = scores.flatMap((one, i) => {
    const most = Math.max(...one.map((p, c) => Math.abs(p - expected[i]![c]!)))
    return most <= bound(pictures[i]!.name) ? [] : `${pictures[i]!.name}: ${most}`
  })
  assert.deepEqual(wrong, [], 'differences from the trained net')
}

test('the package has what its users need: entries, types and nothing that its makers need', async () => {
  for (const path of ['package.json', 'README.md', 'LICENSE', 'dist/node.js', 'dist/browser.js', 'dist/edge.js'])
    assert.ok(files.includes(path), `${path} is in the package`)
  assert.deepEqual(
    files.filter(path => !/^(dist\/|package\.json|README\.md|LICENSE)/.test(path)),
    [],
  )
  const about = JSON.parse(readFileSync(at('node_modules/@anneal/run/package.json'), 'utf8'))
  assert.equal(about.version, JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version, 'one version')
  assert.equal(about.dependencies, undefined, 'no dependency')
  const contents = files.map(
    path => [path, new Uint8Array(readFileSync(at('node_modules/@anneal/run', path)))] as const,
  )
  const { messages } = await publint({
    pkgDir: 'package',
    pack: { files: contents.map(([path, data]) => ({ name: `package/${path}`, data })) },
    strict: true,
  })
  assert.deepEqual(
    messages.map(message => formatMessage(message, about, { color: false })),
    [],
  )
  const placed = Object.fromEntries(contents.map(([path, data]) => [`/node_modules/@anneal/run/${path}`, data]))
  const { types, ...checked } = await checkPackage(new Package(placed, '@anneal/run', about.version))
  assert.ok(types, 'it has types')
  const served = ['node16-esm', 'bundler']
  const problems = 'problems' in checked ? checked.problems : []
  assert.deepEqual(
    problems.filter(problem => !('resolutionKind' in problem) || served.includes(problem.resolutionKind)),
    [],
  )
})

test('own code: each entry has less than 20 KB minified, all that pictures load less than 20 KB compressed, tables less than 10, sounds less than 10 and less than 6 more for compressed files, and texts less than 20 with the tokenizer', async () => {
  for (const name of ['node', 'browser', 'edge']) {
    const { metafile, outputFiles } = await build({
      entryPoints: [at('node_modules/@anneal/run/dist', `${name}.js`)],
      outdir: folder,
      ...{ bundle: true, splitting: true, minify: true, write: false, metafile: true },
      ...{ format: 'esm', target: 'es2022', platform: 'neutral', packages: 'external', external: ['node:*'] },
    })
    const { outputs } = metafile
    const first = Object.keys(outputs).find(path => outputs[path]!.entryPoint?.endsWith(`dist/${name}.js`))!
    const loaded = new Set<string>()
    const walk = (path: string) => {
      if (!outputs[path] || loaded.has(path)) return
      loaded.add(path)
      for (const { path: next, kind } of outputs[path].imports) if (kind === 'import-statement') walk(next)
    }
    walk(first)
    const bytes = [...loaded].reduce((sum, path) => sum + outputs[path]!.bytes, 0)
    // A file of the package names the sources that it is made of.
    const madeOf = (source: RegExp) =>
      new Set(
        Object.entries(outputs).flatMap(([path, { inputs }]) =>
          Object.keys(inputs).some(input => source.test(readFileSync(input, 'utf8'))) ? [resolve(path)] : [],
        ),
      )
    const ofSounds = madeOf(/^\/\/ .*runtime\/sound\//m)
    const ofWhole = madeOf(/^\/\/ .*runtime\/sound\/whole\.ts/m)
    assert.equal(ofWhole.size, 1, 'what compressed recordings need is a file')
    const ofOthers = madeOf(/^\/\/ .*runtime\/plain-model\.ts/m)
    assert.equal(ofOthers.size, 1, 'tables, texts and sounds share a file')
    const sizes = outputFiles.map(({ path, contents }) => ({
      part: ofWhole.has(resolve(path))
        ? 'compressed'
        : ofSounds.has(resolve(path))
          ? 'sound'
          : ofOthers.has(resolve(path))
            ? 'others'
            : ['table', 'text', 'tokenizers'].find(
                part => path.includes(`/${part}-model`) || path.includes(`/${part}.`),
              ),
      size: gzipSync(contents, { level: 9 }).length,
    }))
    const total = (part?: string) => sizes.reduce((sum, one) => sum + (one.part === part ? one.size : 0), 0)
    const [compressed, others] = [total(), total('others')]
    const [tables, sounds] = [total('table') + others, total('sound') + others]
    const decoded = total('compressed')
    const texts = total('text') + total('tokenizers') + others
    assert.ok(bytes > 10_000 && bytes < 20 * 1024, `${name}: ${bytes} bytes`)
    assert.ok(compressed < 20 * 1024, `${name}: ${compressed} bytes compressed`)
    assert.ok(tables > 1000 && tables < 10 * 1024, `${name}, tables: ${tables} bytes compressed`)
    assert.ok(sounds > 1000 && sounds < 10 * 1024, `${name}, sounds: ${sounds} bytes compressed`)
    assert.ok(decoded > 1000 && decoded < 6 * 1024, `${name}, compressed sounds: ${decoded} bytes compressed`)
    assert.ok(texts > 10_000 && texts < 20 * 1024, `${name}, texts: ${texts} bytes compressed`)
    assert.ok(
      ![...loaded].some(
        path =>
          /(table|text|sound)-model|tokenizers/.test(path) || [ofSounds, ofOthers].some(one => one.has(resolve(path))),
      ),
      `${name} loads tables, texts and sounds only where a model needs it`,
    )
  }
})

test('without a runtime beside it, the error says what to install', () => {
  const cwd = join(folder, 'bare')
  cpSync(at('model.onnx'), join(cwd, 'model.onnx'))
  const { status, said } = node(
    `import { load } from '@anneal/run'
    await load('model.onnx').then(() => console.log('loaded'), error => console.log(error.name, error.kind, error.message))`,
    { cwd },
  )
  assert.equal(status, 0, said)
  assert.match(said, /RunError backend .*npm install --ignore-scripts onnxruntime-node/)
})

test('types are strict: an empty project with no other types, in Node and in a browser', () => {
  const shared = {
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: [],
    exactOptionalPropertyTypes: true,
    target: 'es2022',
  }
  const answers = `
    declare const file: Uint8Array
    const model: Model = await load(file, { kind: 'picture', threads: 1 })
    const answer: Prediction = await model.predict(file)
    const many: Prediction[] = await model.predict([file, file])
    if (answer.task === 'single') { const label: string = answer.label; void label }
    else if (answer.task === 'multi') { const labels: string[] = answer.labels; void labels }
    else { const year: number | undefined = answer.values.year; void year }
    // @ts-expect-error a number is no picture
    await model.predict(3)
    // @ts-expect-error no such device
    await load(file, { device: 'npu' })
    const classes: readonly string[] = model.card.classes
    const taught: Taught<Input> = await model.teach({ a: [file], b: [file] })
    const again = model.taught(JSON.parse(JSON.stringify(taught)))
    void [many, classes, again]
    const table: TableModel = await load(file, { kind: 'table' })
    const row: TablePrediction = await table.predict({ age: 39, workclass: 'Private', married: true, born: new Date(), zip: null })
    const rows: TablePrediction[] = await table.predict([{ age: 39 }, { age: '40' }])
    if (row.task === 'single') { const label: string = row.label; void label }
    else { const price: number | undefined = row.values.price; void price }
    const some: ModelOf = await load(file)
    if (some.kind === 'table') { const columns: string[] = some.card.inputs.map(({ name }) => name); void columns }
    else if (some.kind === 'text') { const most: number = some.card.input.maxTokens; void most }
    else if (some.kind === 'sound') { const rate: number = some.card.input.rate; void rate }
    else { const channels: number = some.card.input.channels; void channels }
    const sound: SoundModel = await load(file, { kind: 'sound', limitSeconds: 60 })
    const heard: SoundPrediction = await sound.predict({ samples: new Float32Array(9), sampleRate: 16000 })
    const parts: { from: number; to: number; scores: Float32Array }[] = heard.parts
    const sounds: SoundPrediction[] = await sound.predict([file, file.buffer as ArrayBuffer], { features: true })
    for await (const one of sound.predictStream([new Float32Array(9)], { sampleRate: 48000, hop: 0.5 })) { const from: number = one.from; void from }
    const pushed: StreamPrediction[] = await sound.stream({ sampleRate: 48000 }).push(new Float32Array(9))
    void [parts, sounds, pushed]
    // @ts-expect-error a stream has a rate
    sound.stream({})
    const text: TextModel = await load(file, { kind: 'text' })
    const said: TextPrediction = await text.predict('good')
    const all: TextPrediction[] = await text.predict(['good', 'bad'], { features: true })
    if (said.task === 'single') { const label: string = said.label; void label }
    // @ts-expect-error a text has no heat
    void [all, said.heat]
    // @ts-expect-error bytes are no text
    await text.predict(file)
    const known: ModelOf<'table'> = table
    void [rows, known]
    // @ts-expect-error a list is no value of a row
    await table.predict({ age: [39] })
    // @ts-expect-error pictures are no rows
    await table.predict(file)
    // @ts-expect-error rows are no pictures
    await model.predict({ age: 39 })
    // @ts-expect-error the kind is not known
    await some.predict(file)
    // @ts-expect-error no such kind
    await load(file, { kind: 'tables' })
    try { await model.dispose() } catch (error) { if (error instanceof RunError) { const kind: ErrorKind = error.kind; void kind } }
    { await using other = await load(file); void other }`
  put({
    'node/main.ts': `import { load, RunError, type ErrorKind, type Input, type Model, type ModelOf, type Prediction, type SoundModel, type SoundPrediction, type StreamPrediction, type TableModel, type TablePrediction, type Taught, type TextModel, type TextPrediction } from '@anneal/run'
      import type { Card } from '@anneal/run'
      ${answers}
      await model.predict('cat.jpg')
      await model.predictPixels({ data: new Uint8Array(3), width: 1, height: 1, channels: 3 })
      const card: Card = model.card; void card
      export {}`,
    'node/tsconfig.json': JSON.stringify({
      compilerOptions: { ...shared, lib: ['es2022'], module: 'nodenext' },
      files: ['main.ts'],
    }),
    'web/main.ts': `import { load, RunError, type ErrorKind, type Input, type Model, type ModelOf, type Prediction, type SoundModel, type SoundPrediction, type StreamPrediction, type TableModel, type TablePrediction, type Taught, type TextModel, type TextPrediction } from '@anneal/run'
      import * as ort from 'onnxruntime-web/wasm'
      ${answers}
      declare const canvas: HTMLCanvasElement, offscreen: OffscreenCanvas, video: HTMLVideoElement, image: HTMLImageElement
      declare const data: ImageData, bitmap: ImageBitmap, blob: Blob, chosen: File, frame: VideoFrame, signal: AbortSignal
      await model.predict([canvas, offscreen, video, image, data, bitmap, blob, chosen, frame], { signal })
      await sound.predict(await new AudioContext().decodeAudioData(await blob.arrayBuffer()))
      await sound.predict([blob, chosen])
      await load(new URL('model.onnx', location.href), { ort, signal, wasmPaths: { wasm: '/a.wasm' } })
      await load(blob, { wasm: await blob.arrayBuffer() })
      // @ts-expect-error an address is no picture
      await model.predict('cat.jpg')
      export {}`,
    'web/tsconfig.json': JSON.stringify({
      compilerOptions: { ...shared, lib: ['es2022', 'dom'], module: 'preserve', moduleResolution: 'bundler' },
      files: ['main.ts'],
    }),
    'edge/main.ts': `import { load, RunError, type ErrorKind, type Input, type Model, type ModelOf, type Prediction, type SoundModel, type SoundPrediction, type StreamPrediction, type TableModel, type TablePrediction, type Taught, type TextModel, type TextPrediction } from '@anneal/run/edge'
      ${answers}
      await load(file, { decode: async bytes => ({ data: bytes, width: 1, height: 1, channels: 3 }) })
      export {}`,
    'edge/tsconfig.json': JSON.stringify({
      compilerOptions: { ...shared, lib: ['es2022'], module: 'nodenext' },
      files: ['main.ts'],
    }),
  })
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  for (const where of ['node', 'web', 'edge']) {
    const { status, said } = run(process.execPath, [tsc, '-p', at(where, 'tsconfig.json')])
    assert.equal(status, 0, `${where}: ${said}`)
  }
})

/** Predicts pictures by their numbers. */
const predictAll = (numbers: readonly number[]) => `import { readFileSync } from 'node:fs'
  const model = await load(new Uint8Array(readFileSync('model.onnx')), options)
  const scores = []
  for (const i of ${JSON.stringify(numbers)}) scores.push([...(await model.predict(input(i))).scores])
  console.log(JSON.stringify(scores))
  await model.dispose()`

test('in Node, golden pictures get the answers of the trained net', () => {
  const { status, stdout, said } = node(`import { load } from '@anneal/run'
    const options = { threads: 1 }
    const input = i => 'pictures/' + i
    ${predictAll([...pictures.keys()])}`)
  assert.equal(status, 0, said)
  same(JSON.parse(stdout), () => 1e-3)
})

test('on the edge: PNG by itself, others by a decoder that is given', () => {
  const numbers = [...pictures.keys()].filter(i => /^png|^jpeg orientation/.test(pictures[i]!.name))
  assert.ok(numbers.length > 40, `${numbers.length} pictures`)
  const { status, stdout, said } = node(
    `import { load } from '@anneal/run'
    import * as edge from '@anneal/run/edge'
    import * as ort from 'onnxruntime-web/wasm'
    import sharp from 'sharp'
    if (load !== edge.load) throw new Error('another entry')
    const wasm = await WebAssembly.compile(readFileSync('node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm'))
    const decode = async bytes => {
      const { data, info } = await sharp(bytes, { autoOrient: true, ignoreIcc: true }).raw().toBuffer({ resolveWithObject: true })
      return { data, width: info.width, height: info.height, channels: info.channels }
    }
    const options = { ort, wasm, decode }
    const input = i => new Uint8Array(readFileSync('pictures/' + i))
    ${predictAll(numbers)}`,
    { flags: ['--conditions=workerd'] },
  )
  assert.equal(status, 0, said)
  const scores = JSON.parse(stdout) as number[][]
  same(
    expected.map((one, i) => scores[numbers.indexOf(i)] ?? one),
    // 16 bits become 8 before transparency is laid on white, not after: a level of 255.
    name => (name.includes('16 bits') ? 0.01 : 1e-3),
  )
})

const texts = ['good', 'Überraschend gut – 最高です 🙂', 'the film was un '.repeat(30)]

/** Writes texts.onnx; fails unless scores are those of its trained net. */
async function textModel(): Promise<(scores: readonly (readonly number[])[]) => void> {
  const stem = savedText()
  await exportText(stem, { out: at('texts.onnx'), check: false })
  const trained = loadTextClassifier(stem, { precision: 'float32' })
  const expected: number[][] = []
  for (const text of texts) expected.push([...(await trained.predict(text)).scores])
  trained.close()
  return scores => {
    assert.equal(scores.length, texts.length)
    for (const [i, one] of scores.entries())
      for (const [c, score] of one.entries())
        assert.ok(Math.abs(score - expected[i]![c]!) < 1e-5, `text ${i}: ${score}, ${expected[i]![c]}`)
  }
}

test('texts get the answers of the trained net, in Node and by the entry for browsers, without a package more', async () => {
  const sameTexts = await textModel()
  assert.ok(!existsSync(at('node_modules/@huggingface')), 'no tokenizer beside the package')
  const { status, stdout, said } = node(`import { readFileSync } from 'node:fs'
    import * as own from '@anneal/run'
    import * as web from '@anneal/run/browser'
    import * as ort from 'onnxruntime-web/wasm'
    const all = []
    for (const [load, options] of [[own.load, { threads: 1 }], [web.load, { ort, threads: 1 }]]) {
      const model = await load(new Uint8Array(readFileSync('texts.onnx')), { kind: 'text', ...options })
      all.push((await model.predict(${JSON.stringify(texts)})).map(({ scores }) => [...scores]))
      await model.dispose()
    }
    console.log(JSON.stringify(all))`)
  assert.equal(status, 0, said)
  const found = JSON.parse(stdout) as number[][][]
  assert.equal(found.length, 2)
  for (const scores of found) sameTexts(scores)
})

/** Writes sounds.onnx and recordings; fails unless scores are those of its trained net. */
async function soundModel(): Promise<(scores: readonly (readonly number[])[]) => void> {
  const stem = savedSound()
  await exportSound(stem, { out: at('sounds.onnx'), check: false })
  const recordings = [
    wav([makers.tone!(1, 0.3, 8000)], { rate: 8000 }),
    wav([makers.noise!(2, 0.9, 44_100), makers.chirp!(2, 0.9, 44_100)], { rate: 44_100 }),
    wav([makers.chirp!(3, 4, 48_000)], { rate: 48_000, bits: 24 }),
  ]
  const trained = loadSoundClassifier(stem, { precision: 'float32' })
  const expected: number[][] = []
  for (const [i, bytes] of recordings.entries()) {
    put({ [`sounds/${i}.wav`]: bytes })
    expected.push([...(await trained.predict(bytes)).scores])
  }
  trained.close()
  return scores => {
    assert.equal(scores.length, recordings.length)
    for (const [i, one] of scores.entries())
      for (const [c, score] of one.entries())
        assert.ok(Math.abs(score - expected[i]![c]!) < 1e-4, `recording ${i}: ${score}, ${expected[i]![c]}`)
  }
}

test('recordings get the answers of the trained net, in Node and by the entry for browsers', async () => {
  const sameSounds = await soundModel()
  const { status, stdout, said } = node(`import { readFileSync } from 'node:fs'
    import * as own from '@anneal/run'
    import * as web from '@anneal/run/browser'
    import * as ort from 'onnxruntime-web/wasm'
    const paths = ['sounds/0.wav', 'sounds/1.wav', 'sounds/2.wav']
    const all = []
    for (const [load, options, inputs] of [
      [own.load, { threads: 1 }, paths],
      [web.load, { ort, threads: 1 }, paths.map(path => new Uint8Array(readFileSync(path)))],
    ]) {
      const model = await load(new Uint8Array(readFileSync('sounds.onnx')), { kind: 'sound', ...options })
      all.push((await model.predict(inputs)).map(({ scores }) => [...scores]))
      await model.predict(Buffer.from('ID3 no sound')).then(() => console.error('no error'), error => console.error(error.message))
      await model.dispose()
    }
    console.log(JSON.stringify(all))`)
  assert.equal(status, 0, said)
  const found = JSON.parse(stdout) as number[][][]
  assert.equal(found.length, 2)
  for (const scores of found) sameSounds(scores)
  assert.match(said, /it is an MP3 file; to read it, install one more package \(npm install audio-decode\)/)
  assert.match(said, /it is a file of MP3, and a worker has no decoder for it/)
})

// Skipped if there is no browser.
if (browserPath)
  test('in Chromium, through esbuild, golden pictures, texts and recordings get the answers of the trained nets', async () => {
    const [sameTexts, sameSounds] = [await textModel(), await soundModel()]
    put({
      'app.ts': `import { load } from '@anneal/run'
        import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm'
        Object.assign(globalThis, { async run(count: number) {
          await using model = await load('/model.onnx', { wasmPaths: { wasm } })
          const scores: number[][] = []
          for (let i = 0; i < count; i++) {
            const picture = await (await fetch('/pictures/' + i)).blob()
            scores.push([...(await model.predict(picture)).scores])
          }
          return scores
        }, async runTexts(texts: string[]) {
          await using model = await load('/texts.onnx', { kind: 'text', wasmPaths: { wasm } })
          return (await model.predict(texts)).map(({ scores }) => [...scores])
        }, async runSounds(count: number, as: 'blob' | 'buffer') {
          await using model = await load('/sounds.onnx', { kind: 'sound', wasmPaths: { wasm } })
          const scores: number[][] = []
          for (let i = 0; i < count; i++) {
            const blob = await (await fetch('/sounds/' + i + '.wav')).blob()
            const rate = [8000, 44100, 48000][i]!
            const input = as === 'blob' ? blob : await new OfflineAudioContext(1, 1, rate).decodeAudioData(await blob.arrayBuffer())
            scores.push([...(await model.predict(input)).scores])
          }
          return scores
        } })`,
    })
    const { outputFiles } = await build({
      entryPoints: [at('app.ts')],
      outdir: at('www'),
      ...{ bundle: true, splitting: true, minify: true, write: false, format: 'esm', target: 'es2022' },
      loader: { '.wasm': 'file' },
      publicPath: '/',
      preserveSymlinks: true,
    })
    const site = new Map<string, SiteFile>([
      ['/', { body: '<!doctype html><title>app</title><script type=module src=/app.js></script>', type: 'text/html' }],
      ['/texts.onnx', { body: readFileSync(at('texts.onnx')), type: 'application/octet-stream' }],
      ['/model.onnx', { body: readFileSync(at('model.onnx')), type: 'application/octet-stream' }],
    ])
    site.set('/sounds.onnx', { body: readFileSync(at('sounds.onnx')), type: 'application/octet-stream' })
    for (const i of [0, 1, 2])
      site.set(`/sounds/${i}.wav`, { body: readFileSync(at(`sounds/${i}.wav`)), type: 'audio/wav' })
    for (const { path, contents } of outputFiles)
      site.set(path.slice(at('www').length).replaceAll('\\', '/'), {
        body: contents,
        type: path.endsWith('.wasm') ? 'application/wasm' : 'text/javascript',
      })
    for (const name of readdirSync(at('pictures')))
      site.set(`/pictures/${name}`, { body: readFileSync(at('pictures', name)), type: 'application/octet-stream' })
    const served = await openSite(site)
    try {
      const page = await served.open('/')
      await page.waitForFunction('globalThis.run')
      const scores = await page.evaluate<number[][]>(`run(${pictures.length})`)
      // AVIF with halved colour, and animations: decoders enlarge the colour in their own ways.
      same(scores, name => (name.startsWith('avif') ? 0.1 : 0.02))
      sameTexts(await page.evaluate<number[][]>(`runTexts(${JSON.stringify(texts)})`))
      for (const as of ['blob', 'buffer']) sameSounds(await page.evaluate<number[][]>(`runSounds(3, '${as}')`))
      assert.deepEqual(served.foreign, [], 'nobody else is asked')
    } finally {
      await served.close()
    }
  })
