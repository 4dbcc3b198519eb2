import { type AnnealError, DataError, didYouMean } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option, setting } from '../../base/options.ts'
import type { Noun } from '../files/file-kind.ts'
import type { Choice, Split } from '../types.ts'
import type { Answers } from './types.ts'

/** The classes of a trained model, which give the labels of pictures for evaluation their indexes. */
export interface Known {
  classes: readonly string[]
  /** The part to evaluate on, if the pictures have parts. Default: test, else valid. */
  part?: Split | 'all' | undefined
  /** Leave out labels that the model does not know, instead of refusing them. */
  leaveOut?: boolean | undefined
}

/** The model's classes. Throws if the number of regression targets is not the model's. */
export function knownClasses(
  { task, targets }: Pick<Answers, 'task' | 'targets'>,
  { classes }: Known,
  source: string,
): string[] {
  if (task === 'regression' && targets.length !== classes.length)
    throw new DataError(
      `${source} has ${plural(targets.length, 'target column')} (${targets.join(', ')}), but the model predicts ${classes.length} (${classes.join(', ')}). Name as many columns with ${option('targets')}.`,
    )
  return [...classes]
}

/** The error for a label that no training picture has, or that the trained model does not know. */
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
  return new DataError(
    known
      ? `${where}: the model does not know the label "${name}"; expected its classes: ${some}.${near} Correct the label, or leave out unknown labels (${setting('leaveOut', true)}).`
      : `${where}: the label "${name}" is in ${split}, but no training ${one} has it; expected the labels of training: ${some}.${near} Add training ${many} or correct the label.`,
  )
}

/** Reports that the requested part is ignored, because there are no parts. */
export const noParts = (part: Split, source: string, { one }: Noun): Choice => ({
  what: 'part',
  value: 'all',
  reason: `${part} was requested, but ${source} has no parts: every ${one} is used`,
})

/** The part of the pictures that a model is evaluated on, undefined if they have no parts. Adds a line to `choices`. */
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
    throw new DataError(
      `${chosen ? `none of the ${many} is in ${chosen}` : `all ${many} are in train`} (${counts.train} train, ${counts.valid} valid, ${counts.test} test); a model is evaluated on ${many} that it was not trained on. Choose the part with ${option('part')} (test, valid, train or all).`,
    )
  const others = rows.length - counts[chosen]
  choices.push({ what: 'part', value: chosen, reason: `${plural(others, one, many)} of other parts are not used` })
  return chosen
}
