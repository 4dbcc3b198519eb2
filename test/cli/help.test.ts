import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { workspace } from '../helpers/cli.ts'

const work = workspace()
const main = new URL('../../src/cli/main.ts', import.meta.url)
after(() => work.remove())

/** What a module and its imports load at once: files, and names of packages. Types and lazy imports load nothing. */
function loaded(url: URL, seen = new Set<string>()): Set<string> {
  if (seen.has(url.pathname)) return seen
  seen.add(url.pathname)
  const imports = /^(?:import|export)\s+(?!type\b)(?:[^'"`;]*?\sfrom\s+)?'([^']+)'/gm
  for (const [, name] of readFileSync(url, 'utf8').matchAll(imports))
    if (name!.startsWith('.')) loaded(new URL(name!, url), seen)
    else seen.add(name!)
  return seen
}

test('help and listings load neither torch nor sharp nor plots', () => {
  const root = new URL('../../src/', import.meta.url)
  for (const [file, packages] of [
    ['cli/main.ts', ['commander']],
    ['cli/runs.ts', []],
  ] as const) {
    const found = [...loaded(new URL(file, root))]
    assert.ok(found.length > 2, `found.length > 2, got ${found.length}`)
    const own = found.filter(name => name.startsWith('/')).map(name => name.slice(root.pathname.length))
    const rooms = new Set(own.map(name => name.split('/')[0]))
    for (const room of rooms) assert.ok(['cli', 'base', 'runs'].includes(room!), `${file} loads ${room}`)
    const others = found.filter(name => !name.startsWith('/') && !name.startsWith('node:'))
    assert.deepEqual(others, packages, file)
  }
})

/** The modules that Node loads for a command, in order: our files, and packages. */
async function loadedBy(args: string[]): Promise<{ own: string[]; packages: string[] }> {
  const seen = work.path('loaded.txt')
  const hooks = `import { appendFileSync } from 'node:fs'
    export async function load(url, context, next) {
      appendFileSync(${JSON.stringify(seen)}, url + '\\n')
      return next(url, context)
    }`
  const asUrl = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`
  const register = `import { register } from 'node:module'; register(${JSON.stringify(asUrl(hooks))})`
  const node = ['--import', import.meta.resolve('tsx'), '--import', asUrl(register)]
  writeFileSync(seen, '')
  const { status, stderr } = spawnSync(process.execPath, [...node, fileURLToPath(main), ...args], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  const urls = [...new Set(readFileSync(seen, 'utf8').split('\n'))].map(url => url.replace(/\?.*$/, ''))
  const packages = urls.flatMap(url => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? [])
  const root = new URL('../../src/', import.meta.url).href
  return {
    own: urls.flatMap(url => (url.startsWith(root) ? [url.slice(root.length)] : [])),
    packages: [...new Set(packages)].filter(name => name !== 'tsx'),
  }
}

test('anneal --help loads a handful of modules: the command itself, no room that does work, one package', async () => {
  for (const args of [['--help'], []]) {
    const { own, packages } = await loadedBy(args)
    assert.ok(own.includes('cli/main.ts'), `own.includes('cli/main.ts')`)
    assert.ok(own.length <= 8, own.join(', '))
    assert.deepEqual([...new Set(own.map(name => name.split('/')[0]))].sort(), ['base', 'cli'])
    assert.deepEqual(packages, ['commander'])
  }
  const train = await loadedBy(['train', '--help'])
  assert.deepEqual(train.packages, ['commander'])
  const tables = train.own.filter(name => !/^(cli|base)\//.test(name)).sort()
  assert.deepEqual(
    tables,
    ['api', 'data/labels', 'recipes', 'sound', 'tabular', 'text', 'vision'].map(room => `${room}/options.ts`),
    'the help of a command loads the tables of its options, and nothing that does work',
  )
  const { own } = await loadedBy(['runs'])
  assert.ok(own.includes('runs/list-runs.ts'), 'what a command loads when it is called is seen too')
  assert.ok(
    !own.some(name => /^(torch|data|train)\//.test(name)),
    `!own.some(name => /^(torch|data|train)\\//.test(name))`,
  )
})

test('sharp is loaded by the first picture that needs it, and no sooner', async () => {
  const png = work.path('one.png')
  const jpeg = work.path('one.jpg')
  const picture = sharp({ create: { width: 40, height: 30, channels: 3, background: '#48a' } })
  await picture.png().toFile(png)
  await picture.jpeg().toFile(jpeg)
  const url = (file: string) => JSON.stringify(new URL(`../../src/${file}`, import.meta.url).href)
  const code = `import { createRequire } from 'node:module'
    const { cache } = createRequire(import.meta.url)
    const there = () => Object.keys(cache).some(file => file.includes('/node_modules/sharp/'))
    const [{ loadPicture }, { vipsVersion }] = [await import(${url('vision/index.ts')}), await import(${url('vision/decode/sharp.ts')})]
    await import(${url('api/index.ts')})
    const seen = [there()]
    const version = vipsVersion()
    for (const file of [${JSON.stringify(jpeg)}, ${JSON.stringify(png)}])
      await loadPicture(file, { short: 16 }), seen.push(there())
    console.log(JSON.stringify({ seen, version }))`
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.deepEqual(JSON.parse(stdout), { seen: [false, false, true], version: sharp.versions.vips })
})

test('--version and -v print the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  for (const args of [['--version'], ['-v'], ['train', '--version']]) {
    const { code, stdout, stderr } = await work.run(args)
    assert.deepEqual([code, stdout, stderr], [0, `${version}\n`, ''], args.join(' '))
  }
})

test('help names every command and option, on stdout', async () => {
  const { code, stdout, stderr } = await work.run(['--help'])
  assert.deepEqual([code, stderr], [0, ''])
  for (const command of [
    'train',
    'demo',
    'evaluate',
    'predict',
    'augment',
    'runs',
    'report',
    'clean',
    'doctor',
    'bench',
    'launch',
    'shard',
    'setup',
  ])
    assert.match(stdout, new RegExp(`^  ${command}\\b`, 'm'))
  const train = await work.run(['train', '--help'])
  for (const option of [
    '--model',
    '--weights',
    '--no-pretrained',
    '--epochs',
    '--minutes',
    '--lr',
    '--resume',
    '--out',
    '--json',
  ])
    assert.match(train.stdout, new RegExp(`${option}\\b`))
  for (const [command, options] of [
    ['evaluate', ['--labels', '--part', '--leave-out', '--batch', '--device', '--json']],
    ['bench', ['--model', '--size', '--batch', '--precision', '--steps', '--json']],
    ['clean', ['--list', '--json', '--decide', '--port']],
    ['launch', ['--nproc', '--nnodes', '--node-rank', '--master-addr', '--max-restarts', '--log-dir']],
    ['shard', ['--labels', '--out', '--size', '--check']],
    ['augment', ['--augment', '--size', '--pictures', '--views', '--seed', '--out']],
  ] as const) {
    const { stdout } = await work.run([command, '--help'])
    for (const option of options) assert.match(stdout, new RegExp(`^ +${option}\\b`, 'm'), command)
  }
  assert.equal((await work.run([])).code, 0)
  assert.match((await work.run(['help', 'predict'])).stdout, /Usage: anneal predict/)
})

test('runs without a run, and with a folder of other things', async () => {
  const none = await work.run(['runs'])
  assert.deepEqual([none.code, none.stdout], [0, 'no runs in runs; `npx anneal train FOLDER` makes one\n'])
  assert.equal((await work.run(['runs', '.'])).code, 0)
  assert.equal((await work.run(['report', '.'])).code, 1)
})
