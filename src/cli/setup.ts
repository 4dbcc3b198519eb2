import { streamReport } from '../base/progress.ts'
import { ensureAddon } from '../setup/index.ts'
import { workWithoutOutput } from './output.ts'
import { flat } from './style.ts'

/** `anneal setup`: libtorch and the addon, each where it is missing. */
export async function setup(): Promise<void> {
  workWithoutOutput()
  const { path, libtorch, built, from: brought } = await ensureAddon(streamReport(process.stderr))
  const libtorchText = libtorch ? `libtorch ${libtorch.version} (${libtorch.source}), ` : ''
  const how = built ? 'built' : brought ? `ready (from ${brought})` : 'ready'
  process.stdout.write(`${libtorchText}addon ${how}: ${flat(path)}\n`)
}
