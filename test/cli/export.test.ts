import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { checkFile, exportFolder, exportModel } from '../../src/export/index.ts'
import { refuseOthers } from '../../src/export/targets/transformers.ts'
import type { ModelCard } from '../../src/vision/inference/saved.ts'
import { type Ended, type StartOptions, workspace } from '../helpers/cli.ts'
import { allMarks, disc, marked, type RunsFolder, runsFolder } from '../helpers/recipe.ts'

let at: RunsFolder
const work = workspace({ cache: () => process.env.ANNEAL_CACHE })
let run: string
let numbers: string
let model: Buffer
before(async () => {
  at = runsFolder()
  const files: Record<string, Buffer> = {}
  const ages = ['file,age']
  for (let n = 0; n < 24; n++) {
    const mark = allMarks[n % 3]!
    files[`classes/${mark}/${n}.png`] = await marked(n, [mark], 34 + (n % 4))
    files[`numbers/${n}.png`] = await disc(n, 40 + 8 * n, 6 + (n % 6), 34)
    ages.push(`${n}.png,${1000 + 80 * n}`)
  }
  at.put({ ...files, 'numbers.csv': ages.join('\n') })
  run = (await at.train('classes', 'run', { epochs: 1, seed: 3 })).dir
  const labels = at.path('numbers.csv')
  numbers = (await at.train('numbers', 'years', { epochs: 1, seed: 3, labels, targets: ['age'] })).dir
  const { code, stderr } = await work.run(['export', run, '--out', work.path('model.onnx')])
  assert.equal(code, 0, stderr)
  model = readFileSync(work.path('model.onnx'))
})
after(() => {
  work.remove()
  at.remove()
})

/** onnxruntime, as far as it is used here. */
interface Ort {
  Tensor: new (type: string, data: Float32Array, dims: readonly number[]) => object
  InferenceSession: {
    create(file: Uint8Array): Promise<{
      inputNames: readonly string[]
      outputNames: readonly string[]
      run(feeds: object): Promise<Record<string, { data: Float32Array }>>
      release(): Promise<void>
    }>
  }
}

/** The options of a process in which packages are missing, or have this code. */
function packages(code: Record<string, string | undefined>): StartOptions {
  const name = work.path(`hooks-${Math.random().toString(36).slice(2)}`)
  const known = Object.fromEntries(
    Object.entries(code).map(([from, text]) => [from, text && `data:text/javascript,${encodeURIComponent(text)}`]),
  )
  writeFileSync(
    `${name}.mjs`,
    `const known = ${JSON.stringify(known)}
const missing = ${JSON.stringify(Object.keys(code).filter(from => !code[from]))}
export async function resolve(name, context, next) {
  if (known[name]) return { url: known[name], shortCircuit: true }
  if (missing.some(one => name === one || name.startsWith(one + '/')))
    throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: 'ERR_MODULE_NOT_FOUND' })
  return next(name, context)
}`,
  )
  writeFileSync(
    `${name}-register.mjs`,
    `import { register } from 'node:module'\nregister(${JSON.stringify(pathToFileURL(`${name}.mjs`).href)})`,
  )
  return { env: { NODE_OPTIONS: `--import ${pathToFileURL(`${name}-register.mjs`).href}` } }
}

/** A command that must fail with one line, which it returns. */
function refusal({ code, stdout, stderr }: Ended, expected = 1): string {
  assert.equal(code, expected, `${stdout}${stderr}`)
  assert.equal(stdout, '', 'nothing on stdout')
  assert.match(stderr, /^anneal: /)
  assert.doesNotMatch(stderr, /may be a fault of Anneal|\n {4}at /, 'no stack, no accusation')
  return stderr
}

