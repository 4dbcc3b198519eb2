import { quoted } from '../../../base/format.ts'
import { dateWord } from '../../../cells/dates.ts'
import type { TableCell, TableFileCard } from '../../../onnx/index.ts'
import { RowReader, usualRow } from '../../../runtime/table/rows.ts'
import { named, type Probe, type TargetKind } from './kind.ts'

/** A row of the card as a program sends it: the graph takes a date in seconds, a person writes it. */
const sent = ({ inputs }: TableFileCard, row: Readonly<Record<string, TableCell>>): Record<string, TableCell> =>
  Object.fromEntries(
    inputs.map(({ name, kind }) => {
      const cell = row[name] ?? null
      return [name, kind === 'date' && typeof cell === 'number' ? dateWord(cell) : cell]
    }),
  )

/** The rows of the card, without those that mean something else to the reader of rows: the graph takes a number that the run reads
 *  as a missing value. */
function probesOf(card: TableFileCard): Probe[] {
  const { probe = { rows: [], outputs: [] }, inputs } = card
  const reader = new RowReader(card)
  return probe.rows.flatMap((row, i) => {
    const body = sent(card, row)
    const { cells } = reader.read(body, `row ${i + 1}`)
    const same = inputs.every(({ name, kind }, c) => {
      if (kind === 'category' || kind === 'text') return true // words for a missing value are known to the graph, too
      const own = row[name] ?? null
      return own === null ? Number.isNaN(cells[c]) : own === cells[c]
    })
    return same ? [{ body, outputs: named(card, probe.outputs, i) }] : []
  })
}

const input = `// Reads the rows of requests.
export const kind = 'table'
export const takes = 'a row of a table'
export const maxBytes = 2_000_000
export const options = {}
const maxRows = 1000

/** What the model takes: a row, or a list of rows. */
export function inputOf(bytes, { card, refuse }) {
  const ways = 'expected JSON: a row {"column": value, …}, or {"rows": [{…}, …]}'
  let value
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    refuse(400, \`the body is not valid JSON; \${ways}\`)
  }
  // A table may have a column of that name, which never holds a list.
  const inside = Array.isArray(value?.rows) && Object.keys(value).length === 1
  const list = Array.isArray(value) ? value : inside ? value.rows : undefined
  const named = [...card.inputs.map(({ name }) => name), ...(card.unused ?? [])]
  if (!list && value?.rows !== undefined && !named.includes('rows')) refuse(400, ways)
  if (!list) return value
  if (list.length === 0) refuse(400, 'rows: expected a list of one row or more')
  if (list.length > maxRows) refuse(413, \`the request has \${list.length} rows; at most \${maxRows} are taken\`)
  return list
}
`

/** Rows of a table. */
export const tables: TargetKind<TableFileCard> = {
  nouns: 'rows of a table',
  curl: card => `-d ${quoted(JSON.stringify(usualRow(card)))}`,
  probes: async card => ({ tolerance: 0.001, probes: probesOf(card), files: {} }),
  packages: [],
  notes: [
    'Several rows in one request: `{"rows": [{…}, {…}]}`, or CSV with `-H "content-type: text/csv" --data-binary @rows.csv`.',
  ],
  lambdaLimit: 'rows of 6 MB in all, at most 1,000',
  worker: () => ({
    files: { 'input.mjs': input },
    packages: {},
    ways: [`JSON: a row {"column": value, …}, or {"rows": [{…}, …]}: curl -d '{…}' https://…/predict`],
    limits: `- **Rows.** JSON: a row, or \`{"rows": [{…}, {…}]}\` with at most 1,000 of them and 2 MB. CSV is not read here; \`--to docker\` and
  \`--to lambda\` read it.
- **Memory.** A worker has 128 MB for the code and the model.
- **Time.** It computes in one thread.`,
  }),
}
