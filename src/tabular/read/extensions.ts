import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, sweepOf } from '../../base/archive.ts'
import { SetupError } from '../../base/errors.ts'
import { cacheFolder } from '../../base/files.ts'
import { withLock } from '../../base/lock.ts'
import { pipDownload, type WheelPin } from '../../base/packages.ts'
import { type Report, silent } from '../../base/progress.ts'
import { unzip } from '../../base/zip.ts'

/** The databases on servers that DuckDB reads through an extension. */
export type ServerKind = 'postgres' | 'mysql'

/** An extension fits the DuckDB of this version alone. */
export const duckdbVersion = '1.5.5'

const wheel = (kind: ServerKind, platform: string, [sha256, bytes]: readonly [string, number]): WheelPin => ({
  package: `duckdb-extension-${kind}-scanner`,
  version: duckdbVersion,
  file: `duckdb_extension_${kind}_scanner-${duckdbVersion}-py3-none-${platform}.whl`,
  sha256,
  bytes,
  what: `DuckDB's extension for ${kind === 'postgres' ? 'Postgres' : 'MySQL'}`,
  licence: 'MIT',
  platform,
})

/** The wheels with an extension by `<platform>-<arch>`, as Node names them. The digests were computed from the files. */
export const extensionPins: Readonly<Record<string, Readonly<Record<ServerKind, WheelPin>>>> = {
  'linux-x64': {
    postgres: wheel('postgres', 'manylinux2014_x86_64', [
      'fea9413d1b5bded7ead650aff91b3d7578c5149d832f666100b362f64404bf18',
      14_574_595,
    ]),
    mysql: wheel('mysql', 'manylinux2014_x86_64', [
      '91ea3d182de797113133c132bf267ba6c22dc716a2018cb6753470303baefbe8',
      14_529_959,
    ]),
  },
  'linux-arm64': {
    postgres: wheel('postgres', 'manylinux2014_aarch64', [
      '5b50d53ecb192fca381c79ebd70da43b98fefe28a5781162081777f65efc8268',
      13_513_294,
    ]),
    mysql: wheel('mysql', 'manylinux2014_aarch64', [
      '39995ea7615e842fc60a9f1f8c8deb6105268521d83973a4dfc7b4a83c045cef',
      13_454_908,
    ]),
  },
  'darwin-arm64': {
    postgres: wheel('postgres', 'macosx_11_0_arm64', [
      '053b9ee8abf30f1880a244c9396323273ec99cf4d72a658e702cf536848b7e5c',
      10_225_736,
    ]),
    mysql: wheel('mysql', 'macosx_11_0_arm64', [
      '6f02367ec16d263fce19de4e0b1f6e614931b6ed347b9b2623f007cb3ee6bce4',
      10_211_919,
    ]),
  },
}

/** The path of DuckDB's extension for a kind of server. Fetched into the cache with pip if it is not there. `version`: that
 *  of DuckDB, such as `v1.5.5`. Throws for another version, and where no wheel fits this machine. */
export async function ensureExtension(
  kind: ServerKind,
  version: string,
  { report = silent, signal }: { report?: Report | undefined; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const export_ = 'Export the table, for example as CSV or Parquet, and give that file.'
  if (version !== `v${duckdbVersion}`)
    throw new SetupError(
      `DuckDB reads ${kind} through an extension of its own version. Here is DuckDB ${version}, and the extension of v${duckdbVersion} is known. Install that version: npm install @duckdb/node-api@${duckdbVersion}-r.5. ${export_}`,
    )
  const machine = `${process.platform}-${process.arch}`
  const pin = extensionPins[machine]?.[kind]
  if (!pin)
    throw new SetupError(
      `DuckDB's extension for ${kind} is known for ${Object.keys(extensionPins).join(', ')}, not for ${machine}. ${export_}`,
    )
  const folder = cacheFolder('duckdb', duckdbVersion, kind)
  const path = join(folder, `${kind}_scanner.duckdb_extension`)
  if (existsSync(path)) return path
  await withLock(
    folder,
    async () => {
      if (existsSync(path)) return
      sweepOf(folder)
      const file = await pipDownload(pin, report, 'python3', signal)
      await makeFolder(folder, temp =>
        unzip(file, temp, name => /\/(\w+\.duckdb_extension)$/.exec(name)?.[1]).then(() => undefined),
      )
      rmSync(file, { force: true })
    },
    holder => report({ line: `waiting for another process that fetches DuckDB's extension: ${holder}` }),
    signal,
  )
  if (existsSync(path)) return path
  throw new SetupError(`${folder} has no ${kind}_scanner.duckdb_extension; delete that folder and try again`)
}
