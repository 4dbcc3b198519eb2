import { OptionError } from '../base/errors.ts'
import { flagOf } from '../base/options.ts'
import type { ExportedSound, ExportSoundOptions } from '../export/sound/export-sound.ts'
import type { ExportedSoundPage } from '../export/sound/page.ts'
import type { Target } from '../export/targets/index.ts'
import type { SoundCheck } from '../onnx/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { type ExportFlags, refuseBesideFolder, refuseOptions } from './export-flags.ts'
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
import { flat } from './style.ts'

/** Options of pictures alone. */
const ofPictures = ['net', 'quantize', 'examples'] as const

/** `anneal export` of a model of sounds: writes it as one ONNX file and checks it, or checks such a file. */
export async function exportSoundCommand(run: string | undefined, flags: ExportFlags): Promise<void> {
  const { out, to, check, data, runtimes, weights, json = false } = flags
  refuseOptions(flags, ofPictures, { what: 'sounds' })
  refuseBesideFolder(flags)
  if (run !== undefined) await setUpOnce()
  const { page, singleFile } = flags
  const pages = page !== undefined || singleFile !== undefined
  const besides = (['out', 'check'] as const).filter(name => flags[name] !== undefined && flags[name] !== false)
  if (pages && besides.length > 0)
    throw new OptionError(
      `${besides.map(flagOf).join(', ')}: does not go with a page, which has its own model in it. Leave it out.`,
    )
  if (pages && run === undefined)
    throw new OptionError('which model? Give the folder of a run: npx anneal export runs/NAME --page page')
  const { checkSoundFile } = await import('../export/sound/export-sound.ts')
  if (check) {
    const found = await exporting({ json, stopped: 'the check is not done' }, how =>
      checkSoundFile(check, { run, data, runtimes, ...how }),
    )
    const what = 'the answers to the made sounds of the card differ'
    return print(found, json, () => probeLines(found.probes, what) + table(found.checks, found.card.task))
  }
  const options = { data, runtimes, weights, check: check !== false }
  const stopped = 'no file was written'
  if (pages) {
    const { exportSoundPage } = await import('../export/sound/page.ts')
    const made = await exporting({ json, stopped }, how =>
      exportSoundPage(run!, { ...options, page, singleFile, ...how }),
    )
    return print(made, json, () => pageLines(made, { folder: singleFile === undefined ? page : undefined, check }))
  }
  const result = await exporting({ json, stopped }, how => exported(run!, to, { ...options, out, ...how }))
  const { input, weights: stored, task, checks = [] } = result.card
  print(result, json, () =>
    [
      `${fileLine(result)}, weights ${stored}\n`,
      `in   ${input.name}  float32 [recordings, samples] at ${input.rate} Hz, of any length; windows of ${input.windows.map(n => n / input.rate).join(', ')} s and their spectra are computed in the graph\n`,
      table(checks, task),
      uncheckedLine(check),
      folderLines(result),
    ].join(''),
  )
}

/** The file alone, or with `to` the folder that runs it. */
async function exported(run: string, to: Target | undefined, options: ExportSoundOptions): Promise<ExportedSound> {
  if (to === undefined) return (await import('../export/sound/export-sound.ts')).exportSound(run, options)
  return (await import('../export/targets/index.ts')).exportSoundFolder(run, { ...options, to })
}

/** What was written, and how to see it. folder: of a page of several files. */
function pageLines(
  { files, card }: ExportedSoundPage,
  { folder, check }: { folder: string | undefined; check: string | false | undefined },
): string {
  const last =
    folder === undefined
      ? 'it opens by a double click, without a network; a browser lets it use the microphone when it is asked to'
      : `put the folder on any web server (https, for the microphone); to try it here: npx serve ${flat(folder)}`
  return `${files.map(fileLine).join('\n')}\n${table(card.checks ?? [], card.task)}${uncheckedLine(check)}no recording of the run is in it\n${last}\n`
}

/** The checks as a table: one line for each runtime. */
function table(checks: readonly SoundCheck[], task: 'single' | 'multi' | 'regression'): string {
  const [first] = checks
  if (!first) return ''
  const lines = checkLines(checks, [
    runtimeColumn,
    labelColumn(task),
    ['largest difference', check => small(check.difference)],
    metricColumn(first.metric, task),
    ['ms per recording', check => check.milliseconds.toFixed(1)],
  ])
  return `${first.recordings} ${partOf(first, 'recordings')}, from file to answer, against the trained net in float32 (accepted: ${first.tolerance}):\n${lines}`
}
