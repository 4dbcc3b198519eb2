import { OptionError } from '../base/errors.ts'
import { bytes as size } from '../base/format.ts'
import { option } from '../base/options.ts'
import type { Card, CardCheck } from '../onnx/index.ts'
import { keepMemory } from '../torch/index.ts'
import { quantization } from './quantization.ts'
import { flat } from './style.ts'
import { createReporter } from './terminal.ts'

/** The options of a page. */
export interface PageFlags {
  page?: string | undefined
  singleFile?: string | undefined
  examples?: number | undefined
}

/** Whether a page is asked for. */
export const isPage = ({ page, singleFile, examples }: PageFlags): boolean =>
  page !== undefined || singleFile !== undefined || examples !== undefined

interface OtherFlags {
  out?: string | undefined
  net?: boolean | undefined
  weights?: 'float32' | 'float16' | 'int8' | undefined
  quantize?: boolean | undefined
  check?: string | false | undefined
  data?: string | undefined
  json?: boolean | undefined
}

/** `anneal export RUN --page FOLDER` and `--single-file FILE`: writes a model as a page. table: how checks are printed. */
export async function exportPageCommand(
  run: string | undefined,
  flags: PageFlags & OtherFlags,
  table: (checks: readonly CardCheck[], task: Card['task']) => string,
): Promise<void> {
  const { json = false, check, out, net, ...options } = flags
  if (run === undefined)
    throw new OptionError('which model? Give the folder of a run: npx anneal export runs/NAME --page page')
  for (const [name, given] of Object.entries({ out, net, check: check || undefined }))
    if (given !== undefined)
      throw new OptionError(`${option(name)} does not go with a page, which has its own model in it. Leave it out.`)
  const { exportPage } = await import('../export/page.ts')
  keepMemory() // a process of our own
  const reporter = createReporter({ json })
  const progress = (label: string, done: number, total: number) => reporter.progress({ label, done, total })
  const made = await exportPage(run, { ...options, check: check !== false, progress })
  reporter.close()
  const { files, card, examples, part } = made
  if (json) {
    process.stdout.write(`${JSON.stringify(made)}\n`)
    return
  }
  const say = (line: string) => process.stdout.write(`${line}\n`)
  for (const { file, bytes } of files) say(`${flat(file)}  ${size(bytes)} (${bytes} bytes)`)
  if (card.quantization) process.stdout.write(quantization(card.quantization, card.task))
  process.stdout.write(table(card.checks ?? [], card.task))
  if (check === false) say('not checked against the trained net (--no-check)')
  say(
    examples > 0
      ? `${examples} ${part === 'train' ? 'training' : 'validation'} ${examples === 1 ? 'picture is' : 'pictures are'} in it as examples: everyone who gets the page sees them, and their labels`
      : `no picture of the run is in it; ${option('examples')} 8 puts in some to try, which everyone who gets the page sees`,
  )
  say(
    options.singleFile === undefined
      ? `put the folder on any web server; to try it here: npx serve ${flat(options.page!)}`
      : 'it opens by a double click, without a network',
  )
}
