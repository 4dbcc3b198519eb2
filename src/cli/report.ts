import { writeReport } from '../report/index.ts'
import { runPaths } from '../runs/index.ts'
import { workWithoutOutput } from './output.ts'
import { flat } from './style.ts'

/** `anneal report`: draws a run folder again. */
export async function report(run: string): Promise<void> {
  workWithoutOutput()
  await writeReport(run)
  process.stdout.write(`${flat(runPaths(run).report)}\n`)
}