/** The lines of stdout without those of the progress, which a slow machine prints. */
const lines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .filter(line => !/: \d+ of \d+ \(/.test(line))

const put = (name: string, bytes: Uint8Array | string) => {
  writeFileSync(work.path(name), bytes)
  return work.path(name)
}
/** The exported model with another card of the same length. */
function withCard(name: string, change: (card: string) => string): string {
  const text = model.toString('latin1')
  const changed = change(text)
  assert.notEqual(changed, text, `${name}: the card is changed`)
  assert.equal(changed.length, text.length, `${name}: the file keeps its length`)
  return put(name, Buffer.from(changed, 'latin1'))
}

describe('what it prints', () => {
  test('the file, the table of the check, and the same as JSON', async () => {
    const out = work.path('new folder', 'a b.onnx')
    const { code, stdout, stderr } = await work.run(['export', run, '--out', out, '--weights', 'float16'])
    assert.equal(code, 0, stderr)
    const [first, second, head, ...rows] = lines(stdout)
    assert.match(first!, /a b\.onnx {2}[\d.]+ MB \(\d+ bytes\), weights float16$/)
    assert.match(second!, /^\d+ validation files, from file to answer, against the trained net in float32:$/)
    assert.match(head!, /^runtime +same labels +largest difference +on equal pixels/)
    assert.match(rows[0]!, /^onnxruntime-node \d\S+ +100\.0 %/)
    assert.match(rows[1]!, /^onnxruntime-web \(wasm\) \d\S+ +100\.0 %/)
    const json = await work.run(['export', run, '--out', out, '--json', '--runtimes', 'onnxruntime-node'])
    assert.equal(json.code, 0, json.stderr)
    const { file, bytes, card } = JSON.parse(json.stdout)
    assert.deepEqual([file, bytes, card.classes], [out, readFileSync(out).length, ['blue', 'green', 'red']])
    assert.equal(card.checks.length, 1, 'one runtime')
  })

  test('--check repeats the check: the probe alone, or with the run against its net', async () => {
    const alone = await work.run(['export', '--check', work.path('model.onnx')])
    assert.equal(alone.code, 0, alone.stderr)
    assert.match(alone.stdout, /^onnxruntime-node \S+: the probe picture's answer differs by 0(\.0+)?\n/)
    const { code, stdout, stderr } = await work.run(['export', run, '--check', work.path('model.onnx'), '--json'])
    assert.equal(code, 0, stderr)
    const { checks, probes } = JSON.parse(stdout)
    assert.equal(checks.length, 2)
    assert.ok(
      probes.every(({ difference }: { difference: number }) => difference < 1e-3),
      stdout,
    )
  })

  test('a run with numbers has no share of labels', async () => {
    const { code, stdout, stderr } = await work.run(['export', numbers, '--out', work.path('numbers.onnx')])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /onnxruntime-node \S+ +– +\S+ +\S+ +[\d.]+ \([\d.]+\)/)
  })

  test('--net and --no-check say what they are', async () => {
    const { code, stdout, stderr } = await work.run([
      'export',
      run,
      '--net',
      '--no-check',
      '--out',
      work.path('net.onnx'),
    ])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /net\.onnx .*\nnot checked against the trained net \(--no-check\)\n$/)
    assert.match(refusal(await work.run(['export', '--check', work.path('net.onnx')])), /holds the net alone/)
  })
})

