import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { data, ringNet } from '../examples/data/rings.ts'
import { silent } from '../src/base/progress.ts'
import { foods } from '../src/cli/demo.ts'
import { Learner } from '../src/index.ts'
import { readRun } from '../src/runs/index.ts'
import type { Augmentation } from '../src/vision/index.ts'
import { loadClassifier } from '../src/vision/inference/classifier.ts'
import { jpeg } from './helpers/data.ts'
import { allMarks, disc, marked } from './helpers/recipe.ts'
import { savedNet } from './helpers/saved-net.ts'
import { typescript } from './helpers/typescript.ts'

/** The examples as a reader runs them, on real photos (three food groups of the demo's, 16 photos each, and 3 more of each
 *  to test on) and on pictures made for their labels. */
const work = mkdtempSync(join(tmpdir(), 'anneal-examples-'))
const path = (...parts: string[]) => join(work, ...parts)
const kinds = ['fish', 'fruits', 'leafy vegetables']
let missing: string | false = false

before(async () => {
  let folder: string
  try {
    folder = await foods(silent)
  } catch (error) {
    missing = `the demo's photos can't be fetched here: ${(error as Error).message}`
    return
  }
  mkdirSync(path('named'))
  for (const kind of kinds) {
    mkdirSync(path('pictures', kind), { recursive: true })
    mkdirSync(path('unseen', kind), { recursive: true })
    for (const [i, file] of readdirSync(join(folder, kind)).sort().slice(0, 19).entries()) {
      const part = i < 16 ? 'pictures' : 'unseen'
      cpSync(join(folder, kind, file), path(part, kind, file))
      if (i < 16) cpSync(join(folder, kind, file), path('named', `${kind}_${file.replace('.', '_1.')}`))
    }
  }
})
after(() => rmSync(work, { recursive: true, force: true }))

function run(file: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [...typescript, join('examples', file), ...args])
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => (code === 0 ? resolve(said.stdout) : reject(new Error(said.stderr))))
  })
}
const accuracyIn = (text: string) => Number(/valid accuracy ([\d.]+) %/.exec(text)?.[1])
/** Fails if the validation accuracy that an example prints is below this percentage. */
const reaches = (text: string, least: number) => assert.ok(accuracyIn(text) >= least, text)

test('03-torch: a small net by hand', async () => {
  const losses = [...(await run('03-torch.ts')).matchAll(/loss ([\d.]+)/g)].map(m => Number(m[1]))
  assert.equal(losses.length, 3)
  assert.ok(losses[2]! < 0.1 && losses[2]! < losses[0]!, String(losses))
})

