import { existsSync, readFileSync } from 'node:fs'
import { FileError } from '../../base/errors.ts'
import type { AnyCard } from '../../runtime/card.ts'

/** The files of a folder by their names. */
export type Files = Record<string, string | Uint8Array>

/** What a target is written from. */
export interface TargetModel {
  card: AnyCard
  /** Size of model.onnx in bytes. */
  bytes: number
}

interface PackageFile {
  version: string
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
}

/** The package.json of Anneal, in a folder above this file. */
function ownPackage(): PackageFile {
  for (let folder = new URL('.', import.meta.url); folder.pathname !== '/'; folder = new URL('..', folder)) {
    const file = new URL('package.json', folder)
    const found = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
    if (found?.name === 'anneal') return found
  }
  throw new FileError('the package.json of Anneal is missing. Install it again: npm install anneal')
}

/** The versions of packages for a folder: `anneal` and `@anneal/run` compatible with this one, a runtime of ONNX exactly as
 *  the check had it, others as Anneal takes them. */
export function versionsOf(names: readonly string[], { checks = [] }: AnyCard): Record<string, string> {
  const { version, dependencies, peerDependencies } = ownPackage()
  return Object.fromEntries(
    names.map(name => {
      const checked = checks
        .find(({ runtime }) => runtime.startsWith(`${name} `))
        ?.runtime.split(' ')
        .at(-1)
      const known = checked ?? dependencies[name] ?? peerDependencies[name] ?? '*'
      return [name, name === 'anneal' || name === '@anneal/run' ? `^${version}` : known]
    }),
  )
}

/** The packages among some that this installation of Anneal has. */
export const installed = (names: readonly string[]): string[] =>
  names.filter(name => {
    try {
      import.meta.resolve(name)
      return true
    } catch {
      return false
    }
  })

/** A file of JSON, for people to read. */
export const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`

/** A package.json that is never published. */
export const packageJson = (name: string, more: object): string =>
  json({ name, private: true, type: 'module', ...more })

/** A name that packages, images and functions may have. */
export const plainName = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 50) || 'classifier'

/** What a README says of packages that the registry may not have. */
export const unpublished = (names: readonly string[]): string => `## If the registry does not have ${names.join(' or ')}

package.json names the version of Anneal that wrote this folder. If npm does not find it, make the package in a checkout of Anneal
(\`npm pack\`), copy the .tgz file into this folder, and run \`npm install --package-lock-only --ignore-scripts ./FILE.tgz\`.
`
