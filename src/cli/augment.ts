import { existsSync } from 'node:fs'
import { OptionError } from '../base/errors.ts'
import { writeAtomic } from '../base/files.ts'
import type { Options } from '../base/option-table.ts'
import { setUpOnce } from '../setup/index.ts'
import type { SheetOptions } from '../vision/augment-sheet.ts'
import { commandFlags } from './options.ts'
import { workWithoutOutput } from './output.ts'
import { flat } from './style.ts'
import { createReporter } from './terminal.ts'

const formats: Record<string, 'png' | 'jpeg'> = { png: 'png', jpg: 'jpeg', jpeg: 'jpeg' }

/** `anneal augment`: a contact sheet of pictures as training would see them. */
export async function augment(
  dir: string,
  options: SheetOptions,
  { out = commandFlags.augment.out.usual }: Options<typeof commandFlags.augment>,
): Promise<void> {
  const format = formats[/\.([^./]*)$/.exec(out)?.[1]?.toLowerCase() ?? '']
  if (!format) throw new OptionError(`--out: expected a file that ends in .png or .jpg, got ${out}`)
  workWithoutOutput()
  if (existsSync(dir)) await setUpOnce()
  const { augmentSheet } = await import('../vision/augment-sheet.ts')
  const { senseTable } = await import('../vision/auto-augment/auto-augment.ts')
  const { augmentationText } = await import('../vision/augment/index.ts')
  const reporter = createReporter()
  const { image, augmentation, sense } = await augmentSheet(dir, {
    ...options,
    format,
    report: notice => {
      if ('line' in notice) reporter.event({ type: 'line', t: Date.now(), text: notice.line })
      else if (notice.total) reporter.progress({ label: notice.what, done: notice.done, total: notice.total })
    },
    progress: (label, done, total) => reporter.progress({ label, done, total }),
  })
  reporter.close()
  if (sense) {
    for (const line of senseTable(sense.rows)) process.stdout.write(`${flat(line)}\n`)
    process.stdout.write(`augment: ${augmentationText(augmentation)} (${flat(sense.reason)})\n`)
  }
  writeAtomic(out, image)
  process.stdout.write(`${flat(out)}\n`)
}
