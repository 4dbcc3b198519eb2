import type { Answered } from './model.ts'
import { Refused } from './refused.ts'

/** How many of the likeliest classes an answer names by default. */
export const usualTop = 5

/** The number of `?top=k`. */
export function topOf(url: URL): number {
  const text = url.searchParams.get('top')
  if (text === null) return usualTop
  const top = Number(text)
  if (!/^\d+$/.test(text) || top < 1)
    throw new Refused(400, 'request', `top: expected a whole number from 1, got ${text.slice(0, 20)}`)
  return top
}

/** An answer for `POST /predict`. Classes stand from the likeliest on, numbers in the order of the card. */
export function asJson({ answer, by }: Answered, top: number): Record<string, unknown> {
  const { classes } = by.model.card
  const scored = classes.map((name, i) => [name, rounded(answer.scores[i]!)] as const)
  const more = answer.unknown && answer.unknown.length > 0 ? { unknown: answer.unknown } : {}
  if (answer.task === 'regression') return { values: new Map(scored), ...more }
  const probabilities = new Map(scored.toSorted((a, b) => b[1] - a[1]).slice(0, top))
  if (answer.task === 'multi') return { labels: answer.labels, probabilities }
  return { label: answer.label, probability: rounded(answer.probability), probabilities, ...more }
}

/** A 32-bit float by the shortest decimal number that gives it again. */
function rounded(value: number): number {
  for (let digits = 6; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === Math.fround(value)) return short
  }
  return value
}
