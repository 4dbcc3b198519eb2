import { OptionError } from '../../base/errors.ts'
import { option, setting } from '../../base/options.ts'
import type { Dataset, Narrator, Words } from '../../domain/index.ts'
import { classWeights, imbalanceAdvice, positiveWeights, sampleWeights } from '../../train/balance.ts'
import type { RecipeOptions } from '../options.ts'
import type { Prepared } from './prepared.ts'

/** Whether the largest class has more than twice as many samples as the smallest. */
export function areUneven(counts: readonly number[]): boolean {
  const known = counts.filter(n => n > 0)
  return Math.max(...known) > 2 * Math.min(...known)
}

/** The weights against uneven classes that the options ask for; advice if they ask for none. */
export function balance(
  data: Dataset,
  { narrator, options, words }: { narrator: Narrator; options: RecipeOptions; words: Words },
): Pick<Prepared, 'classWeights' | 'sampleWeights'> {
  const { classWeights: given, sampling, loss } = options
  if (data.task === 'regression') {
    if (given !== undefined || sampling !== undefined)
      throw new OptionError(
        `${given === undefined ? setting('sampling', sampling) : setting('classWeights', given)}: regression has no classes that could be rare; leave it out.`,
      )
    return {}
  }
  const counts = data.counts.map(c => c.train)
  const advice = imbalanceAdvice(data.counts.map(({ name, train }) => ({ name, count: train })))
  if (advice && given === undefined && sampling === undefined && loss !== 'focal')
    narrator.emit({ type: 'warning', message: `${advice.text}: ${setting('classWeights', advice.scheme)}` })
  if (typeof given === 'object' && given.length !== counts.length)
    throw new OptionError(
      `${option('classWeights')}: got ${given.length} weights for ${counts.length} classes (${data.classes.slice(0, 20).join(', ')}); expected one for each class`,
    )
  const weights =
    given === undefined
      ? undefined
      : typeof given === 'object'
        ? [...given]
        : data.task === 'multi'
          ? positiveWeights(counts, data.of('train').length)
          : classWeights(counts, { scheme: given })
  const short = (values: readonly number[]) => values.map(v => v.toPrecision(3)).join(', ')
  if (weights)
    narrator.choice('class weights', short(weights.slice(0, 20)), typeof given === 'string' ? given : 'as asked')
  if (sampling === undefined) return weights ? { classWeights: weights } : {}
  narrator.choice('sampling', 'balanced', `as asked: ${words.many} of rare classes are seen more often`)
  const often = sampleWeights(data.of('train'), classWeights(counts))
  return { ...(weights ? { classWeights: weights } : {}), sampleWeights: often }
}
