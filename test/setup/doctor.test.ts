import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type DoctorReport, doctor, formatDoctor } from '../../src/setup/index.ts'
import { root } from '../helpers/sources.ts'

test('an empty cache: not ready, every line aligned, what to do named', async () => {
  const root = mkdtempSync(join(tmpdir(), 'anneal-doctor-'))
  const { ANNEAL_CACHE, ANNEAL_ADDON } = process.env
  process.env.ANNEAL_CACHE = root
  delete process.env.ANNEAL_ADDON
  mkdirSync(join(root, 'pictures'))
  writeFileSync(join(root, 'pictures/a.bin'), Buffer.alloc(1500))
  try {
    const report = await doctor()
    assert.equal(report.ready, false)
    assert.deepEqual(report.caches, [{ name: 'pictures', folder: join(root, 'pictures'), bytes: 1500 }])
    assert.ok(
      report.diskFree > 0 && report.machine.cpu.cores >= 1,
      'report.diskFree > 0 && report.machine.cpu.cores >= 1',
    )
    const names = report.findings.map(({ name }) => name.trim())
    for (const name of [
      'Node',
      'system',
      'package',
      'compiler',
      'CMake',
      'Python',
      'libtorch',
      'addon',
      'CPU',
      'threads',
      'GPU',
      'memory',
      'cache',
      'disk',
    ])
      assert.ok(names.includes(name), `${name} in ${names.join(', ')}`)
    assert.deepEqual(
      report.findings.filter(f => /could not/.test(f.text) && f.state === 'ok'),
      [],
      'what could not be fetched has no check mark',
    )
    const addon = report.findings.find(({ name }) => name === 'addon')
    assert.deepEqual(addon, { name: 'addon', state: 'missing', text: 'not built', todo: 'npx anneal setup' })
    assert.deepEqual(JSON.parse(JSON.stringify(report.findings)), report.findings)
  } finally {
    rmSync(root, { recursive: true, force: true })
    delete process.env.ANNEAL_CACHE
    if (ANNEAL_CACHE !== undefined) process.env.ANNEAL_CACHE = ANNEAL_CACHE
    if (ANNEAL_ADDON !== undefined) process.env.ANNEAL_ADDON = ANNEAL_ADDON
  }
})

test('the text: a mark, a column of names, a column of findings, what to do below', () => {
  const report = {
    ready: false,
    mend: 'npx anneal setup',
    findings: [
      { name: 'Node', state: 'ok', text: '20.20.2' },
      { name: 'libtorch', state: 'note', text: '1.13.1', todo: 'apt install libopenblas0-pthread' },
      { name: 'addon', state: 'missing', text: 'not built', todo: 'npx anneal setup' },
    ],
  } as unknown as DoctorReport
  assert.equal(
    formatDoctor(report),
    `✓ Node      20.20.2
! libtorch  1.13.1
            → apt install libopenblas0-pthread
✗ addon     not built
            → npx anneal setup

Anneal is not set up. What to do about the lines with ✗:
  npx anneal setup
`,
  )
  assert.match(formatDoctor({ ...report, ready: true }), /\n\nAnneal is ready\.\n$/)
})

test('a remedy ends with its command, so that its line can be copied', () => {
  const remedies = ['findings.ts', 'mend.ts'].flatMap(
    name => readFileSync(join(root, 'src', 'setup', name), 'utf8').match(/'[^'\n]*npx anneal [^'\n]*'/g) ?? [],
  )
  assert.ok(remedies.length >= 6, `${remedies.length} remedies`)
  for (const remedy of remedies) assert.match(remedy, /npx anneal \w+'$/)
})
