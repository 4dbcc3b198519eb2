import { basename, resolve } from 'node:path'
import { DataError } from '../../base/errors.ts'
import { silent } from '../../base/progress.ts'
import { type MissingRule, missingRule } from '../../cells/missing.ts'
import type { Choice } from '../../data/types.ts'
import type { Frame } from '../types.ts'
import { type CsvTables, csvTables, NeedsConversion } from './csv.ts'
import { readInOnePass } from './csv-pass.ts'
import { unique } from './csv-shape.ts'
import { type Duck, DuckOnDemand, firstLines, name as named, text, withoutEnd } from './duckdb.ts'
import { frameOf, type Read } from './frame-of.ts'
import { chooseTable, type ReadOptions } from './options.ts'
import { type Relation, type RelationOptions, readRelation, typedView } from './relation.ts'
import { openServer, type Server, serverOf } from './server.ts'
import { type Source, sourceOf } from './source.ts'
import { readSqlite } from './sqlite.ts'

/** Reads a table from CSV, TSV, JSON lines, Parquet, SQLite or DuckDB files, or from several files by a pattern. Every
 *  row is read, or an error names file and line. Throws where two readings fit. Nothing outside the named files is
 *  read, and nothing is downloaded. Plain CSV files are read in one pass; the other formats, SQL, and files that are not plain
 *  need the package `@duckdb/node-api`. */
export async function readTable(source: string, options: ReadOptions = {}): Promise<Frame> {
  const convert = new Map<string, string>()
  for (;;)
    try {
      return await readOnce(source, options, convert)
    } catch (error) {
      if (!(error instanceof NeedsConversion)) throw error
      convert.set(error.file, error.encoding)
    }
}

async function readOnce(source: string, options: ReadOptions, convert: ReadonlyMap<string, string>): Promise<Frame> {
  const missing = missingRule(options.missing)
  options.signal?.throwIfAborted()
  const server = serverOf(source)
  const duck = new DuckOnDemand(options)
  let read: Read
  try {
    if (server) read = await readServer(server, await duck.open(), { options, missing })
    else read = await readFiles(await sourceOf(source, duck), duck, { options, missing, convert })
  } finally {
    await duck.close()
  }
  if (read.rows === 0)
    throw new DataError(
      `${source}${options.sql ? ' with this SQL' : options.table ? `, table "${options.table}",` : ''} holds no rows; expected at least one.`,
    )
  return frameOf(source, read, { options, missing })
}

async function readFiles(
  found: Source,
  duck: DuckOnDemand,
  { convert, ...how }: How & { convert: ReadonlyMap<string, string> },
): Promise<Read> {
  if (found.kind === 'csv') return readCsvFiles(found, duck, { ...how, convert })
  if (found.kind === 'sqlite') return readSqlite(found.files[0]!, how.options)
  return found.kind === 'duckdb'
    ? readDatabase(found.files[0]!, await duck.open(), how)
    : readTyped(found, await duck.open(), how)
}

/** A table of a database on a server, or a SELECT over it, is copied once: its rows may change meanwhile. */
async function readServer(server: Server, duck: Duck, { options, missing }: How): Promise<Read> {
  const { sql, tables } = await openServer(server, duck, options)
  await duck.lock([])
  const read = await readSelect(duck, { options: { ...options, sql }, missing }, tables)
  return options.sql === undefined ? { ...read, where: row => `${server.address}, row ${row + 1}` } : read
}

interface How {
  options: ReadOptions
  missing: MissingRule
}

const relationOptions = ({ options, missing }: How): RelationOptions => ({
  report: options.report ?? silent,
  signal: options.signal,
  skip: new Set(options.skip),
  missing,
})

async function readCsvFiles(
  { files }: Source,
  demand: DuckOnDemand,
  { convert, ...how }: How & { convert: ReadonlyMap<string, string> },
): Promise<Read> {
  const { options } = how
  const tables = await csvTables(files, demand, { ...options, convert })
  if (options.sql === undefined) {
    const read = await readPlain(tables, relationOptions(how))
    if (read) return read
  }
  const duck = await demand.open()
  try {
    if (options.sql !== undefined)
      return await readSql(files, duck, {
        ...how,
        relation: tables.relation,
        paths: tables.paths,
        leftOut: tables.leftOut,
      })
    await duck.lock(tables.paths.map(path => resolve(path)))
    const read = await readRelation(duck, tables.relation, relationOptions(how))
    return {
      ...read,
      choices: [...tables.relation.choices, ...(await tables.leftOut()), ...read.choices],
      where: tables.where,
    }
  } catch (error) {
    throw await tables.fault(error)
  }
}

/** One pass over the bytes of plain files. */
async function readPlain(tables: CsvTables, { skip, ...options }: RelationOptions): Promise<Read | undefined> {
  const { names, choices } = tables.relation
  const files = tables.plain(names.map((name, i) => (skip.has(name) ? -1 : i)))
  const read =
    files &&
    (await readInOnePass(
      files,
      names.map(name => (skip.has(name) ? undefined : name)),
      options,
    ))
  return read && { ...read, choices: [...choices, ...read.choices], where: tables.where }
}

