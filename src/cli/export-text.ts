import type { Target } from '../export/targets/index.ts'
import type { ExportedText, ExportTextOptions } from '../export/text/export-text.ts'
import type { TextPageOptions } from '../export/text/page.ts'
import type { TextCheck } from '../onnx/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { type ExportFlags, refuseBesideFolder } from './export-flags.ts'
import { examplesLine, pageAsked, pageLines } from './export-page.ts'
import {
  accepted,
  checkLines,
  exporting,
  fileLine,
  folderLines,
  labelColumn,
  metricColumn,
  partOf,
  print,
  probeLines,
  runtimeColumn,
  share,
  small,
  uncheckedLine,
} from './export-result.ts'
import { quantization } from './quantization.ts'

/** `anneal export` of a model of texts: writes it as one ONNX file and checks it, or checks such a file. */
export async function exportTextCommand(run: string | undefined, flags: ExportFlags): Promise<void> {
  const { out, to, check, net, quantize, data, runtimes, weights, json = false } = flags
  refuseBesideFolder(flags)
  if (run !== undefined) await setUpOnce()
  const pages = pageAsked(run, flags)
  const { checkTextFile } = await import('../export/text/export-text.ts')
  if (check) {
    const found = await exporting({ json, stopped: 'the check is not done' }, how =>
      checkTextFile(check, { run, data, runtimes, ...how }),
    )
    const what = 'the answers to the texts of the card differ'
    return print(found, json, () => probeLines(found.probes, what) + table(found.checks, found.card.task))
  }
  const options = { data, runtimes, weights, quantize, check: check !== false }
  if (pages) return exportTextPage(run!, flags, options)
  const result = await exporting({ json, stopped: 'no file was written' }, how =>
    exported(run!, to, { ...options, net, out, ...how }),
  )
  const { input, weights: stored, task, checks = [], quantization: integers } = result.card
  const cut = input.net
    ? `of at most ${input.window} tokens: the net alone, which cuts no windows`
    : `windows of ${input.window} tokens are cut in the graph`
  print(result, json, () =>
    [
      `${fileLine(result)}, weights ${stored}\n`,
      `in   ${input.ids}, ${input.mask}  int64 [texts, tokens]; the tokenizer is in the file's card, ${cut}\n`,
      integers ? quantization(integers, task, { one: 'text', many: 'texts' }) : '',
      table(checks, task),
      uncheckedLine(check),
      folderLines(result),
    ].join(''),
  )
}

/** Writes a page of it. */
async function exportTextPage(
  run: string,
  { page, singleFile, examples, check, json = false }: ExportFlags,
  options: Omit<TextPageOptions, 'page' | 'singleFile' | 'examples'>,
): Promise<void> {
  const { exportTextPage: write } = await import('../export/text/page.ts')
  const made = await exporting({ json, stopped: 'no page was written' }, how =>
    write(run, { ...options, page, singleFile, examples, ...how }),
  )
  const { checks = [], task, weights, quantization: integers } = made.card
  const cost = integers ? quantization(integers, task, { one: 'text', many: 'texts' }) : ''
  const checked = `weights ${weights}\n${cost}${table(checks, task)}${uncheckedLine(check)}`
  const holds = examplesLine(made, { one: 'text', many: 'texts' })
  print(made, json, () => pageLines(made.files, { table: checked, holds, page, singleFile }))
}

/** The file alone, or with `to` the folder that runs it. */
async function exported(run: string, to: Target | undefined, options: ExportTextOptions): Promise<ExportedText> {
  if (to === undefined) return (await import('../export/text/export-text.ts')).exportText(run, options)
  return (await import('../export/targets/index.ts')).exportTextFolder(run, { ...options, to })
}

/** The checks as a table: one line for each runtime. */
function table(checks: readonly TextCheck[], task: 'single' | 'multi' | 'regression'): string {
  const [first] = checks
  if (!first) return ''
  const lines = checkLines(checks, [
    runtimeColumn,
    ['same tokens', check => share(check.tokens)],
    labelColumn(task),
    ['largest difference', check => small(check.difference)],
    metricColumn(first.metric, task),
    ['ms per text', check => check.milliseconds.toFixed(1)],
  ])
  return `${first.texts} ${partOf(first, 'texts')}, from text to answer, against the trained net in float32${accepted(first)}:\n${lines}`
}
