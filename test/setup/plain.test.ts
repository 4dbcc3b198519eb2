import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isPlain, plainPaths } from '../../src/setup/plain.ts'
import { findMake, which } from '../../src/setup/which.ts'

const root = mkdtempSync(join(tmpdir(), 'anneal-plain-'))
after(() => rmSync(root, { recursive: true, force: true }))

const odd = ['a b', "it's", 'c#', 'why?', '$HOME', 'semi;colon', '100%20', 'größe', '"q"', 'back\\slash', '(x)', 'a&b']
odd.push('a:b', '*', '[z]', 'new\nline', '連', '`id`', '~', 'a=b', 'x,y', '!', '{a}', '|', '<', '^')

test('paths that make, the shell and CMake take as they are', () => {
  for (const path of ['/usr/lib/x86_64-linux-gnu', '/home/me/c++/a-b_c.1@2', 'relative/x'])
    assert.ok(isPlain(path), path)
  for (const name of odd) assert.ok(!isPlain(`/home/${name}/x`), name)
})

test('others get a link, each one; plain ones none; all links go', () => {
  const plain = plainPaths([root])
  assert.equal(plain.of('/usr/include'), '/usr/include')
  assert.deepEqual(readdirSync(root), [], 'nothing was made')
  const links = odd.map(name => {
    mkdirSync(join(root, name))
    writeFileSync(join(root, name, 'name'), name)
    const link = plain.of(join(root, name))
    assert.ok(isPlain(link), link)
    assert.equal(readFileSync(join(link, 'name'), 'utf8'), name)
    assert.equal(plain.of(join(root, name)), link, 'the same again')
    return link
  })
  assert.equal(new Set(links).size, odd.length)
  plain.remove()
  for (const link of links) assert.ok(!existsSync(link), '!existsSync(link)')
  for (const name of odd) assert.ok(existsSync(join(root, name, 'name')), 'what links led to stays')
  assert.throws(
    () => plainPaths(['/dev/null/tmp', '/a b']).of('/c#'),
    /can't use the path \/c#, .*Set TMPDIR to a folder/,
  )
})

test('CMake builds from, into and against such folders', {
  skip: (!which('cmake') || !findMake()) && 'no CMake',
}, () => {
  const place = join(root, 'all of it: #?$;%\'"(&) größe')
  const [source, build, include] = ['native', 'build', 'include'].map(name => join(place, name)) as [
    string,
    string,
    string,
  ]
  for (const folder of [source, build, include]) mkdirSync(folder, { recursive: true })
  writeFileSync(join(include, 'answer.h'), '#define ANSWER 42\n')
  writeFileSync(join(source, 'pre.h'), '#include "answer.h"\n')
  writeFileSync(join(source, 'a.c'), 'int answer(void) { return ANSWER; }\n')
  writeFileSync(
    join(source, 'CMakeLists.txt'),
    `cmake_minimum_required(VERSION 3.16)
project(a LANGUAGES C)
add_library(a MODULE a.c)
target_precompile_headers(a PRIVATE pre.h)
target_include_directories(a SYSTEM PRIVATE \${INCLUDE})
set_target_properties(a PROPERTIES PREFIX "" SUFFIX ".node" BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "\${RPATH}")
`,
  )
  const plain = plainPaths()
  try {
    const cmake = (...args: string[]) => spawnSync('cmake', args, { encoding: 'utf8', timeout: 300_000 })
    const define = [`-DINCLUDE=${plain.of(include)}`, '-DRPATH=$ORIGIN/lib0']
    const made = cmake('-S', plain.of(source), '-B', plain.of(build), '-G', findMake()!, ...define)
    assert.equal(made.status, 0, made.stderr)
    const built = cmake('--build', plain.of(build))
    assert.equal(built.status, 0, `${built.stdout}${built.stderr}`)
    const library = readFileSync(join(build, 'a.node'), 'latin1')
    assert.ok(library.includes('$ORIGIN/lib0'), 'the loader is told where to look, beside the addon')
  } finally {
    plain.remove()
  }
})
