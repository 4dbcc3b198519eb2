import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { here } from './platform/index.ts'

/** The full path of a command on `path` (the `PATH`), or `undefined`. Starts no process. */
export function which(command: string, path: string = process.env.PATH ?? ''): string | undefined {
  for (const folder of command.includes('/') ? [''] : path.split(delimiter)) {
    const file = folder ? join(folder, command) : command
    try {
      accessSync(file, constants.X_OK)
      if (statSync(file).isFile()) return file
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}

/** The Python in which packages are searched and with which they are fetched: `python3`, else `python`. */
export const findPython = (path?: string): string | undefined => which('python3', path) ?? which('python', path)

/** The C++ compilers on the PATH, the usual one first. If `CXX` is set, only that one. */
export const findCompilers = (): string[] =>
  (process.env.CXX ? [process.env.CXX] : here.compilers).flatMap(name => which(name) ?? [])

/** The CMake generator for the build tool on the PATH, or `undefined`. */
export const findMake = (): string | undefined =>
  which('make') ? 'Unix Makefiles' : which('ninja') ? 'Ninja' : undefined