describe('examples on photos', { concurrency: Math.min(2, availableParallelism()) }, () => {
  /** A test that needs the photos. */
  const onPhotos = (name: string, fn: () => Promise<void>) =>
    test(name, async t => (missing ? t.skip(missing) : await fn()))

  onPhotos('01-folder: the five steps by one call; 10-evaluate: on pictures it has never seen', async () => {
    const said = await run('01-folder.ts', path('pictures'), path('run'))
    reaches(said, 70)
    assert.match(said, /\[ 'fish', 'fruits', 'leafy vegetables' \]/)
    for (const file of ['best.safetensors', 'best.json', 'metrics.csv', 'events.jsonl', 'result.json'])
      assert.ok(existsSync(path('run', file)), file)
    const first = await run('10-evaluate.ts', path('run'), path('unseen'))
    assert.match(first, /leafy vegetables +[01]\.\d\d +[01]\.\d\d +[01]\.\d\d +3\n/)
    assert.match(first, /accuracy: [01][\d.]*.*loss \d\.\d{3}, 9 pictures/s)
    assert.doesNotMatch(first, /looked at/)
    assert.match(await run('10-evaluate.ts', path('run'), path('unseen')), /looked at 1 times before/)
  })

  onPhotos('02-learner: find, train, unfreeze, save, load', async () => {
    const said = await run('02-learner.ts', path('pictures'), path('classifier'))
    reaches(said, 60)
    assert.match(said, /^(fish|fruits|leafy vegetables) (0|1)\.\d{3}$/m)
  })

  onPhotos('04-callback: a plain object stops the fit', async () => {
    assert.match(await run('04-callback.ts', path('pictures')), /^epoch 1: loss \d/m)
  })

  onPhotos('07-names: labels and groups from file names', async () => {
    const said = await run('07-names.ts', path('named'), path('names'))
    assert.match(said, /^48 pictures of fish, fruits, leafy vegetables; 0 problems$/m)
    reaches(said, 60)
  })

  onPhotos('08-channels: one file a channel, of 16 bits', async () => {
    for (const kind of kinds) {
      mkdirSync(path('bands', kind), { recursive: true })
      for (const file of readdirSync(path('pictures', kind)))
        for (const [channel, ending] of ['_R', '_G', '_B', '_R2'].entries()) {
          const photo = sharp(path('pictures', kind, file)).resize(128, 128)
          const plane = await photo.extractChannel((channel % 3) as 0 | 1 | 2).toBuffer()
          const deep = sharp(plane).toColourspace('grey16').png()
          await deep.toFile(path('bands', kind, `${file.split('.')[0]}${ending}.png`))
        }
    }
    const said = await run('08-channels.ts', path('bands'), '_R,_G,_B,_R2', path('channels'))
    assert.match(said, /^4 channels, mean (0\.\d{3}(, |$)){4}/m)
    reaches(said, 60)
  })

  onPhotos('09-sizes: small pictures first', async () => {
    const said = await run('09-sizes.ts', path('pictures'), path('sizes'))
    assert.match(said, /^head at 64 px: 3 epochs\nwhole at 64 px: 1 .*\nhead at 96 px: 3 .*\nwhole at 96 px: 1 /m)
    assert.match(said, /^64 px: valid accuracy [\d.]+ %\n96 px: valid accuracy [\d.]+ %$/m)
  })

  onPhotos('11-folds: a run a fold, and their mean', async () => {
    const said = await run('11-folds.ts', path('pictures'), path('folds'))
    const folds = [...said.matchAll(/^fold-\d: accuracy ([\d.]+) %$/gm)].map(m => Number(m[1]))
    assert.equal(folds.length, 3, said)
    assert.ok(Math.abs(accuracyIn(said) - folds.reduce((a, b) => a + b) / 3) < 0.11, said)
    assert.match(said, /\[ 'fish', 'fruits', 'leafy vegetables' \]/)
  })

  onPhotos('12-after-training: snapshots, SWA, test-time augmentation, temperature', async () => {
    const said = await run('12-after-training.ts', path('pictures'), path('after'))
    assert.match(said, /^mean of weights: /m)
    assert.match(said, /^ensemble: /m)
    assert.match(said, /^test-time augmentation, valid: accuracy [\d.]+ % \(plain [\d.]+ %\)/m)
    assert.match(said, /^expected calibration error 0\.\d{3}$/m)
    assert.match(said, /\.jpeg (fish|fruits|leafy vegetables)$/m)
  })

  onPhotos('13-augment: changes that make sense, a sheet of them, MixUp and CutMix', async () => {
    const said = await run('13-augment.ts', path('pictures'), path('augmented'), path('sheet.png'))
    assert.match(said, /^turned by ±10° (yes|no) \w/m)
    reaches(said, 60)
    const { width = 0, height = 0 } = await sharp(path('sheet.png')).metadata()
    assert.ok(width > 500 && height > 500, `${width} × ${height}`)
    const { config } = readRun(path('augmented'))
    assert.equal((config!.settings.augment as Augmentation).erase, 0.25)
  })

  onPhotos('14-imbalance: weights, sampling, focal loss', async () => {
    for (const [kind, count] of [
      ['fish', 16],
      ['fruits', 16],
      ['leafy vegetables', 5],
    ] as const) {
      mkdirSync(path('uneven', kind), { recursive: true })
      for (const file of readdirSync(path('pictures', kind)).slice(0, count))
        cpSync(path('pictures', kind, file), path('uneven', kind, file))
    }
    const said = await run('14-imbalance.ts', path('uneven'), path('imbalance'))
    for (const way of ['plain', 'weights', 'sampling', 'focal'])
      assert.match(said, new RegExp(`^${way}: accuracy [\\d.]+ %, balanced [\\d.]+ %$`, 'm'))
  })

  onPhotos('15-look: probabilities, calibration, heat maps', async () => {
    const said = await run('15-look.ts', path('pictures'), path('looked'))
    assert.match(said, /^accuracy [01]\.\d{3}, with mirror images [01]\.\d{3}$/m)
    assert.match(said, /^temperature [\d.]+: loss [\d.]+, then [\d.]+$/m)
    assert.match(
      said,
      /^conv_stem 48 × 48: strongest channels (\d+, ){7}\d+\n.*\nlast layer 3 × 3: strongest channels /m,
    )
    const { width, height } = await sharp(path('looked', '0.jpg')).metadata()
    assert.deepEqual([width, height], [96, 96])
  })

  onPhotos('16-clean: a wrong label and a copy are found, and a run goes without them', async () => {
    cpSync(path('pictures'), path('unclean'), { recursive: true })
    const [fish] = readdirSync(path('pictures', 'fish'))
    cpSync(path('unclean', 'fish', fish!), path('unclean', 'fruits', 'wrong.jpeg'))
    rmSync(path('unclean', 'fish', fish!))
    const [fruit] = readdirSync(path('pictures', 'fruits'))
    await sharp(path('pictures', 'fruits', fruit!))
      .jpeg({ quality: 60 })
      .toFile(path('unclean', 'fruits', 'again.jpeg'))
    const said = await run('16-clean.ts', path('unclean'), path('clean'))
    assert.match(said, /^fruits\/wrong\.jpeg: fruits, rather fish\? /m)
    assert.match(said, new RegExp(`nearly the same: .*(again.*${fruit}|${fruit}.*again)`))
    assert.match(said, /^\d+ relabelled: valid accuracy [\d.]+ %$/m)
  })
})

