import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { duckdbVersion, ensureExtension, extensionPins } from '../../src/tabular/read/extensions.ts'
import { readTable } from '../../src/tabular/read/read-table.ts'
import { serverOf } from '../../src/tabular/read/server.ts'
import { trainTable } from '../../src/tabular/run/train.ts'
import { tempFolder } from '../helpers/data.ts'

test('addresses of databases on servers; files and other addresses are none', () => {
  for (const [address, kind] of [
    ['postgres://me@host/shop', 'postgres'],
    ['postgresql://me@host:5433/shop?sslmode=require', 'postgres'],
    ['MySQL://me@host/shop', 'mysql'],
    ['postgres://host/shop', 'postgres'],
  ])
    assert.deepEqual(serverOf(address!), { kind, address }, address)
  for (const other of ['houses.csv', 'postgres.csv', 'data/mysql.db', 's3://bucket/x.csv', 'sales-*.csv'])
    assert.equal(serverOf(other), undefined, other)
  for (const odd of ['postgres://host', 'mysql:///shop', 'postgres:shop'])
    assert.throws(() => serverOf(odd), /is not the address of a (Postgres|MySQL) database\. Expected /, odd)
})

const withPassword = [
  'postgres://me:s3cret@host/shop',
  'postgresql://me:s3cret@host:5432/shop',
  'mysql://me:s3cret@host/shop',
  'postgres://:s3cret@host/shop',
  'postgres://me:s3c%72et@host/shop',
  'postgres://me@host/shop?password=s3cret',
  'postgres://me:s3cret#x@host/shop',
]

test('an address with a password is refused before anything is written, and the password is not repeated', async t => {
  const dir = tempFolder(t)
  for (const address of withPassword) {
    const refused = (error: Error & { code?: string }) => {
      assert.match(error.message, /holds a password\. Leave it out.*(PGPASSWORD|MYSQL_PWD)/)
      assert.doesNotMatch(error.message, /s3c/)
      return error.code === 'ERR_OPTION'
    }
    await assert.rejects(readTable(address), refused, address)
    await assert.rejects(trainTable(address, { target: ['y'], out: join(dir, 'run') }), refused, address)
  }
  assert.equal(existsSync(join(dir, 'run')) && readdirSync(join(dir, 'run')).length > 0, false)
})

test('an extension is that of the version of DuckDB, by a pinned digest, for each system', async () => {
  await assert.rejects(
    ensureExtension('postgres', 'v1.4.0'),
    /Here is DuckDB v1\.4\.0, and the extension of v1\.5\.5 is known\. Install that version: npm install @duckdb\/node-api@1\.5\.5/,
  )
  for (const pins of Object.values(extensionPins))
    for (const [kind, pin] of Object.entries(pins)) {
      assert.match(pin.sha256, /^[0-9a-f]{64}$/)
      assert.ok(pin.file.includes(`${kind}_scanner-${duckdbVersion}-`) && pin.bytes > 1e6, pin.file)
    }
})
