import { SetupError } from '../base/errors.ts'
import { run } from '../base/run-command.ts'
import { here } from './platform/index.ts'
import { findCompilers } from './which.ts'

/** The first compiler whose addon loads; undefined if there is no compiler. On Linux, clang uses another OpenMP
 *  (libomp) than libtorch (GCC's libgomp), so an addon built with clang does not load. Throws if there is only
 *  clang. */
export async function chooseCompiler(): Promise<{ path: string; version: string } | undefined> {
  const refused: string[] = []
  for (const path of findCompilers()) {
    const version = (await run(path, ['--version'])).stdout.split('\n')[0]!
    if (here.clangServes || !/clang/i.test(version)) return { path, version }
    refused.push(`${process.env.CXX ? `CXX=${process.env.CXX}` : path} is ${version}`)
  }
  if (refused.length === 0) return undefined
  throw new SetupError(
    `${refused[0]}: on Linux an addon that clang builds does not load, because clang uses another OpenMP (libomp) than libtorch (libgomp); install g++ (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++)${process.env.CXX ? ' and set CXX=g++, or leave CXX out' : ''}`,
  )
}