describe('examples on tables', { concurrency: Math.min(2, availableParallelism()) }, () => {
  test('05-labels: several labels a picture', async t => {
    if (missing) return t.skip(missing) // the model's weights come the same way
    mkdirSync(path('marks'))
    const tags = (n: number) => allMarks.filter((_, i) => (n >> i) & 1)
    for (let n = 0; n < 48; n++) writeFileSync(path('marks', `${n}.png`), await marked(n, tags(n), 96))
    const rows = Array.from({ length: 48 }, (_, n) => `${n}.png,${tags(n).join(' ')}`)
    writeFileSync(path('marks.csv'), ['image,tags', ...rows].join('\n'))
    const said = await run('05-labels.ts', path('marks'), path('marks.csv'), path('labels'), path('marks', '7.png'))
    assert.ok(Number(/valid mAP ([\d.]+)/.exec(said)?.[1]) >= 0.7, said)
    for (const mark of allMarks) assert.match(said, new RegExp(`^${mark} from [01]\\.\\d\\d$`, 'm'))
    assert.match(said, /7\.png \[.*'(red|green|blue)'.*\]$/m)
  })

  test('06-numbers: brightness and radius of a disc', async t => {
    if (missing) return t.skip(missing)
    mkdirSync(path('discs'))
    const numbers = Array.from({ length: 48 }, (_, n) => ({ brightness: 60 + 4 * n, radius: 8 + (n % 7) * 3 }))
    for (const [n, { brightness, radius }] of numbers.entries())
      writeFileSync(path('discs', `${n}.png`), await disc(n, brightness, radius, 96))
    const lines = numbers.map((row, n) => JSON.stringify({ image: `${n}.png`, ...row }))
    writeFileSync(path('discs.jsonl'), lines.join('\n'))
    const args = [path('discs'), path('discs.jsonl'), 'brightness,radius', path('numbers'), path('discs', '47.png')]
    const said = await run('06-numbers.ts', ...args)
    assert.ok(Number(/valid R² (-?[\d.]+)/.exec(said)?.[1]) >= 0.3, said)
    assert.match(said, /\{ brightness: [\d.]+, radius: [\d.]+ \}/)
  })
})

