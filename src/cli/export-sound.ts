import type { ExportedSound, ExportSoundOptions } from '../export/sound/export-sound.ts'
import type { Target } from '../export/targets/index.ts'
import type { SoundCheck, SoundFileCard } from '../onnx/index.ts'
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
  small,
  uncheckedLine,
} from './export-result.ts'
import { quantization } from './quantization.ts'

/** `anneal export` of a model of sounds: writes it as one ONNX file and checks it, or checks such a file. */
export async function exportSoundCommand(run: string | undefined, flags: ExportFlags): Promise<void> {
  const { out, to, check, net, quantize, data, runtimes, weights, json = false } = flags
  refuseBesideFolder(flags)
  if (run !== undefined) await setUpOnce()
  const { page, singleFile, examples } = flags
  const pages = pageAsked(run, flags)
  const { checkSoundFile } = await import('../export/sound/export-sound.ts')
  if (check) {
    const found = await exporting({ json, stopped: 'the check is not done' }, how =>
      checkSoundFile(check, { run, data, runtimes, ...how }),
    )
    const what = 'the answers to the made sounds of the card differ'
    return print(found, json, () => probeLines(found.probes, what) + table(found.checks, found.card.task))
  }
  const options = { data, runtimes, weights, quantize, check: check !== false }
  const stopped = 'no file was written'
  if (pages) {
    const { exportSoundPage } = await import('../export/sound/page.ts')
    const made = await exporting({ json, stopped }, how =>
      exportSoundPage(run!, { ...options, page, singleFile, examples, ...how }),
    )
    const { files, card } = made
    const checks = `weights ${card.weights}\n${cost(card)}${table(card.checks ?? [], card.task)}${uncheckedLine(check)}`
    const place = {
      table: checks,
      holds: examplesLine(made, { one: 'recording', many: 'recordings' }),
      page,
      singleFile,
    }
    const more = {
      one: '; a browser lets it use the microphone when it is asked to',
      folder: ' (https, for the microphone)',
    }
    return print(made, json, () => pageLines(files, place, more))
  }
  const result = await exporting({ json, stopped }, how => exported(run!, to, { ...options, net, out, ...how }))
  const { input, weights: stored, task, checks = [] } = result.card
  const takes = input.net
    ? `float32 [windows, ${input.net.join(', ')}]: the net alone, from spectra of windows`
    : `float32 [recordings, samples] at ${input.rate} Hz, of any length; windows of ${input.windows.map(n => n / input.rate).join(', ')} s and their spectra are computed in the graph`
  print(result, json, () =>
    [
      `${fileLine(result)}, weights ${stored}\n`,
      `in   ${input.name}  ${takes}\n`,
      cost(result.card),
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

/** What quantisation did, if the model was. */
const cost = ({ quantization: integers, task }: SoundFileCard): string =>
  integers ? quantization(integers, task, { one: 'recording', many: 'recordings' }) : ''

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
  return `${first.recordings} ${partOf(first, 'recordings')}, from file to answer, against the trained net in float32${accepted(first)}:\n${lines}`
}
