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
import type { Frame } from '../../tabular/types.ts'
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
    const spreadRows = spread(split.valid.length, rows).map(i => split.valid[i]!)
    const some = fewerTexts(frame, spreadRows, inputs)
    return { rows: rowsOfTable(framePart(frame, some), inputs) }
  } catch (error) {
    if (signal?.aborted || data !== undefined) throw error
    const why = (error as Error).message.split('\n')[0]!
    return {
      note: `the table of the run can't be read as it was (${why}): checked on made rows alone; ${option('data')} names its new place`,
    }
  }
}

/** The most characters of the texts of a check, so that it takes a minute for long ones too, and the fewest rows. */
const [mostCharacters, fewest] = [120_000, 32]

function fewerTexts(frame: Frame, rows: Int32Array, inputs: readonly TableInput[]): Int32Array {
  const names = inputs.flatMap(({ column, kind }) => (kind === 'text' ? [column] : []))
  const texts = frame.columns.flatMap(({ name, ...column }) =>
    names.includes(name) && 'type' in column && column.type === 'words' ? [column.values] : [],
  )
  let characters = 0
  return rows.filter((row, i) => {
    for (const { codes, words } of texts) characters += words[codes[row]!]?.length ?? 0
    return characters <= mostCharacters || i < fewest
  })
}

function refuse(message: string): never {
  throw new DataError(message)
}
