import { AnnealError, didYouMean } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { Noun } from '../files/file-kind.ts'
import type { Choice, Split } from '../types.ts'
import type { Answers } from './types.ts'

/** The classes of a trained model, by which pictures to evaluate it on are numbered. */
export interface Known {
  classes: readonly string[]
  /** Which part of the pictures is meant where they have parts: test, else valid, unless given. */
  part?: Split | 'all' | undefined
  /** Leave out labels that the model does not know, instead of refusing them. */
  leaveOut?: boolean | undefined
}

/** The model's classes; refuses as many numbers as it does not tell. */
export function knownClasses(
  { task, targets }: Pick<Answers, 'task' | 'targets'>,
  { classes }: Known,
  { source, noun }: { source: string; noun: Noun },
): string[] {
  if (task === 'regression' && targets.length !== classes.length)
    throw new AnnealError(
      `${source} gives ${plural(targets.length, 'number')} a ${noun.one} (${targets.join(', ')}), and the model tells ${classes.length} (${classes.join(', ')}). Name as many columns with ${option('targets')}.`,
    )
  return [...classes]
}

/** Of a label that training, or the trained model, does not have. */
export function unknownLabel(
  name: string,
  {
    classes,
    where,
    split,
    known,
    noun: { one, many },
  }: { classes: string[]; where: string; split: Split; known: Known | undefined; noun: Noun },
): AnnealError {
  const some = `${classes.slice(0, 20).join(', ')}${classes.length > 20 ? ', …' : ''}`
  const near = didYouMean(name, classes)
  return new AnnealError(
    known
      ? `${where}: the model does not know the label "${name}"; expected its classes: ${some}.${near} Correct the label, or leave out what it does not know (${setting('leaveOut', true)}).`
      : `${where}: the label "${name}" is in ${split} and no training ${one} has it; expected the labels of training: ${some}.${near} Add training ${many} or correct the label.`,
  )
}

/** Says that the part asked for is not taken, as there are no parts. */
export const noParts = (part: Split, source: string, { one }: Noun): Choice => ({
  what: 'part',
  value: 'all',
  reason: `${part} was asked for, and ${source} tells no parts: every ${one} is taken`,
})

/** The part of the pictures that a model is judged by, undefined where they have no parts; says which in `choices`. */
export function partOf(
  splits: readonly Split[] | undefined,
  { part }: Known,
  { choices, rows, source, noun }: { choices: Choice[]; rows: Int32Array; source: string; noun: Noun },
): Split | undefined {
  if (!splits && part !== undefined && part !== 'all') choices.push(noParts(part, source, noun))
  if (part === 'all' || !splits) return undefined
  const { one, many } = noun
  const counts = { train: 0, valid: 0, test: 0 }
  for (const row of rows) counts[splits[row]!]++
  const chosen = part ?? (counts.test > 0 ? 'test' : counts.valid > 0 ? 'valid' : undefined)
  if (chosen === undefined || counts[chosen] === 0)
    throw new AnnealError(
      `${chosen ? `none of the ${many} is in ${chosen}` : `all ${many} are in train`} (${counts.train} train, ${counts.valid} valid, ${counts.test} test); a model is evaluated on ${many} that it was not trained on. Say which part is meant (test, valid, train or all).`,
    )
  const others = rows.length - counts[chosen]
  choices.push({ what: 'part', value: chosen, reason: `${plural(others, one, many)} of other parts are passed over` })
  return chosen
}
