import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import sharp from 'sharp'
import { model } from '../../src/models/index.ts'
import { storedTensors } from '../../src/train/saved-model.ts'
import { augmentSheet, type SheetOptions } from '../../src/vision/augment-sheet.ts'
import { writeSafetensors } from '../../src/weights/index.ts'
import { shapeFolder, workspace } from '../helpers/cli.ts'

const work = workspace()
before(async () => {
  await shapeFolder(work.path('shapes'), 14)
  mkdirSync(work.path('flat'))
  for (const name of readdirSync(work.path('shapes/circle')).slice(0, 5))
    copyFileSync(work.path('shapes/circle', name), work.path('flat', name))
  writeFileSync(work.path('flat/0.png'), 'not a picture')
})
after(() => work.remove())
const run = async (...args: string[]) => {
  const ended = await work.run(['augment', ...args])
  assert.equal(ended.code, 0, ended.stderr)
  return ended
}
const size = async (file: string) => {
  const { width, height, format } = await sharp(work.path(file)).metadata()
  return [width, height, format]
}

test('a sheet of class folders, the same each time', async () => {
  const { stdout } = await run('shapes', '--size', '64', '--pictures', '3', '--views', '4')
  assert.equal(stdout, 'augment.png\n')
  const [width, height, format] = await size('augment.png')
  assert.equal(format, 'png')
  assert.ok(Number(width) >= 5 * 64 && Number(height) > 3 * 64, 'Number(width) >= 5 * 64 && Number(height) > 3 * 64')
  assert.ok(!existsSync(work.path('cache/pictures')), 'no more is decoded than is drawn')
  const first = readFileSync(work.path('augment.png'))
  await run('shapes', '--size', '64', '--pictures', '3', '--views', '4', '--out', 'again.png')
  assert.deepEqual(readFileSync(work.path('again.png')), first)
  const other = await augmentSheet(work.path('shapes'), { size: 64, pictures: 3, views: 4, seed: 1 })
  assert.notDeepEqual(other.image, first)
})

test('settings, JPEG, a folder without labels, a damaged picture', async () => {
  await run(
    'flat',
    '--size',
    '64',
    '--augment',
    'top-down,maxWarp=0.2,erase=1',
    '--pictures',
    '5',
    '--views',
    '1',
    '--out',
    'new/sheet.JPG',
  )
  const [, height, format] = await size('new/sheet.JPG')
  assert.equal(format, 'jpeg')
  await run('flat', '--size', '64', '--augment', 'none', '--pictures', '4', '--views', '1', '--out', 'four.png')
  assert.equal((await size('four.png'))[1], height, 'four of the five can be drawn')
})

test('auto tells its table; without weights that see, it says so and takes the usual', async () => {
  const net = model('squeezenet1_1').build({ classes: 1000 })
  writeSafetensors(work.path('random.safetensors'), storedTensors(net.stateDict()))
  const { stdout } = await run(
    'shapes',
    '--augment',
    'auto',
    '--model',
    'squeezenet1_1',
    '--weights',
    'random.safetensors',
    '--pictures',
    '1',
    '--views',
    '1',
    '--out',
    'auto.png',
  )
  const lines = stdout
    .trimEnd()
    .split('\n')
    .filter(line => !line.startsWith('trying changes')) // printed only on a slow machine
  assert.match(lines[0]!, /^change +plain +changed +drop/)
  assert.equal(lines.filter(line => /(yes|no): /.test(line)).length, 13)
  assert.match(lines.at(-2)!, /^augment: [\w-]+.* \(.+\)$/)
  assert.equal(lines.at(-1), 'auto.png')
})

test('what can not be drawn is said in a line', async () => {
  for (const [args, reason] of [
    [['shapes', '--augment', 'side-on,maxWrap=1'], /unknown setting "maxWrap".*"maxWarp"/],
    [['shapes', '--out', 'sheet.gif'], /--out: expected a file that ends in .png or .jpg, got sheet.gif/],
  ] as const) {
    const { code, stderr } = await work.run(['augment', ...args])
    assert.ok(code !== 0, args.join(' '))
    assert.match(stderr, reason)
    assert.match(stderr, /^anneal: .+\n$/)
  }
  const refused: [string, SheetOptions, RegExp][] = [
    ['shapes', { augment: 'side-onn' }, /unknown augmentation "side-onn".*Did you mean "side-on"\?/],
    ['shapes', { views: 0 }, /Error: views: expected a whole number from 1 to 20, got 0/],
    ['shapes', { pictures: Number.NaN }, /Error: pictures: expected a whole number from 1 to 50, got NaN/],
    ['shapes', { size: 8 }, /Error: size: expected a whole number from 32 to 2048, got 8/],
    ['nowhere', {}, /nowhere/],
    ['flat', { augment: 'auto' }, /flat/],
  ]
  for (const [dir, options, reason] of refused) await assert.rejects(augmentSheet(work.path(dir), options), reason)
})
