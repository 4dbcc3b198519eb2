// What prediction accepts, the order of its answers, how it is stopped, and that the calling thread stays free.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import sharp from 'sharp'
import { crc32 } from '../../src/base/crc32.ts'
import { AnnealError } from '../../src/base/errors.ts'
import { type Classifier, loadClassifier } from '../../src/vision/inference/classifier.ts'
import type { ImageInput } from '../../src/vision/inference/image-inputs.ts'
import { jpeg, pixels, raw } from '../helpers/data.ts'
import { savedNet } from '../helpers/saved-net.ts'
import { typescript } from '../helpers/typescript.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-predict-'))
const at = (name: string) => join(folder, name)
const file = (name: string, bytes: Uint8Array) => {
  writeFileSync(at(name), bytes)
  return at(name)
}
let net: string
let classifier: Classifier<'single'>
before(() => {
  net = savedNet(folder)
  classifier = loadClassifier(net, { task: 'single' })
})
after(async () => {
  await classifier.close()
  rmSync(folder, { recursive: true, force: true })
})

const copied = (bytes: Uint8Array) => Uint8Array.from(bytes)
const webStream = (bytes: Uint8Array) => new Blob([copied(bytes)]).stream()
/** Equal, except for rounding that depends on the batch size. */
const near = (found: ArrayLike<number>, expected: readonly number[]) =>
  expected.every((p, i) => Math.abs(p - found[i]!) < 1e-5)
/** A signal that is aborted soon; unlike AbortSignal.timeout it keeps the test alive. */
function soon(reason?: Error): AbortSignal {
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 10)
  return controller.signal
}
const scores = async (image: ImageInput, of: Classifier = classifier) => Array.from((await of.predict(image)).scores)

