import { OptionError } from '../base/errors.ts'
import { bytes as size } from '../base/format.ts'
import { flagOf } from '../base/options.ts'
import type { TableCheck, TableFileCard } from '../onnx/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { keepMemory } from '../torch/index.ts'
import { type ExportFlags, sameLabels, small, tableLines } from './export-flags.ts'
import { untilStopped } from './stop.ts'
import { flat } from './style.ts'
import { createReporter } from './terminal.ts'

/** Options of pictures alone, and why. */
const ofPictures = ['to', 'net', 'weights', 'quantize', 'page', 'singleFile', 'examples'] as const

/** `anneal export` of a model of a table: writes it as one ONNX file and checks it, or checks such a file. */
export async function exportTableCommand(run: string | undefined, flags: ExportFlags): Promise<void> {
  const { out, check, data, runtimes, json = false } = flags
  const odd = ofPictures.filter(name => flags[name] !== undefined)
  if (odd.length > 0)
    throw new OptionError(
      `${odd.map(flagOf).join(', ')}: ${odd.length === 1 ? 'is an option' : 'are options'} for models of pictures, and this is a model of a table. Leave ${odd.length === 1 ? 'it' : 'them'} out: the file holds the whole model, in float32. anneal serve, @anneal/run and any onnxruntime run it.`,
    )
  if (run !== undefined) await setUpOnce()
  const { checkTableFile, exportTable } = await import('../export/table/export-table.ts')
  keepMemory() // a process of our own
  const reporter = createReporter({ json })
  const progress = (label: string, done: number, total: number) => reporter.progress({ label, done, total })
  const signal = untilStopped(check ? 'the check is not done' : 'no file was written')
  if (check) {
    const found = await checkTableFile(check, { run, data, runtimes, progress, signal }).finally(() => reporter.close())
    if (json) process.stdout.write(`${JSON.stringify(found)}\n`)
    else {
      for (const { name, difference } of found.probes)
        process.stdout.write(`${name}: the answers to the rows of the card differ by ${small(difference)}\n`)
      process.stdout.write(table(found.checks, found.card))
    }
    return
  }
  const how = { out, data, runtimes, check: check !== false, progress, signal }
  const result = await exportTable(run!, how).finally(() => reporter.close())
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { file, bytes, card, note } = result
  process.stdout.write(`${flat(file)}  ${size(bytes)} (${bytes} bytes)\n${columns(card)}`)
  process.stdout.write(table(card.checks ?? [], card))
  if (note !== undefined) process.stdout.write(`${flat(note)}\n`)
  if (check === false) process.stdout.write('not checked against the trained model (--no-check)\n')
}

const shown = 12

/** The inputs of the graph, by type. */
function columns({ inputs, outputs }: TableFileCard): string {
  const lines = (['float32', 'string', 'int64'] as const).flatMap(type => {
    const names = inputs.filter(input => input.type === type).map(({ name }) => name)
    if (names.length === 0) return []
    const list =
      names.length > shown ? `${names.slice(0, shown).join(', ')}, and ${names.length - shown} more` : names.join(', ')
    return [`in   ${type.padEnd(7)} ${list}`]
  })
  return `${[...lines, `out  ${Object.values(outputs).join(', ')}`].map(flat).join('\n')}\n`
}

/** The checks as a table: one line for each runtime. */
function table(checks: readonly TableCheck[], { task }: TableFileCard): string {
  if (checks.length === 0) return ''
  const { made, valid, tolerance } = checks[0]!
  const head = ['runtime', 'same labels', 'largest difference', 'ms per row']
  const rows = checks.map(c => [c.runtime, sameLabels(c.same, task), small(c.difference), c.milliseconds.toFixed(2)])
  return `${valid} validation rows and ${made} made rows, from raw row to answer, against the trained model (accepted: ${tolerance}):\n${tableLines(head, rows)}`
}
