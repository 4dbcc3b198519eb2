import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { gunzipSync } from 'node:zlib'
import { readAssets } from '../../src/page/assets.ts'
import { refuseForeignPage, writePage, writeSingleFile } from '../../src/page/write.ts'
import { load } from '../../src/runtime/node.ts'
import { colourModel, testCard } from '../helpers/served.ts'
import { colourMaps, heatCard } from './pages.make.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-page-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const at = (...parts: string[]) => join(folder, ...parts)
const assets = readAssets()
const hostile = ['</script><script>alert(1)</script>', '__proto__', '"><img src=x onerror=alert(1)>']
const card = heatCard({ name: 'a <b> & "c"', classes: hostile, licence: 'BSD-3-Clause' })
const model = colourMaps(card)
const sha = (text: string | Uint8Array) => createHash('sha256').update(text)

const policyOf = (page: string) =>
  /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!.replaceAll('&#39;', "'")

test('a folder: five files, addresses with digests, no address of others, text escaped', () => {
  const files = writePage(at('dir'), model, card, assets, [{ jpeg: '/9j/abc', label: '<i>rose</i>' }])
  assert.deepEqual(
    files.map(({ file }) => file.slice(folder.length)),
    ['/dir/index.html', '/dir/licences.txt', '/dir/page.js', '/dir/ort-wasm-simd-threaded.wasm', '/dir/model.onnx'],
  )
  const page = readFileSync(at('dir', 'index.html'), 'utf8')
  for (const { file, bytes } of files.slice(0, 4)) assert.equal(readFileSync(file).length, bytes, file)
  assert.match(page, /<h1>a &lt;b&gt; &amp; &quot;c&quot;<\/h1>/)
  assert.doesNotMatch(page, /<script>alert|<img src=x|<i>rose/)
  assert.doesNotMatch(page.replaceAll(/base64,[\w+/=]+/g, ''), /https?:\/\//, 'no address of others')
  for (const [name, content] of [
    ['model.onnx', model],
    ['page.js', assets.script],
    ['ort-wasm-simd-threaded.wasm', assets.wasm],
  ] as const)
    assert.ok(page.includes(`${name}?v=${sha(content).digest('hex').slice(0, 12)}`), `${name} by its digest`)
  assert.match(page, /<footer class="soft"><a href="licences.txt">/)
  const rules = policyOf(page)
  assert.match(rules, /^default-src 'none'; base-uri 'none'; form-action 'none'; .*connect-src 'self'/)
  assert.doesNotMatch(rules, /unsafe-inline|'unsafe-eval'|https?:|\*/)
  const [, style] = /<style>([\s\S]*?)<\/style>/.exec(page)!
  assert.ok(rules.includes(`style-src 'sha256-${sha(style!).digest('base64')}'`), 'the style is allowed by its digest')
})

test('the licences of all software in a page go with it', () => {
  for (const [kind, names] of [
    ['picture', []],
    ['sound', []],
    ['text', ['@huggingface/tokenizers']],
    ['table', ['csv-parse']],
  ] as const) {
    const { licences, script } = readAssets(kind)
    const listed = [...licences.matchAll(/^- (\S+) [\d.]+ \(\S+\)$/gm)].map(([, name]) => name)
    assert.deepEqual(listed, ['anneal', 'onnxruntime-web', ...names], kind)
    assert.match(licences, /Apache License\s+Version 2.0/, kind)
    assert.match(licences, /Copyright \(c\) Microsoft Corporation[\s\S]*Permission is hereby granted/, kind)
    if (kind === 'table') assert.match(licences, /csv-parse[\s\S]*Adaltas/, 'the copyright of csv-parse')
    assert.match(script, /Microsoft Corporation/, 'the notice in the script itself')
  }
  writeSingleFile(at('licences.html'), model, card, assets, [])
  const page = readFileSync(at('licences.html'), 'utf8')
  assert.match(page, /<summary>Licences of the software<\/summary><pre>This page holds software/)
})

test('one file: model and runtime are in it, bit for bit, and its script is allowed by its digest', () => {
  const [{ bytes } = { bytes: 0 }] = writeSingleFile(at('one.html'), model, card, assets, [])
  const page = readFileSync(at('one.html'), 'utf8')
  assert.equal(Buffer.byteLength(page), bytes)
  for (const [name, content] of [
    ['model', model],
    ['wasm', assets.wasm],
  ] as const) {
    const pieces = [...page.matchAll(new RegExp(`data-file="${name}">([^<]*)<`, 'g'))].map(m =>
      Buffer.from(m[1]!, 'base64'),
    )
    assert.ok(gunzipSync(Buffer.concat(pieces)).equals(content), name)
  }
  const rules = policyOf(page)
  const [, script] = /<script type="module" id="program">([\s\S]*?)<\/script>/.exec(page)!
  assert.ok(rules.includes(`'sha256-${sha(script!).digest('base64')}'`), 'script')
  assert.match(rules, /connect-src 'none'/)
  assert.doesNotMatch(rules, /'self'|unsafe-inline|'unsafe-eval'/)
  assert.equal(page.match(/<img/g), null, 'no picture of the run')
})

test('files that Anneal did not write stay as they are', () => {
  writeFileSync(at('mine.html'), '<h1>mine</h1>')
  mkdirSync(at('scripts'))
  writeFileSync(at('scripts', 'page.js'), 'mine()')
  for (const [place, message] of [
    [{ singleFile: at('mine.html') }, /mine\.html: exists and is no page that Anneal wrote/],
    [{ singleFile: at('scripts') }, /scripts: is a folder; singleFile needs the path of a \.html file/],
    [{ page: at('mine.html') }, /mine\.html: is a file; page needs a folder/],
    [{ page: at('scripts') }, /page\.js: exists, and no page that Anneal wrote is beside it/],
  ] as const)
    assert.throws(() => refuseForeignPage(place), message)
  for (const place of [
    { singleFile: at('none.html') },
    { singleFile: at('one.html') },
    { page: at('dir') },
    { page: at('new') },
  ])
    refuseForeignPage(place)
})

test('the runtime gives the maps of a model that has them, when asked', async () => {
  const maps = await load(model, { kind: 'picture' })
  const data = Uint8Array.from([200, 0, 0, 0, 100, 0, 0, 0, 50, 0, 0, 0])
  const pixels = { data, width: 2, height: 2, channels: 3 }
  assert.equal((await maps.predictPixels(pixels)).heat, undefined)
  const [first, second] = await maps.predictPixels([pixels, { ...pixels, data: data.map(v => v / 2) }], { heat: true })
  const near = (got: Float32Array | undefined, wanted: number[]) =>
    assert.ok(got?.length === 12 && wanted.every((w, i) => Math.abs(w - got[i]!) < 1e-5), `${got}`)
  near(first!.heat, [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0.5, 0])
  near(second!.heat, [1, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0.25, 0])
  await maps.dispose()
  const plain = await load(colourModel(), { kind: 'picture' })
  assert.equal((await plain.predictPixels(pixels, { heat: true })).heat, undefined, 'a model without maps')
  await plain.dispose()
  await assert.rejects(load(colourModel({ card: testCard({ heat: { rows: 2, columns: 2 } }) })), /output "heat"/)
})

test('the runtime starts in a file that Firefox opens, which says that its origin is "null"', () => {
  const address = 'file:///home/me/page.html'
  const end = assets.script.indexOf('\n})(', assets.script.indexOf('const ort = '))
  const runtime = assets.script.slice(0, assets.script.indexOf('\n', end + 1))
  const plain = runtime.replaceAll('import.meta.url', JSON.stringify(address))
  const given = { URL, console, location: { href: address, origin: 'null' } }
  assert.equal(runInNewContext(`${plain}\n;typeof ort.InferenceSession.create`, given), 'function')
})
