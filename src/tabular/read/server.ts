import { DataError, OptionError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import { type Duck, firstLines, name as named, text } from './duckdb.ts'
import { ensureExtension, type ServerKind } from './extensions.ts'
import { chooseTable, type ReadOptions } from './options.ts'

/** A database on a server. Its address holds no password. */
export interface Server {
  kind: ServerKind
  address: string
}

const names = { postgres: 'Postgres', mysql: 'MySQL' }
const variables = { postgres: 'PGPASSWORD', mysql: 'MYSQL_PWD' }

/** The server that an address names: `postgres://user@host:5432/database`, `mysql://…`; undefined for anything else. Throws
 *  for an address with a password, without repeating it: it would stand in the list of processes, in the shell's history
 *  and in the run's files. */
export function serverOf(source: string): Server | undefined {
  const scheme = /^(postgres(?:ql)?|mysql):/i.exec(source)?.[1]?.toLowerCase()
  if (scheme === undefined) return undefined
  const kind = scheme === 'mysql' ? 'mysql' : 'postgres'
  const url = URL.canParse(source) ? new URL(source) : undefined
  const example = `${kind}://user@host:${kind === 'mysql' ? 3306 : 5432}/database`
  if (
    url?.password ||
    /^[^?]*\/\/[^/@]*:[^/@]*@/.test(source) ||
    /[?&](password|passwd|passfile|sslpassword)=/i.test(source)
  )
    throw new OptionError(
      `the address of the ${names[kind]} database holds a password. Leave it out, so that it stands in no history, log or file: ${example}, and give the password in the environment variable ${variables[kind]}${kind === 'postgres' ? ' or in ~/.pgpass' : ''}.`,
    )
  if (!url?.hostname || url.pathname.length < 2)
    throw new OptionError(`${source} is not the address of a ${names[kind]} database. Expected ${example}.`)
  return { kind, address: source }
}

/** Opens a database on a server for reading alone, as the database `source`, and returns the SELECT of the rows that are
 *  asked for. */
export async function openServer(
  { kind, address }: Server,
  duck: Duck,
  { table, sql, report, signal }: ReadOptions,
): Promise<{ sql: string; tables: string }> {
  const [[version]] = (await duck.rows('SELECT version()')) as [[string]]
  const extension = await ensureExtension(kind, version, { report, signal })
  try {
    await duck.run(`LOAD ${text(extension)}`)
    await duck.run(
      `ATTACH ${text(kind === 'mysql' ? mysqlText(address) : address)} AS source (TYPE ${kind}, READ_ONLY)`,
    )
  } catch (error) {
    signal?.throwIfAborted()
    throw new DataError(
      `${address}: the ${names[kind]} database can't be opened: ${firstLines(error)} Is the address right, and is the password in ${variables[kind]}?`,
      { cause: error },
    )
  }
  const found = (await duck.rows(
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'source' AND table_schema NOT IN ('information_schema', 'pg_catalog', 'pg_toast', 'mysql', 'performance_schema', 'sys') ORDER BY 1, 2",
  )) as [string, string][]
  const usual = kind === 'mysql' ? decodeURIComponent(new URL(address).pathname.slice(1)) : 'public'
  const shown = found.map(([schema, own]) => (schema === usual ? own : `${schema}.${own}`))
  await duck.run('USE source')
  const reaches =
    sql === undefined ? undefined : /\b(postgres|mysql)_\w+\s*\(/i.exec(sql.replace(/'(?:[^']|'')*'/g, "''"))
  if (reaches)
    throw new DataError(
      `${setting('sql', sql!.slice(0, 80))} calls ${reaches[0]}…), which reaches beyond the given database. A statement reads the tables of this database alone: ${shown.slice(0, 20).join(', ')}.`,
    )
  if (sql !== undefined) return { sql, tables: shown.slice(0, 20).join(', ') }
  const [schema, own] = found[chooseTable(address, shown, table)]!
  return { sql: `SELECT * FROM source.${named(schema)}.${named(own)}`, tables: shown.join(', ') }
}

/** The address as DuckDB's MySQL extension takes it: `host=… user=…`. */
function mysqlText(address: string): string {
  const { hostname, port, username, pathname } = new URL(address)
  const parts = {
    host: hostname,
    port,
    user: decodeURIComponent(username),
    database: decodeURIComponent(pathname.slice(1)),
  }
  return Object.entries(parts)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key}=${value}`)
    .join(' ')
}