describe('the same picture gives the same bits, however it is held', { concurrency: 1 }, () => {
  const rgba = Uint8Array.from({ length: 90 * 70 * 4 }, (_, i) => (i * 37) % 251)
  const made: Record<string, () => Promise<Buffer>> = {
    'a.jpg': () => jpeg(3, 190, 120),
    'progressive.jpg': () => raw(4, 100, 130).jpeg({ progressive: true }).toBuffer(),
    'a.png': () => raw(5, 60, 60).png().toBuffer(),
    'alpha.png': () =>
      sharp(rgba, { raw: { width: 90, height: 70, channels: 4 } })
        .png()
        .toBuffer(),
    'a.webp': () => raw(6, 120, 80).webp().toBuffer(),
    'a.tif': () => raw(7, 120, 80).tiff({ compression: 'lzw' }).toBuffer(),
    'grey16.png': () => raw(8, 80, 80).toColourspace('grey16').png().toBuffer(),
  }
  for (const [name, make] of Object.entries(made))
    test(name, async () => {
      const bytes = await make()
      const path = file(name, bytes)
      const expected = await scores(path)
      assert.ok(expected.length === 3 && Math.abs(expected.reduce((a, b) => a + b) - 1) < 1e-5, `${expected}`)
      const far = new Uint8Array(bytes.length + 99)
      far.set(bytes, 50)
      const held: Record<string, ImageInput> = {
        URL: pathToFileURL(path),
        Buffer: bytes,
        Uint8Array: copied(bytes),
        'a part of a larger array': far.subarray(50, 50 + bytes.length),
        ArrayBuffer: copied(bytes).buffer,
        Blob: new Blob([copied(bytes)]),
        'a stream of a file': createReadStream(path, { highWaterMark: 1000 }),
        'a stream of parts': Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]),
        'a stream of the web': webStream(bytes),
        'a generator of parts': (async function* () {
          yield bytes.subarray(0, 1)
          yield bytes.subarray(1)
        })(),
      }
      for (const [how, image] of Object.entries(held)) assert.deepEqual(await scores(image), expected, how)
      const here = loadClassifier(net, { worker: false })
      assert.deepEqual(await scores(bytes, here), expected, 'in the calling thread')
      await here.close()
    })

  test('raw pixels are those of the file that holds them', async () => {
    const [width, height] = [90, 70]
    const data = pixels(2, width, height)
    const rgb = await scores(file('raw.png', await raw(2, width, height).png().toBuffer()))
    assert.deepEqual(await scores({ data, width, height, channels: 3 }), rgb)
    assert.deepEqual(await scores({ data: Uint8ClampedArray.from(data), width, height }), rgb)
    assert.deepEqual(await scores({ data: Buffer.from(data), width, height }), rgb)
    const canvas = { data: Uint8ClampedArray.from(rgba), width: 90, height: 70 }
    assert.deepEqual(
      await scores(canvas),
      await scores(file('alpha-2.png', await made['alpha.png']!())),
      'alpha on white, as in the file',
    )
    const grey = Uint16Array.from({ length: 50 * 40 }, (_, i) => (i * 31) % 65536)
    const deep = Buffer.from('P5 50 40 65535\n'.padEnd(15 + 2 * grey.length))
    for (const [i, value] of grey.entries()) deep.writeUInt16BE(value, 15 + 2 * i)
    const deepFile = await scores(file('grey.pgm', deep))
    assert.deepEqual(await scores({ data: grey, width: 50, height: 40 }), deepFile)
    const floats = Float32Array.from(data, value => value / 255)
    assert.deepEqual(await scores({ data: floats, width, height }), rgb)
    assert.equal(floats[5], Math.fround(data[5]! / 255), 'the values of the caller are as they were')
  })

  test('of channels as they are: any number of them, of any type', async () => {
    const other = loadClassifier(savedNet(folder, { name: 'five', channels: 5, mode: 'keep' }))
    const data = Float32Array.from({ length: 80 * 70 * 5 }, (_, i) => (i % 97) / 97)
    data[7] = Number.NaN
    const found = await other.predict({ data, width: 80, height: 70, channels: 5 })
    assert.ok(found.scores.every(Number.isFinite), `${found.scores}`)
    await assert.rejects(
      other.predict({ data: data.subarray(0, 80 * 70 * 3), width: 80, height: 70 }),
      /^AnnealError: image \(raw pixels\) has 3 channels; the model was trained on 5/,
    )
    await other.close()
  })

  test('of one file a channel: a path, or all channels as pixels; the bytes of one file are refused', async () => {
    const bands = ['_R', '_G', '_B']
    const other = loadClassifier(savedNet(folder, { name: 'bands', bands }))
    const data = pixels(2, 80, 80)
    for (const [c, band] of bands.entries()) {
      const plane = data.filter((_, i) => i % 3 === c)
      const png = sharp(plane, { raw: { width: 80, height: 80, channels: 1 } })
        .toColourspace('b-w')
        .png()
      file(`cell${band}.png`, await png.toBuffer())
    }
    const byPath = await other.predict(at('cell_R.png'))
    const byPixels = await other.predict({ data, width: 80, height: 80 })
    assert.deepEqual(byPixels.scores, byPath.scores)
    await assert.rejects(
      other.predict(readFileSync(at('cell_R.png'))),
      /image \(Uint8Array, [\d,]+ bytes\): the model was trained on pictures with one file per channel \(_R, _G, _B\)/,
    )
    await other.close()
  })
})

