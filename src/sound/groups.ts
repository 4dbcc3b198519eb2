import { basename, extname, relative } from 'node:path'
import { setting } from '../base/options.ts'
import type { FolderIndex } from '../data/index.ts'
import type { Choice } from '../data/types.ts'

/** A part of file names that may be a group, such as a speaker or the recording that pieces were cut from. */
interface Part {
  /** A regular expression that takes it from a name. */
  pattern: string
  values: Map<string, Set<number>>
  /** Whether a value occurs in several classes (a speaker), or pieces of one class share it (a source). */
  across: boolean
}

/** The shares of the names that must have a part, and of the values that must occur more than once. */
const most = 0.95

/** Proposes to split by a part of the file names: a speaker who says words of several classes, or a recording that was
 *  cut in pieces. A random split puts both on both sides, and its figures are then far better than those on new
 *  speakers. Nothing is grouped: the proposal says how. */
export function proposeGroup({
  dir,
  items,
  classes,
  task,
}: Pick<FolderIndex, 'dir' | 'items' | 'classes' | 'task'>): Choice | undefined {
  if (items.length < 8 || task === 'regression') return undefined
  const names = items.map(({ file }) => basename(relative(dir, file), extname(file)))
  const labels = items.map(item => item.labels[0] ?? -1)
  const found = partsOf(names)
    .map(part => judged(part, labels, classes))
    .filter(part => part !== undefined)
  const best = found.sort((a, b) => Number(b.across) - Number(a.across) || a.values.size - b.values.size)[0]
  if (!best) return undefined
  const examples = [...best.values.keys()].slice(0, 5).join(', ')
  const what = best.across
    ? `file names seem to name a speaker or a place in ${best.values.size} values (${examples}${best.values.size > 5 ? ', …' : ''}) that occur in several classes`
    : `file names seem to name ${best.values.size} recordings that were cut in pieces (${examples}${best.values.size > 5 ? ', …' : ''})`
  return {
    what: 'groups',
    value: 'none',
    reason: `${what}; a split at random has the same ones on both sides, and its figures can be 25 points too good. To keep each on one side: ${setting('groupRegex', best.pattern)}`,
  }
}

interface Candidate {
  pattern: string
  of: readonly (string | undefined)[]
}

/** The parts of names between `_`, `-`, `.` and blanks, by their place; and all before a last number. */
function partsOf(names: readonly string[]): Candidate[] {
  const fields = names.map(name => name.split(/[_\-. ]+/))
  const width = Math.min(...fields.map(f => f.length))
  const between = '[^_\\-. ]+[_\\-. ]+'
  const byPlace = Array.from(
    { length: width > 1 ? width : 0 },
    (_, place): Candidate => ({
      pattern: `^${place === 0 ? '' : place === 1 ? between : `(?:${between}){${place}}`}([^_\\-. ]+)`,
      of: fields.map(f => f[place]),
    }),
  )
  const stem = /^(.*?[^\d_\-. ].*?)[_\-. ]*(?:part|seg|chunk|clip|piece)?[_\-. ]*\d+$/i
  return [...byPlace, { pattern: stem.source, of: names.map(name => stem.exec(name)?.[1]) }]
}

/** Whether a part is a group: few enough values, each in several files; not a number that counts the files, and not the
 *  class itself. */
function judged({ pattern, of }: Candidate, labels: readonly number[], classes: readonly string[]): Part | undefined {
  const values = new Map<string, Set<number>>()
  const counts = new Map<string, number>()
  of.forEach((value, i) => {
    if (value === undefined || value === '') return
    values.set(value, (values.get(value) ?? new Set()).add(labels[i]!))
    counts.set(value, (counts.get(value) ?? 0) + 1)
  })
  const there = of.filter(value => value !== undefined && value !== '').length
  const often = [...counts.values()].filter(count => count > 1).reduce((a, b) => a + b, 0)
  if (there < of.length || values.size < 2 || often < most * there || values.size > there / 2) return undefined
  const names = new Set(classes.map(name => name.toLowerCase()))
  if ([...values.keys()].every(value => names.has(value.toLowerCase()))) return undefined
  const inSeveral = [...values.values()].filter(classesOf => classesOf.size > 1).length / values.size
  // A counter (take 0 to 49 of every class) says nothing: its values are whole numbers without a gap.
  const numbers = [...values.keys()].map(Number)
  const counter = numbers.every(Number.isInteger) && Math.max(...numbers) - Math.min(...numbers) < 1.2 * values.size
  if (counter) return undefined
  if (inSeveral >= 0.5) return { pattern, values, across: true }
  // Pieces: values that belong to one class each, more of them than there are classes.
  return inSeveral <= 0.1 && values.size > classes.length ? { pattern, values, across: false } : undefined
}
