/** Reading a CSV file into typed columns, against the number of rows, beside pandas, in one run:
 *  node --import tsx bench/table-read.ts [--rows 1000,10000,100000,1000000,10000000] [--python python3] [--threads CORES]
 *
 *  The table has eight columns: three numbers (one with missing values), two whole numbers, words (50 and 1,000
 *  different ones), dates. Each reading is a process of its own; its peak memory is the operating system's count. `prepare`
 *  is the reading, the kinds, the split, the encoding and the leak check. pandas reads with `read_csv` and makes dates and
 *  categories. Writes bench/results/table-read.json: seconds and megabytes. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeResult } from './rival.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000,10000,100000,1000000,10000000' },
    python: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    child: { type: 'string' },
    file: { type: 'string' },
  },
})
const threads = Number(values.threads)

/** One reading, in a process of its own. */
async function child(what: string, file: string): Promise<void> {
  const { readTable } = await import('../src/tabular/read/read-table.ts')
  const { prepareTable } = await import('../src/tabular/prepare.ts')
  const start = performance.now()
  if (what === 'read') await readTable(file, { threads })
  else await prepareTable(file, { threads, target: 'y' })
  const seconds = (performance.now() - start) / 1000
  console.log(JSON.stringify({ seconds, megabytes: process.resourceUsage().maxRSS / 1000 }))
}

async function make(file: string, rows: number): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  await connection.run('SELECT setseed(0.5)')
  await connection.run(`COPY (SELECT i AS id, round(random() * 100, 3) AS a, CASE WHEN random() < 0.1 THEN NULL ELSE round(random(), 5) END AS b,
    round(random() * random() * 1000, 2) AS c, (random() * 5000)::INT AS k, 'word' || (random() * 49)::INT AS w, 'place ' || (random() * 999)::INT AS p,
    DATE '2020-01-01' + (random() * 1000)::INT AS d, CASE WHEN random() < 0.3 THEN 'yes' ELSE 'no' END AS y FROM range(${rows}) t(i)) TO '${file}' (header)`)
  connection.closeSync()
  instance.closeSync()
}

const pandas = `import json, resource, sys, time
import pandas as pd
start = time.perf_counter()
d = pd.read_csv(sys.argv[1], parse_dates=["d"])
for c in ["w", "p", "y"]:
    d[c] = d[c].astype("category")
print(json.dumps({"seconds": time.perf_counter() - start, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}))`

async function compare(): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'anneal-table-read-'))
  const results = []
  try {
    for (const rows of values.rows.split(',').map(Number)) {
      const file = join(work, 'table.csv')
      await make(file, rows)
      const own = (what: string) =>
        measured(process.execPath, [
          '--import',
          'tsx',
          fileURLToPath(import.meta.url),
          '--child',
          what,
          '--file',
          file,
          '--threads',
          String(threads),
        ])
      writeFileSync(join(work, 'read.py'), pandas)
      const one = {
        rows,
        fileMegabytes: statSync(file).size / 1e6,
        read: own('read'),
        prepare: own('prepare'),
        ...(values.python ? { pandas: measured(values.python, [join(work, 'read.py'), file]) } : {}),
      }
      console.log(JSON.stringify(one))
      results.push(one)
      rmSync(file)
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  const date = new Date().toISOString().slice(0, 10)
  writeResult('table-read', { date, cpu: cpus()[0]?.model, node: process.versions.node, threads, results })
}

function measured(command: string, args: string[]): { seconds: number; megabytes: number } {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1e8 })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}

if (values.child) await child(values.child, values.file!)
else await compare()