describe("examples of a user's own parts", { concurrency: Math.min(2, availableParallelism()) }, () => {
  test('18-state: the second run goes on, to the same loss as a run without a stop', async () => {
    const loss = (text: string) => /valid loss ([\d.]+)/.exec(text)?.[1]
    assert.match(await run('18-state.ts', path('state')), /^from step 0\nto step 25, /)
    const second = await run('18-state.ts', path('state'))
    assert.match(second, /^from step 25\nto step 57, valid loss \d\.\d{6}\n$/)
    const learn = new Learner(ringNet(), data)
    await learn.fit(3, { lr: 1e-2 })
    assert.equal(loss(second), (await learn.validate()).loss.toFixed(6))
  })

  test("19-schedule: a rate and a momentum of one's own", async () => {
    const said = await run('19-schedule.ts')
    assert.match(said, /^rates from 1\.0e-3 over 0\.01 to \d\.\de-\d$/m)
    reaches(said, 90)
  })

  test('20-optimizer: Lion and RMSprop learn', async () => {
    const reached = [...(await run('20-optimizer.ts')).matchAll(/^(\w+): valid accuracy ([\d.]+) %$/gm)]
    assert.deepEqual(
      reached.map(([, name]) => name),
      ['lion', 'rmsprop'],
    )
    for (const [line, , percent] of reached) assert.ok(Number(percent) > 60, line)
  })

  test('21-loss-and-metrics: metrics stand beside the accuracy', async () => {
    const off = [...(await run('21-loss-and-metrics.ts')).matchAll(/"accuracy":[\d.]+,"ringsOff":([\d.]+)/g)].map(m =>
      Number(m[1]),
    )
    assert.equal(off.length, 4)
    assert.ok(off[3]! < 0.1 && off[3]! < off[0]!, String(off))
  })

  test('22-callbacks: accumulation, clipping, MixUp; who hears what', async () => {
    const said = await run('22-callbacks.ts')
    assert.match(said, /afterLoss +← MixUp, accumulate 2 batches\n/)
    assert.match(said, /beforeStep +← accumulate 2 batches, clip to 1\n/)
    assert.match(said, /^epoch 4: valid accuracy (9\d|100)/m)
  })

  test("23-network: a net of one's own over a folder", async () => {
    for (const [i, mark] of (['red', 'blue'] as const).entries()) {
      mkdirSync(path('two', mark), { recursive: true })
      for (let n = 0; n < 20; n++) writeFileSync(path('two', mark, `${n}.png`), await marked(2 * n + i, [mark], 40))
    }
    const said = await run('23-network.ts', path('two'))
    assert.match(said, /^layer groups: block1, block2…block3, head$/m)
    assert.match(said, /label: '(red|blue)'/)
  })

  test("24-source: rows of one's own", async () => reaches(await run('24-source.ts'), 85))

  test('25-batch-transforms: turned points', async () => {
    const reached = [...(await run('25-batch-transforms.ts')).matchAll(/^(plain|turned): valid accuracy ([\d.]+) %$/gm)]
    assert.equal(reached.length, 2)
    for (const [line, , percent] of reached) assert.ok(Number(percent) > 80, line)
  })
})

test('17-serve: a server that answers pictures, refuses the rest, and ends when asked to', async () => {
  mkdirSync(path('served'))
  const net = savedNet(path('served'))
  const child = spawn(process.execPath, [...typescript, join('examples', '17-serve.ts'), net, '0'])
  const said = { stdout: '', stderr: '' }
  const ended = new Promise<number | null>(resolve => child.on('close', resolve))
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  try {
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', () => /^http:.*$/m.test(said.stdout) && resolve(said.stdout.trim()))
      child.on('close', () => reject(new Error(said.stderr)))
    })
    const post = async (body: Uint8Array<ArrayBuffer> | string) => {
      const response = await fetch(address, { method: 'POST', body })
      return { status: response.status, found: (await response.json()) as Record<string, unknown> }
    }
    const photo = Uint8Array.from(await jpeg(3, 120, 90))
    const expected = await loadClassifier(net, { task: 'single', worker: false }).predict(photo)
    const { task, label, probability, probabilities } = expected
    const each = await Promise.all(Array.from({ length: 5 }, () => post(photo)))
    for (const { status, found } of each)
      assert.deepEqual([status, found], [200, { task, label, probability, probabilities }])
    const garbage = await post('<html>')
    assert.equal(garbage.status, 400)
    assert.match(String(garbage.found.error), /^image \(stream, 6 bytes\) is no picture .*HTML/)
    assert.equal((await post('')).status, 400)
    assert.equal((await post(photo.subarray(0, 300))).status, 400)
    assert.equal((await fetch(address)).status, 405)
    const large = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { 'content-length': 20_000_001 }
      const asked = request(address, { method: 'POST', headers }, response => resolve(response.statusCode))
      asked.on('error', reject).flushHeaders() // refused by its length, before it is sent
    })
    assert.equal(large, 413)
    // A client that closes the connection in the middle of the upload.
    const { hostname, port } = new URL(address)
    const socket = connect(Number(port), hostname)
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc', () => socket.destroy())
    await new Promise(resolve => socket.on('close', resolve))
    assert.equal((await post(photo)).status, 200, 'the server goes on')
    child.kill('SIGTERM')
    assert.equal(await ended, 0, said.stderr)
    assert.equal(said.stderr, '')
  } finally {
    child.kill('SIGKILL')
  }
})

test('every example is run here, and the README names it', () => {
  const tests = readFileSync(new URL(import.meta.url), 'utf8')
  const pages = readdirSync('docs').filter(file => file.endsWith('.md'))
  const named = ['README.md', ...pages.map(file => join('docs', file))].map(file => readFileSync(file, 'utf8')).join('')
  for (const file of readdirSync('examples').filter(file => file.endsWith('.ts'))) {
    assert.ok(tests.includes(`run('${file}'`) || tests.includes(`'examples', '${file}'`), `${file} is not run`)
    assert.ok(named.includes(`examples/${file}`), `${file} is not in README.md or docs`)
  }
})
