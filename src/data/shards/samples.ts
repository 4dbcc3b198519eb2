import type { FileKind } from '../files/file-kind.ts'
import type { Manifest } from './manifest.ts'
import { type Tar, tarError } from './tar-index.ts'

/** A sample of a tar: its picture, and what is known about it. */
export interface ShardSample {
  /** The name of the picture in its tar. */
  name: string
  /** The name that it had as a file, by which samples are ordered. */
  file: string
  labels?: readonly string[]
  values?: Readonly<Record<string, number>>
  group?: string
  time?: number
  /** Whether there is one label by its nature (`.cls`), or a list. */
  single: boolean
}

/** What the labels of samples mean. */
export interface Meaning {
  manifest?: Manifest | undefined
  /** The names of the numbers in `.cls`. */
  names?: readonly string[] | undefined
  source?: string | undefined
  fileKind: FileKind
}

interface Group {
  key: string
  members: Map<string, string>
}

/** The samples of a tar, by WebDataset's rule: members that follow each other and have one name up to the first dot belong to one
 *  sample. Throws for a sample without a label, without a picture or with several, and for one that comes twice. */
export function samplesOf(tar: Tar, meaning: Meaning): ShardSample[] {
  return groupsOf(tar).map(group => sampleOf(tar, group, meaning))
}

function groupsOf(tar: Tar): Group[] {
  const groups = new Map<string, Group>()
  let last: Group | undefined
  for (const name of tar.members.keys()) {
    const slash = name.lastIndexOf('/') + 1
    const dot = name.indexOf('.', slash)
    if (dot <= slash) continue // hidden files and names without an ending, which WebDataset leaves out too
    const key = name.slice(0, dot)
    const ending = name.slice(dot + 1).toLowerCase()
    if (last?.key !== key) {
      if (groups.has(key))
        throw tarError(
          tar.path,
          `its sample ${key} comes twice: other members lie between, before ${name}`,
          'Give each sample its own name',
        )
      last = { key, members: new Map() }
      groups.set(key, last)
    }
    const before = last.members.get(ending)
    if (before !== undefined)
      throw tarError(
        tar.path,
        `its sample ${key} has two members with the ending ${ending}: ${before} and ${name}`,
        'Remove one of them',
      )
    last.members.set(ending, name)
  }
  return [...groups.values()]
}

function sampleOf(tar: Tar, { key, members }: Group, { manifest, names, source, fileKind }: Meaning): ShardSample {
  const { one, many } = fileKind.noun
  const all = [...members.values()].join(', ')
  const [name, ...others] = [...members]
    .filter(([ending]) => fileKind.isNamed(`x.${ending}`))
    .map(([, member]) => member)
  if (name === undefined)
    throw tarError(
      tar.path,
      `its sample ${key} has no ${one} (its members: ${all})`,
      `Add the ${one}, or remove the sample`,
    )
  if (others.length > 0)
    throw tarError(
      tar.path,
      `its sample ${key} has several ${many}: ${[name, ...others].join(', ')}`,
      `Keep one ${one} in each sample`,
    )
  const [cls, json] = [members.get('cls'), members.get('json')]
  const fields = json !== undefined && (cls === undefined || manifest) ? fieldsOf(tar, json) : {}
  const rest = {
    name,
    file: typeof fields.file === 'string' ? fields.file : name,
    ...(fields.group !== undefined && { group: String(fields.group) }),
    ...(typeof fields.time === 'number' && { time: fields.time }),
  }
  if (cls !== undefined)
    return { ...rest, single: true, labels: [classOf(tar, { member: cls, text: textOf(tar, cls), names, source })] }
  const label = fields.label ?? fields.cls ?? fields.class
  if (typeof label === 'string' || typeof label === 'number')
    return { ...rest, single: true, labels: [classOf(tar, { member: json!, text: String(label), names, source })] }
  if (Array.isArray(fields.labels)) return { ...rest, single: false, labels: fields.labels.map(String) }
  if (typeof fields.values === 'object' && fields.values !== null)
    return { ...rest, single: false, values: numbersOf(tar, json!, fields.values) }
  throw tarError(
    tar.path,
    `its sample ${key} has no label (its members: ${all})`,
    `Add ${key}.cls with the number or the name of its class, or ${key}.json with "label", "labels" or "values"`,
  )
}

const textOf = (tar: Tar, member: string): string => {
  const text = tar.small.get(member)
  if (text === undefined)
    throw tarError(tar.path, `its member ${member} has ${tar.members.get(member)!.size} bytes, too many for a label`)
  return text
}

/** The name of a class: by its number, if the names are known; else as it is written. */
function classOf(
  tar: Tar,
  {
    member,
    text,
    names,
    source,
  }: { member: string; text: string; names: readonly string[] | undefined; source: string | undefined },
): string {
  const written = text.trim()
  if (written === '')
    throw tarError(tar.path, `its member ${member} is empty`, 'Write the number or the name of the class into it')
  if (names === undefined || !/^\d+$/.test(written)) return written
  const name = names[Number(written)]
  if (name === undefined)
    throw tarError(
      tar.path,
      `its member ${member} says class ${written}, and ${source} names ${names.length} classes, from 0 on`,
      `Correct ${source} or the label`,
    )
  return name
}

function fieldsOf(tar: Tar, member: string): Readonly<Record<string, unknown>> {
  let read: unknown
  try {
    read = JSON.parse(textOf(tar, member))
  } catch (error) {
    throw tarError(tar.path, `its member ${member} is no JSON: ${(error as Error).message}`)
  }
  if (typeof read === 'number' || typeof read === 'string') return { label: read }
  return typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : {}
}

function numbersOf(tar: Tar, member: string, values: object): Record<string, number> {
  for (const [name, value] of Object.entries(values))
    if (typeof value !== 'number')
      throw tarError(tar.path, `its member ${member} gives ${JSON.stringify(value)} for ${name}; expected a number`)
  return values as Record<string, number>
}
