/** Checks the package as npm would publish it, from the files of this folder: `publint` reads package.json and what it
 *  points to, `attw` (Are the types wrong?) resolves each entry as TypeScript would. dist/ has to be fresh.
 *
 *    node --import tsx tools/package.ts */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkPackage, Package } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The files that `npm pack` would take, without building anything first. */
function packedFiles(): string[] {
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error(`npm pack --dry-run: ${stderr}`)
  return JSON.parse(stdout)[0].files.map(({ path }: { path: string }) => path)
}

async function problemsOfPublint(files: ReadonlyMap<string, Uint8Array>, about: object): Promise<string[]> {
  const packed = Array.from(files, ([path, data]) => ({ name: `package/${path}`, data }))
  const { messages } = await publint({ pkgDir: 'package', pack: { files: packed }, strict: true })
  return messages.map(message => `publint: ${message.type}: ${formatMessage(message, about, { color: false })}`)
}

// The package is for `import` alone: it has no entry for `require`, nor for the resolution of TypeScript before 4.7.
const served = new Set(['node16-esm', 'bundler'])

async function problemsOfTypes(
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
  version: string,
): Promise<string[]> {
  const placed = Object.fromEntries(Array.from(files, ([path, data]) => [`/node_modules/${name}/${path}`, data]))
  const found = await checkPackage(new Package(placed, name, version))
  if (!found.types) return ['attw: the package has no types']
  return found.problems
    .filter(problem => !('resolutionKind' in problem) || served.has(problem.resolutionKind))
    .map(problem => `attw: ${JSON.stringify(problem)}`)
}

const about = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const files = new Map(packedFiles().map(path => [path, new Uint8Array(readFileSync(join(root, path)))]))
const problems = [
  ...(await problemsOfPublint(files, about)),
  ...(await problemsOfTypes(files, about.name, about.version)),
]
if (problems.length) console.error(problems.join('\n'))
process.exitCode = problems.length ? 1 : 0
