import { statSync } from 'node:fs'
import { OptionError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import { countKinds } from '../../data/files/count-kinds.ts'
import type { DataKind } from './kind.ts'
import { kinds as all } from './list.ts'

/** The kind of data that was chosen, and why, where there was something to choose. */
export interface ChosenKind {
  kind: DataKind
  reason?: string
}

/** So large a share of the files is of the kind that is taken without asking. */
const nearlyAll = 0.9

/** Which kind of data a folder holds: as the options say, else by the names of its files. Where two kinds fit, an error
 *  shows both. A folder without files of any kind is read as one of pictures: their index says what it expected. */
export function chooseKind(
  path: string,
  options: Readonly<Record<string, unknown>>,
  kinds: readonly DataKind[] = all,
): ChosenKind {
  const chosen = byOptions(path, options, kinds) ?? byFiles(path, kinds)
  refuseOthers(path, options, { chosen, kinds })
  chosen.kind.check?.(options)
  return chosen
}

function byOptions(
  path: string,
  { kind: asked, ...options }: Readonly<Record<string, unknown>>,
  kinds: readonly DataKind[],
): ChosenKind | undefined {
  const named = kinds.find(({ name }) => name === asked)
  if (named) return { kind: named }
  if (asked !== undefined)
    throw new OptionError(
      `${setting('kind', asked)}: expected ${kinds.map(({ name }) => name).join(', ')}; ${path} holds files of one of them.`,
      { exitCode: 2 },
    )
  const inTables = kinds.find(kind => kind.inTables !== undefined && given(options, kind.inTables))
  return inTables && { kind: inTables }
}

const given = (options: Readonly<Record<string, unknown>>, name: string): boolean => options[name] !== undefined

function byFiles(path: string, kinds: readonly DataKind[]): ChosenKind {
  const first = kinds[0]!
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return { kind: first }
  const counts = countKinds(
    path,
    kinds.map(({ files }) => files),
  )
  const total = counts.reduce((a, b) => a + b, 0)
  if (total === 0) return { kind: first }
  const at = counts.indexOf(Math.max(...counts))
  const kind = kinds[at]!
  const found = kinds.flatMap((one, i) => (counts[i]! > 0 ? [counted(counts[i]!, one)] : [])).join(' and ')
  if (counts[at]! < nearlyAll * total)
    throw new OptionError(
      `${path} holds ${found}. Which of them are the samples? ${kinds
        .filter((_, i) => counts[i]! > 0)
        .map(one => `For the ${one.files.noun.many}: ${setting('kind', one.name)}.`)
        .join(' ')}`,
      { exitCode: 2 },
    )
  if (at === 0) return { kind }
  return { kind, reason: `${path} holds ${found}; ${option('kind')} says otherwise` }
}

const counted = (n: number, { files: { noun } }: DataKind): string => plural(n, noun.one, noun.many)

/** Refuses an option that only other kinds have, since it would do nothing. */
function refuseOthers(
  path: string,
  options: Readonly<Record<string, unknown>>,
  { chosen: { kind }, kinds }: { chosen: ChosenKind; kinds: readonly DataKind[] },
): void {
  for (const name of Object.keys(options)) {
    if (!given(options, name) || Object.hasOwn(kind.options, name)) continue
    const owners = kinds.filter(one => Object.hasOwn(one.options, name))
    if (owners.length === 0) continue
    const nouns = owners.map(({ files }) => files.noun.many).join(' and ')
    throw new OptionError(
      `${option(name)} is for ${nouns}, and ${path} holds ${kind.files.noun.many}; leave it out, or say what the samples are: ${setting('kind', owners[0]!.name)}.`,
      { exitCode: 2 },
    )
  }
}
