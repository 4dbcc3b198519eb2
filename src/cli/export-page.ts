import { OptionError } from '../base/errors.ts'
import { flagOf, option } from '../base/options.ts'
import type { Card, CardCheck } from '../onnx/index.ts'
import type { ExportFlags } from './export-flags.ts'
import { exporting, fileLine, print, uncheckedLine } from './export-result.ts'
import { quantization } from './quantization.ts'
import { flat } from './style.ts'

/** Whether a page is asked for. */
export const isPage = ({ page, singleFile, examples }: ExportFlags): boolean =>
  page !== undefined || singleFile !== undefined || examples !== undefined

/** Throws for options that do not go with a page, where one is asked for, and without a run. Returns whether one is. */
export function pageAsked(run: string | undefined, flags: ExportFlags): boolean {
  if (!isPage(flags)) return false
  const besides = (['out', 'check', 'net'] as const).filter(name => flags[name] !== undefined && flags[name] !== false)
  if (besides.length > 0)
    throw new OptionError(
      `${besides.map(flagOf).join(', ')}: does not go with a page, which has its own model in it. Leave it out.`,
    )
  if (run === undefined)
    throw new OptionError('which model? Give the folder of a run: npx anneal export runs/NAME --page page')
  return true
}

/** What was written of a page of texts, a table or sounds: its files, the checks of its model, what of the run is in it, and how
 *  to see it. more: what a page of one file, and a folder, need beside. */
export function pageLines(
  files: readonly { file: string; bytes: number }[],
  { table, holds, page, singleFile }: { table: string; holds: string } & Pick<ExportFlags, 'page' | 'singleFile'>,
  more: { one?: string; folder?: string } = {},
): string {
  const last =
    singleFile === undefined
      ? `put the folder on any web server${more.folder ?? ''}; to try it here: npx serve ${flat(page!)}`
      : `it opens by a double click, without a network${more.one ?? ''}`
  return `${files.map(fileLine).join('\n')}\n${table}${holds}\n${last}\n`
}

/** What of the run's data a page shows everyone. of: its samples, one and several. */
export const examplesLine = (
  { examples, part }: { examples: number; part?: 'valid' | 'train' },
  of: { one: string; many: string },
): string =>
  examples > 0
    ? `${examples} ${part === 'train' ? 'training' : 'validation'} ${examples === 1 ? `${of.one} is` : `${of.many} are`} in it as examples: everyone who gets the page sees them, and their labels`
    : `no ${of.one} of the run is in it; ${option('examples')} 8 puts in some to try, which everyone who gets the page sees`

/** `anneal export RUN --page FOLDER` and `--single-file FILE`: writes a model as a page. table: how checks are printed. */
export async function exportPageCommand(
  run: string | undefined,
  flags: ExportFlags,
  table: (checks: readonly CardCheck[], task: Card['task']) => string,
): Promise<void> {
  const { json = false, check, out, net, ...options } = flags
  if (run === undefined)
    throw new OptionError('which model? Give the folder of a run: npx anneal export runs/NAME --page page')
  for (const [name, given] of Object.entries({ out, net, check: check || undefined }))
    if (given !== undefined)
      throw new OptionError(`${option(name)} does not go with a page, which has its own model in it. Leave it out.`)
  const { exportPage } = await import('../export/page.ts')
  const made = await exporting({ json, stopped: 'no page was written' }, how =>
    exportPage(run, { ...options, check: check !== false, ...how }),
  )
  const { files, card } = made
  print(made, json, () =>
    [
      `${files.map(fileLine).join('\n')}\n`,
      card.quantization ? quantization(card.quantization, card.task) : '',
      table(card.checks ?? [], card.task),
      uncheckedLine(check),
      `${examplesLine(made, { one: 'picture', many: 'pictures' })}\n`,
      options.singleFile === undefined
        ? `put the folder on any web server; to try it here: npx serve ${flat(options.page!)}\n`
        : 'it opens by a double click, without a network\n',
    ].join(''),
  )
}