/** JSON and Parquet: the file says what its columns are. */
async function readTyped({ kind, files }: Source, duck: Duck, how: How): Promise<Read> {
  const { options } = how
  const list = `[${files.map(text).join(', ')}]`
  const reader =
    kind === 'parquet'
      ? `read_parquet(${list}, union_by_name=true)`
      : `read_json(${list}, maximum_depth=1, sample_size=-1, union_by_name=true)`
  const file = files.length === 1 ? files[0]! : `${files.length} files`
  try {
    const relation = await relationOf(duck, reader)
    if (options.sql !== undefined) return await readSql(files, duck, { ...how, relation, paths: [...files] })
    await duck.lock(files.map(path => resolve(path)))
    const read = await readRelation(duck, relation, relationOptions(how))
    return { ...read, where: row => `${file}, row ${row + 1}` }
  } catch (error) {
    if (kind === 'json' && error instanceof Error && /JSON/.test(error.message) && !(error instanceof DataError))
      throw new DataError(`${file}: ${firstLines(error)} Expected one JSON object per line, or an array of objects.`, {
        cause: error,
      })
    if (error instanceof Error && /^(Invalid Input|IO|Binder) Error/.test(error.message))
      throw new DataError(`${file}: ${firstLines(error)}`, { cause: error })
    throw error
  }
}

/** The columns of something that can be read from, with their names and types. */
async function relationOf(duck: Duck, from: string): Promise<Relation> {
  const described = (await duck.rows(`DESCRIBE SELECT * FROM ${from}`)) as [string, string][]
  const choices: Choice[] = []
  const names = unique(
    described.map(([own]) => own),
    choices,
  )
  const columns = described.map(([own], i) => `${named(own)} AS c${i}`)
  return { sql: `SELECT ${columns.join(', ')} FROM ${from}`, names, types: described.map(([, type]) => type), choices }
}

/** A user's SELECT over files: each is the table `data`. */
async function readSql(
  files: readonly string[],
  duck: Duck,
  {
    relation,
    paths,
    leftOut = async () => [],
    ...how
  }: How & { relation: Relation; paths: readonly string[]; leftOut?: () => Promise<Choice[]> },
): Promise<Read> {
  const view = await typedView(duck, relation, how.missing)
  const own = basename(files[0]!)
    .replace(/\.gz$/i, '')
    .replace(/\.[^.]*$/, '')
  await duck.run(`CREATE VIEW memory.main.data AS ${view}`)
  if (files.length === 1 && own.toLowerCase() !== 'data')
    await duck.run(`CREATE VIEW memory.main.${named(own)} AS SELECT * FROM memory.main.data`)
  await duck.lock(paths.map(path => resolve(path)))
  const read = await readSelect(duck, how, files.length === 1 && own !== 'data' ? `data or ${named(own)}` : 'data')
  return { ...read, choices: [...relation.choices, ...(await leftOut()), ...read.choices] }
}

/** Runs a user's SELECT once, and reads its rows. */
async function readSelect(duck: Duck, how: How, tables: string): Promise<Read> {
  const sql = how.options.sql!
  try {
    await duck.checkSelect(sql)
    await duck.run(`CREATE TEMP TABLE anneal_result AS SELECT * FROM (${withoutEnd(sql)}\n)`)
  } catch (error) {
    how.options.signal?.throwIfAborted()
    const known = error instanceof DataError ? error.message : `the SQL can't be run: ${firstLines(error)}`
    if (/Permission Error/.test(error instanceof Error ? error.message : ''))
      throw new DataError(
        `the SQL reads a file or changes a setting: ${firstLines(error)} A statement reads the given source alone (${tables}).`,
        { cause: error },
      )
    throw new DataError(
      /Table with name|does not exist/.test(known) ? `${known} The table is called ${tables}.` : known,
      { cause: error },
    )
  }
  const relation = await relationOf(duck, 'temp.anneal_result')
  const read = await readRelation(duck, relation, relationOptions(how))
  return {
    ...read,
    choices: [...relation.choices, ...read.choices],
    where: row => `row ${row + 1} of the SQL's result`,
  }
}

async function readDatabase(file: string, duck: Duck, how: How): Promise<Read> {
  const { options } = how
  try {
    await duck.run(`ATTACH ${text(file)} AS source (READ_ONLY)`)
  } catch (error) {
    throw new DataError(`${file} can't be opened as a DuckDB database: ${firstLines(error)}`, { cause: error })
  }
  const found = (await duck.rows(
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'source' UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = 'source' AND NOT internal ORDER BY 1, 2",
  )) as [string, string][]
  const names = found.map(([schema, table]) => (schema === 'main' ? table : `${schema}.${table}`))
  const at = options.sql === undefined ? chooseTable(file, names, options.table) : -1
  await duck.lock([resolve(file), `${resolve(file)}.wal`])
  await duck.run('USE source')
  if (at < 0) return readSelect(duck, how, names.join(', '))
  const [schema, table] = found[at]!
  const relation = await relationOf(duck, `source.${named(schema)}.${named(table)}`)
  const read = await readRelation(duck, relation, relationOptions(how))
  return {
    ...read,
    choices: [...relation.choices, ...read.choices],
    where: row => `${file}, table "${names[at]}", row ${row + 1}`,
  }
}
