import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { deflateSync } from 'node:zlib'
import { crc32 } from '../../src/base/crc32.ts'
import { writeSafetensors } from '../../src/weights/index.ts'
import { type Ended, type StartOptions, shape, shapeFolder, small, workspace } from '../helpers/cli.ts'

const work = workspace()
const golden = (name: string) => fileURLToPath(new URL(`../golden/weights/${name}`, import.meta.url))

before(async () => {
  await shapeFolder(work.path('shapes'), 12)
  mkdirSync(work.path('empty'))
  mkdirSync(work.path('hollow/cat'), { recursive: true })
  mkdirSync(work.path('hollow/dog'))
  writeFileSync(work.path('file'), 'hello')
  writeFileSync(work.path('own.csv'), 'file,a,b\ncircle/1.png,x,y\nsquare/1.png,z,y\n')
  await shapeFolder(work.path('one'), 3, ['circle'])
  await shapeFolder(work.path('singles'), 1)
  cpSync(work.path('shapes'), work.path('text'), { recursive: true })
  for (const n of [1, 2, 3]) writeFileSync(work.path(`text/circle/${n}.jpg`), 'not a picture')
  cpSync(work.path('shapes'), work.path('bomb'), { recursive: true })
  for (const n of [1, 2, 3]) writeFileSync(work.path(`bomb/square/bomb${n}.png`), bomb(30_000, n))
  mkdirSync(work.path('full'))
  writeFileSync(work.path('full/mine.txt'), 'do not touch')
  writeSafetensors(
    work.path('other.safetensors'),
    new Map([['layer.weight', { dtype: 'float32', shape: [2], data: new Uint8Array(8) }]]),
  )
  mkdirSync(work.path('mine'))
  writeFileSync(work.path('mine/best.safetensors'), '')
  writeFileSync(work.path('mine/best.json'), '{"format":"anneal-classifier","architecture":"squeezenet1_1"}')
})
after(() => work.remove())

/** A whole PNG of zeros, one bit a pixel: 900 million pixels in some 100 kB. */
function bomb(side: number, level: number): Buffer {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data])
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    sum.writeUInt32BE(crc32(body) >>> 0)
    return Buffer.concat([length, body, sum])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header[8] = 1
  const rows = deflateSync(Buffer.alloc((side / 8 + 1) * side), { level })
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))])
}

/** One clear line on stderr (and its causes), no stack, the exit code given. */
function clear({ code, stdout, stderr }: Ended, reason: RegExp, expected = 1): void {
  assert.equal(code, expected, stderr)
  assert.match(stderr, reason)
  assert.match(stderr, /^(anneal|error): [^\n]+\n( {2}[^\n]+\n|\([^\n]+\)\n)*$/)
  assert.doesNotMatch(stderr, /^ +at |node:internal|may be a fault of Anneal/m)
  assert.doesNotMatch(stdout, /valid accuracy/)
}

const run = (args: string[], options?: StartOptions) => work.run(['train', ...args], options)
const tiny = [...small, '--views', '0', '--epochs', '0']

