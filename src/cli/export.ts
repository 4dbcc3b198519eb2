import { existsSync } from 'node:fs'
import { OptionError } from '../base/errors.ts'
import type { Exported } from '../export/export-model.ts'
import type { ExportedFolder } from '../export/targets/index.ts'
import type { Card, CardCheck } from '../onnx/index.ts'
import { metricInfo } from '../runs/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { type ExportFlags, refuseBesideFolder } from './export-flags.ts'
import { exportPageCommand, isPage } from './export-page.ts'
import {
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
  small,
  uncheckedLine,
} from './export-result.ts'
import { quantization } from './quantization.ts'

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
  refuseBesideFolder(flags)
  if (run !== undefined && existsSync(run)) await setUpOnce()
  if (isPage(flags)) return exportPageCommand(run, flags, table)
  const { checkFile, exportModel } = await import('../export/export-model.ts')
  if (check) {
    const { data, runtimes } = options
    const found = await exporting({ json, stopped: 'the check is not done' }, how =>
      checkFile(check, { run, data, runtimes, ...how }),
    )
    const what = "the probe picture's answer differs"
    return print(found, json, () => probeLines(found.probes, what) + table(found.checks, found.card.task))
  }
  const folders = () => import('../export/targets/index.ts')
  const result = await exporting<Exported | ExportedFolder>({ json, stopped: 'no file was written' }, async how => {
    const all = { ...options, check: check !== false, ...how }
    return to === undefined ? exportModel(run!, all) : (await folders()).exportFolder(run!, { ...all, to })
  })
  const { card } = result
  print(result, json, () =>
    [
      `${fileLine(result)}, weights ${card.weights}\n`,
      card.quantization ? quantization(card.quantization, card.task) : '',
      table(card.checks ?? [], card.task),
      uncheckedLine(check),
      check === false ? '' : validated(card),
      folderLines(result),
    ].join(''),
  )
}

/** What the run's own validation said, beside the check of its file. */
function validated({ checks = [], metrics, task }: Card): string {
  const metric = checks[0]?.metric
  const known = metric === undefined ? undefined : metrics.valid[metric]
  if (metric === undefined || !known) return ''
  const { name, say } = metricInfo(metric, task)
  return `the run validated with ${name} ${say(known.value)} over all its pictures, in its own precision\n`
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

/** The checks as a table: one line for each runtime. */
function table(checks: readonly CardCheck[], task: 'single' | 'multi' | 'regression'): string {
  const [first] = checks
  if (!first) return ''
  const lines = checkLines(checks, [
    runtimeColumn,
    labelColumn(task),
    ['largest difference', check => small(check.differenceOnFiles)],
    ['on equal pixels', ({ differenceOnPixels: by }) => (by === undefined ? '–' : small(by))],
    metricColumn(first.metric, task),
    ['ms per picture', check => check.milliseconds.toFixed(1)],
  ])
  return `${first.files} ${partOf(first, 'files')}, from file to answer, against the trained net in float32:\n${lines}`
}
