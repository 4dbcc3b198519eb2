import { AnnealError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import type { Noun } from '../files/file-kind.ts'

/** The share that may be left out before a reading is refused, unless given. */
const usual = 0.5

/** Refuses a reading that throws away most of what a person wrote: more than `most` of `total`, a half unless given. `what`
 *  says what is left out and why, `example` where, `instead` what to do. */
export function refuseMost(
  { out, total, most = usual }: { out: number; total: number; most?: number | undefined },
  { what, example, instead }: { what: string; example: string; instead: string },
): void {
  if (total === 0 || out <= most * total) return
  const limit = Math.ceil((1000 * out) / total) / 1000
  throw new AnnealError(
    `${out.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} ${what} (${percent(out / total)}), and ${(total - out).toLocaleString('en-US')} would be left: ${example}. That is more than the ${percent(most)} that may be left out. ${instead}, or go on without them (${setting('maxLeftOut', limit)}).`,
  )
}

/** Fewer pictures than these say nothing of how many a class has. */
const telling = 20

/** Refuses labels of which most pictures have one of their own, as dates, amounts with words, or numbers of pictures have: a
 *  class of one picture can't be checked. `labels`: one a picture. */
export function refuseOwnClasses(
  labels: readonly (string | number)[],
  { source, instead, noun: { one, many } }: { source: string; instead: string; noun: Noun },
): void {
  const counts = new Map<string | number, number>()
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  const alone = [...counts].filter(([, count]) => count === 1).map(([label]) => label)
  if (labels.length < telling || 2 * alone.length <= labels.length) return
  const examples = alone.slice(0, 3).map(label => `"${label}"`)
  throw new AnnealError(
    `${source} gives ${plural(labels.length, one, many)} ${counts.size.toLocaleString('en-US')} classes, and ${alone.length.toLocaleString('en-US')} of these have one ${one} each, such as ${examples.join(', ')}. One ${one} is for training, so none is left to check the class on. ${instead}`,
  )
}
