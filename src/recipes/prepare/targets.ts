import { type AnnealError, DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { Item } from '../../data/types.ts'
import type { Words } from '../../domain/index.ts'
import { standardised } from '../../train/linear/standardise.ts'
import type { TargetScale } from '../../train/objective.ts'

/** A sample with its target values. */
type Answered = Pick<Item, 'values'>

/** Mean, standard deviation and decimals of each target over the training samples, in float64 for any unit. Throws if
 *  all samples have the same value of a target, or if 64-bit floats can't hold the differences between its values. */
export function scaleOfTargets(names: readonly string[], train: readonly Answered[]): TargetScale {
  const each = names.map((name, t) => scaleOfOne(name, columnOf(train, t)))
  return { mean: each.map(e => e.mean), std: each.map(e => e.std), decimals: each.map(e => e.decimals) }
}

const columnOf = (items: readonly Answered[], t: number) => items.map(({ values }) => values?.[t] ?? Number.NaN)

function scaleOfOne(name: string, values: readonly number[]): { mean: number; std: number; decimals: number } {
  const first = values[0] ?? 0
  const most = values.reduce((most, v) => Math.max(most, Math.abs(v - first)), 0)
  if (most === 0) throw constant(name, values)
  const scale = standardised(values, 1)
  const [mean, std] = [scale.mean[0]!, scale.std[0]!]
  const held = [most, mean, std].every(Number.isFinite)
  if (!held || std < smallest)
    throw new DataError(
      `target "${name}": its numbers go from ${least(values)} to ${highest(values)}, ${held ? 'closer together' : 'further apart'} than 64-bit floats can hold in full; write them in another unit.`,
    )
  return { mean, std, decimals: decimalsOf(values, std) }
}

/** Below this deviation 64-bit floats lose digits. */
const smallest = 2 ** -1000

const least = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b))
const highest = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b))

function constant(name: string, values: readonly number[]): AnnealError {
  const [value] = values
  const whole = Math.abs(value!) > Number.MAX_SAFE_INTEGER
  return new DataError(
    `target "${name}": all ${plural(values.length, 'training sample')} have the value ${value}, so there is nothing to learn and nothing to measure.${whole ? ` Numbers beyond ${Number.MAX_SAFE_INTEGER} that differ in their last digits are the same 64-bit float: subtract a constant from all of them first.` : ''} Leave it out, or name another column (${option('targets')}).`,
  )
}

/** Precision of a net's float32 outputs: digits below the deviation divided by this have no meaning. */
const finest = 1e8

/** How many decimals the numbers have, by the shortest text of each, at most as many as a net can predict. Negative if
 *  all are multiples of ten, a hundred, … */
function decimalsOf(values: readonly number[], std: number): number {
  const useful = -Math.floor(Math.log10(std / finest))
  let most = Number.NEGATIVE_INFINITY
  for (const value of new Set(values)) {
    if (value !== 0) most = Math.max(most, decimalsOfOne(value))
    if (most >= useful) return useful
  }
  return most
}

/** `1.25` → 2, `1200` → −2, `3.2e-9` → 10. */
function decimalsOfOne(value: number): number {
  const [digits = '', exponent = '0'] = value.toExponential().split('e')
  return Math.max(0, digits.replace('-', '').length - 2) - Number(exponent)
}

/** The targets whose R² is undefined in a part of the data: all its samples have the same value, or it has one
 *  sample. */
export function undefinedR2(
  names: readonly string[],
  part: '' | 'validation' | 'test',
  items: readonly Answered[],
  { one }: Words,
): { targets: string[]; reason: string } | undefined {
  if (items.length === 0) return undefined
  const sample = part === '' ? one : `${part} ${one}`
  if (items.length === 1) return { targets: [...names], reason: `there is one ${sample}` }
  const same = names.filter((_, t) => items.every(({ values }) => values?.[t] === items[0]!.values?.[t]))
  if (same.length === 0) return undefined
  const values = same.map(name => `"${name}" is ${items[0]!.values?.[names.indexOf(name)]}`)
  return { targets: same, reason: `in all ${plural(items.length, sample)} ${values.join(', ')}` }
}

/** The range of a target's values and the step between 64-bit floats of their size, if the step is coarse for that
 *  range. */
export function coarse(values: readonly number[]): { range: number; step: number } | undefined {
  const [low, high] = [least(values), highest(values)]
  const step = spacing(Math.max(Math.abs(low), Math.abs(high)))
  const range = high - low
  return range > 0 && range < 1000 * step ? { range, step } : undefined
}

/** The distance from a number to the next 64-bit float. */
const spacing = (value: number): number => 2 ** (Math.floor(Math.log2(value)) - 52)

/** Warnings about regression targets, given before training: metrics that will be undefined, and digits that are
 *  lost. */
export function targetWarnings(
  names: readonly string[],
  { train, valid, test }: Record<'train' | 'valid' | 'test', readonly Answered[]>,
  words: Words,
): string[] {
  const parts = [['validation', valid, 'valid'] as const, ['test', test, 'test'] as const]
  const undefineds = parts.flatMap(([part, items, split]) => {
    const found = undefinedR2(names, part, items, words)
    if (!found) return []
    const all = found.targets.length === names.length
    const chosen =
      split !== 'valid' ? '' : all ? '; weights are chosen by the loss' : '; weights are chosen by the other targets'
    const mean = all ? '' : ', and R² is the mean over the others'
    return [`R² of the ${part} ${words.many} is undefined: ${found.reason}${chosen}${mean}`]
  })
  const close = names.flatMap((name, t) => {
    const found = coarse(columnOf(train, t))
    return found
      ? [
          `target "${name}": its numbers differ by at most ${Number(found.range.toPrecision(3))}, and 64-bit floats of this size are ${found.step} apart; digits may be lost already. Subtract a constant from all of them first`,
        ]
      : []
  })
  return [...undefineds, ...close]
}
