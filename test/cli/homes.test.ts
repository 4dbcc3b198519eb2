import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { cacheFolder, ensureFolder } from '../../src/base/files.ts'
import { shapeFolder, small, workspace } from '../helpers/cli.ts'
import { sourcesIn } from '../helpers/sources.ts'

const work = workspace()
const root = process.getuid?.() === 0
const tiny = [...small, '--views', '0', '--head-cycles', '1', '--epochs', '0']
before(async () => {
  await shapeFolder(work.path('shapes'), 8)
  writeFileSync(work.path('file'), 'a file')
})
after(() => work.remove())

/** The cache folder with these environment variables only, or the error message. */
function cacheWith(env: Record<string, string>): string {
  const names = ['ANNEAL_CACHE', 'XDG_CACHE_HOME', 'HOME'] as const
  const before = names.map(name => process.env[name])
  try {
    for (const name of names) delete process.env[name]
    Object.assign(process.env, env)
    return cacheFolder('x')
  } catch (error) {
    return (error as Error).message
  } finally {
    names.forEach((name, i) => {
      if (before[i] === undefined) delete process.env[name]
      else process.env[name] = before[i]
    })
  }
}

test('where the cache is: ANNEAL_CACHE, XDG_CACHE_HOME, HOME, the home of the user; always absolute', () => {
  assert.equal(cacheWith({ ANNEAL_CACHE: '/c', XDG_CACHE_HOME: '/x', HOME: '/h' }), '/c/x')
  assert.equal(cacheWith({ ANNEAL_CACHE: 'c', HOME: '/h' }), join(process.cwd(), 'c/x'))
  assert.equal(cacheWith({ XDG_CACHE_HOME: '/x', HOME: '/h' }), '/x/anneal/x')
  assert.equal(cacheWith({ XDG_CACHE_HOME: 'relative', HOME: '/h' }), '/h/.cache/anneal/x', 'its standard ignores it')
  assert.equal(cacheWith({ ANNEAL_CACHE: '', XDG_CACHE_HOME: '', HOME: '/h' }), '/h/.cache/anneal/x')
  const home = join(userInfo().homedir, '.cache/anneal/x')
  assert.equal(cacheWith({}), home)
  assert.equal(cacheWith({ HOME: '' }), home, 'no cache in the folder where the command runs')
  assert.match(
    cacheWith({ HOME: 'foo' }),
    /^HOME is "foo", which is not an absolute path.*Set ANNEAL_CACHE to a folder/,
  )
  assert.ok(homedir(), 'homedir()')
})

test('a user whom no file names', { skip: !root && 'only root can become another user' }, () => {
  const url = JSON.stringify(new URL('../../src/base/files.ts', import.meta.url).href)
  const code = `const { cacheFolder } = await import(${url})
    delete process.env.HOME; delete process.env.ANNEAL_CACHE; delete process.env.XDG_CACHE_HOME
    process.setgid(54321); process.setuid(54321)
    try { cacheFolder() } catch (error) { console.log(error.name, error.message) }`
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.match(
    stdout,
    /^AnnealError HOME is not set and the system knows no home of user 54321.*Set ANNEAL_CACHE to a folder .*\n$/,
    stderr,
  )
})

test('folders are made with those above them, and a place where none can be made is an error, not an endless loop', () => {
  const deep = work.path('deep', 'er', 'est')
  assert.equal(ensureFolder(deep), deep)
  assert.equal(ensureFolder(deep), deep, 'again')
  for (const [path, code] of [
    ['/proc/anneal', /ENOENT/],
    ['/proc/1/anneal/deeper', /ENOENT|EACCES|EPERM/],
    ['/sys/anneal', /EPERM|EACCES|EROFS|ENOENT/],
    [work.path('file'), /EEXIST/],
    [work.path('file', 'below', 'it'), /EEXIST|ENOTDIR/],
    ['/dev/null/anneal', /EEXIST|ENOTDIR/],
    [work.path('x'.repeat(300)), /ENAMETOOLONG/],
  ] as const)
    assert.throws(() => ensureFolder(path), code, path)
})

test('no other code makes folders by a call that never ends below /proc', () => {
  const found = sourcesIn('src').filter(
    ({ path, tree }) => path !== 'src/base/files.ts' && /mkdir(Sync)?\([^)]*recursive/.test(tree.text),
  )
  assert.deepEqual(
    found.map(({ path }) => path),
    [],
  )
})

/** The command fails within seconds, with one line that names the variable or the flag. */
function refused({ code, stderr, seconds }: { code: number | null; stderr: string; seconds: number }, reason: RegExp) {
  assert.equal(code, 1, stderr)
  assert.match(stderr, reason)
  assert.match(stderr, /^anneal: [^\n]+\n( {2}caused by: [^\n]+\n)*$/)
  assert.ok(seconds < 60, `${seconds} s`)
}

