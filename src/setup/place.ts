import { createHash } from 'node:crypto'
import { existsSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolder, sweep, sweepOf } from '../base/archive.ts'
import { SetupError } from '../base/errors.ts'
import { cacheFolder } from '../base/files.ts'
import { withLock } from '../base/lock.ts'
import type { Report } from '../base/progress.ts'
import { lastLines, type Ran, run } from '../base/run-command.ts'
import type { Libtorch } from './libtorch.ts'
import { here } from './platform/index.ts'
import { copyBuild, type Prebuilt } from './prebuilt.ts'
import { stampOf } from './state.ts'

/** An addon in the cache. `cuda`: the library that must be loaded before it, see `Ready`. */
type Placed = { path: string; library: string; cuda?: string }

/** Copies a build of the platform package into the cache, beside a link `lib` to the libraries of a libtorch, where the
 *  addon looks for them, and loads it once. Throws if it does not load. */
export async function placeBuild(build: Prebuilt, libtorch: Libtorch, report: Report): Promise<Placed> {
  const lib = libtorch.lib[0]!
  const library = join(lib, here.library('torch_cpu'))
  const parts = [build.manifest, lib, stampOf(library)]
  const key = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 20)
  const folder = cacheFolder('addon', key)
  sweep(dirname(folder))
  await withLock(
    folder,
    async () => {
      sweepOf(folder)
      await makeFolder(folder, async temp => {
        copyBuild(build, temp)
        linkLibraries(lib, temp)
        const loaded = await load(join(temp, 'anneal.node'))
        if (loaded.code !== 0)
          throw new SetupError(
            `the addon in ${build.folder} does not load with libtorch ${libtorch.version} in ${libtorch.folder}: ${loadError(loaded)}`,
          )
      })
    },
    holder => report({ line: `waiting for another process that sets the addon up: ${holder}` }),
  )
  const path = join(folder, 'anneal.node')
  const cuda = libtorch.cuda ? join(lib, here.library('torch_cuda')) : undefined
  if (cuda === undefined || (await loadsWith(path, cuda))) return { path, library, ...(cuda && { cuda }) }
  report({ line: `the CUDA part of the libtorch in ${libtorch.folder} does not load; training uses the CPU` })
  return { path, library }
}

/** The addon looks for libraries in `lib` and beside itself. The file of OpenMP may have another name than in the libtorch
 *  that the addon was built with; then it gets a link with the usual name beside the addon, so that both use one OpenMP. */
function linkLibraries(lib: string, folder: string): void {
  symlinkSync(lib, join(folder, 'lib'))
  if (existsSync(join(lib, 'libgomp.so.1'))) return
  const other = readdirSync(lib).find(name => /^libgomp.*\.so/.test(name))
  if (other) symlinkSync(join('lib', other), join(folder, 'libgomp.so.1'))
}

/** Loads an addon in a separate process, so that a crash or a missing library does no harm. */
export const load = (path: string): Promise<Ran> =>
  run(process.execPath, ['-e', 'process.stdout.write(require(process.argv[1]).version())', path], { seconds: 120 })

/** Whether a library loads before an addon, in a separate process. */
async function loadsWith(addon: string, library: string): Promise<boolean> {
  const script = `const [addon, loader, library] = process.argv.slice(1)
const { load, wait } = require(loader)
load(library)
wait()
require(addon).version()
process.exit(process.report.getReport().sharedObjects.some(path => path.endsWith('/libtorch_cuda.so')) ? 0 : 1)`
  const args = ['-e', script, addon, join(dirname(addon), 'preload.node'), library]
  return (await run(process.execPath, args, { seconds: 120 })).code === 0
}

/** Why an addon did not load, from the output of `load`. */
export const loadError = ({ stderr }: Ran): string =>
  lastLines(
    stderr
      .split('\n')
      .filter(line => /Error: /.test(line))
      .join('\n') || stderr,
  )
