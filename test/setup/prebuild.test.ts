// The tools that build for other machines. What they build is run only where it is there: see docs/platforms.md.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { sourcesDigest } from '../../src/setup/state.ts'
import { which } from '../../src/setup/which.ts'
import { exportedFor, symbolsOf } from '../../tools/cross/macho.mjs'
import { emulated, isFetched, lacking } from '../../tools/cross/qemu.mjs'
import { newer, versionsIn } from '../../tools/cross/versions.mjs'
import { root } from '../helpers/sources.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-prebuild-'))
after(() => rmSync(folder, { recursive: true }))

for (const [name, args] of [
  ['another system', ['windows-x64']],
  ['no target', []],
  ['two targets', ['linux-x64', 'linux-arm64']],
] as const)
  test(`${name} is refused with the targets that there are`, () => {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'tools/prebuild.mjs'), ...args], {
      encoding: 'utf8',
    })
    assert.equal(status, 1, stderr)
    assert.match(
      stderr,
      /expected one of linux-x64, linux-arm64, darwin-arm64; got (windows-x64|nothing|linux-x64 linux)/,
    )
  })

test('versions are compared by their numbers', () => {
  assert.ok(newer('2.33', '2.28'), '2.33 is newer than 2.28')
  assert.ok(newer('2.28.1', '2.28'), '2.28.1 is newer than 2.28')
  assert.ok(!newer('2.4', '2.28'), '2.4 is older than 2.28')
  assert.ok(!newer('2.28', '2.28'), '2.28 is not newer than itself')
})

test('the highest version of each library is read from what objdump prints', () => {
  const printed = `
0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.2.5) memcpy
0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.16) getauxval
0000000000000000      DF *UND*  0000000000000000 (GLIBCXX_3.4.9) _ZNSo3putEc
0000000000000000      DF *UND*  0000000000000000 (GLIBCXX_3.4.22) _ZNSt6thread15_M_start_threadE
0000000000000000      DF *UND*  0000000000000000 (GOMP_4.0) GOMP_parallel
0000000000000000      DO *UND*  0000000000000000 (GLIBC_PRIVATE) _rtld_global
`
  assert.deepEqual(versionsIn(printed), { GLIBC: '2.16', GLIBCXX: '3.4.22', GOMP: '4.0' })
})

/** A library of macOS with one library to load and these symbols: a name, whether it is external, whether it is defined. */
function machO(symbols: readonly (readonly [name: string, external: boolean, defined: boolean])[]): Buffer {
  const path = Buffer.from('@rpath/libc10.dylib\0\0\0\0\0')
  const names = Buffer.from(`\0${symbols.map(([name]) => `${name}\0`).join('')}`)
  const load = Buffer.alloc(24)
  for (const [i, value] of [0xc, 24 + path.length, 24].entries()) load.writeUInt32LE(value, i * 4)
  const start = 32 + load.length + path.length + 24
  const entries = Buffer.alloc(16 * symbols.length)
  let at = 1
  for (const [i, [name, external, defined]] of symbols.entries()) {
    entries.writeUInt32LE(at, i * 16)
    entries[i * 16 + 4] = (external ? 1 : 0) | (defined ? 0x0e : 0)
    at += name.length + 1
  }
  const table = Buffer.alloc(24)
  const fields = [0x2, 24, start, symbols.length, start + entries.length, names.length]
  for (const [i, value] of fields.entries()) table.writeUInt32LE(value, i * 4)
  const header = Buffer.alloc(32)
  header.writeUInt32LE(0xfeedfacf, 0)
  header.writeUInt32LE(2, 16)
  header.writeUInt32LE(load.length + path.length + table.length, 20)
  return Buffer.concat([header, load, path, table, entries, names])
}

describe('a library of macOS', () => {
  test('its symbols are read: needed, exported, and neither', () => {
    const file = join(folder, 'a.dylib')
    writeFileSync(
      file,
      machO([
        ['_napi_create_int64', true, false],
        ['_GOMP', true, false],
        ['_napi_register_module_v1', true, true],
        ['__ZN6annealL4kidsE', false, true],
      ]),
    )
    const { libraries, needed, exported } = symbolsOf(file)
    assert.deepEqual(libraries, ['@rpath/libc10.dylib'])
    assert.deepEqual([...needed], ['_napi_create_int64', '_GOMP'])
    assert.deepEqual([...exported], ['_napi_register_module_v1'])
  })
  test('another file is refused', () => {
    const file = join(folder, 'a.so')
    writeFileSync(file, Buffer.concat([Buffer.from('\x7fELF'), Buffer.alloc(60)]))
    assert.throws(() => symbolsOf(file), /a\.so is not a 64-bit Mach-O file/)
  })
})