describe('what it refuses', () => {
  test('words that it does not know, and no run at all', async () => {
    const cases: [string[], number, RegExp][] = [
      [['export'], 1, /which model\? Give the folder of a run/],
      [['export', run, '--weights', 'int4'], 2, /--weights: expected float32, float16, int8, got int4/],
      [['export', run, '--runtimes', 'onnxruntime'], 1, /--runtimes: .*onnxruntime-node.*got onnxruntime/],
      [['export', run, '--wieghts', 'int8'], 2, /unknown option/],
    ]
    for (const [args, code, says] of cases) {
      const ended = await work.run(args)
      assert.equal(ended.code, code, `${args}: ${ended.stderr}`)
      assert.match(ended.stderr, says)
    }
  })

  test('a folder that is no run: missing, empty, with other files, with a card of something else', async () => {
    for (const [name, files, says] of [
      ['nowhere', undefined, /no such run or model/],
      ['empty', {}, /there is no saved model here/],
      ['photos', { 'a.png': 'x' }, /there is no saved model here/],
      ['other', { 'best.json': '{"name":"npm"}' }, /best\.json/],
      ['broken', { 'best.json': '{"format":' }, /is not valid JSON/],
    ] as const) {
      if (files) mkdirSync(work.path(name))
      for (const [file, text] of Object.entries(files ?? {})) put(join(name, file), text)
      assert.match(refusal(await work.run(['export', work.path(name)])), says, name)
      if (files) assert.deepEqual(readdirSync(work.path(name)), Object.keys(files), `${name} is as it was`)
    }
  })

  test('a file for --check that is cut off, foreign, newer, or nothing that can be read', async () => {
    const cut = (share: number) => put('cut.onnx', model.subarray(0, Math.floor(share * model.length)))
    for (const share of [0, 0.02, 0.5, 0.999])
      await assert.rejects(checkFile(cut(share)), /cut off|is no ONNX file/, `${share}`)
    const cases: [string, RegExp][] = [
      [put('text.onnx', 'not a model\n'), /text\.onnx: is no ONNX file/],
      [put('page.onnx', '<!doctype html><title>404</title>'), /page\.onnx: is no ONNX file/],
      [work.path('missing.onnx'), /missing\.onnx: it does not exist/],
      [work.folder, /it is a folder/],
      ['/dev/zero', /it is no regular file/],
      [withCard('newer.onnx', text => text.replace('"version":1,', '"version":7,')), /version 7.*Update Anneal/],
    ]
    for (const [file, says] of cases) await assert.rejects(checkFile(file), says)
    assert.match(
      refusal(await work.run(['export', '--check', cut(0.5)])),
      /cut\.onnx: is no ONNX file, or it is cut off/,
    )
  })

  test('a card that lies', async () => {
    const cases: [string, (card: string) => string, RegExp][] = [
      [
        'classes',
        t => t.replace('["blue","green","red"]', '["green","blue","red"]'),
        /has the classes green, blue, red, and the graph has blue, green, red/,
      ],
      ['name', t => t.replace('["blue","green","red"]', '["blue","green","tea"]'), /has the classes blue, green, tea/],
      [
        'count',
        t => t.replace('["blue","green","red"]', '["blue","green"]'.padEnd(22)),
        /has 2 classes \(blue, green\), and the graph has 3 outputs/,
      ],
      ['channels', t => t.replace('"channels":3', '"channels":4'), /pictures of 4 channels, and the graph has 3/],
      ['task', t => t.replace('"task":"single"', '"task":"multi" '), /has the task multi/],
      ['input', t => t.replace('"name":"image"', '"name":"photo"'), /the input "photo", and the graph has image/],
      // A number of its probe: only a runtime can tell.
      [
        'probe',
        t => t.replace(/("outputs":\[0\.)(\d)/, (_, head, digit) => `${head}${(Number(digit) + 5) % 10}`),
        /its answer to the probe picture of its card differs by 0\.5/,
      ],
    ]
    for (const [name, change, says] of cases)
      await assert.rejects(checkFile(withCard(`${name}.onnx`, change), { runtimes: ['onnxruntime-node'] }), says, name)
    const ended = await work.run(['export', '--check', work.path('classes.onnx')])
    assert.match(refusal(ended), /its card is not its own/)
  })

  test('a place that is a folder, another file, or not to be written to', async () => {
    put('mine.txt', 'mine')
    mkdirSync(work.path('taken'), { recursive: true })
    const weights = join(run, 'best.safetensors')
    const before = readFileSync(weights)
    for (const [out, says] of [
      [work.path('taken'), /taken: exists and is no exported model/],
      [work.path('mine.txt'), /mine\.txt: exists and is no exported model/],
      [work.path('mine.txt', 'x.onnx'), /can not be written/],
      ['/proc/x/y.onnx', /can not be written/],
      ['/dev/full', /exists and is no exported model/],
      [weights, /best\.safetensors: exists and is no exported model/],
    ] as const)
      await assert.rejects(exportModel(run, { out }), says, out)
    assert.match(refusal(await work.run(['export', run, '--out', work.path('taken')])), /taken: exists and is no/)
    assert.equal(readFileSync(work.path('mine.txt'), 'utf8'), 'mine')
    assert.deepEqual(readFileSync(weights), before, 'the weights are as they were')
  })

  test('a disk that is full leaves the file before, and no part of the new one', async () => {
    mkdirSync(work.path('full'), { recursive: true })
    const out = put('full/model.onnx', model)
    const args = ['export', run, '--no-check', '--out', out]
    // The limit stands for a full disk: blocks of 1024 bytes, of which the file needs many more.
    const { code, stderr } = await work.run(args, { before: 'ulimit -f 100' })
    assert.equal(code, 1, stderr)
    assert.match(stderr, /model\.onnx: .*(limit|full)/)
    assert.deepEqual(readdirSync(work.path('full')), ['model.onnx'])
    assert.deepEqual(readFileSync(out), model, 'the old file')
  })

  test('a runtime that is not installed: the command that installs it, and no file', async () => {
    for (const name of ['onnxruntime-node', 'onnxruntime-web']) {
      const out = work.path(`${name}.onnx`)
      const text = refusal(await work.run(['export', run, '--out', out], packages({ [name]: undefined })))
      assert.match(
        text,
        new RegExp(
          `needs ${name}, which is not installed.*npm install --ignore-scripts onnxruntime-node onnxruntime-web`,
        ),
      )
      assert.ok(!existsSync(out), name)
    }
    const without = packages({ 'onnxruntime-node': undefined, 'onnxruntime-web': undefined })
    const { code, stderr } = await work.run(['export', run, '--no-check', '--out', work.path('bare.onnx')], without)
    assert.equal(code, 0, stderr)
  })
})

describe('--to', () => {
  test('writes a folder with the model and all that runs it; again it keeps what a person changed', async () => {
    const folder = work.path('container')
    const args = ['export', run, '--to', 'docker', '--out', folder, '--no-check']
    const first = await work.run(args)
    assert.equal(first.code, 0, first.stderr)
    assert.match(first.stdout, /container\/model\.onnx .*\n(.*\n)*folder {3}\S+container\nnext {5}see \S+README\.md\n$/)
    const names = ['.dockerignore', 'Dockerfile', 'README.md', 'model.onnx', 'package.json', 'probe.json', 'probe.png']
    assert.deepEqual(readdirSync(folder).sort(), [...names, 'test.mjs'])
    writeFileSync(join(folder, 'Dockerfile'), 'FROM mine')
    writeFileSync(join(folder, 'probe.json'), '{}')
    const second = await work.run(args)
    assert.match(second.stdout, /Dockerfile is kept, since it was changed; remove it to get the new one\n/)
    assert.doesNotMatch(second.stdout, /README\.md is kept|probe/)
    assert.equal(readFileSync(join(folder, 'Dockerfile'), 'utf8'), 'FROM mine')
    assert.match(
      readFileSync(join(folder, 'probe.json'), 'utf8'),
      /"outputs"/,
      'what follows from the model is written',
    )
  })

  test('transformers: a net from pixel_values to logits, and the files that say how pictures become pixels', async () => {
    const folder = work.path('transformers')
    const { code, stdout, stderr } = await work.run(['export', run, '--to', 'transformers', '--out', folder])
    assert.equal(code, 0, stderr)
    assert.match(
      stdout,
      /\nonnxruntime-node: on equal pixels the net differs by \S+ from the trained one\nonnxruntime-web: /,
    )
    const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
    const { preprocessing, temperature } = JSON.parse(readFileSync(join(run, 'best.json'), 'utf8'))
    const { size, short, mean, std } = preprocessing
    const how = read('preprocessor_config.json')
    assert.deepEqual(
      [how.size, how.crop_size, how.resample, how.image_mean, how.image_std],
      [{ shortest_edge: short }, { height: size, width: size }, 2, mean, std],
    )
    assert.deepEqual(read('config.json').id2label, { 0: 'blue', 1: 'green', 2: 'red' })
    const ort = (await import('onnxruntime-node')) as unknown as Ort
    const session = await ort.InferenceSession.create(readFileSync(join(folder, 'onnx', 'model.onnx')))
    assert.deepEqual([session.inputNames, session.outputNames], [['pixel_values'], ['logits']])
    // The same net of the run, as --net writes it, gives the softmax of these logits.
    const { file } = await exportModel(run, { net: true, check: false, out: work.path('same.onnx') })
    const net = await ort.InferenceSession.create(readFileSync(file))
    const x = new ort.Tensor(
      'float32',
      Float32Array.from({ length: 2 * 3 * size * size }, (_, i) => Math.sin(i)),
      [2, 3, size, size],
    )
    const logits = (await session.run({ pixel_values: x })).logits!.data
    const expected = (await net.run({ pixels: x })).probabilities!.data
    const powers = Array.from(logits, Math.exp)
    for (const [i, p] of Array.from(expected).entries()) {
      const row = powers.slice(3 * Math.floor(i / 3), 3 * Math.floor(i / 3) + 3)
      const got = powers[i]! / row.reduce((a, b) => a + b, 0)
      assert.ok(Math.abs(got - p) < 1e-5, `${i}: ${got}, expected ${p} (temperature ${temperature})`)
    }
    await Promise.all([session.release(), net.release()])
    // A folder without the check, by half floats.
    const half = await exportFolder(run, {
      to: 'transformers',
      out: work.path('half'),
      weights: 'float16',
      check: false,
    })
    assert.ok(half.bytes < 0.6 * readFileSync(join(folder, 'onnx', 'model.onnx')).length, `${half.bytes} bytes`)
    assert.equal(half.differences!.length, 0)
  })

  test('transformers: refuses what its files can not say, and writes nothing', async () => {
    await assert.rejects(
      exportFolder(numbers, { to: 'transformers', out: work.path('none') }),
      /the model gives numbers, and transformers\.js/,
    )
    assert.ok(!existsSync(work.path('none')), 'no folder')
    await assert.rejects(
      exportFolder(run, { to: 'transformers', quantize: true }),
      /quantize: does not fit to: "transformers"/,
    )
    const preprocessing = { channels: 3, size: 32, short: 37 }
    for (const [card, members, says] of [
      [{ task: 'multi', preprocessing }, 1, /several labels/],
      [{ preprocessing }, 3, /the mean of 3 nets/],
      [{ preprocessing: { ...preprocessing, channels: 1, mode: 'keep' } }, 1, /one channel, read as "keep"/],
      [{ preprocessing: { ...preprocessing, mode: 'copy' } }, 1, /3 channels, read as "copy"/],
      [{ preprocessing: { ...preprocessing, range: [0, 4095] } }, 1, /more than 8 bits/],
    ] as const)
      assert.throws(() => refuseOthers({ card: card as unknown as ModelCard, members: Array(members).fill({}) }), says)
  })

  test('refuses folders of others, files, and options that do not go with it', async () => {
    mkdirSync(work.path('others'))
    put('others/notes.txt', 'mine')
    put('file.txt', 'mine')
    await assert.rejects(
      exportFolder(run, { to: 'docker', out: work.path('others') }),
      /has files, but no exported model\.onnx/,
    )
    await assert.rejects(
      exportFolder(run, { to: 'lambda', out: work.path('file.txt') }),
      /is a file; expected a folder/,
    )
    await assert.rejects(exportFolder(run, { to: 'docker', out: run }), /is the folder of a run/)
    await assert.rejects(exportFolder(join(run, 'best.json'), { to: 'lambda' }), /is no run folder, so say where/)
    await assert.rejects(exportFolder(work.path('nothing'), { to: 'lambda' }), /there is no such file or folder/)
    assert.deepEqual(readdirSync(work.path('others')), ['notes.txt'])
    for (const [more, code, says] of [
      [['--to', 'azure'], 2, /--to: expected docker, .*got azure/],
      [['--to', 'docker', '--net'], 1, /leave out --net/],
    ] as const) {
      const { code: got, stderr } = await work.run(['export', run, ...more])
      assert.equal(got, code, stderr)
      assert.match(stderr, says)
    }
  })
})

/** onnxruntime that prints what it does, and takes its time. */
const slow = (ms: number) => `
process.stdout.write('LOADED\\n')
const run = () => new Promise(done => { process.stdout.write('RUNNING\\n'); setTimeout(done, ${ms}, { probabilities: { data: new Float32Array(3) } }) })
export class Tensor {}
export const env = { versions: {}, wasm: {} }
export const InferenceSession = { create: async () => ({ run, release: async () => {} }) }`

describe('Ctrl-C', () => {
  for (const [when, signal, code] of [
    ['LOADED', 'SIGINT', 130],
    ['RUNNING', 'SIGINT', 130],
    ['RUNNING', 'SIGTERM', 143],
  ] as const)
    test(`${signal} at ${when}: exit ${code}, and no file`, async () => {
      const folder = work.path(`stopped-${when}-${signal}`)
      let sent = false
      const { ended } = work.start(['export', run, '--out', join(folder, 'model.onnx')], {
        ...packages({ 'onnxruntime-node': slow(100), 'onnxruntime-web/wasm': slow(100) }),
        onLine(line, child) {
          if (line === when && !sent) sent = child.kill(signal)
        },
      })
      const { code: got, stderr } = await ended
      assert.equal(got, code, stderr)
      assert.equal(stderr, `anneal: stopped by ${signal}; no file was written\n`)
      assert.deepEqual(readdirSync(folder), [])
    })

  test('a second one ends a check that hangs, at once', async () => {
    let sent = 0
    const { ended } = work.start(['export', run, '--out', work.path('hangs.onnx')], {
      ...packages({ 'onnxruntime-node': slow(60_000), 'onnxruntime-web/wasm': slow(60_000) }),
      onLine(line, child) {
        if (line !== 'RUNNING' || sent++ > 0) return
        child.kill('SIGINT')
        setTimeout(() => child.kill('SIGINT'), 300)
      },
    })
    const { code, seconds, stderr } = await ended
    assert.equal(code, 130, stderr)
    assert.ok(seconds < 50, `${seconds} s`)
    assert.ok(!existsSync(work.path('hangs.onnx')), 'no file')
  })
})

describe('anneal serve RUN without a model.onnx', () => {
  /** Starts the server, asks it for its model, and ends it. */
  async function served(folder: string, options: StartOptions = {}) {
    let address = ''
    let model = ''
    const { ended } = work.start(['serve', folder, '--port', '0', '--threads', '1'], {
      ...options,
      env: { ANNEAL_TOKEN: undefined, ...options.env },
      onLine(line, child) {
        address ||= /^address +(http:\S+)$/.exec(line)?.[1] ?? ''
        if (!line.startsWith('access')) return
        void fetch(`${address}/v2/models/${folder.split('/').at(-1)}`)
          .then(async answer => void (model = await answer.text()))
          .finally(() => child.kill('SIGINT'))
      },
    })
    return { ...(await ended), model }
  }
  const copied = (name: string) => {
    mkdirSync(work.path(name))
    for (const file of readdirSync(run).filter(file => /\.(json|jsonl|safetensors)$/.test(file)))
      copyFileSync(join(run, file), work.path(name, file))
    return work.path(name)
  }

  test('exports it first with the check, then answers; the next start does not export', async () => {
    const folder = copied('first')
    const { code, stdout, stderr, model } = await served(folder)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /first has no model\.onnx, so it is exported first\n/)
    assert.match(stdout, /validation files, from file to answer/)
    assert.match(model, /"platform":"onnx_onnxv1"/)
    const again = await served(folder)
    assert.doesNotMatch(again.stderr + again.stdout, /export/)
    // Other weights, as after more training.
    copyFileSync(join(numbers, 'best.safetensors'), join(folder, 'best.safetensors'))
    assert.match((await served(folder)).stderr, /warning: .*was exported from other weights than/)
  })

  test('with pictures that are gone it exports without the check, and says so', async () => {
    const folder = copied('gone')
    renameSync(at.path('classes'), at.path('moved'))
    try {
      const { code, stderr, stdout } = await served(folder)
      assert.equal(code, 0, stderr)
      assert.match(
        stderr,
        /without the check against the trained net: its pictures were in .*no longer exists\. To check it: /,
      )
      assert.match(stdout, /not checked against the trained net/)
    } finally {
      renameSync(at.path('moved'), at.path('classes'))
    }
  })

  test('with one runtime it checks in that one; without onnxruntime-node it says how to install it', async () => {
    const folder = copied('one')
    const none = await work.run(['serve', folder], packages({ 'onnxruntime-node': undefined }))
    assert.match(
      refusal(none),
      /onnxruntime-node, which is not installed\. Install it: npm install --ignore-scripts onnxruntime-node/,
    )
    assert.ok(!existsSync(join(folder, 'model.onnx')), 'not exported for nothing')
    const { code, stderr, stdout } = await served(folder, packages({ 'onnxruntime-web': undefined }))
    assert.equal(code, 0, stderr)
    assert.match(stderr, /checked in onnxruntime-node alone, since onnxruntime-web is not installed/)
    assert.match(stdout, /onnxruntime-node/)
    assert.doesNotMatch(stdout, /onnxruntime-web/)
  })

  test('a folder that is no run, and an export that fails, end with what to do', async () => {
    mkdirSync(work.path('nothing'))
    assert.match(refusal(await work.run(['serve', work.path('nothing')])), /holds neither model\.onnx nor best\.json/)
    const folder = copied('failing')
    rmSync(join(folder, 'best.safetensors'))
    const { code, stderr } = await work.run(['serve', folder])
    assert.equal(code, 1, stderr)
    assert.match(
      stderr,
      /best\.safetensors.*\n(.*\n)*anneal: .* could not be exported, so it is not served\. Export it by hand/,
    )
  })

  test('Ctrl-C during its export ends both, with 130', async () => {
    const folder = copied('stopped')
    const { ended } = work.start(['serve', folder, '--port', '0'], {
      ...packages({ 'onnxruntime-node': slow(200), 'onnxruntime-web/wasm': slow(200) }),
      onLine: (line, child) => void (line === 'RUNNING' && child.kill('SIGINT')),
    })
    const { code, stderr } = await ended
    assert.equal(code, 130, stderr)
    assert.ok(!existsSync(join(folder, 'model.onnx')), 'no file')
  })
})