test('what can not be used is refused with its name and the reason', async () => {
  const photo = await jpeg(1, 64, 64)
  const bomb = await raw(1, 64, 64).png().toBuffer()
  bomb.writeUInt32BE(65000, 16)
  bomb.writeUInt32BE(65000, 20)
  bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)) >>> 0, 29)
  const broken = () =>
    Readable.from(
      (async function* () {
        yield photo.subarray(0, 100)
        throw new Error('the line was cut')
      })(),
    )
  const text = Readable.from([photo]).setEncoding('latin1')
  const cut = photo.subarray(0, 500)
  const locked = webStream(photo)
  locked.getReader()
  const flat = { data: new Uint8Array(12), width: 2, height: 2 }
  const cases: [unknown, RegExp][] = [
    ['no/such.jpg', /^no\/such\.jpg is no picture .*: it does not exist/],
    [folder, /^\/.* is no picture .*: it is (a folder|no regular file)/],
    ['https://a.b/c.jpg', /^https:\/\/a\.b\/c\.jpg is no picture .*: it does not exist/],
    [new URL('https://a.b/c.jpg'), /^https:\/\/a\.b\/c\.jpg: a https: URL is not fetched here; .*Fetch it/],
    [new URL('data:image/png;base64,AAAA'), /^data:image\/png;base64,AAAA: a data: URL is not fetched/],
    [new URL('file:///no/such.png'), /^\/no\/such\.png is no picture.*does not exist/],
    [new URL('file://elsewhere/a.png'), /^file:\/\/elsewhere\/a\.png: names no file of this machine/],
    [new Uint8Array(), /^image \(Uint8Array, 0 bytes\) is no picture .*: it is empty \(0 bytes\)/],
    [new ArrayBuffer(0), /^image \(ArrayBuffer, 0 bytes\) is no picture .*empty/],
    [new Blob([]), /^image \(Blob, 0 bytes\) .*empty/],
    [new Blob(['<!doctype html><p>Not found']), /^image \(Blob, 27 bytes\) .*HTML/],
    [new File(['hello'], 'cat.jpg'), /^image \(File "cat\.jpg", 5 bytes\) .*it holds text/],
    [Readable.from([]), /^image \(stream, 0 bytes\) .*empty/],
    [broken(), /^image \(stream\): it failed after 100 bytes: the line was cut/],
    [text, /^image \(stream\): it gives text; expected bytes.*setEncoding/],
    [Readable.from([1, 2]), /^image \(stream\): it gives 1; expected bytes/],
    [locked, /^image \(stream\): it failed after 0 bytes: .*locked/i],
    [new Uint8Array(512), /^image \(Uint8Array, 512 bytes\) .*only zero bytes/],
    [bomb, /^image \(Uint8Array, [\d,]+ bytes\) .*65,000 x 65,000 pixels, the limit is/],
    [cut, /^image \(Uint8Array, 500 bytes\) is no picture/],
    [new Float32Array(3), /^image \(Float32Array, 12 bytes\): it is no file of bytes; expected a path, .*raw pixels/],
    [{ ...flat, channels: 4 }, /^image \(raw pixels\): data has 12 values, 2 x 2 pixels of 4 channels need 16/],
    [{ ...flat, width: 5 }, /^image \(raw pixels\): data has 12 values, 5 x 2 pixels need a whole number of times 10/],
    [{ ...flat, height: 0 }, /^image \(raw pixels\): height is 0/],
    [{ ...flat, width: 1.5 }, /^image \(raw pixels\): width is 1\.5/],
    [{ ...flat, data: [1, 2] }, /^image \(raw pixels\): data is/],
    [{ data: new Uint8Array(), width: 2, height: 2 }, /^image \(raw pixels\): data has 0 values/],
    [{ data: new Uint8Array(8), width: 2, height: 2 }, /^image \(raw pixels\).*grey and alpha \(give alpha: true\)/],
    [{ data: new Uint8Array(20), width: 2, height: 2 }, /^image \(raw pixels\) .*it has 5 channels; expected 1 to 4/],
    [undefined, /^image \(undefined\): expected a path/],
    [7, /^image \(7\): expected a path/],
    [{ path: 'a.jpg' }, /^image \(an object of path\): expected a path/],
  ]
  for (const [image, message] of cases)
    await assert.rejects(
      classifier.predict(image as ImageInput),
      error => {
        assert.ok(error instanceof AnnealError, String(error))
        assert.match(error.message, message)
        return true
      },
      String(message),
    )
  const large = Readable.from([photo, photo])
  await assert.rejects(classifier.predict(large, { maxBytes: photo.length + 1 }), /image \(stream\): .*maxBytes/)
  assert.ok(large.destroyed, 'a stream that is not read to its end is let go')
  await assert.rejects(classifier.predict(photo, { maxBytes: 10 }), /image \(Uint8Array, .*: it has more than 10 bytes/)
  await assert.rejects(classifier.predict(new Blob([copied(photo)]), { maxBytes: 10 }), /Blob.*more than 10 bytes/)
})

