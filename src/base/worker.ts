import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/** The file of a thread: beside the module `from` (its `import.meta.url`), in sources and in the package; of a program that
 *  bundles this package, in the `node_modules` above it. `room`: where the file lies below `src`, such as
 *  `vision/inference`. Undefined where there is none. */
export function workerFile(from: string, room: string, name: string): string | undefined {
  const own = fileURLToPath(from)
  const beside = join(dirname(own), `${name}${own.endsWith('.ts') ? '.ts' : '.js'}`)
  if (existsSync(beside)) return beside
  try {
    const about = createRequire(from).resolve('anneal/package.json')
    const packaged = join(dirname(about), 'dist', room, `${name}.js`)
    return existsSync(packaged) ? packaged : undefined
  } catch {
    return undefined
  }
}

/** Starts a thread. It takes none of the program's own loaders; where its file is a source, tsx loads it, as it loaded this
 *  one. */
export function startWorker(path: string, options: Pick<WorkerOptions, 'name' | 'workerData'>): Worker {
  const settings = { execArgv: [], ...options }
  if (!path.endsWith('.ts')) return new Worker(path, settings)
  const [tsx, url] = [import.meta.resolve('tsx/esm/api'), pathToFileURL(path).href].map(name => JSON.stringify(name))
  return new Worker(`import(${tsx}).then(tsx => { tsx.register(); return import(${url}) })`, {
    ...settings,
    eval: true,
  })
}
