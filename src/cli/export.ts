import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { OptionError } from '../base/errors.ts'
import { bytes as size } from '../base/format.ts'
import type { Exported } from '../export/export-model.ts'
import type { ExportedFolder } from '../export/targets/index.ts'
import type { CardCheck } from '../onnx/index.ts'
import { metricInfo } from '../runs/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { keepMemory } from '../torch/index.ts'
import { type ExportFlags, sameLabels, small, tableLines } from './export-flags.ts'
import { exportPageCommand, isPage } from './export-page.ts'
import { quantization } from './quantization.ts'
import { untilStopped } from './stop.ts'
import { flat } from './style.ts'
import { createReporter } from './terminal.ts'

/** `anneal export`: writes a trained model as one ONNX file and checks it, or checks such a file. */
export async function exportCommand(run: string | undefined, flags: ExportFlags): Promise<void> {
  const { check, json = false, to, page: _, singleFile: __, examples: ___, ...options } = flags
  if (run === undefined && !check)
    throw new OptionError('which model? Give the folder of a run: npx anneal export runs/NAME')
  const { findCard } = await import('../tabular/run/card.ts')
  if (run !== undefined && findCard(run)) return (await import('./export-table.ts')).exportTableCommand(run, flags)
  const kind = run === undefined && check ? await kindOfFile(check) : undefined
  if (kind === 'table') return (await import('./export-table.ts')).exportTableCommand(run, flags)
  const domain = kind ?? (run === undefined ? undefined : await domainOfModel(run))
  if (domain === 'text' || domain === 'texts') return (await import('./export-text.ts')).exportTextCommand(run, flags)
  if (domain === 'sound' || domain === 'sounds')
    return (await import('./export-sound.ts')).exportSoundCommand(run, flags)
  if (to !== undefined && (check || options.net || isPage(flags)))
    throw new OptionError(
      `--to writes a folder with the whole model; leave out ${check ? '--check FILE' : options.net ? '--net' : '--page and --single-file'}`,
    )
  if (run !== undefined && existsSync(run)) await setUpOnce()
  if (isPage(flags)) return exportPageCommand(run, flags, table)
  const { checkFile, exportModel } = await import('../export/export-model.ts')
  keepMemory() // a process of our own
  const reporter = createReporter({ json })
  const progress = (label: string, done: number, total: number) => reporter.progress({ label, done, total })
  const signal = untilStopped(check ? 'the check is not done' : 'no file was written')
  if (check) {
    const { data, runtimes } = options
    const found = await checkFile(check, { run, data, runtimes, progress, signal }).finally(() => reporter.close())
    if (json) process.stdout.write(`${JSON.stringify(found)}\n`)
    else {
      for (const { name, difference } of found.probes)
        process.stdout.write(`${name}: the probe picture's answer differs by ${small(difference)}\n`)
      process.stdout.write(table(found.checks, found.card.task))
    }
    return
  }
  const how = { ...options, check: check !== false, progress, signal }
  const folders = () => import('../export/targets/index.ts')
  const work: Promise<Exported | ExportedFolder> =
    to === undefined ? exportModel(run!, how) : (await folders()).exportFolder(run!, { ...how, to })
  const result = await work.finally(() => reporter.close())
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { file, bytes, card } = result
  process.stdout.write(`${flat(file)}  ${size(bytes)} (${bytes} bytes), weights ${card.weights}\n`)
  if (card.quantization) process.stdout.write(quantization(card.quantization, card.task))
  process.stdout.write(table(card.checks ?? [], card.task))
  if (check === false) process.stdout.write('not checked against the trained net (--no-check)\n')
  else if (card.checks?.[0]) {
    const name = card.checks[0].metric
    const known = card.metrics.valid[name]
    if (known)
      process.stdout.write(
        `the run validated with ${metricInfo(name, card.task).name} ${metricInfo(name, card.task).say(known.value)} over all its pictures, in its own precision\n`,
      )
  }
  if ('folder' in result) process.stdout.write(folderLines(result))
}

/** The kind of an exported model that is none of pictures. */
async function kindOfFile(file: string): Promise<'table' | 'text' | 'sound' | undefined> {
  const { findSoundCard, findTableCard, findTextCard } = await import('../onnx/index.ts')
  const { readFile } = await import('../export/files.ts')
  const bytes = readFile(file)
  if (findTableCard(bytes, file)) return 'table'
  return findTextCard(bytes, file) ? 'text' : findSoundCard(bytes, file) ? 'sound' : undefined
}

/** What a path is a model of (`images`, `texts`, `sounds`): a run, or a saved model with or without its ending. */
async function domainOfModel(run: string): Promise<string | undefined> {
  if (!existsSync(run) && !existsSync(`${run}.json`)) return undefined // the export says so
  const { domainOf } = await import('../runs/index.ts')
  const { readCard, stemOf } = await import('../train/saved-model.ts')
  return domainOf(readCard(`${stemOf(run)}.json`))
}

/** The folder that was written, and what was left in it. */
function folderLines({ folder, kept, differences = [] }: ExportedFolder): string {
  const checked = differences.map(
    ({ runtime, difference }) =>
      `${runtime}: on equal pixels the net differs by ${small(difference)} from the trained one`,
  )
  const left = kept.map(name => `${join(folder, name)} is kept, since it was changed; remove it to get the new one`)
  return `${[...checked, `folder   ${folder}`, ...left, `next     see ${join(folder, 'README.md')}`].map(flat).join('\n')}\n`
}

/** The checks as a table: one line for each runtime. */
function table(checks: readonly CardCheck[], task: 'single' | 'multi' | 'regression'): string {
  if (checks.length === 0) return ''
  const { metric, files, part } = checks[0]!
  const { name, say } = metricInfo(metric, task)
  const head = [
    'runtime',
    'same labels',
    'largest difference',
    'on equal pixels',
    `${name} (trained net)`,
    'ms per picture',
  ]
  const rows = checks.map(c => [
    c.runtime,
    sameLabels(c.same, task),
    small(c.differenceOnFiles),
    c.differenceOnPixels === undefined ? '–' : small(c.differenceOnPixels),
    `${say(c.exported)} (${say(c.trained)})`,
    c.milliseconds.toFixed(1),
  ])
  const pictures = part === 'valid' ? 'validation files' : 'training files (folds leave no others)'
  return `${files} ${pictures}, from file to answer, against the trained net in float32:\n${tableLines(head, rows)}`
}