describe('predictAll', { concurrency: 1 }, () => {
  test('answers in order; a bad one is named in its turn', async () => {
    const good = await Promise.all([1, 2, 3].map(seed => jpeg(seed, 70, 80)))
    const expected = await Promise.all(good.map(bytes => scores(bytes)))
    const inputs: ImageInput[] = [good[0]!, new Uint8Array(3), Promise.resolve(good[1]!) as never, 'no.jpg', good[2]!]
    for (const batchSize of [1, 2, 3, 32]) {
      const seen: unknown[] = []
      const onError = (file: string, error: Error, index: number) => seen.push([index, file, error.name])
      for await (const p of classifier.predictAll(inputs, { batchSize, onError }))
        seen.push([p.index, p.file, good.findIndex((_, i) => near(p.scores, expected[i]!))])
      assert.deepEqual(seen, [
        [0, `image 1 (Uint8Array, ${good[0]!.length.toLocaleString('en-US')} bytes)`, 0],
        [1, 'image 2 (Uint8Array, 3 bytes)', 'AnnealError'],
        [2, `image 3 (Uint8Array, ${good[1]!.length.toLocaleString('en-US')} bytes)`, 1],
        [3, 'no.jpg', 'AnnealError'],
        [4, `image 5 (Uint8Array, ${good[2]!.length.toLocaleString('en-US')} bytes)`, 2],
      ])
    }
    const before: number[] = []
    await assert.rejects(async () => {
      for await (const p of classifier.predictAll(inputs)) before.push(p.index)
    }, /image 2 \(Uint8Array, 3 bytes\) is no picture/)
    assert.deepEqual(before, [0], 'without onError what was before the bad one is answered')
  })

  test('more blobs at once than Node expects listeners of a signal', async () => {
    const photo = copied(await jpeg(4, 64, 64))
    const warnings: Error[] = []
    const note = (warning: Error) => warnings.push(warning)
    process.on('warning', note)
    let found = 0
    for await (const _ of classifier.predictAll(Array.from({ length: 64 }, () => new Blob([photo])))) found++
    await new Promise(setImmediate)
    process.off('warning', note)
    assert.deepEqual([found, warnings], [64, []])
  })

  test('arrays of another realm are bytes and pixels too', async () => {
    const photo = await jpeg(4, 64, 64)
    const of = (type: string, values: ArrayLike<number>) =>
      runInNewContext(`${type}.from(values)`, { values: Array.from(values) })
    assert.deepEqual(await scores(of('Uint8Array', photo)), await scores(photo))
    const [data, width, height] = [pixels(1, 64, 64), 64, 64]
    const expected = await scores({ data, width, height })
    assert.deepEqual(await scores({ data: of('Uint8ClampedArray', data), width, height }), expected)
  })

  test('one image is not many', async () => {
    for (const one of [
      'a.jpg',
      new Uint8Array(4),
      new Blob([]),
      7,
      null,
      { data: new Uint8Array(3), width: 1, height: 1 },
    ])
      assert.throws(
        () => classifier.predictAll(one as never),
        /predictAll: expected an array or another iterable of images, got .*predict\(image\)/,
      )
    for (const batchSize of [0, 1.5, -1])
      assert.throws(() => classifier.predictAll([], { batchSize }), /batchSize: expected a whole number from 1/)
    for await (const _ of classifier.predictAll([])) assert.fail('none')
  })

  test('at most two batches are read before their predictions are taken', async () => {
    const photo = await jpeg(4, 64, 64)
    for (const isAsync of [false, true])
      for (const worker of [true, false]) {
        const of = loadClassifier(net, { worker })
        let read = 0
        let ended = false
        function* photos() {
          try {
            for (; read < 1000; read++) yield photo
          } finally {
            ended = true
          }
        }
        async function* slowly() {
          yield* photos()
        }
        let taken = 0
        let most = 0
        for await (const _ of of.predictAll(isAsync ? slowly() : photos(), { batchSize: 4 })) {
          taken++
          most = Math.max(most, read - taken)
          await new Promise(setImmediate)
          if (taken === 50) break
        }
        assert.ok(most <= 3 * 4, `${most} images read ahead`)
        assert.ok(ended, 'a generator that is not read to its end is closed')
        await of.close()
      }
  })

  test('a source that is slow is answered as it gives', async () => {
    const photo = await jpeg(4, 64, 64)
    let answered = 0
    async function* live() {
      for (let i = 0; i < 3; i++) {
        yield photo
        const start = performance.now()
        while (answered <= i && performance.now() - start < 20_000) await new Promise(done => setTimeout(done, 5))
        assert.equal(answered, i + 1, 'the one before is answered before the next one comes')
      }
    }
    for await (const _ of classifier.predictAll(live())) answered++
    assert.equal(answered, 3)
  })

  test('an error of the source goes through', async () => {
    const photo = await jpeg(4, 64, 64)
    async function* breaks() {
      yield photo
      throw new RangeError('no more')
    }
    await assert.rejects(async () => {
      for await (const _ of classifier.predictAll(breaks()));
    }, new RangeError('no more'))
  })
})

