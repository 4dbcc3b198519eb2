import type { Finding } from './findings.ts'
import { type Libc, libc, unsupported } from './libc.ts'
import type { PlatformPackage } from './prebuilt.ts'
import { isClone } from './state.ts'

/** The system, its processor and its C library. */
export function systemFinding(
  platform: string = process.platform,
  arch: string = process.arch,
  found: Libc | undefined = libc(platform),
): Finding {
  const name = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' }[platform] ?? platform
  const library = found === 'musl' ? ', musl' : found ? `, glibc ${found.glibc}` : ''
  const refused = unsupported(platform, arch, found)
  const text = `${name} ${arch}${library}`
  return refused
    ? { name: 'system', state: 'missing', text: `${text}: ${refused.text}`, todo: refused.todo }
    : { name: 'system', state: 'ok', text }
}

/** The findings about what a build needs. */
const buildTools = ['compiler', 'CMake']

/** The platform package with the compiled addon, and whether it can be used. */
export function packageFinding(found: PlatformPackage, clone: boolean = isClone()): Finding {
  const name = 'package'
  if (found.version === undefined)
    return clone
      ? { name, state: 'info', text: `${found.name} is not installed; a clone builds its own addon` }
      : {
          name,
          state: 'note',
          text: `${found.name} with the compiled addon is not installed`,
          todo: 'npm install --include=optional; without it the addon is built here',
        }
  if (found.problem) {
    const [text, ...todo] = found.problem.split(': ')
    return { name, state: 'note', text: text!, todo: todo.join(': ') }
  }
  const versions = found.builds.map(({ manifest }) => manifest.libtorch).join(' and ')
  return { name, state: 'ok', text: `${found.name} ${found.version}: the compiled addon for libtorch ${versions}` }
}

/** Makes of a missing compiler or CMake a remark, if the addon needs no building. */
export const notNeeded = (finding: Finding): Finding =>
  finding.state === 'missing' && buildTools.includes(finding.name)
    ? { name: finding.name, state: 'info', text: `${finding.text}; not needed, the addon comes compiled` }
    : finding

/** The one command, or the one thing to do, that mends what is missing. */
export function mending(findings: readonly Finding[]): string {
  const missing = findings.filter(({ state }) => state === 'missing')
  const first = (name: string) => missing.find(finding => finding.name === name)?.todo
  const other = first('Node') ?? first('system') ?? first('cache')
  if (other) return other
  const setup = 'npx anneal setup'
  const tools = missing.some(({ name }) => buildTools.includes(name))
  // To install a package is easier than to build what it holds.
  const brought = findings.find(({ name, state }) => name === 'package' && state === 'note')?.todo
  if (tools && brought) return brought.startsWith('npm ') ? `${brought.split(';')[0]} && ${setup}` : brought
  const pip = findings.some(({ name, state }) => (name === 'Python' || name === 'pip') && state === 'missing')
  const packages = [...(tools ? ['build-essential', 'cmake'] : []), ...(pip ? ['python3-pip'] : [])]
  if (packages.length === 0) return setup
  return process.platform === 'darwin'
    ? `xcode-select --install && ${tools ? 'brew install cmake && ' : ''}${setup}`
    : `sudo apt-get install ${packages.join(' ')} && ${setup}`
}
