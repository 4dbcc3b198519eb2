import { DataError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import { silent } from '../../base/progress.ts'
import { domainOf, isRun, readConfig } from '../../runs/index.ts'
import { readingOf } from '../../tabular/encode.ts'
import type { TableOptions } from '../../tabular/options.ts'
import { splitFrame } from '../../tabular/prepare.ts'
import { readTable } from '../../tabular/read/read-table.ts'
import { preparing } from '../../tabular/run/open.ts'
import { framePart, spread } from '../../tabular/run/rows.ts'
import type { TableInput } from './columns.ts'
import { homeOf, type OpenTableModel } from './open.ts'
import { type CheckRows, rowsOfTable } from './rows.ts'

/** Up to `rows` validation rows of a run, evenly spread, if its table can still be read; else why there are none. With `data`,
 *  a table that can't be read is an error. */
export async function validationRows(
  model: OpenTableModel,
  inputs: readonly TableInput[],
  { data, rows, signal }: { data?: string | undefined; rows: number; signal?: AbortSignal | undefined },
): Promise<{ rows?: CheckRows; note?: string }> {
  const dir = homeOf(model)
  const config = isRun(dir) ? readConfig(dir) : undefined
  if (!config || domainOf(config) !== 'tables')
    return data === undefined
      ? { note: 'no run that names its table: checked on made rows alone' }
      : refuse(`${dir} holds no run that names the columns of its table; leave ${option('data')} out`)
  const source = data ?? config.data
  try {
    const how = preparing(config.settings as TableOptions)
    const { as, readings } = readingOf(model.card.encoding)
    const frame = await readTable(source, { ...how, as: { ...how.as, ...as }, readings, report: silent, signal })
    const { split } = splitFrame(frame, how)
    const some = spread(split.valid.length, rows).map(i => split.valid[i]!)
    return { rows: rowsOfTable(framePart(frame, some), inputs) }
  } catch (error) {
    if (signal?.aborted || data !== undefined) throw error
    const why = (error as Error).message.split('\n')[0]!
    return {
      note: `the table of the run can't be read as it was (${why}): checked on made rows alone; ${option('data')} names its new place`,
    }
  }
}

function refuse(message: string): never {
  throw new DataError(message)
}
