import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { sha256File } from '../base/digest.ts'
import { ModelError } from '../base/errors.ts'
import { quoted } from '../base/format.ts'
import type { Card } from '../onnx/card.ts'
import type { SoundFileCard } from '../onnx/sound-card.ts'
import type { TableFileCard } from '../onnx/table-card.ts'
import type { TextFileCard } from '../onnx/text-card.ts'
import { nounOf, readConfig, readSeen, runPaths } from '../runs/index.ts'
import { findCard } from '../tabular/run/card.ts'
import { flat } from './style.ts'

const installed = (name: string): boolean => {
  try {
    import.meta.resolve(name)
    return true
  } catch {
    return false
  }
}

/** The `model.onnx` of a run for the server. Exports the run first if there is none, in a process of its own, so that the
 *  server's process loads no libtorch. Throws if the folder is no run, or onnxruntime-node is not installed; ends the process if the export fails. */
export async function modelOfRun(run: string): Promise<string> {
  const file = join(run, 'model.onnx')
  const { best } = runPaths(run)
  if (existsSync(file)) return file
  if (!existsSync(best.about))
    throw new ModelError(
      `${run}: holds neither model.onnx nor best.json; expected the folder of a finished run, or the file that \`anneal export\` wrote. \`npx anneal runs\` lists the runs.`,
    )
  if (!installed('onnxruntime-node'))
    throw new ModelError(
      'anneal serve answers by onnxruntime-node, which is not installed. Install it: npm install --ignore-scripts onnxruntime-node',
    )
  const { args, note } = checkOf(run)
  process.stderr.write(`${flat(`${run} has no model.onnx, so it is exported first${note}`)}\n`)
  const ended = await child(['export', run, ...args])
  if (ended === 0) return file
  if (ended < 128)
    process.stderr.write(
      `${flat(`anneal: ${run} could not be exported, so it is not served. Export it by hand: npx anneal export ${quoted(run)}`)}\n`,
    )
  process.exit(ended)
}

/** The options of the export's check, and why it is not a whole one. */
function checkOf(run: string): { args: string[]; note: string } {
  const unchecked = (why: string) => ({
    args: ['--no-check'],
    note: `, without the check against the trained net: ${why}`,
  })
  const config = readConfig(run)
  const table = findCard(run) !== undefined
  const data = table ? 'table' : nounOf(config).many
  if (!config || (!table && !readSeen(run))) return unchecked(`the run keeps no list of its ${data}`)
  if (!table && !existsSync(config.data))
    return unchecked(
      `its ${data} were in ${config.data}, which no longer exists. To check it: npx anneal export ${quoted(run)} --check ${quoted(join(run, 'model.onnx'))} --data FOLDER`,
    )
  if (installed('onnxruntime-web')) return { args: [], note: '' }
  return {
    args: ['--runtimes', 'onnxruntime-node'],
    note: ', and checked in onnxruntime-node alone, since onnxruntime-web is not installed',
  }
}

/** Runs another command of this program with its output on this terminal; returns its exit code. */
function child(args: readonly string[]): Promise<number> {
  const own = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], { stdio: 'inherit' })
  let stopped: NodeJS.Signals | undefined
  const stop = (signal: NodeJS.Signals) => {
    // Ctrl-C on a terminal reaches both processes.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) own.kill(signal)
    stopped = signal
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  return new Promise((resolve, reject) => {
    own.on('error', reject)
    own.on('close', (code, signal) => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, stop)
      const by = stopped ?? signal
      resolve(by === null || by === undefined ? (code ?? 1) : (signals[by] ?? 1))
    })
  })
}

const signals: Partial<Record<NodeJS.Signals, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGKILL: 137 }

/** Prints a line if an exported file is not of the run's best weights, as after more training. */
export async function warnOfOtherWeights(
  run: string,
  card: Card | TableFileCard | TextFileCard | SoundFileCard,
): Promise<void> {
  const { best } = runPaths(run)
  if (card.format === 'anneal-table-model') return warnOfOtherTable(run, card)
  const { digests } = card
  const [known, ...others] = digests.weights
  if (others.length > 0 || !existsSync(best.weights) || known === (await sha256File(best.weights))) return
  process.stderr.write(
    `${flat(`warning: ${join(run, 'model.onnx')} was exported from other weights than ${best.weights} has now; the server answers with those of the export. To export again: npx anneal export ${quoted(run)}`)}\n`,
  )
}

/** The same for a model of a table: the digests of its card are of files in the run's folder. */
async function warnOfOtherTable(run: string, { digests }: TableFileCard): Promise<void> {
  for (const [name, digest] of Object.entries(digests)) {
    const file = join(run, name)
    if (!existsSync(file) || (await sha256File(file)) === digest) continue
    process.stderr.write(
      `${flat(`warning: ${join(run, 'model.onnx')} was exported from another ${name} than ${run} has now; the server answers with that of the export. To export again: npx anneal export ${quoted(run)}`)}\n`,
    )
    return
  }
}
