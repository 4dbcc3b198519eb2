import type { ExportedTable, ExportTableOptions } from '../export/table/export-table.ts'
import type { Target } from '../export/targets/index.ts'
import type { TableCheck, TableFileCard } from '../onnx/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { type ExportFlags, refuseBesideFolder, refuseOptions } from './export-flags.ts'
import { pageAsked, pageLines } from './export-page.ts'
import {
  checkLines,
  exporting,
  fileLine,
  folderLines,
  labelColumn,
  print,
  probeLines,
  runtimeColumn,
  share,
  small,
  uncheckedLine,
} from './export-result.ts'
import { flat } from './style.ts'

/** Options of pictures alone, and why. */
const ofPictures = ['net', 'quantize', 'examples'] as const

/** `anneal export` of a model of a table: writes it as one ONNX file and checks it, or checks such a file. */
export async function exportTableCommand(run: string | undefined, flags: ExportFlags): Promise<void> {
  const { out, to, check, data, runtimes, weights, json = false } = flags
  const why =
    ': the file holds the whole model. anneal serve, @anneal/run and any onnxruntime run it; --weights int8 makes it smaller where it reads texts'
  refuseOptions(flags, ofPictures, { what: 'a table', why })
  refuseBesideFolder(flags)
  if (run !== undefined) await setUpOnce()
  const pages = pageAsked(run, flags)
  const { checkTableFile } = await import('../export/table/export-table.ts')
  if (check) {
    const found = await exporting({ json, stopped: 'the check is not done' }, how =>
      checkTableFile(check, { run, data, runtimes, ...how }),
    )
    const what = 'the answers to the rows of the card differ'
    return print(found, json, () => probeLines(found.probes, what) + table(found.checks, found.card))
  }
  const options = { data, runtimes, weights, check: check !== false }
  const { page, singleFile } = flags
  if (pages) {
    const { exportTablePage } = await import('../export/table/page.ts')
    const made = await exporting({ json, stopped: 'no page was written' }, how =>
      exportTablePage(run!, { ...options, page, singleFile, ...how }),
    )
    const { card, note } = made
    const checked = `weights ${card.texts?.weights ?? 'float32'}${quarter(card)}\n${table(card.checks ?? [], card)}${noteLine(note)}${uncheckedLine(check, 'model')}`
    const holds = 'no row of the run is in it; names, words and usual values of its columns are'
    return print(made, json, () => pageLines(made.files, { table: checked, holds, page, singleFile }))
  }
  const result = await exporting({ json, stopped: 'no file was written' }, how =>
    exported(run!, to, { ...options, out, ...how }),
  )
  const { card, note } = result
  print(result, json, () =>
    [
      `${fileLine(result)}\n${columns(card)}`,
      table(card.checks ?? [], card),
      noteLine(note),
      uncheckedLine(check, 'model'),
      folderLines(result),
    ].join(''),
  )
}

const noteLine = (note: string | undefined): string => (note === undefined ? '' : `${flat(note)}\n`)

/** The file alone, or with `to` the folder that runs it. */
async function exported(run: string, to: Target | undefined, options: ExportTableOptions): Promise<ExportedTable> {
  if (to === undefined) return (await import('../export/table/export-table.ts')).exportTable(run, options)
  return (await import('../export/targets/index.ts')).exportTableFolder(run, { ...options, to })
}

const shown = 12

/** How the net for texts, most of the file, gets smaller. */
const quarter = ({ texts }: Pick<TableFileCard, 'texts'>): string =>
  texts?.weights === 'float32' ? ' (--weights int8: a quarter of the bytes)' : ''

/** The inputs of the graph, by type. */
function columns({ inputs, outputs, texts }: TableFileCard): string {
  const lines = (['float32', 'string', 'int64'] as const).flatMap(type => {
    const own = inputs.filter(input => input.type === type)
    const names = own.flatMap(({ name, tokens }) => (tokens ? [tokens.ids, tokens.mask] : [name]))
    if (names.length === 0) return []
    const list =
      names.length > shown ? `${names.slice(0, shown).join(', ')}, and ${names.length - shown} more` : names.join(', ')
    return [`in   ${type.padEnd(7)} ${list}`]
  })
  const made = [...Object.values(outputs), ...inputs.flatMap(({ tokens }) => tokens?.vectors ?? [])]
  const net = texts
    ? [`net  ${texts.net} reads the texts; its weights are stored as ${texts.weights}${quarter({ texts })}`]
    : []
  return `${[...lines, `out  ${made.join(', ')}`, ...net].map(flat).join('\n')}\n`
}

/** The checks as a table: one line for each runtime. */
function table(checks: readonly TableCheck[], { task }: TableFileCard): string {
  const [first] = checks
  if (!first) return ''
  const lines = checkLines(checks, [
    runtimeColumn,
    labelColumn(task),
    ['largest difference', check => small(check.difference)],
    ['ms per row', check => check.milliseconds.toFixed(2)],
  ])
  const title = `${first.valid} validation rows and ${first.made} made rows, from ${first.texts ? 'the vectors of texts' : 'raw row'} to answer, against the trained model (accepted: ${first.tolerance}):\n`
  return `${title}${lines}${wholeWay(checks, task)}`
}

/** The second half of a check, of a model that reads texts: from text to vector, and the whole way. */
function wholeWay(checks: readonly TableCheck[], task: TableFileCard['task']): string {
  const known = checks.flatMap(({ runtime, tolerance, texts }) => (texts ? [{ runtime, tolerance, ...texts }] : []))
  const [first] = known
  if (!first) return ''
  const lines = checkLines(known, [
    runtimeColumn,
    ['vectors', check => small(check.vectors)],
    labelColumn(task),
    ['largest difference', check => small(check.difference)],
    [`rows above ${first.tolerance}`, check => share(check.others)],
  ])
  return `from text to vector (accepted: ${first.accepted} of its length), and from text to answer:\n${lines}`
}
