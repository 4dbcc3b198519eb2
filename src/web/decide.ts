import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '../base/digest.ts'
import { didYouMean, RunError } from '../base/errors.ts'
import { writeAtomic } from '../base/files.ts'
import { type Decision, readDecisions } from '../data/labels/decisions.ts'
import { readSampleSync } from '../data/shards/members.ts'
import { hashOf } from '../text/hash.ts'
import { fileOf, type Review } from './review.ts'

/** A stored decision, with the reason why the sample was listed and the time. */
export interface Decided extends Decision {
  reason: string
  /** ISO 8601. */
  at: string
}

/** The file of a run's decisions: `clean.jsonl` in its folder. */
export const decisionsPath = (run: string): string => join(run, 'clean.jsonl')

/** The decisions so far, by file. If a file has several, the last one counts. */
export function decisionsOf(run: string): Map<string, Decision> {
  const path = decisionsPath(run)
  return new Map(existsSync(path) ? readDecisions(path).map(decision => [decision.file, decision]) : [])
}

/** Appends decisions to a run's `clean.jsonl`, all or none, with the sha256 of each existing sample. The samples are
 *  only read. Throws for labels that the run does not know. */
export function decide(
  review: Review,
  decisions: readonly (Decision & { reason?: string })[],
  now = new Date(),
): Decided[] {
  const kept = decisions.map(decision => whole(review, decision, now))
  const path = decisionsPath(review.run)
  const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const lines = kept.map(decision => `${JSON.stringify(decision)}\n`).join('')
  writeAtomic(path, before === '' || before.endsWith('\n') ? before : `${before}\n`, lines)
  return kept
}

function whole(
  review: Review,
  { file, action, label, hash, reason }: Decision & { reason?: string },
  now: Date,
): Decided {
  const path = fileOf(review, file)
  const text = review.texts?.get(file)
  const own = hash ?? (text !== undefined ? hashOf(text) : path ? sha256(readSampleSync({ file: path })) : undefined)
  return {
    file,
    action,
    ...(action === 'relabel' ? { label: checkedLabel(review, file, [label ?? []].flat()) } : {}),
    ...(own ? { hash: own } : {}),
    reason: reason ?? '',
    at: now.toISOString(),
  }
}

/** The label in the form of the task: one name, a list of names, or a list of numbers. */
function checkedLabel(
  { task, classes, noun }: Review,
  file: string,
  given: readonly (string | number)[],
): Decided['label'] {
  if (task === 'regression') {
    const values = given.map(v => (String(v).trim() === '' ? Number.NaN : Number(v)))
    if (values.length === classes.length && values.every(Number.isFinite)) return values
    throw new RunError(
      `${file}: got ${given.join(', ') || 'nothing'}; expected a number for each of ${classes.join(', ')}`,
    )
  }
  const names = [...new Set(given.map(String))]
  const unknown = names.find(name => !classes.includes(name))
  if (unknown !== undefined)
    throw new RunError(
      `${file}: there is no class "${unknown}" in this run.${didYouMean(unknown, classes)} Its classes are ${classes.slice(0, 20).join(', ')}${classes.length > 20 ? ', …' : ''}`,
    )
  if (task === 'multi') return names
  if (names.length !== 1)
    throw new RunError(`${file}: got ${names.length} labels; expected one, because each ${noun.one} has one label`)
  return names[0]!
}

/** The number of decisions of each kind. */
export function tally(decisions: ReadonlyMap<string, Decision>): { dropped: number; relabelled: number; kept: number } {
  const of = (action: Decision['action']) => [...decisions.values()].filter(d => d.action === action).length
  return { dropped: of('drop'), relabelled: of('relabel'), kept: of('keep') }
}
