import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sweepOf } from './archive.ts'
import { hashFile } from './digest.ts'
import { DownloadError } from './errors.ts'
import { needSpace } from './fetch.ts'
import { cacheFolder, ensureFolder } from './files.ts'
import { bytes as asBytes } from './format.ts'
import { withLock } from './lock.ts'
import { type Report, silent } from './progress.ts'
import { lastLines, type Ran, run } from './run-command.ts'

/** A pinned file of a Python package. No address is given here: pip knows where packages come from. */
export type WheelPin = {
  package: string
  version: string
  /** The wheel's file name. */
  file: string
  sha256: string
  bytes: number
  what: string
  licence: string
  /** Fixed, so that the digest is the same for every Python version. */
  pythonVersion?: string
  platform?: string
}

/** A pinned npm package. npm knows where packages come from. */
export type NpmPin = {
  package: string
  version: string
  /** As npm prints it: `sha512-…`. */
  integrity: string
  bytes: number
  what: string
  licence: string
}

/** The programs that may be pip, in the order in which they are tried. uv and pipx fetch pip itself. */
const pips = (python: string): [string, ...string[]][] => [
  [python, '-m', 'pip'],
  ['pip3'],
  ['uv', 'tool', 'run', 'pip'],
  ['pipx', 'run', 'pip'],
]

/** The first of them that there is; else how the attempt ended that says most. */
async function findPip(python: string, signal: AbortSignal | undefined): Promise<[string, ...string[]] | Ran> {
  let first: Ran | undefined
  for (const pip of pips(python)) {
    const [command, ...before] = pip
    const ran = await run(command, [...before, '--version'], { signal })
    if (!ran.missing && !noPip.test(ran.stderr)) return pip
    if (first === undefined || first.missing) first = ran // that Python has no pip says more than that there is no pipx
  }
  return first!
}

/** Whether a download failed because there is no program that runs pip. */
export const lacksPip = (message: string): boolean => /: (pip is not on the PATH|this Python has no pip);/.test(message)

/** The arguments of pip that fetch a wheel, whatever the Python and the system are that pip runs on. */
export const downloadArguments = ({ package: name, version, pythonVersion, platform }: WheelPin): string[] => [
  'download',
  '--no-deps',
  '--only-binary=:all:',
  ...(pythonVersion ? ['--implementation=cp', `--python-version=${pythonVersion}`] : []),
  ...(platform ? [`--platform=${platform}`] : []),
  `${name}==${version}`,
]

/** Downloads a wheel to the cache with `python3 -m pip download`, or by another program that runs pip, and checks its
 *  digest. A file that is already there is checked too: a person may have put it there. Returns its path. */
export async function pipDownload(
  pin: WheelPin,
  report: Report = silent,
  python = 'python3',
  signal?: AbortSignal,
): Promise<string> {
  return bring({
    tool: 'pip',
    pin: { ...pin, digest: { name: 'sha256', encoding: 'hex', value: pin.sha256 } },
    file: pin.file,
    report,
    find: () => findPip(python, signal),
    // pip writes to its temporary folder. That is in our folder, so the growth of the file shows the progress.
    fetch(folder, [command, ...before]) {
      const env = {
        TMPDIR: folder,
        PIP_REQUIRE_VIRTUALENV: '0',
        PIP_DISABLE_PIP_VERSION_CHECK: '1',
        PIP_NO_CACHE_DIR: '1',
        PIP_RESUME_RETRIES: '20', // pip 25.1 or later goes on after a broken connection
      }
      const args = [...downloadArguments(pin), '--progress-bar=off', '--quiet', `--dest=${folder}`]
      return run(command, [...before, ...args], { cwd: folder, signal, env })
    },
    signal,
    install: `install Python 3 with pip (Debian, Ubuntu: apt install python3-pip), or copy ${pin.file} from another machine into ${cacheFolder('downloads')} (there: python3 -m pip ${downloadArguments(pin).join(' ')})`,
  })
}

/** Downloads the `.tgz` of a package to the cache with `npm pack` and checks its digest, unless it is already there.
 *  Returns its path. */
