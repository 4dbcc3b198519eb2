import { OptionError } from '../base/errors.ts'
import { bytes as size } from '../base/format.ts'
import { flagOf } from '../base/options.ts'
import type { ExportedSoundPage } from '../export/sound/page.ts'
import type { SoundCheck } from '../onnx/index.ts'
import { metricInfo } from '../runs/index.ts'
import { setUpOnce } from '../setup/index.ts'
import { keepMemory } from '../torch/index.ts'
import { type ExportFlags, sameLabels, small, tableLines } from './export-flags.ts'
import { untilStopped } from './stop.ts'
import { flat } from './style.ts'
import { createReporter } from './terminal.ts'

/** Options of pictures alone. */
const ofPictures = ['to', 'net', 'quantize', 'examples'] as const

/** `anneal export` of a model of sounds: writes it as one ONNX file and checks it, or checks such a file. */
export async function exportSoundCommand(run: string | undefined, flags: ExportFlags): Promise<void> {
  const { out, check, data, runtimes, weights, json = false } = flags
  const odd = ofPictures.filter(name => flags[name] !== undefined)
  if (odd.length > 0)
    throw new OptionError(
      `${odd.map(flagOf).join(', ')}: ${odd.length === 1 ? 'is an option' : 'are options'} for models of pictures, and this is a model of sounds. Leave ${odd.length === 1 ? 'it' : 'them'} out.`,
    )
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
  const { checkSoundFile, exportSound } = await import('../export/sound/export-sound.ts')
  keepMemory() // a process of our own
  const reporter = createReporter({ json })
  const progress = (label: string, done: number, total: number) => reporter.progress({ label, done, total })
  const signal = untilStopped(check ? 'the check is not done' : 'no file was written')
  if (check) {
    const found = await checkSoundFile(check, { run, data, runtimes, progress, signal }).finally(() => reporter.close())
    if (json) process.stdout.write(`${JSON.stringify(found)}\n`)
    else {
      for (const { name, difference } of found.probes)
        process.stdout.write(`${name}: the answers to the made sounds of the card differ by ${small(difference)}\n`)
      process.stdout.write(table(found.checks, found.card.task))
    }
    return
  }
  const how = { out, data, runtimes, weights, check: check !== false, progress, signal }
  if (pages) {
    const { exportSoundPage } = await import('../export/sound/page.ts')
    const made = await exportSoundPage(run!, { ...how, page, singleFile }).finally(() => reporter.close())
    if (json) process.stdout.write(`${JSON.stringify(made)}\n`)
    else process.stdout.write(pageLines(made, singleFile === undefined ? page : undefined, check === false))
    return
  }
  const result = await exportSound(run!, how).finally(() => reporter.close())
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { file, bytes, card } = result
  const { input, task } = card
  process.stdout.write(`${flat(file)}  ${size(bytes)} (${bytes} bytes), weights ${card.weights}\n`)
  process.stdout.write(
    `in   ${input.name}  float32 [recordings, samples] at ${input.rate} Hz, of any length; windows of ${input.windows.map(n => n / input.rate).join(', ')} s and their spectra are computed in the graph\n`,
  )
  process.stdout.write(table(card.checks ?? [], task))
  if (check === false) process.stdout.write('not checked against the trained net (--no-check)\n')
}

/** What was written, and how to see it. folder: of a page of several files. */
function pageLines({ files, card }: ExportedSoundPage, folder: string | undefined, unchecked: boolean): string {
  const lines = files.map(({ file, bytes }) => `${flat(file)}  ${size(bytes)} (${bytes} bytes)`)
  const last =
    folder === undefined
      ? 'it opens by a double click, without a network; a browser lets it use the microphone when it is asked to'
      : `put the folder on any web server (https, for the microphone); to try it here: npx serve ${flat(folder)}`
  return `${lines.join('\n')}\n${table(card.checks ?? [], card.task)}${unchecked ? 'not checked against the trained net (--no-check)\n' : ''}no recording of the run is in it\n${last}\n`
}

/** The checks as a table: one line for each runtime. */
function table(checks: readonly SoundCheck[], task: 'single' | 'multi' | 'regression'): string {
  if (checks.length === 0) return ''
  const { metric, recordings, part, tolerance } = checks[0]!
  const { name, say } = metricInfo(metric, task)
  const head = ['runtime', 'same labels', 'largest difference', `${name} (trained net)`, 'ms per recording']
  const rows = checks.map(c => [
    c.runtime,
    sameLabels(c.same, task),
    small(c.difference),
    `${say(c.exported)} (${say(c.trained)})`,
    c.milliseconds.toFixed(1),
  ])
  const which = part === 'valid' ? 'validation recordings' : 'training recordings (folds leave no others)'
  return `${recordings} ${which}, from file to answer, against the trained net in float32 (accepted: ${tolerance}):\n${tableLines(head, rows)}`
}
