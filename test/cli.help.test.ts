import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { workspace } from './cli.make.ts'

const work = workspace()
after(() => work.remove())

/** What a module and those below it load at once: files, and names of packages. Types and lazy imports load nothing. */
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
  const root = new URL('../src/', import.meta.url)
  for (const [file, packages] of [
    ['cli/main.ts', ['commander']],
    ['cli/runs.ts', []],
  ] as const) {
    const found = [...loaded(new URL(file, root))]
    assert.ok(found.length > 2)
    const own = found.filter(name => name.startsWith('/')).map(name => name.slice(root.pathname.length))
    const rooms = new Set(own.map(name => name.split('/')[0]))
    for (const room of rooms) assert.ok(['cli', 'base', 'runs'].includes(room!), `${file} loads ${room}`)
    const others = found.filter(name => !name.startsWith('/') && !name.startsWith('node:'))
    assert.deepEqual(others, packages, file)
  }
})

test('anneal --help starts in less than 300 ms of its own work', t => {
  const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
  const took = (args: string[]) => {
    const began = performance.now()
    const { status } = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), ...args])
    assert.equal(status, 0)
    return performance.now() - began
  }
  const best = (args: string[]) => Math.min(...Array.from({ length: 5 }, () => took(args)))
  const [bare, help] = [best(['-e', '0']), best([main, '--help'])]
  t.diagnostic(`help ${Math.round(help)} ms, of which Node and the loader ${Math.round(bare)} ms`)
  assert.ok(help - bare < 300, `${Math.round(help - bare)} ms`)
})

test('help names every command and option, on stdout', async () => {
  const { code, stdout, stderr } = await work.run(['--help'])
  assert.deepEqual([code, stderr], [0, ''])
  for (const command of ['train', 'demo', 'predict', 'runs', 'report', 'doctor', 'setup'])
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
  assert.equal((await work.run([])).code, 0)
  assert.match((await work.run(['help', 'predict'])).stdout, /Usage: anneal predict/)
})

test('runs without a run, and with a folder of other things', async () => {
  const none = await work.run(['runs'])
  assert.deepEqual([none.code, none.stdout], [0, 'no runs in runs; `npx anneal train FOLDER` makes one\n'])
  assert.equal((await work.run(['runs', '.'])).code, 0)
  assert.equal((await work.run(['report', '.'])).code, 1)
})
