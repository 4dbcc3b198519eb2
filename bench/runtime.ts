/** The runtime `@anneal/run`, as it is packed: its size, start-up, first answer, and memory over many pictures:
 *  node --import tsx bench/runtime.ts [MODEL.onnx] [--pictures 10000] [--quick]
 *
 *  Node: a new process for each of five starts; its resident memory after 10 % and after all of the pictures. Chromium:
 *  the same in a page (esbuild bundle, WebAssembly on one thread), with the resident memory of the page's process.
 *  Pictures are 20 different JPEG files of 320 × 240 pixels. Without MODEL, the test model that compares mean colours, so
 *  that the time is the runtime's own. Writes bench/results/runtime.json. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import sharp from 'sharp'
import { rng } from '../src/base/random.ts'
import { openSite, type SiteFile } from '../test/helpers/browser.ts'
import { browserPath } from '../test/helpers/chromium.ts'
import { colourModel } from '../test/helpers/served.ts'
import { writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pictures: { type: 'string', default: '10000' }, quick: { type: 'boolean', default: false } },
})
const count = values.quick ? 200 : Number(values.pictures)
const work = mkdtempSync(join(tmpdir(), 'anneal-runtime-bench-'))
const at = (...parts: string[]) => join(work, ...parts)
const files = 20

/** A project with the package and links to the runtimes. */
async function makeProject(): Promise<void> {
  const built = spawnSync(process.execPath, ['packages/run/build.mjs'], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr.slice(0, 500))
  mkdirSync(at('node_modules', '@anneal'), { recursive: true })
  cpSync('packages/run', at('node_modules', '@anneal', 'run'), { recursive: true })
  for (const name of ['onnxruntime-node', 'onnxruntime-web', 'onnxruntime-common', 'sharp'])
    symlinkSync(join(process.cwd(), 'node_modules', name), at('node_modules', name), 'junction')
  writeFileSync(at('package.json'), JSON.stringify({ type: 'module' }))
  writeFileSync(at('model.onnx'), positionals[0] ? readFileSync(positionals[0]) : colourModel())
  mkdirSync(at('pictures'))
  const random = rng(5)
  for (let i = 0; i < files; i++) {
    const small = Uint8Array.from({ length: 32 * 24 * 3 }, () => random.uniform(0, 255))
    const picture = sharp(small, { raw: { width: 32, height: 24, channels: 3 } }).resize(320, 240)
    writeFileSync(at('pictures', String(i)), await picture.jpeg({ quality: 90 }).toBuffer())
  }
}

/** Minified bytes of an entry: what it loads at once, and all with its parts for rare cases, also compressed. */
async function sizeOf(name: string) {
  const { metafile, outputFiles } = await build({
    entryPoints: [at('node_modules/@anneal/run/dist', `${name}.js`)],
    outdir: at('sizes'),
    ...{ bundle: true, splitting: true, minify: true, write: false, metafile: true },
    ...{ format: 'esm', target: 'es2022', platform: 'neutral', packages: 'external', external: ['node:*'] },
  })
  const { outputs } = metafile
  const loaded = new Set<string>()
  const walk = (path: string) => {
    if (!outputs[path] || loaded.has(path)) return
    loaded.add(path)
    for (const { path: next, kind } of outputs[path].imports) if (kind === 'import-statement') walk(next)
  }
  walk(Object.keys(outputs).find(path => outputs[path]!.entryPoint?.endsWith(`dist/${name}.js`))!)
  const first = outputFiles.filter(({ path }) => [...loaded].some(one => path.endsWith(one.split('/').at(-1)!)))
  const sum = (of: readonly { contents: Uint8Array }[], size: (bytes: Uint8Array) => number) =>
    of.reduce((all, { contents }) => all + size(contents), 0)
  const gzip = (bytes: Uint8Array) => gzipSync(bytes, { level: 9 }).length
  return {
    bytes: sum(first, bytes => bytes.length),
    gzipped: sum(first, gzip),
    withRareParts: sum(outputFiles, bytes => bytes.length),
    withRarePartsGzipped: sum(outputFiles, gzip),
  }
}

interface Measured {
  /** Milliseconds: import and load; the first answer after it; the mean of all others. */
  start: number
  first: number
  each: number
  /** Bytes of resident memory after a tenth of the pictures and after all. */
  early: number
  late: number
}

