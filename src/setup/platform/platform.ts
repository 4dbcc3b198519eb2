import type { Pinned } from '../../base/fetch.ts'
import type { WheelPin } from '../../base/packages.ts'

/** The libtorch that is fetched if none is found, for one platform. */
export type LibtorchPins = {
  /** The official CPU archive. Absent if none is pinned for the platform. */
  archive?: Pinned & { version: string; bytes: number }
  /** Wheels that together hold one libtorch. All are unpacked into the same folder. */
  wheels: { version: string; parts: (WheelPin & { members: RegExp })[] }
}

/** What set-up must know of an operating system. Each has a file in this folder. */
export type Platform = {
  /** The file of a shared library: `torch_cpu` is `libtorch_cpu.so` on Linux. */
  library(name: string): string
  /** The folders below an installation that may hold its shared libraries, for a processor as Node names it. */
  libraryFolders(arch: string): string[]
  /** Where the system or a person installs a libtorch. */
  prefixes: string[]
  /** Whether a libtorch without oneDNN is refused, because it trains many times slower. */
  needsOneDnn: boolean
  /** How a library names the folder that it lies in, for the loader. */
  origin: string
  /** Whether an addon that clang builds uses the same OpenMP as libtorch. */
  clangServes: boolean
  /** The names of C++ compilers, the usual one first. */
  compilers: string[]
  /** The variable that makes the waiting threads of libtorch's OpenMP go to sleep soon, and its value. */
  spin: { name: string; value: string }
  /** What a person does to install something. */
  install: { buildTools: string; compiler: string; python: string; pip: string; libtorch: string }
  /** The pinned libtorch by processor, as Node names it. */
  pins: Record<string, LibtorchPins>
}
