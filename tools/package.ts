/** Checks a package: `publint` reads package.json and what it points to, `attw` (Are the types wrong?) resolves each entry
 *  as TypeScript would. Without a tarball it checks anneal as npm would publish it from the files of this folder; then
 *  dist/ has to be fresh.
 *
 *    node --import tsx tools/package.ts [TARBALL] */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkPackage, Package } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const root = fileURLToPath(new URL('..', import.meta.url))

type Files = ReadonlyMap<string, Uint8Array>

/** The files that `npm pack` would take from this folder, without building anything first. */
function filesHere(): Files {
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error(`npm pack --dry-run: ${stderr}`)
  const paths = JSON.parse(stdout)[0].files.map(({ path }: { path: string }) => path)
  return new Map(paths.map((path: string) => [path, new Uint8Array(readFileSync(join(root, path)))]))
}

/** The files of a tarball. */
function filesOf(tarball: string): Files {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-tarball-'))
  try {
    const { status, stderr } = spawnSync('tar', ['-xzf', resolve(tarball), '-C', folder], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`tar -xzf ${tarball}: ${stderr}`)
    const top = join(folder, 'package')
    const paths = readdirSync(top, { recursive: true, encoding: 'utf8' })
    const files = paths.filter(path => statSync(join(top, path)).isFile())
    return new Map(files.map(path => [path, new Uint8Array(readFileSync(join(top, path)))]))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function problemsOfPublint(files: Files, about: object): Promise<string[]> {
  const packed = Array.from(files, ([path, data]) => ({ name: `package/${path}`, data }))
  const { messages } = await publint({ pkgDir: 'package', pack: { files: packed }, strict: true })
  return messages.map(message => `publint: ${message.type}: ${formatMessage(message, about, { color: false })}`)
}

// The package is for `import` alone: it has no entry for `require`, nor for the resolution of TypeScript before 4.7.
const served = new Set(['node16-esm', 'bundler'])

async function problemsOfTypes(files: Files, name: string, version: string): Promise<string[]> {
  const placed = Object.fromEntries(Array.from(files, ([path, data]) => [`/node_modules/${name}/${path}`, data]))
  const found = await checkPackage(new Package(placed, name, version))
  if (!found.types) return ['attw: the package has no types']
  return found.problems
    .filter(problem => !('resolutionKind' in problem) || served.has(problem.resolutionKind))
    .map(problem => `attw: ${JSON.stringify(problem)}`)
}

const [tarball] = process.argv.slice(2)
const files = tarball ? filesOf(tarball) : filesHere()
const about = JSON.parse(Buffer.from(files.get('package.json')!).toString('utf8'))
// A platform package has no entry that a program imports.
const hasEntry = about.exports !== undefined || about.main !== undefined
const problems = [
  ...(await problemsOfPublint(files, about)),
  ...(hasEntry ? await problemsOfTypes(files, about.name, about.version) : []),
]
if (problems.length) console.error(problems.map(problem => `${about.name}: ${problem}`).join('\n'))
process.exitCode = problems.length ? 1 : 0