describe('a signal ends it at once', { concurrency: 1 }, () => {
  test('before, while it reads and while it computes, with the reason of the signal', async () => {
    const photo = await jpeg(4, 64, 64)
    const aborted = AbortSignal.abort()
    for (const wait of [
      () => classifier.predict(photo, { signal: aborted }),
      () => classifier.predictAll([photo], { signal: aborted }).next(),
    ])
      await assert.rejects(wait(), { name: 'AbortError' })
    const never = new Readable({ read() {} })
    const own = new Error('enough')
    await assert.rejects(classifier.predict(never, { signal: soon(own) }), own)
    assert.ok(never.destroyed, 'the stream is let go')
    await assert.rejects(classifier.predict(new Readable({ read() {} }), { signal: soon() }), { name: 'AbortError' })
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
    await assert.rejects(classifier.predictAll(silent, { signal: soon() }).next(), { name: 'AbortError' })
  })

  test('of many, between two predictions; the classifier answers others as before', async () => {
    const photo = await jpeg(4, 64, 64)
    for (const worker of [true, false]) {
      const of = loadClassifier(net, { worker })
      const controller = new AbortController()
      const seen: number[] = []
      await assert.rejects(
        async () => {
          for await (const { index } of of.predictAll(Array(100).fill(photo), { signal: controller.signal })) {
            seen.push(index)
            if (index === 9) controller.abort()
          }
        },
        { name: 'AbortError' },
      )
      assert.equal(seen.length, 10)
      assert.equal((await of.predict(photo)).scores.length, 3)
      await of.close()
    }
  })
})

test('the thread that asks stays free while the net computes', async t => {
  const photo = await jpeg(4, 250, 250)
  const path = savedNet(folder, { name: 'large', size: 224 })
  /** The longest time that the event loop was blocked, in milliseconds. */
  const longest = async (worker: boolean) => {
    const of = loadClassifier(path, { worker })
    await of.predict(photo)
    let [most, last] = [0, performance.now()]
    const timer = setInterval(() => {
      most = Math.max(most, performance.now() - last)
      last = performance.now()
    }, 1)
    for await (const _ of of.predictAll(Array(96).fill(photo)));
    clearInterval(timer)
    await of.close()
    return most
  }
  const [here, there] = [await longest(false), await longest(true)]
  t.diagnostic(
    `the event loop stood still for up to ${here.toFixed(0)} ms, with a thread of its own ${there.toFixed(0)} ms`,
  )
  assert.ok(there < here / 2, `${there} ms, in the calling thread ${here} ms`)
})

