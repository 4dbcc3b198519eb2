import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { sha256 } from '../../base/digest.ts'
import { DataError, fileReason, nearest } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { samples } from '../../base/samples.ts'
import { readSampleSync } from '../shards/members.ts'
import { objectIn } from '../tables/jsonl.ts'
import { cellNumber } from '../tables/table.ts'
import type { Problem } from '../types.ts'
import type { FolderIndex } from './from-folders.ts'
import { nameFinder } from './spelling.ts'

/** A person's decision about one sample. */
export interface Decision {
  /** Path below the folder of samples; of a row of a table its name (`reviews.csv:7`). */
  file: string
  action: 'keep' | 'drop' | 'relabel'
  /** For `relabel`: its class, classes or numbers. */
  label?: string | number | readonly (string | number)[] | undefined
  /** The sha256 of the sample at the time of the decision. */
  hash?: string | undefined
}

/** Reads decisions, one JSON object per line. Errors name the line. */
export function readDecisions(path: string): Decision[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new DataError(`the decisions ${path} can not be read: ${fileReason(error)}; expected JSON lines.`, {
      cause: error,
    })
  }
  return text.split('\n').flatMap((content, i) => {
    if (content.trim() === '') return []
    const where = `${path}, line ${i + 1}`
    const decision = objectIn(content, where)
    checkDecision(decision, where)
    return [decision]
  })
}

function checkDecision(found: object, where: string): asserts found is Decision {
  const { file, action, label, hash } = found as Partial<Record<keyof Decision, unknown>>
  const scalar = (value: unknown) => typeof value === 'string' || typeof value === 'number'
  const wrong =
    typeof file !== 'string' || file === ''
      ? 'no "file"; expected the path of a sample'
      : action !== 'keep' && action !== 'drop' && action !== 'relabel'
        ? `action ${JSON.stringify(action)}; expected "keep", "drop" or "relabel"`
        : action === 'relabel' && !(scalar(label) || (Array.isArray(label) && label.every(scalar)))
          ? `label ${JSON.stringify(label)}; to relabel, expected a class, or a list`
          : hash !== undefined && hash !== null && typeof hash !== 'string'
            ? `hash ${JSON.stringify(hash)}; expected 64 hexadecimal digits`
            : undefined
  if (wrong) throw new DataError(`${where}: ${wrong}.`)
}

/** Applies decisions to an index: drops or relabels samples, each with a line in `problems` (kind `cleaned`). The last
 *  decision on a file counts. Throws for a file that does not exist, a sample that has changed since, or an unknown
 *  label. `hashOf`: the hash of a sample that is no file of its own. */
export function applyDecisions<I extends FolderIndex>(
  index: I,
  decisions: readonly Decision[],
  hashOf?: (item: FolderIndex['items'][number]) => string,
): I {
  const { dir } = index
  const last = new Map(decisions.map(decision => [decision.file, decision]))
  const names = index.items.map(item => relative(dir, item.file))
  const there = new Set(names)
  const gone = [...last.keys()].filter(file => !there.has(file))
  if (gone.length > 0) {
    const near = nearest(gone[0]!, gone.length > 20 || names.length > 20_000 ? [] : names, 1)[0]
    throw new DataError(
      `decisions on ${samples.count(gone.length)} that ${dir} does not hold: ${gone.slice(0, 10).join(', ')}${gone.length > 10 ? ', …' : ''}.${near ? ` Did you mean "${near}"?` : ''} Put ${gone.length === 1 ? 'it' : 'them'} back, or remove these decisions.`,
    )
  }
  const problems: Problem[] = []
  const items = index.items.flatMap((item, i): FolderIndex['items'] => {
    const decision = last.get(names[i]!)
    if (!decision) return [item]
    checkContent(item, decision, hashOf)
    if (decision.action === 'keep') return [item]
    const cleaned = { kind: 'cleaned' as const, file: decision.file, counted: false }
    if (decision.action === 'drop') {
      problems.push({ ...cleaned, reason: 'left out by decision', kept: false })
      return []
    }
    const answer = answerOf(index, decision)
    const was = shown(index, item)
    const is = shown(index, answer)
    if (was === is) return [item]
    problems.push({ ...cleaned, reason: `${is} by decision, was ${was}`, kept: true })
    return [{ ...item, ...answer }]
  })
  return { ...index, items, problems: [...index.problems, ...problems] }
}

type Answer = Pick<FolderIndex['items'][number], 'labels' | 'values'>

const shown = ({ classes }: FolderIndex, { labels, values }: Answer): string =>
  (values ?? labels.map(label => `"${classes[label]}"`)).join(', ') || 'without a label'

function answerOf({ task, classes }: FolderIndex, { file, label }: Decision): Answer {
  const given = [label ?? []].flat()
  if (task === 'regression') {
    const values = given.map(value => cellNumber(value))
    if (values.length === classes.length && values.every(Number.isFinite)) return { labels: [], values }
    throw new DataError(
      `the decision on ${file} gives ${given.join(', ') || 'nothing'}; expected ${plural(classes.length, 'number')} (${classes.join(', ')}).`,
    )
  }
  const find = nameFinder(classes)
  const labels = given.map(name => {
    const number = classes.indexOf(find(String(name)) ?? '')
    if (number >= 0) return number
    const near = nearest(String(name), classes, 1)[0]
    throw new DataError(
      `the decision on ${file} gives the label "${name}", which no ${samples.one} has; expected one of ${classes.slice(0, 20).join(', ')}${classes.length > 20 ? ', …' : ''}.${near ? ` Did you mean "${near}"?` : ''}`,
    )
  })
  if (task === 'single' && labels.length !== 1)
    throw new DataError(
      `the decision on ${file} gives ${plural(labels.length, 'label')}; expected one, because each ${samples.one} has one label.`,
    )
  return { labels: [...new Set(labels)].sort((a, b) => a - b) }
}

function checkContent(
  item: FolderIndex['items'][number],
  decision: Decision,
  hashOf = ({ file, raw }: typeof item) => sha256(readSampleSync(raw ? { file, raw } : { file })),
): void {
  if (!decision.hash) return
  const { file } = item
  let hash: string
  try {
    hash = hashOf(item)
  } catch (error) {
    throw new DataError(`${file} has a decision but can not be read: ${fileReason(error)}.`, {
      cause: error,
    })
  }
  if (hash !== decision.hash)
    throw new DataError(
      `${decision.file} has changed since the decision (sha256 now ${hash.slice(0, 12)}…, then ${decision.hash.slice(0, 12)}…). Decide again, or remove the decision.`,
    )
}