type Row = [name: string, args: string[], reason: RegExp, code?: number]
const rows: Row[] = [
  ['no argument', [], /give a folder of pictures, recordings or texts \(npx anneal train FOLDER\)/, 2],
  [
    'no such folder',
    ['nope'],
    /nope: no such folder or file. Expected a folder with one folder of pictures for each class/,
  ],
  ['an empty folder', ['empty'], /empty is empty; expected one folder per class/],
  ['empty class folders', ['hollow'], /hollow has 2 folders and no pictures in them/],
  ['a file for a folder', ['file'], /file is not a folder/],
  ['a picture for a folder', ['shapes/circle/1.png'], /1\.png is not a folder: it is a file/],
  ['a class folder', ['shapes/circle'], /holds 12 pictures and no class folders/],
  ['one class', ['one'], /one has one class, "circle", at least two are needed/],
  ['a picture a class', ['singles', ...tiny], /no pictures for validation; at least one class needs two different/],
  ['texts named .jpg', ['text', ...tiny], /3 of the 39 pictures .* 7\.7 %, more than the 5\.0 %.*\n.*\.jpg: .*text/],
  ['PNG bombs', ['bomb', ...tiny], /bomb1\.png: it has 30,000 x 30,000 pixels, the limit is/],
  ['size 1', ['shapes', '--size', '1'], /--size: expected a whole number from 32 to 2048, got 1/],
  ['size of half a pixel', ['shapes', '--size', '64.5'], /--size: .* got 64\.5/],
  ['batch 0', ['shapes', '--batch', '0'], /--batch: expected a whole number from 2 to 4096, got 0/],
  [
    'lr -1',
    ['shapes', '--lr', '-1'],
    /--lr: expected a rate above 0 and up to 100, or a list of them, got -1\. Example: --lr 0\.001/,
  ],
  ['lr NaN', ['shapes', '--lr', 'NaN'], /--lr: expected a rate above 0 .*, got NaN/],
  ['lr 1e', ['shapes', '--lr', '1e'], /--lr: expected a rate above 0 .*, got 1e\./],
  ['lr of two groups', ['shapes', ...tiny, '--lr', '1e-4,1e-3'], /squeezenet1_1 has 3 layer groups .* got 2/],
  ['epochs -1', ['shapes', '--epochs', '-1'], /--epochs: expected a whole number from 0, got -1/],
  ['minutes 0', ['shapes', '--minutes', '0'], /--minutes: expected a number of minutes above 0, got 0/],
  ['valid 1', ['shapes', '--valid', '1'], /--valid: expected a share between 0 and 1/],
  ['dropout 1', ['shapes', '--dropout', '1'], /--dropout/],
  ['seed 1.5', ['shapes', '--seed', '1.5'], /--seed/],
  ['factor 0', ['shapes', '--factor', '0'], /--factor/],
  ['hidden 0', ['shapes', '--hidden', '0'], /--hidden/],
  ['an unknown model', ['shapes', '--model', 'resnt34'], /no model is called "resnt34"\. Did you mean "resnet34"\?/],
  ['an unknown augmentation', ['shapes', '--augment', 'topdown'], /unknown augmentation "topdown".*"top-down"/],
  [
    'an unknown optimizer',
    ['shapes', '--optimizer', 'adamx'],
    /--optimizer: expected adamw, adam, sgd, got adamx\. Did you mean "adamw"/,
    2,
  ],
  ['an unknown option', ['shapes', '--modle', 'x'], /unknown option '--modle'\n\(Did you mean --model\?\)/, 2],
  ['an option without its value', ['shapes', '--model'], /--model <name>' argument missing/, 2],
  ['two folders', ['shapes', 'one'], /too many arguments/, 2],
  ['CUDA that is not here', ['shapes', '--device', 'cuda:63'], /--device cuda:63: /],
  ['an unknown device', ['shapes', '--device', 'gpu'], /--device: expected cpu, cuda, cuda:1 or mps, got gpu/],
  [
    'float16 on the CPU',
    ['shapes', '--device', 'cpu', '--precision', 'float16'],
    /--precision float16: .* expected bfloat16/,
  ],
  ['no weights file', ['shapes', '--model', 'resnet18', '--weights', 'nope.pth'], /nope\.pth: there is no such file/],
  [
    'weights of another model',
    ['shapes', '--model', 'resnet18', '--weights', 'other.safetensors'],
    /the weights are of another architecture: .* missing .* unknown \(layer\.weight\)/,
  ],
  [
    'a folder without weights',
    ['shapes', '--model', 'resnet18', '--weights', 'hollow'],
    /hollow: holds no best\.safetensors\. Expected .* the folder of a run/,
  ],
  [
    'a run of another model as weights',
    ['shapes', '--model', 'resnet18', '--weights', 'mine'],
    /--weights mine holds a squeezenet1_1, and --model resnet18 asks for another net; leave --model out/,
  ],
  [
    'a picture as weights',
    ['shapes', '--model', 'resnet18', '--weights', 'shapes/circle/1.png'],
    /1\.png: it is not a weight file/,
  ],
  ['weights and none', ['shapes', '--weights', 'other.safetensors', '--no-pretrained'], /contradict each other/],
  [
    'sizes of words',
    ['shapes', '--sizes', '64,x'],
    /--sizes: expected a whole number from 32 to 2048, got x\. Example: --sizes 128,224/,
  ],
  ['a size twice', ['shapes', '--sizes', '64,96,64'], /--sizes 64,96,64: 64 comes twice/],
  [
    'size and sizes',
    ['shapes', '--size', '64', '--sizes', '64,96'],
    /--size 64 and --sizes 64,96 contradict each other/,
  ],
  ['a test size of nothing', ['shapes', '--test-size', '0'], /--test-size: expected .* got 0/],
  [
    'mixup 0',
    ['shapes', '--mixup', '0'],
    /--mixup: expected a number above 0 and up to 100, got 0\. Example: --mixup 0\.4/,
  ],
  ['cutmix of words', ['shapes', '--cutmix', 'some'], /--cutmix: expected a number above 0 .* got some\./],
  ['epochs of words', ['shapes', '--epochs', 'x'], /--epochs: expected a whole number from 0, got x\./],
  ['epochs of nothing', ['shapes', '--epochs', ''], /--epochs: expected a whole number from 0, got ""\./],
  [
    'views of words',
    ['shapes', '--tta', 'many'],
    /--tta: expected a whole number from 1 to 64, got many\. Example: --tta 4/,
  ],
  [
    'batches of words',
    ['shapes', '--batch', 'big'],
    /--batch: expected a whole number from 2 to 4096, got big\. Example: --batch 32/,
  ],
  [
    'weights of words',
    ['shapes', '--class-weights', '1,1e'],
    /--class-weights: expected .* a list of numbers from 0, one per class, got 1,1e\./,
  ],
  ['an unknown loss', ['shapes', '--loss', 'foccal'], /--loss: expected .*, got foccal\. Did you mean "focal"/, 2],
  ['a loss of numbers', ['shapes', ...tiny, '--loss', 'mae'], /--loss mae: does not fit pictures of one class each/],
  [
    'unknown weights',
    ['shapes', '--class-weights', 'balancd'],
    /--class-weights: .* got balancd\. Did you mean "balanced"/,
  ],
  [
    'a weight below 0',
    ['shapes', '--class-weights', '1,-2,1'],
    /--class-weights: expected balanced, effective or a list of numbers from 0, one per class, got 1,-2,1/,
  ],
  ['two weights', ['shapes', ...tiny, '--class-weights', '1,2'], /--class-weights: got 2 weights for 3 classes/],
  ['unknown sampling', ['shapes', '--sampling', 'even'], /--sampling: .*balanced, got even/, 2],
  ['smoothing 1', ['shapes', '--label-smoothing', '1'], /--label-smoothing: expected a share from 0 to below 1, got 1/],
  [
    'an unknown metric',
    ['shapes', '--threshold-for', 'f3'],
    /--threshold-for: expected f1, f2, f0\.5, accuracy, got f3/,
    2,
  ],
  ['no views to test with', ['shapes', '--tta', '0'], /--tta: expected a whole number from 1 to 64, got 0/],
  ['the highest of no views', ['shapes', '--tta-max'], /--tta-max says how the views of --tta are joined/],
  [
    'snapshots of no cycle',
    ['shapes', '--snapshots', '--epochs', '0'],
    /--snapshots averages .*, and --epochs 0 trains the head/,
  ],
  ['a mean of no cycle', ['shapes', '--swa', '--epochs', '0'], /--swa averages .* leave one of them out/],
  ['one fold', ['shapes', '--folds', '1'], /--folds: expected a whole number from 2 to 100, got 1/],
  ['a fold too many', ['shapes', '--folds', '3', '--fold', '3'], /--fold: expected a whole number from 0 to 2, got 3/],
  ['a fold of none', ['shapes', '--fold', '1'], /--fold 1 needs --folds/],
  ['more folds than pictures', ['shapes', ...tiny, '--folds', '50'], /50 folds of 36 pictures/],
  ['an unknown likeness', ['shapes', '--like', 'cats'], /--like: expected auto, imagenet, different .* got cats/],
  ['a likeness below 1', ['shapes', '--like', '0.5'], /--like: .* got 0\.5/],
  ['likeness and factor', ['shapes', '--like', 'imagenet', '--factor', '3'], /say the same thing/],
  ['unknown channels', ['shapes', '--channels', 'gray'], /--channels: expected auto, rgb, copy, keep, got gray/, 2],
  ['one ending', ['shapes', ...tiny, '--channel-files', '_A'], /two or more different endings.*got "_A"/],
  [
    'no such table',
    ['shapes', ...tiny, '--labels', 'nope.csv'],
    /the table nope\.csv can not be read: it does not exist \(looked for \S+nope\.csv and \S+shapes\/nope\.csv\); tables near: own\.csv\. Name it with --labels\./,
  ],
  ['a table misspelled', ['shapes', ...tiny, '--labels', 'onw.csv'], /Did you mean "own\.csv"\?/],
  ['a bad regex', ['shapes', ...tiny, '--label-regex', '(['], /--label-regex is not a regular expression: .*\(\[/],
  ['a regex without a group', ['shapes', ...tiny, '--label-regex', 'x'], /--label-regex \/x\/ has no capture group/],
  [
    'a group that is nowhere',
    ['shapes', ...tiny, '--group-regex', '(x)'],
    /--group-regex \(x\) finds no group in 36 names/,
  ],
  ['an unknown task', ['shapes', '--task', 'many'], /--task: expected single, multi, regression, got many/, 2],
  [
    'a task of folders',
    ['shapes', '--task', 'multi'],
    /--task is for labels from a table.*Give --labels or --label-regex, or leave --task out/,
  ],
  ['targets of no table', ['shapes', '--targets', 'size'], /--targets is for labels from a table/],
  [
    'a column of no table',
    ['shapes', '--time-column', 'day'],
    /--time-column names a column, but no table is given\. Name .* --labels/,
  ],
  [
    'a column that is not there',
    ['shapes', ...tiny, '--labels', 'own.csv', '--label-column', 'lable'],
    /own\.csv has no column "lable" \(--label-column\)/,
  ],
  ['two columns of labels', ['shapes', ...tiny, '--labels', 'own.csv'], /Name one with --label-column, or/],
  ['no decisions', ['shapes', ...tiny, '--clean', 'nope.jsonl'], /nope\.jsonl/],
  ['a run among the pictures', ['shapes', '--out', 'shapes/run'], /would lie inside the data/],
  ['a folder with files for a run', ['shapes', ...tiny, '--out', 'full'], /full: holds other files \(mine\.txt\)/],
  ['a file for a run', ['shapes', ...tiny, '--out', 'file'], /file: is a file; a run needs a folder/],
  ['a run below a file', ['shapes', ...tiny, '--out', 'file/run'], /file/],
]

describe('anneal train', { concurrency: 2 }, () => {
  for (const [name, args, reason, code] of rows) test(name, async () => clear(await run(args), reason, code))

  test('a malicious .pth as weights: nothing runs', async () => {
    const files = readdirSync(golden('.')).filter(name => /evil_system.*\.pth$/.test(name))
    assert.equal(files.length, 3)
    const before = readdirSync(work.folder).sort()
    for (const file of files)
      clear(await run(['shapes', '--model', 'resnet18', '--weights', golden(file)]), /asks for "posix\.system"/)
    assert.deepEqual(readdirSync(work.folder).sort(), before)
  })

  test('--json: the reason is on stderr as always, stdout holds JSON alone', async () => {
    const ended = await run(['text', ...tiny, '--json'])
    clear(ended, /3 of the 39 pictures/)
    for (const line of ended.stdout.split('\n').slice(0, -1)) JSON.parse(line)
  })
})

test('none of these left anything behind', () => {
  const left = readdirSync(work.folder).sort()
  const made = [
    'bomb',
    'cache',
    'empty',
    'file',
    'full',
    'hollow',
    'mine',
    'one',
    'other.safetensors',
    'own.csv',
    'shapes',
    'singles',
    'text',
  ]
  assert.deepEqual(left, made)
  assert.deepEqual(readdirSync(work.path('full')), ['mine.txt'])
  assert.deepEqual(readdirSync(work.path('empty')), [])
  const unfinished = readdirSync(work.path('cache'), { recursive: true }).filter(name =>
    /tmp|lock|part/.test(String(name)),
  )
  assert.deepEqual(unfinished, [])
})

test('--debug shows the stack', async () => {
  assert.match((await run(['nope', '--debug'])).stderr, /no such folder[\s\S]+\n +at /)
})

describe('anneal', { concurrency: 2 }, () => {
  const commands: [string[], RegExp][] = [
    [['trian', 'shapes'], /unknown command "trian"; expected .*\. Did you mean "train"\?/],
    [['predict'], /missing required argument 'run'/],
    [['predict', 'run'], /missing required argument 'paths'/],
    [['--nope'], /unknown option '--nope'/],
  ]
  for (const [args, reason] of commands) test(args.join(' '), async () => clear(await work.run(args), reason, 2))
})

test('an unreadable picture is named and passed over', {
  skip: process.getuid?.() === 0 && 'root reads everything',
}, async () => {
  cpSync(work.path('shapes'), work.path('locked'), { recursive: true })
  const { chmodSync } = await import('node:fs')
  chmodSync(work.path('locked/circle/1.png'), 0)
  const { code, stdout } = await run(['locked', ...tiny, '--out', 'locked-run'])
  assert.equal(code, 0)
  assert.match(stdout, /unreadable: circle\/1\.png/)
})

test('one damaged picture in many, and a class with one picture, are listed and trained around', async () => {
  cpSync(work.path('shapes'), work.path('mixed'), { recursive: true })
  writeFileSync(work.path('mixed/circle/x.jpg'), '<html>')
  mkdirSync(work.path('mixed/lonely'))
  writeFileSync(work.path('mixed/lonely/1.png'), await shape('circle', 77))
  const { code, stdout, stderr } = await run(['mixed', ...tiny, '--out', 'mixed-run'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /37 pictures in 4 classes/)
  assert.match(stdout, /damaged: circle\/x\.jpg: /)
  assert.match(stdout, /single-picture: lonely: /)
})

test('odd names train, come back as they are, and do no harm', async () => {
  const names = ['__proto__', 'constructor', 'größe 🍎', 'new\nline', `it's "quoted" <b>`, '-dash', '%2e%2e', '10', '9']
  for (const [i, name] of names.entries()) {
    mkdirSync(work.path('odd', name), { recursive: true })
    for (let n = 0; n < 4; n++)
      writeFileSync(work.path('odd', name, `\u001b[31m${n} "a"\n.png`), await shape('square', 10 * i + n))
  }
  const { code, stdout, stderr } = await run(['odd', ...tiny, '--out', 'odd-run'])
  assert.equal(code, 0, stderr)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  const steering = /[\x00-\x09\x0b-\x1f\x7f]/
  assert.doesNotMatch(stdout, steering)
  const { classes } = JSON.parse(readFileSync(work.path('odd-run/best.json'), 'utf8')) as { classes: string[] }
  assert.deepEqual([...classes].sort(), [...names].sort())
  assert.ok(classes.indexOf('9') < classes.indexOf('10'), `classes.indexOf('9') < classes.indexOf('10')`)
  const args = ['predict', 'odd-run', 'odd']
  const json = await work.run([...args, '--json'])
  const found = json.stdout.split('\n').slice(0, -1)
  assert.equal(found.length, 4 * names.length, json.stderr)
  for (const line of found) {
    const { probabilities, label, file } = JSON.parse(line)
    assert.ok(existsSync(file), 'existsSync(file)')
    assert.deepEqual(Object.keys(probabilities).sort(), [...names].sort())
    assert.ok(names.includes(label), 'names.includes(label)')
  }
  const plain = await work.run(args)
  assert.doesNotMatch(plain.stdout, steering)
  assert.equal(plain.stdout.split('\n').length - 1, 4 * names.length)
  assert.doesNotMatch(readFileSync(work.path('odd-run/report.html'), 'utf8'), /<b>/)
})

describe('a full disk', { skip: process.platform === 'win32' }, () => {
  const limited = (kilobytes: number, args: string[]) => run(args, { before: `ulimit -f ${kilobytes}` })

  test('no room for the decoded pictures', async () => {
    clear(
      await limited(100, ['shapes', ...tiny, '--size', '96', '--out', 'full-1']),
      /no room in the cache folder .*ANNEAL_CACHE/,
    )
    assert.ok(!existsSync(work.path('full-1')), `!existsSync(work.path('full-1'))`)
  })

  test('no room for the weights: the run can go on when there is', async () => {
    clear(await limited(2000, ['shapes', ...tiny, '--out', 'full-2']), /best\.safetensors.*ulimit -f.*EFBIG/)
    assert.ok(!existsSync(work.path('full-2/best.safetensors')), `!existsSync(work.path('full-2/best.safetensors'))`)
    assert.ok(
      readdirSync(work.path('full-2')).every(name => !name.endsWith('.tmp')),
      `readdirSync(work.path('full-2')).every(name => !name.endsWith('.tmp'))`,
    )
    const again = await run(['--resume', 'full-2'])
    assert.equal(again.code, 0, again.stderr)
  })

  test('no room for the resume state: a warning, and training goes on', async () => {
    const { code, stdout, stderr } = await limited(4500, ['shapes', ...small, '--epochs', '2', '--out', 'full-3'])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /warning: the resume state could not be written .*EFBIG/)
    assert.match(stdout, /valid accuracy/)
    assert.ok(
      statSync(work.path('full-3/best.safetensors')).size > 2e6,
      `statSync(work.path('full-3/best.safetensors')).size > 2e6`,
    )
  })
})