describe('the answer is of the task', { concurrency: 1 }, () => {
  const classes = ['a', 'b', 'c']
  test('several labels: those above their thresholds, perhaps none', async () => {
    const photo = await jpeg(4, 64, 64)
    for (const [thresholds, count] of [
      [[0, 0, 0], 3],
      [[1.1, 1.1, 1.1], 0],
    ] as const) {
      const of = loadClassifier(savedNet(folder, { name: 'multi', task: 'multi', classes, thresholds }), {
        task: 'multi',
      })
      const found = await of.predict(photo)
      assert.deepEqual(Object.keys(found).sort(), ['file', 'index', 'labels', 'probabilities', 'scores', 'task'])
      assert.equal(found.labels.length, count)
      await of.close()
    }
  })
  test('numbers: values in their units, and nothing of classes', async () => {
    const scale = { mean: [1000, 5], std: [10, 2] }
    const path = savedNet(folder, { name: 'numbers', task: 'regression', classes: ['weight', 'age'], scale })
    const of = loadClassifier(path)
    const found = await of.predict(await jpeg(4, 64, 64))
    assert.deepEqual(Object.keys(found).sort(), ['file', 'index', 'scores', 'task', 'values'])
    assert.ok(found.task === 'regression' && Math.abs(found.values.weight! - 1000) < 200, JSON.stringify(found))
    assert.throws(
      () => loadClassifier(path, { task: 'single' }),
      /task: expected a model for single, this one is for regr/,
    )
    await of.close()
  })
})

describe('a classifier that is closed', { concurrency: 1 }, () => {
  for (const worker of [true, false])
    test(`says so, ${worker ? 'in a thread of its own' : 'in the calling thread'}; what was asked before is answered`, async () => {
      const photo = await jpeg(4, 64, 64)
      const of = loadClassifier(net, { worker })
      await of.ready()
      const { scores: expected } = await of.predict(photo)
      const many = of.predictAll(Array(20).fill(photo), { batchSize: 2 })
      await many.next()
      const asked = of.predict(photo)
      of[Symbol.dispose]()
      of[Symbol.dispose]()
      assert.deepEqual((await asked).scores, expected)
      await of.close()
      const message = /this classifier is closed \(by close\(\) or Symbol\.dispose\)/
      await assert.rejects(of.predict(photo), message)
      await assert.rejects(async () => {
        for await (const _ of many);
      }, message)
      await assert.rejects(of.ready(), message)
      assert.throws(() => of.predictAll([photo]), message)
    })

  test('weights that do not fit are an error of the first prediction, or of ready()', async () => {
    const wrong = savedNet(folder, { name: 'wrong' })
    const card = JSON.parse(readFileSync(`${wrong}.json`, 'utf8'))
    writeFileSync(`${wrong}.json`, JSON.stringify({ ...card, classes: ['one', 'two'] }))
    const of = loadClassifier(wrong)
    for (const wait of [() => of.ready(), () => of.predict(new Uint8Array(3))])
      await assert.rejects(wait(), /wrong\.safetensors: the weights are not of this architecture/)
    await of.close()
  })
})

test('a program ends when it has no more to do, whether the classifier was closed or not', () => {
  const source = (name: string) => JSON.stringify(new URL(name, import.meta.url).href)
  for (const end of ['', 'c[Symbol.dispose]()', 'await c.close()', 'process.exit(0)']) {
    const code = `const { loadClassifier } = await import(${source('../../src/vision/inference/classifier.ts')})
      const c = loadClassifier(${JSON.stringify(net)})
      const { label } = await c.predict({ data: new Uint8Array(64 * 64), width: 64, height: 64 })
      console.log(typeof label)
      ${end}`
    const args = [...typescript, '--input-type=module', '-e', code]
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 120_000 })
    assert.deepEqual([status, signal, stdout], [0, null, 'string\n'], `${end}: ${stderr}`)
  }
})
