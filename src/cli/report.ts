import { writeReport } from '../report/index.ts'
import { runPaths } from '../runs/index.ts'

/** `anneal report`: draws a run folder again. */
export async function report(run: string): Promise<void> {
  await writeReport(run)
  process.stdout.write(`${runPaths(run).report}\n`)
}
