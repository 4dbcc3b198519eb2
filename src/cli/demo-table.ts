import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../base/archive.ts'
import { cacheFolder } from '../base/files.ts'
import { npmPack } from '../base/packages.ts'
import { type Report, streamReport } from '../base/progress.ts'
import { untar } from '../base/tar.ts'
import { metricText, newRunFolder, type RunResult } from '../runs/index.ts'
import type { TableOptions } from '../tabular/options.ts'
import { drive } from './train.ts'

/** Reports of 10,000 collisions of aircraft with birds, US government data. */
const strikes = {
  package: 'vega-datasets',
  version: '3.2.1',
  integrity: 'sha512-lTSwZA6yq6qSU2YZm+6bqILiIvTPPxn4itir7jPGFmHIdPvUfQ9pCzzcrklYywMJgLUbaIeSkZQdiJd6wBxPug==',
  bytes: 17_630_305,
  what: 'tables, among them reports of bird strikes',
  licence: 'BSD-3-Clause',
}

const column = 'Effect Amount of damage'
/** The column as a question: was the aircraft damaged? It has five amounts of damage, and most rows have none. */
const sql = `SELECT * EXCLUDE ("${column}"), CASE WHEN "${column}" = 'None' THEN 'no' ELSE 'yes' END AS damage FROM data`

/** Trains twice on the same table: as it is, with what the checks find printed, then as the checks propose. */
export async function demoTable(
  options: { out?: string | undefined },
  flags: { json?: boolean | undefined },
): Promise<void> {
  const file = await birdstrikes(streamReport(process.stderr))
  const root = options.out ?? newRunFolder('demo-table')
  const say = (text: string) => (flags.json ? process.stderr : process.stdout).write(`${text}\n`)
  const run = async (name: string, more: TableOptions): Promise<RunResult> => {
    let result: RunResult | undefined
    const given: TableOptions = { target: ['damage'], sql, out: join(root, name), ...more }
    await drive(flags, async (hooks, { trainTable }) => {
      result = await trainTable(file, given, hooks)
      return result
    })
    return result!
  }
  say(`The table: ${file}\nThe question: is an aircraft damaged when it meets a bird? About one in ten is.\n`)
  say('1. The table as it is, with trees, in seconds. Read the warnings of the leak check.\n')
  const naive = await run('as-it-is', { model: 'trees' })
  say(
    '\n2. The same as the checks propose: without the costs, which are known only after the damage, and validated on the latest rows.\n',
  )
  const fair = await run('as-proposed', {
    drop: ['Cost Other', 'Cost Repair', 'Cost Total $'],
    timeColumn: 'Flight Date',
    epochs: 12,
  })
  const auc = ({ metrics }: RunResult) => metricText('rocAuc', metrics.rocAuc)
  say(
    `\n${auc(naive)} with the leak and a random split, ${auc(fair)} without them: the second figure is what the model is worth on new rows.\nThreshold of the rare class: ${(fair.threshold ?? 0.5).toFixed(3)} (see "threshold" above). docs/tables.md explains each step.`,
  )
}

/** The table in the cache; fetched where it is not there. */
export async function birdstrikes(report: Report): Promise<string> {
  const folder = cacheFolder('demo', 'birdstrikes-3.2.1')
  const file = join(folder, 'birdstrikes.csv')
  if (existsSync(file)) return file
  const archive = await npmPack(strikes, report)
  await makeFolder(folder, async temp => {
    await untar(archive, temp, name => (name === 'package/data/birdstrikes.csv' ? 'birdstrikes.csv' : undefined))
  })
  return file
}
