/** The C library of a Linux system: glibc with its version, or musl, as in Alpine. */
export type Libc = { glibc: string } | 'musl'

/** The oldest glibc that libtorch runs on, and the official builds of Node: `objdump -T` names it in both. */
const oldestGlibc = '2.28'

const olderThan = (a: string, b: string): boolean => a.localeCompare(b, 'en', { numeric: true }) < 0

type ProcessReport = { header?: { glibcVersionRuntime?: string } }

/** The C library that this Node runs on; undefined outside Linux. Takes some milliseconds. */
export function libc(platform: string = process.platform, read: () => ProcessReport = processReport): Libc | undefined {
  if (platform !== 'linux') return undefined
  const glibc = read().header?.glibcVersionRuntime
  return glibc ? { glibc } : 'musl'
}

function processReport(): ProcessReport {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean }
  report.excludeNetwork = true // else Node may ask for the names of network addresses, which can take seconds
  return report.getReport() as ProcessReport
}

/** Why training does not work on this system and what to do, or undefined. `libtorch` exists for Linux with glibc and
 *  for macOS. */
export function unsupported(
  platform: string = process.platform,
  arch: string = process.arch,
  found: Libc | undefined = libc(platform),
): { text: string; todo: string } | undefined {
  if (found === 'musl')
    return {
      text: 'this is a Linux with musl, such as Alpine, and libtorch needs glibc, so training does not work here',
      todo: 'use node:22-slim; exported models run here: @anneal/run with onnxruntime-web',
    }
  if (found && olderThan(found.glibc, oldestGlibc))
    return {
      text: `this system has glibc ${found.glibc}, and libtorch needs ${oldestGlibc} or later, so training does not work here`,
      todo: 'use Debian 11, Ubuntu 20.04, RHEL 8 or later; exported models run here: @anneal/run with onnxruntime-web',
    }
  if (platform === 'win32')
    return { text: 'there is no build for Windows', todo: 'use WSL2, which is Linux: docs/install.md' }
  if (platform === 'darwin' && arch === 'x64')
    return {
      text: 'PyTorch publishes no libtorch for Macs with Intel processors since 2.2',
      todo: 'train on Linux or on a Mac with an Apple processor; exported models run here: @anneal/run',
    }
  return undefined
}