function inNode(pictures: number): Measured {
  const code = `const begin = performance.now()
    const { load } = await import('@anneal/run')
    const { readFileSync } = await import('node:fs')
    const model = await load('model.onnx', { threads: 1 })
    const start = performance.now() - begin
    await model.predict('pictures/0')
    const first = performance.now() - begin - start
    const files = Array.from({ length: ${files} }, (_, i) => readFileSync('pictures/' + i))
    const again = performance.now()
    let early = 0
    for (let i = 0; i < ${pictures}; i++) {
      if (i === ${Math.floor(pictures / 10)}) early = process.memoryUsage.rss()
      await model.predict(files[i % ${files}])
    }
    const each = (performance.now() - again) / ${pictures}
    console.log(JSON.stringify({ start, first, each, early, late: process.memoryUsage.rss() }))`
  writeFileSync(at('main.mjs'), code)
  const { stdout, stderr, status } = spawnSync(process.execPath, ['main.mjs'], { cwd: work, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr.slice(0, 1000))
  return JSON.parse(stdout)
}

/** Resident bytes of the largest process of a page that this process has started. Linux alone. */
function rendererBytes(): number {
  const parents = new Map<number, number>()
  const renderers: number[] = []
  for (const pid of readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number))
    try {
      parents.set(pid, Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]))
      if (readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('--type=renderer')) renderers.push(pid)
    } catch {
      // It has ended.
    }
  const ours = (pid?: number): boolean => pid === process.pid || (pid !== undefined && ours(parents.get(pid)))
  const sizes = renderers.filter(ours).map(pid => {
    const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
    return 1024 * Number(kilobytes)
  })
  return Math.max(...sizes)
}

async function inChromium(pictures: number): Promise<Measured> {
  writeFileSync(
    at('app.ts'),
    `import { load } from '@anneal/run'
    import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm'
    const begin = performance.now()
    const model = await load('/model.onnx', { wasmPaths: { wasm } })
    const start = performance.now() - begin
    const files = await Promise.all(Array.from({ length: ${files} }, async (_, i) => (await fetch('/pictures/' + i)).blob()))
    const then = performance.now()
    await model.predict(files[0])
    const first = performance.now() - then
    Object.assign(globalThis, { start, first, async go(from, to) {
      const begin = performance.now()
      for (let i = from; i < to; i++) await model.predict(files[i % ${files}])
      return performance.now() - begin
    } })`,
  )
  const { outputFiles } = await build({
    entryPoints: [at('app.ts')],
    outdir: at('www'),
    ...{ bundle: true, splitting: true, minify: true, write: false, format: 'esm', target: 'es2022', publicPath: '/' },
    loader: { '.wasm': 'file' },
    preserveSymlinks: true,
  })
  const site = new Map<string, SiteFile>([
    ['/', { body: '<!doctype html><title>bench</title><script type=module src=/app.js></script>', type: 'text/html' }],
    ['/model.onnx', { body: readFileSync(at('model.onnx')), type: 'application/octet-stream' }],
  ])
  for (const { path, contents } of outputFiles)
    site.set(path.slice(at('www').length), {
      body: contents,
      type: path.endsWith('.wasm') ? 'application/wasm' : 'text/javascript',
    })
  for (let i = 0; i < files; i++)
    site.set(`/pictures/${i}`, { body: readFileSync(at('pictures', String(i))), type: 'image/jpeg' })
  const served = await openSite(site)
  try {
    const page = await served.open('/')
    await page.waitForFunction('globalThis.go', undefined, { timeout: 60_000 })
    const tenth = Math.floor(pictures / 10)
    let time = await page.evaluate<number>(`go(0, ${tenth})`)
    const early = rendererBytes()
    time += await page.evaluate<number>(`go(${tenth}, ${pictures})`)
    const late = rendererBytes()
    return {
      ...(await page.evaluate<{ start: number; first: number }>('({ start, first })')),
      each: time / pictures,
      early,
      late,
    }
  } finally {
    await served.close()
  }
}

const median = (of: readonly number[]) => [...of].sort((a, b) => a - b)[Math.floor(of.length / 2)]!
const rounded = (value: number) => Math.round(value * 100) / 100
const figuresOf = ({ start, first, each, early, late }: Measured) => ({
  startMilliseconds: rounded(start),
  firstAnswerMilliseconds: rounded(first),
  eachMilliseconds: rounded(each),
  residentAfterTenthBytes: early,
  residentAtEndBytes: late,
  growthBytes: late - early,
})

await makeProject()
try {
  const starts = Array.from({ length: values.quick ? 1 : 5 }, () => inNode(10))
  const node = inNode(count)
  const chromium = browserPath && process.platform === 'linux' ? await inChromium(count) : undefined
  const versionOf = (name: string) => JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')).version
  const result = {
    date: new Date().toISOString().slice(0, 10),
    machine: { cpu: cpus()[0]!.model, cores: cpus().length },
    versions: { node: process.versions.node, onnxruntime: versionOf('onnxruntime-node'), sharp: versionOf('sharp') },
    pictures: count,
    sizes: { node: await sizeOf('node'), browser: await sizeOf('browser'), edge: await sizeOf('edge') },
    node: figuresOf({ ...node, start: median(starts.map(s => s.start)), first: median(starts.map(s => s.first)) }),
    ...(chromium && { chromium: figuresOf(chromium) }),
  }
  writeResult('runtime', result, { quick: values.quick })
} finally {
  rmSync(work, { recursive: true, force: true })
}
