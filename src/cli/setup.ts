import { streamReport } from '../base/progress.ts'
import { ensureAddon } from '../setup/index.ts'
import { workWithoutOutput } from './output.ts'
import { flat } from './style.ts'

/** `anneal setup`: libtorch and the addon, each where it is missing. */
export async function setup(): Promise<void> {
  workWithoutOutput()
  const { path, libtorch, built } = await ensureAddon(streamReport(process.stderr))
  const from = libtorch ? `libtorch ${libtorch.version} (${libtorch.source}), ` : ''
  process.stdout.write(`${from}addon ${built ? 'built' : 'ready'}: ${flat(path)}\n`)
}
