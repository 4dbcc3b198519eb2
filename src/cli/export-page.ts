import { OptionError } from '../base/errors.ts'
import { option } from '../base/options.ts'
import type { Card, CardCheck } from '../onnx/index.ts'
import type { ExportFlags } from './export-flags.ts'
import { exporting, fileLine, print, uncheckedLine } from './export-result.ts'
import { quantization } from './quantization.ts'
import { flat } from './style.ts'

/** Whether a page is asked for. */
export const isPage = ({ page, singleFile, examples }: ExportFlags): boolean =>
  page !== undefined || singleFile !== undefined || examples !== undefined

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
  const { files, card, examples, part } = made
  print(made, json, () =>
    [
      `${files.map(fileLine).join('\n')}\n`,
      card.quantization ? quantization(card.quantization, card.task) : '',
      table(card.checks ?? [], card.task),
      uncheckedLine(check),
      examples > 0
        ? `${examples} ${part === 'train' ? 'training' : 'validation'} ${examples === 1 ? 'picture is' : 'pictures are'} in it as examples: everyone who gets the page sees them, and their labels\n`
        : `no picture of the run is in it; ${option('examples')} 8 puts in some to try, which everyone who gets the page sees\n`,
      options.singleFile === undefined
        ? `put the folder on any web server; to try it here: npx serve ${flat(options.page!)}\n`
        : 'it opens by a double click, without a network\n',
    ].join(''),
  )
}
