import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The files of a run folder, as absolute or relative paths under `dir`. */
export const runPaths = (dir: string) => ({
  config: join(dir, 'config.json'),
  events: join(dir, 'events.jsonl'),
  metrics: join(dir, 'metrics.csv'),
  result: join(dir, 'result.json'),
  interpret: join(dir, 'interpret.json'),
  pictures: join(dir, 'pictures.json'),
  report: join(dir, 'report.html'),
  plots: join(dir, 'plots'),
  lock: join(dir, 'lock.json'),
  resume: join(dir, 'resume'),
  best: { weights: join(dir, 'best.safetensors'), about: join(dir, 'best.json') },
  last: { weights: join(dir, 'last.safetensors'), about: join(dir, 'last.json') },
})

/** That a run is done, and where its report is. */
export function doneText(dir: string): string {
  const { report } = runPaths(dir)
  const drawn = existsSync(report) ? `its report is ${report}` : `\`npx anneal report ${dir}\` draws its report`
  return `${dir}: this run is done; ${drawn}. To train more, start a new run.`
}

/** The object in a JSON file; undefined where there is no such file; throws a plain `Error` with the reason otherwise. */
export function readObject<T extends object>(path: string): T | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error(text.trim() === '' ? 'is empty' : 'is not valid JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('holds no JSON object')
  return value as T
}
