import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { probePicture } from '../../src/onnx/probe.ts'
import { load as loadOnEdge } from '../../src/runtime/edge.ts'
import { bundled, ortFile, runtimeSite } from '../helpers/browser.ts'
import { browserPath } from '../helpers/chromium.ts'
import { colourModel, testCard } from '../helpers/served.ts'

const model = colourModel()
const wasmName = 'ort-wasm-simd-threaded.wasm'
const red = `{ data: Uint8Array.from({ length: 48 }, (_, i) => i % 3 === 0 ? 250 : 10), width: 4, height: 4, channels: 3 }`

// Skipped if there is no browser.
if (browserPath) {
  const site = await runtimeSite(model)
  const { files } = site
  after(() => site.close())
  /** What `reason` says of some work in a fresh page. */
  const reason = async (work: string) => {
    const page = await site.page()
    const said = await page.evaluate<string>(`reason(async () => ${work})`)
    await page.close()
    return said
  }

  test('a model is loaded from its address, bytes, a Blob or a URL; prediction, classes to teach, and the end', async () => {
    const page = await site.page()
    const found = await page.evaluate<Record<string, unknown>>(`(async () => {
      const url = new URL('/model.onnx', location.href)
      const blob = await (await fetch(url)).blob()
      const labels = []
      for (const source of ['model.onnx', url, blob, await blob.arrayBuffer()]) {
        const model = await run.load(source)
        labels.push((await model.predict(${red})).label)
        await model.dispose()
      }
      const model = await run.load('/model.onnx')
      const of = (...rgb) => ({ data: Uint8Array.from({ length: 12 }, (_, i) => rgb[i % 3]), width: 2, height: 2, channels: 3 })
      const taught = await model.teach({ warm: [of(250, 90, 10)], cold: [of(10, 60, 240)] })
      const saved = JSON.stringify(taught)
      const again = model.taught(saved)
      const label = (await again.predict(of(0, 40, 200))).label
      const aborted = await reason(() => model.predict(${red}, { signal: AbortSignal.abort(new Error('no longer')) }))
      const { device, why } = model
      await model.dispose()
      return { labels, label, saved, aborted, device, why, disposed: await reason(() => model.predict(${red})) }
    })()`)
    assert.deepEqual(found.labels, ['10 red', '10 red', '10 red', '10 red'])
    assert.equal(found.label, 'cold')
    assert.match(String(found.aborted), /no longer/)
    assert.match(String(found.disposed), /disposed/)
    assert.deepEqual([found.device, found.why], ['wasm', 'the usual device'])
    await page.close()
    // The few bytes of the new classes are the same in every runtime.
    await using edge = await loadOnEdge(model, { kind: 'picture' })
    const taught = edge.taught(String(found.saved))
    const blue = Uint8Array.from({ length: 12 }, (_, i) => [0, 40, 200][i % 3]!)
    assert.equal((await taught.predict({ data: blue, width: 2, height: 2, channels: 3 })).label, 'cold')
    assert.deepEqual(site.foreign, [])
  })

  test('in a worker, with files, bitmaps and canvases', async () => {
    const page = await site.page()
    const worker = await bundled(`import { load } from './src/runtime/browser.ts'
      onmessage = async ({ data }) => {
        const model = await load('/model.onnx')
        const found = await model.predict(data)
        postMessage(found.map(({ label }) => label))
      }`)
    files.set('/worker.js', { body: worker, type: 'text/javascript' })
    const labels = await page.evaluate(`(async () => {
      const canvas = new OffscreenCanvas(30, 20)
      const context = canvas.getContext('2d')
      context.fillStyle = '#0f0'
      context.fillRect(0, 0, 30, 20)
      const files = await Promise.all(['image/png', 'image/jpeg', 'image/webp'].map(type => canvas.convertToBlob({ type })))
      const worker = new Worker('/worker.js', { type: 'module' })
      const bitmap = await createImageBitmap(canvas)
      const answer = new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data)
        worker.onerror = event => reject(new Error(event.message))
      })
      worker.postMessage([...files, bitmap, context.getImageData(0, 0, 30, 20)], [bitmap])
      return answer
    })()`)
    assert.deepEqual(labels, Array(5).fill('2 green'))
    await page.close()
  })

  test('a model that can not be fetched is named with its address and what came', async () => {
    files.set('/page.onnx', { body: '<!doctype html><title>app</title>', type: 'text/html' })
    files.set('/cut.onnx', { body: model.subarray(0, model.length - 50), type: 'application/octet-stream' })
    const whole = (path: string) => `${site.url}${path}`.replaceAll('.', '\\.')
    assert.match(await reason(`run.load('none.onnx')`), new RegExp(`${whole('/none.onnx')} .*404 .*Vite`))
    assert.match(await reason(`run.load('/page.onnx')`), new RegExp(`${whole('/page.onnx')} gives an HTML page`))
    assert.match(await reason(`run.load('/cut.onnx')`), new RegExp(`${whole('/cut.onnx')}: it is cut off`))
    assert.match(
      await reason(`run.load('http://127.0.0.1:1/model.onnx')`),
      /127\.0\.0\.1:1\/model\.onnx can not be fetched.*CORS/,
    )
    assert.match(await reason(`run.load(undefined)`), /load: got undefined, expected the address/)
    assert.match(
      await reason(`run.load('/model.onnx', { signal: AbortSignal.abort(new Error('no longer')) })`),
      /no longer/,
    )
  })

  test('where the .wasm file is missing, errors name its address, what came, and the line for the bundler', async () => {
    const wasm = files.get(`/${wasmName}`)!
    const expects = async (work: string, ...patterns: RegExp[]) => {
      const said = await reason(work)
      for (const pattern of [
        ...patterns,
        /\?url', then load\(url, \{ wasmPaths: \{ wasm \} \}\)/,
        /esbuild/,
        /webpack/,
      ])
        assert.match(said, pattern)
    }
    try {
      files.delete(`/${wasmName}`)
      await expects(`run.load('/model.onnx')`, new RegExp(`its file ${site.url}/${wasmName} .*answers 404`))
      files.set(`/${wasmName}`, { body: '<!doctype html>', type: 'text/html' })
      await expects(`run.load('/model.onnx')`, /answers 200 with text\/html/)
      await expects(`run.load('/model.onnx').catch(() => run.load('/model.onnx'))`, /answers 200 with text\/html/)
      await expects(`run.load('/model.onnx', { wasmPaths: '/lib/' })`, new RegExp(`${site.url}/lib/${wasmName}`))
      await expects(
        `run.load('/model.onnx', { wasmPaths: { wasm: '/x/a.wasm' } })`,
        new RegExp(`${site.url}/x/a.wasm .*404`),
      )
      files.set('/y/a.wasm', { ...wasm, type: 'text/plain' }) // a wrong type is no hindrance
      assert.equal(await reason(`run.load('/model.onnx', { wasmPaths: { wasm: '/y/a.wasm' } })`), 'no error')
      assert.match(
        await reason(`run.load('/model.onnx', { wasm: new Uint8Array(20) })`),
        /with the wasm that was given/,
      )
      assert.match(await reason(`run.load('/model.onnx', { wasm: 'a.wasm' })`), /wasm: got String, expected the bytes/)
    } finally {
      files.set(`/${wasmName}`, wasm)
    }
  })

  test('the .wasm file is taken as bytes or compiled, so that nothing is fetched', async () => {
    files.set('/elsewhere.wasm', ortFile(wasmName))
    const wasm = files.get(`/${wasmName}`)!
    files.delete(`/${wasmName}`)
    try {
      const bytes = `await (await fetch('/elsewhere.wasm')).arrayBuffer()`
      assert.equal(await reason(`run.load('/model.onnx', { wasm: ${bytes} })`), 'no error')
      const compiled = `await WebAssembly.compileStreaming(fetch('/elsewhere.wasm'))`
      assert.equal(await reason(`(await run.load('/model.onnx', { wasm: ${compiled} })).predict(${red})`), 'no error')
    } finally {
      files.set(`/${wasmName}`, wasm)
    }
  })

  test('threads work in a page that is cross-origin isolated', async () => {
    const headers = {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    }
    files.set('/isolated', { ...files.get('/')!, headers })
    files.set('/app.js', { ...files.get('/app.js')!, headers })
    const page = await site.open('/isolated')
    await page.waitForFunction('globalThis.run')
    assert.equal(await page.evaluate('crossOriginIsolated'), true)
    const script = 'ort-wasm-simd-threaded.mjs'
    files.set(`/${script}`, { ...ortFile(script), headers })
    const found = await page.evaluate<string>(`(async () => {
      const model = await run.load('/model.onnx', { threads: 2, wasmPaths: { mjs: '/${script}', wasm: '/${wasmName}' } })
      const { label } = await model.predict(${red})
      return label
    })()`)
    assert.equal(found, '10 red')
    await page.close()
  })

  test('threads that do not find their script end with what to do, not never', async () => {
    const page = await site.open('/isolated')
    await page.waitForFunction('globalThis.run')
    // The script of the page is one bundle, so that threads would run all of it.
    const said = await page.evaluate<string>(`(async () => {
      const { setTimeout } = globalThis
      globalThis.setTimeout = (work, time, ...more) => setTimeout(work, time === 30000 ? 3000 : time, ...more)
      return reason(() => run.load('/model.onnx', { threads: 2 }))
    })()`)
    assert.match(said, /did not start its threads \(.*wasmPaths: \{ wasm, mjs \}.*threads: 1/)
    await page.close()
  })

  test('WebGPU that is not there is refused if asked for, and never taken by auto', async () => {
    const ort = `import * as ort from 'onnxruntime-web/wasm'; globalThis.ort = ort`
    files.set('/ort.js', { body: await bundled(ort), type: 'text/javascript' })
    const page = await site.page()
    await page.evaluate(`import('/ort.js')`)
    const asked = await page.evaluate<string>(`reason(() => run.load('/model.onnx', { device: 'webgpu', ort }))`)
    assert.match(asked, /WebGPU can not be used: .*onnxruntime-web\/webgpu/)
    // A browser that has WebGPU, with a module of onnxruntime that has not.
    await page.evaluate(`Object.defineProperty(navigator, 'gpu', { value: {}, configurable: true })`)
    const why = await page.evaluate<string>(
      `run.load('/model.onnx', { ort }).then(({ device, why }) => device + ': ' + why)`,
    )
    assert.match(why, /^wasm: WebGPU is not taken: it does not start/)
    assert.match(
      await page.evaluate(`reason(() => run.load('/model.onnx', { device: 'cpu' }))`),
      /got "cpu", expected .* "wasm"/,
    )
    await page.close()
  })

  test('WebGPU is taken if it gives the answer that the card says; auto wants it to be faster too', async t => {
    const probe = { width: 61, height: 43, seed: 5 }
    await using plain = await loadOnEdge(model, { kind: 'picture' })
    const data = probePicture(probe, 3)
    const right = [...(await plain.predict({ ...probe, data, channels: 3 })).scores]
    const wrong = right.toReversed()
    // A processor computes what a graphics card would.
    const adapter = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']
    const gpu = await runtimeSite(model, adapter)
    try {
      gpu.files.set('/ort.js', {
        body: await bundled(`import * as ort from 'onnxruntime-web/webgpu'; globalThis.ort = ort`),
        type: 'text/javascript',
      })
      gpu.files.set('/ort-wasm-simd-threaded.asyncify.wasm', ortFile('ort-wasm-simd-threaded.asyncify.wasm'))
      for (const [name, outputs] of Object.entries({ right, wrong }))
        gpu.files.set(`/${name}.onnx`, {
          body: colourModel({ card: testCard({ probe: { ...probe, outputs } }) }),
          type: 'application/octet-stream',
        })
      const page = await gpu.page()
      if (!(await page.evaluate('navigator.gpu?.requestAdapter().then(Boolean)')))
        return t.skip('this browser has no WebGPU')
      await page.evaluate(`import('/ort.js')`)
      const chosen = (file: string, device: string) =>
        page.evaluate<string>(
          `run.load('/${file}.onnx', { ort, device: '${device}' }).then(m => m.device + ': ' + m.why, e => e.message)`,
        )
      assert.match(await chosen('right', 'webgpu'), /^webgpu: as asked; it answers the probe picture/)
      assert.match(
        await chosen('wrong', 'webgpu'),
        /WebGPU can not be used: its answer to the probe picture differs by 0\.\d+/,
      )
      assert.match(await chosen('wrong', 'auto'), /^wasm: WebGPU is not taken: its answer to the probe picture differs/)
      assert.match(
        await chosen('right', 'auto'),
        /^(wasm: .* no faster|webgpu: .* faster): \d+\.\d ms .*wasm \d+\.\d ms/,
      )
      assert.match(await chosen('model', 'webgpu'), /the card has no probe picture/)
    } finally {
      await gpu.close()
    }
  })
}

test("on the edge: pixels, PNG, and a decoder of one's own; other files say how", async () => {
  await using edge = await loadOnEdge(model, { kind: 'picture' })
  const photo = readFileSync(fileURLToPath(new URL('../golden/photo.png', import.meta.url)))
  const { scores } = await edge.predict(photo)
  const pixels = await edge.decode(photo)
  assert.deepEqual((await edge.predict({ ...pixels, data: Uint8ClampedArray.from(pixels.data) })).scores, scores)
  const jpeg = Uint8Array.from([255, 216, 255, 192, 0, 11, 8, 0, 2, 0, 3, 1, 1, 17, 0, 255, 217])
  await assert.rejects(edge.predict(jpeg), /a file of JPEG, and this runtime has no decoder.*load\(model, \{ decode/)
  await assert.rejects(edge.predict('a.jpg' as unknown as Uint8Array), /fetch it and give/)
  await using decoding = await loadOnEdge(model, {
    kind: 'picture',
    decode: async () => ({ data: new Uint8Array(18).fill(9), width: 3, height: 2, channels: 3 }),
    limitPixels: 100,
  })
  assert.equal((await decoding.decode(jpeg)).width, 3)
  await assert.rejects(decoding.predict(photo), /the limit is 100/)
  await assert.rejects(loadOnEdge('/model.onnx'), /no whole address/)
  const keep = testCard({ input: { ...testCard().input, mode: 'keep', channels: 3 } })
  await using kept = await loadOnEdge(colourModel({ card: keep }), { kind: 'picture' })
  await assert.rejects(
    kept.predict({ data: new Uint8Array(4), width: 2, height: 2 }),
    /1 channels; the model was trained on 3/,
  )
})
