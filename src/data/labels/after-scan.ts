import { type AnnealError, DataError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { Noun } from '../files/file-kind.ts'
import type { Problem } from '../types.ts'
import type { FolderIndex } from './from-folders.ts'
import { refuseMost } from './left-out.ts'

/** Throws if more of the files are damaged than the options allow, with the first of them and their reasons. `damaged`: of
 *  the listing and of the scan. */
export function refuseDamaged(
  {
    dir,
    items,
    problems: listed,
    options,
  }: Pick<FolderIndex, 'dir' | 'problems' | 'options'> & { items: { length: number } },
  damaged: readonly Problem[],
  { one, many }: Noun,
  Failure: new (message: string) => AnnealError = DataError,
): void {
  const total = items.length + listed.filter(problem => problem.counted).length
  if (damaged.length <= options.maxDamaged * total) return
  const lines = damaged.slice(0, 10).map(({ file, reason }) => `  ${file}: ${reason}`)
  if (damaged.length > 10) lines.push(`  and ${damaged.length - 10} more`)
  throw new Failure(
    `${damaged.length} of the ${plural(total, one, many)} in ${dir} can not be used, ${percent(damaged.length / total)}, more than the ${percent(options.maxDamaged)} that training allows. Repair or remove them, or raise ${option('maxDamaged')}:\n${lines.join('\n')}`,
  )
}

/** Throws if most samples are in several classes. `instead`: how their labels are corrected. */
export function refuseConflicts(
  problems: readonly Problem[],
  { items, options }: Pick<FolderIndex, 'options'> & { items: { length: number } },
  { many }: Noun,
  instead: string,
): void {
  const conflicts = problems.filter(({ kind, kept }) => kind === 'conflict' && !kept)
  refuseMost(
    { out: conflicts.length, total: items.length, most: options.maxLeftOut },
    {
      what: `${many} have two labels`,
      example: conflicts[0] ? `${conflicts[0].file}: ${conflicts[0].reason}` : '',
      instead,
    },
  )
}

/** How the labels of files in several classes are corrected. */
export const correctFiles = (task: FolderIndex['task']): string =>
  task === 'regression'
    ? 'Correct them'
    : `Correct them, name them in a table with all their labels in one row (${option('labels')})`