export async function npmPack(pin: NpmPin, report: Report = silent): Promise<string> {
  const file = `${pin.package.replace('@', '').replace('/', '-')}-${pin.version}.tgz`
  return bring({
    tool: 'npm',
    pin: { ...pin, digest: { name: 'sha512', encoding: 'base64', value: pin.integrity.replace('sha512-', '') } },
    file,
    report,
    find: async () => {
      const ran = await run('npm', ['--version'])
      return ran.missing ? ran : ['npm']
    },
    fetch: (folder, [npm]) =>
      run(
        npm,
        ['pack', '--silent', '--ignore-scripts', `--pack-destination=${folder}`, `${pin.package}@${pin.version}`],
        {
          cwd: folder,
        },
      ),
    install: 'install npm (it comes with Node)',
  })
}

/** What a Python without pip says. */
const noPip = /No module named pip/

type Bring = {
  tool: 'pip' | 'npm'
  pin: {
    package: string
    version: string
    bytes: number
    what: string
    licence: string
    digest: { name: string; encoding: 'hex' | 'base64'; value: string }
  }
  file: string
  report: Report
  /** The program that fetches, as the beginning of its command line; else how looking for it ended. */
  find: () => Promise<[string, ...string[]] | Ran>
  fetch: (folder: string, program: [string, ...string[]]) => Promise<Ran>
  signal?: AbortSignal | undefined
  install: string
}

async function bring({ tool, pin, file, report, find, fetch, signal, install }: Bring): Promise<string> {
  const downloads = cacheFolder('downloads')
  const to = join(downloads, file)
  const { what, licence, bytes, digest } = pin
  const digestOf = async (path: string) => (await hashFile(path, createHash(digest.name))).digest(digest.encoding)
  if (existsSync(to)) {
    const got = await digestOf(to)
    if (got === digest.value) return to
    throw new DownloadError(
      `${to} has ${digest.name} ${got}, expected ${digest.value}: it is damaged or another file; delete it and run it again`,
    )
  }
  return withLock(
    to,
    async () => {
      if (existsSync(to)) return to
      needSpace(downloads, bytes, what)
      const program = await find()
      signal?.throwIfAborted()
      if (!Array.isArray(program)) throw lacks(what, tool, program, install)
      report({ line: `fetching ${what} (${asBytes(bytes)}, ${licence}) through ${tool}` })
      sweepOf(to)
      const folder = ensureFolder(`${to}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`)
      const watch = setInterval(() => report({ what, done: Math.min(bytes - 1, weigh(folder)), total: bytes }), 250)
      try {
        const ran = await fetch(folder, program)
        clearInterval(watch)
        signal?.throwIfAborted()
        const found = join(folder, file)
        if (ran.code !== 0 || !existsSync(found)) throw failed(pin, tool, file, ran)
        const got = await digestOf(found)
        if (got !== digest.value)
          throw new DownloadError(
            `${file} through ${tool} has ${digest.name} ${got}, expected ${digest.value}; it was deleted. Does ${tool} use a mirror that changes packages?`,
          )
        report({ what, done: bytes, total: bytes })
        renameSync(found, to)
        return to
      } finally {
        clearInterval(watch)
        rmSync(folder, { recursive: true, force: true })
      }
    },
    holder => report({ line: `waiting for another process that fetches ${what}: ${holder}` }),
    signal,
  )
}

function lacks(what: string, tool: string, ran: Ran, install: string): DownloadError {
  const why = ran.missing ? `${tool} is not on the PATH` : `this Python has no ${tool}`
  return new DownloadError(`${what}: ${why}; ${install}, then run it again`)
}

function failed({ what, package: name, version }: Bring['pin'], tool: string, file: string, ran: Ran): DownloadError {
  const said = lastLines(ran.stderr || ran.stdout, 2)
  const why = ran.code === 0 ? `it downloaded another file than ${file}` : said || `exit code ${ran.code}`
  return new DownloadError(
    `${what}: ${tool} could not fetch ${name} ${version}: ${why}; check the network and ${tool}'s settings`,
  )
}

function weigh(folder: string): number {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true }).reduce(
      (sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath ?? folder, entry.name)).size : 0),
      0,
    )
  } catch {
    return 0
  }
}
