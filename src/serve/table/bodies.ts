import { plural } from '../../base/format.ts'
import type { TableFileCard } from '../../onnx/table-card.ts'
import { jsonOf, textOf, typeOf } from '../body.ts'
import { Refused } from '../refused.ts'

/** The rows of a request, and what errors call each. `many`: it gets a list. */
export interface GivenRows {
  rows: { row: unknown; where: string }[]
  many: boolean
}

interface How {
  card: TableFileCard
  maxRows: number
}

/** The ways in which `POST /predict` takes rows, for messages. */
export const ways =
  'JSON: one row as {"column": value, …}, or several as {"rows": [{…}, …]}; or text/csv with the names of the columns in its first line'

/** The rows in the body of `POST /predict`. curl -d calls a body application/x-www-form-urlencoded, so such a body is JSON
 *  if it begins like JSON. Throws `Refused`. */
export async function rowsOf(contentType: string | null, body: Uint8Array, how: How): Promise<GivenRows> {
  const type = typeOf(contentType)
  if (type === 'text/csv' || type === 'text/tab-separated-values')
    return fromCsv(textOf(contentType, body, 'the CSV'), how)
  const begins = new TextDecoder().decode(body.subarray(0, 64)).trimStart()
  const json = type === 'application/json' || ((type === '' || isCurls(type)) && /^[[{]/.test(begins))
  if (json) return fromJson(body, how)
  if (type === '' || isCurls(type))
    throw new Refused(
      415,
      'type',
      `the body is no JSON; expected ${ways}. With curl: -H 'content-type: text/csv' --data-binary @rows.csv`,
    )
  throw new Refused(415, 'type', `content-type ${type} is not taken; expected ${ways}`)
}

const isCurls = (type: string) => type === 'application/x-www-form-urlencoded'

function fromJson(body: Uint8Array, { card, maxRows }: How): GivenRows {
  const value = jsonOf(body)
  const rows = Array.isArray(value) ? value : rowsIn(value, card)
  if (!rows) return { rows: [{ row: value, where: 'the row' }], many: false }
  if (rows.length === 0) throw new Refused(400, 'request', 'rows: expected a list of one row or more')
  checkCount(rows.length, maxRows)
  return { rows: rows.map((row, i) => ({ row, where: `row ${i + 1}` })), many: true }
}

/** The list of `{"rows": […]}`; a table may have a column of that name, which never holds a list. */
function rowsIn(value: unknown, { inputs, unused = [] }: TableFileCard): unknown[] | undefined {
  if (typeof value !== 'object' || value === null || !('rows' in value)) return undefined
  const isColumn = inputs.some(({ name }) => name === 'rows') || unused.includes('rows')
  if (Array.isArray(value.rows) && Object.keys(value).length === 1) return value.rows
  if (isColumn) return undefined
  throw new Refused(400, 'request', `rows: expected a list of rows and nothing beside it; expected ${ways}`)
}

function checkCount(n: number, most: number): void {
  if (n > most) throw new Refused(413, 'rows', `the request has more than ${plural(most, 'row')}; send them in several`)
}

/** Rows of CSV. The delimiter is the one by which the first line names the columns of the model. */
async function fromCsv(text: string, { card, maxRows }: How): Promise<GivenRows> {
  const { csvRows } = await import('../../page/csv.ts')
  const names = card.inputs.map(({ name }) => name)
  let found: ReturnType<typeof csvRows>
  try {
    found = csvRows(text, names, maxRows + 1)
  } catch (error) {
    throw new Refused(400, 'request', `the CSV can not be read: ${(error as Error).message}`)
  }
  const { delimiter, head, rows } = found
  const twice = head.find((name, i) => head.indexOf(name) !== i)
  if (twice !== undefined) throw new Refused(422, 'row', `the CSV names the column "${twice}" twice`)
  if (rows.length === 0)
    throw new Refused(
      400,
      'request',
      `the CSV has no row below its first line, ${JSON.stringify(head.join(delimiter).slice(0, 100))}; its first line names the columns`,
    )
  checkCount(rows.length, maxRows)
  return {
    many: true,
    rows: rows.map(({ cells, line }, i) => {
      const where = `row ${i + 1} (line ${line})`
      if (cells.length !== head.length)
        throw new Refused(
          422,
          'row',
          `${where} has ${plural(cells.length, 'cell')}, and the first line has ${head.length}`,
        )
      return { where, row: Object.fromEntries(head.map((name, c) => [name, cells[c]!])) }
    }),
  }
}