test('what macOS exports is read by target, also names that begin with no underscore', () => {
  const tbd = `--- !tapi-tbd
tbd-version:     4
targets:         [ x86_64-macos, arm64-macos ]
install-name:    '/usr/lib/system/libdyld.dylib'
reexported-libraries:
  - targets:         [ x86_64-macos, arm64-macos ]
    libraries:       [ '/usr/lib/system/libm.dylib' ]
exports:
  - targets:         [ x86_64-macos,
                       arm64-macos, arm64e-macos ]
    symbols:         [ '$ld$hide', _dlopen,
                       dyld_stub_binder ]
    weak-symbols:    [ _weak ]
    objc-classes:    [ Shape ]
  - targets:         [ x86_64-macos ]
    symbols:         [ '_fstat$INODE64' ]
  - targets:         [ arm64e-macos ]
    symbols:         [ _malloc ]
...
`
  assert.deepEqual([...exportedFor('arm64', tbd)].sort(), [
    '$ld$hide',
    '_dlopen',
    '_malloc',
    '_weak',
    'dyld_stub_binder',
  ])
  assert.ok(exportedFor('x86_64', tbd).has('_fstat$INODE64'), 'a symbol of x86_64 alone')
  assert.ok(!exportedFor('x86_64', tbd).has('_malloc'), 'a symbol of arm64e alone')
})

/** The manifest of what was built for a target, or why there is none to test. */
function built(target: string): { place: string; manifest: Record<string, unknown> } | string {
  const place = join(root, 'build', 'prebuilt', target)
  const file = join(place, 'manifest.json')
  if (!existsSync(file)) return `${target} was not built; node tools/prebuild.mjs ${target}`
  const manifest = JSON.parse(readFileSync(file, 'utf8'))
  return manifest.sources === sourcesDigest() ? { place, manifest } : `${target} was built from other sources`
}
for (const target of ['linux-x64', 'linux-arm64']) {
  const found = built(target)
  const objdump = which('objdump')
  const skip = typeof found === 'string' ? found : !objdump && 'no objdump here'
  test(`${target}: the files are those of the manifest, and need no more than glibc 2.28`, { skip }, () => {
    const { place, manifest } = found as Exclude<typeof found, string>
    const files = manifest.files as Record<string, { bytes: number; sha256: string }>
    assert.deepEqual(Object.keys(files), ['anneal.node', 'preload.node'])
    for (const [name, { bytes, sha256 }] of Object.entries(files)) {
      const data = readFileSync(join(place, name))
      assert.equal(data.length, bytes, name)
      assert.equal(createHash('sha256').update(data).digest('hex'), sha256, name)
      const { GLIBC } = versionsIn(spawnSync(objdump!, ['-p', join(place, name)], { encoding: 'utf8' }).stdout)
      assert.ok(GLIBC && !newer(GLIBC, '2.28'), `${name} needs glibc ${GLIBC}`)
    }
  })
}

test('what CI runs for Arm says what it lacks, and counts as skipped', () => {
  const args = [join(root, 'tools/qemu.mjs'), 'small']
  const { status, stdout } = spawnSync(process.execPath, args, {
    env: { ...process.env, PATH: folder },
    encoding: 'utf8',
  })
  assert.equal(status, 0, stdout)
  assert.equal(
    stdout,
    'not run: no qemu-aarch64 on the PATH; Debian, Ubuntu: apt install qemu-user\n0 passed, 0 failed, 3 skipped\n',
  )
})

const noArm = lacking(sourcesDigest()) ?? (!isFetched() && 'Node for Arm is not there; node tools/qemu.mjs fetches it')
test('under qemu the addon for linux-arm64 computes, with NEON', { skip: noArm }, async () => {
  const { command, args, env } = await emulated('neoverse-n1')
  const script = `const a = require(process.env.ANNEAL_ADDON); console.log(JSON.stringify(a.call(a.resolve('anneal::kernel_sets'))))`
  const { stdout, stderr } = spawnSync(command!, [...args, '-e', script], { env, encoding: 'utf8' })
  assert.equal(stdout, '["neon"]\n', stderr)
})
