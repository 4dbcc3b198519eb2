import { bytes, plural } from '../base/format.ts'
import { setUpOnce } from '../setup/index.ts'
import type { BenchOptions } from '../speed/bench.ts'
import type { BenchResult, Timing } from '../speed/types.ts'
import type { LayerTimes } from '../train/measure-layers.ts'
import { flat, paintFor } from './style.ts'
import { createReporter } from './terminal.ts'

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** `anneal bench`: how fast this machine trains a model, and what would make it faster. */
export async function bench(options: BenchOptions, { json = false }: { json?: boolean | undefined }): Promise<void> {
  await setUpOnce()
  const reporter = createReporter(json ? { out: process.stderr } : {})
  const stop = new AbortController()
  for (const signal of Object.keys(exitCodes) as (keyof typeof exitCodes)[])
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(exitCodes[signal])
      process.exitCode = exitCodes[signal]
      stop.abort()
    })
  const { benchmark } = await import('../speed/bench.ts')
  const { wasStopped } = await import('../api/index.ts')
  try {
    const result = await benchmark({
      ...options,
      signal: stop.signal,
      progress: (label, done, total) => reporter.progress({ label, done, total }),
    })
    reporter.close()
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${benchLines(result).map(flat).join('\n')}\n`)
  } catch (error) {
    reporter.close()
    if (!wasStopped(error)) throw error
    process.stderr.write('stopped before the end; a part of the measurements gives no result\n')
    process.exit()
  }
}

/** The result as a person reads it: the machine, a table, what the recipe takes, what would be faster. */
export function benchLines(result: BenchResult): string[] {
  const { model, size, batch, threads, cores, cpu, instructionSets, libtorch, timings, others, advice } = result
  const bold = (text: string) => paintFor(process.stdout, process.env)('bold', text)
  const { precision, kernels, reason, imagesPerSecond, coresBusy, peakBytes } = result
  const named = kernels === 'own' ? 'own kernels' : "libtorch's kernels"
  return [
    `${model}, ${size} px, batches of ${batch}, from random weights on random pictures`,
    `${cpu}, ${plural(threads, 'thread')} on ${plural(cores, 'core')}, ${instructionSets.join(', ') || 'no vector instructions known here'}; libtorch ${libtorch}`,
    '',
    ...table([...timings, ...others], { size, batch }),
    '',
    `${bold('training takes')} ${precision} and ${named}: ${imagesPerSecond} images/s (${reason})`,
    `${coresBusy.toFixed(1)} of ${plural(cores, 'core')} busy, at most ${bytes(peakBytes)} of memory`,
    ...(result.layers ? ['', ...layerTable(result.layers)] : []),
    ...(advice.length > 0 ? ['', bold('what would be faster'), ...advice.map(line => `  ${line}`)] : []),
  ]
}

function table(timings: readonly Timing[], usual: { size: number; batch: number }): string[] {
  const work = ({ work, batch, size }: Timing) =>
    [work, ...(size === usual.size ? [] : [`${size} px`]), ...(batch === usual.batch ? [] : [`batch ${batch}`])].join(
      ', ',
    )
  const cells = timings.map(t => [
    work(t),
    t.precision,
    t.kernels === 'own' ? 'own' : "libtorch's",
    t.imagesPerSecond.toFixed(1),
    t.milliseconds.median.toFixed(0),
    t.milliseconds.least.toFixed(0),
  ])
  return aligned([['', 'precision', 'kernels', 'images/s', 'ms', 'least ms'], ...cells], 3)
}

const productNames = {
  forward: 'forward',
  input: 'gradient of input',
  weights: 'gradient of weights',
  inference: 'without gradients',
} as const
const wayNames = ['libtorch', 'product', 'own', 'tiles', 'fused'] as const
/** The convolutions of each shape: the milliseconds of each way of each product, and the way that was taken. */
function layerTable(layers: readonly LayerTimes[]): string[] {
  if (layers.length === 0) return ['no convolution has more than one way here']
  const rows = layers.flatMap(({ name, count, n, milliseconds, taken }) =>
    (Object.keys(productNames) as (keyof typeof productNames)[]).map((product, i) => [
      i === 0 ? `${count} of ${name}, batch ${n}` : '',
      productNames[product],
      taken[product],
      ...wayNames.map(way => milliseconds[product][way]?.toFixed(2) ?? ''),
    ]),
  )
  return aligned([['convolutions, ms', '', 'taken', ...wayNames], ...rows], 3)
}

/** Rows of cells as columns: the first `words` of them begin at the left, the others end at the right. */
function aligned(rows: readonly (readonly string[])[], words: number): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row =>
    row
      .map((cell, i) => (i < words ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}
