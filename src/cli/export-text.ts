import { OptionError } from '../base/errors.ts'
import { bytes as size } from '../base/format.ts'
import { flagOf } from '../base/options.ts'
import type { TextCheck } from '../onnx/index.ts'
import { metricInfo } from '../runs/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { keepMemory } from '../torch/index.ts'
import { type ExportFlags, small } from './export-flags.ts'
import { untilStopped } from './stop.ts'
import { flat } from './style.ts'
import { createReporter } from './terminal.ts'

/** Options of pictures alone. */
const ofPictures = ['to', 'net', 'quantize', 'page', 'singleFile', 'examples'] as const

/** `anneal export` of a model of texts: writes it as one ONNX file and checks it, or checks such a file. */
export async function exportTextCommand(run: string | undefined, flags: ExportFlags): Promise<void> {
  const { out, check, data, runtimes, weights, json = false } = flags
  const odd = ofPictures.filter(name => flags[name] !== undefined)
  if (odd.length > 0)
    throw new OptionError(
      `${odd.map(flagOf).join(', ')}: ${odd.length === 1 ? 'is an option' : 'are options'} for models of pictures, and this is a model of texts. Leave ${odd.length === 1 ? 'it' : 'them'} out.`,
    )
  if (run !== undefined) await setUpOnce()
  const { checkTextFile, exportText } = await import('../export/text/export-text.ts')
  keepMemory() // a process of our own
  const reporter = createReporter({ json })
  const progress = (label: string, done: number, total: number) => reporter.progress({ label, done, total })
  const signal = untilStopped(check ? 'the check is not done' : 'no file was written')
  if (check) {
    const found = await checkTextFile(check, { run, data, runtimes, progress, signal }).finally(() => reporter.close())
    if (json) process.stdout.write(`${JSON.stringify(found)}\n`)
    else {
      for (const { name, difference } of found.probes)
        process.stdout.write(`${name}: the answers to the texts of the card differ by ${small(difference)}\n`)
      process.stdout.write(table(found.checks, found.card.task))
    }
    return
  }
  const how = { out, data, runtimes, weights, check: check !== false, progress, signal }
  const result = await exportText(run!, how).finally(() => reporter.close())
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { file, bytes, card } = result
  const { input, task } = card
  process.stdout.write(`${flat(file)}  ${size(bytes)} (${bytes} bytes), weights ${card.weights}\n`)
  process.stdout.write(
    `in   ${input.ids}, ${input.mask}  int64 [texts, tokens]; the tokenizer is in the file's card, windows of ${input.window} tokens are cut in the graph\n`,
  )
  process.stdout.write(table(card.checks ?? [], task))
  if (check === false) process.stdout.write('not checked against the trained net (--no-check)\n')
}

/** The checks as a table: one line for each runtime. */
function table(checks: readonly TextCheck[], task: 'single' | 'multi' | 'regression'): string {
  if (checks.length === 0) return ''
  const { metric, texts, part, tolerance } = checks[0]!
  const { name, say } = metricInfo(metric, task)
  const head = ['runtime', 'same tokens', 'same labels', 'largest difference', `${name} (trained net)`, 'ms per text']
  const rows = checks.map(c => [
    c.runtime,
    `${(100 * c.tokens).toFixed(1)} %`,
    task === 'regression' ? '–' : `${(100 * c.same).toFixed(1)} %`,
    small(c.difference),
    `${say(c.exported)} (${say(c.trained)})`,
    c.milliseconds.toFixed(1),
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  const which = part === 'valid' ? 'validation texts' : 'training texts (folds leave no others)'
  return `${texts} ${which}, from text to answer, against the trained net in float32 (accepted: ${tolerance}):\n${[head, ...rows].map(line).join('\n')}\n`
}