const setCache =
  /^anneal: the cache folder \S+ can not be written to \(.*\)\. Set ANNEAL_CACHE to a folder that can be written to/
const caches: [name: string, env: NodeJS.ProcessEnv][] = [
  ['HOME that is a file', { HOME: '/dev/null', ANNEAL_CACHE: undefined, XDG_CACHE_HOME: undefined }],
  ['HOME in /proc', { HOME: '/proc', ANNEAL_CACHE: undefined, XDG_CACHE_HOME: undefined }],
  ['XDG_CACHE_HOME in /sys', { XDG_CACHE_HOME: '/sys/kernel', ANNEAL_CACHE: undefined }],
  ['ANNEAL_CACHE in /proc', { ANNEAL_CACHE: '/proc/self/cache' }],
  ['ANNEAL_CACHE that is a file', { ANNEAL_CACHE: work.path('file') }],
  ['ANNEAL_CACHE with too long a name', { ANNEAL_CACHE: work.path('y'.repeat(300)) }],
]

describe('a cache that can not be', { concurrency: 2 }, () => {
  for (const [name, env] of caches) {
    test(`${name}: train says it in one line`, async () => {
      const out = `bad-${name.replaceAll(/\W/g, '-')}`
      refused(await work.run(['train', 'shapes', ...tiny, '--out', out], { env }), setCache)
      assert.ok(!existsSync(work.path(out)), 'no run is left')
    })
  }
  test('doctor says it too, and is not ready', async () => {
    for (const [name, env] of [caches[1]!, caches[4]!, ['HOME', { HOME: 'foo', ANNEAL_CACHE: undefined }] as const]) {
      const { code, stdout, stderr } = await work.run(['doctor'], { env })
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^✗ cache .*\n +→ Set ANNEAL_CACHE to a folder/m, name)
      assert.doesNotMatch(stdout, /Anneal is ready/, name)
    }
  })
})

describe('a run that can not be where it is asked for', { concurrency: 2 }, () => {
  for (const out of ['/proc/anneal', '/proc/self/fd/run', '/dev/null/run', 'file/run', `deep/${'z'.repeat(300)}`])
    test(out.slice(0, 20), async () =>
      refused(
        await work.run(['train', 'shapes', ...tiny, '--out', out]),
        /the run's folder can not be made: .*Choose another folder \(--out\)/,
      ),
    )
  test('in /proc, without --out', async () =>
    refused(
      await work.run(['train', work.path('shapes'), ...tiny], { before: 'cd /proc' }),
      /the run's folder can not be made: .*--out/,
    ))
  test('in a folder that is gone', async () => {
    mkdirSync(work.path('gone'))
    const { code, stderr } = await work.run(['train', work.path('shapes'), ...tiny], {
      before: `cd ${work.path('gone')}; rmdir ${work.path('gone')}`,
    })
    assert.notEqual(code, 0)
    assert.ok(stderr.length > 0, `stderr.length > 0, got ${stderr.length}`)
  })
})

describe('odd places that are fine', { concurrency: 2 }, () => {
  test('a cache with blanks, quotes, signs and letters of other scripts in its path', async () => {
    const cache = work.path(`a b'c"d#e?f%20g$h;i&größe連`)
    const { code, stderr } = await work.run(['train', 'shapes', ...tiny, '--out', 'odd'], {
      env: { ANNEAL_CACHE: cache },
    })
    assert.equal(code, 0, stderr)
    assert.ok(readdirSync(join(cache, 'pictures')).length > 0, `readdirSync(join(cache, 'pictures')).length > 0`)
  })
  test('no temporary folder, few open files, a strict umask, closed stdin', async () => {
    const { code, stderr } = await work.run(['train', 'shapes', ...tiny, '--out', 'strict'], {
      env: { TMPDIR: work.path('missing') },
      before: 'ulimit -n 256; umask 077; exec 0<&-',
    })
    assert.equal(code, 0, stderr)
    assert.ok(
      JSON.parse(readFileSync(work.path('strict', 'result.json'), 'utf8')).metrics.accuracy >= 0,
      `JSON.parse(readFileSync(work.path('strict', 'result.json'), 'utf8')…`,
    )
  })
  test('a cache that goes away between two runs', async () => {
    const cache = work.path('passing')
    const train = (out: string) =>
      work.run(['train', 'shapes', ...tiny, '--out', out], { env: { ANNEAL_CACHE: cache } })
    assert.equal((await train('before')).code, 0)
    rmSync(cache, { recursive: true })
    assert.equal((await train('after')).code, 0)
  })
})
