import { DataError } from '../../base/errors.ts'
import { percent, plural } from '../../base/format.ts'
import { setting } from '../../base/options.ts'
import type { Noun } from '../files/file-kind.ts'

/** The default of the largest share that may be left out. */
const usual = 0.5

/** Throws if a reading leaves out too much of what a person wrote: more than the share `most` of `total` (default:
 *  half). `what`: what is left out and why; `example`: where; `instead`: what to do. */
export function refuseMost(
  { out, total, most = usual }: { out: number; total: number; most?: number | undefined },
  { what, example, instead }: { what: string; example: string; instead: string },
): void {
  if (total === 0 || out <= most * total) return
  const limit = Math.ceil((1000 * out) / total) / 1000
  throw new DataError(
    `${out.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} ${what} (${percent(out / total)}), and ${(total - out).toLocaleString('en-US')} would remain: ${example}. At most ${percent(most)} may be left out. ${instead}, or go on without them (${setting('maxLeftOut', limit)}).`,
  )
}

/** With fewer pictures, the number of pictures per class shows nothing. */
const telling = 20

/** Throws if most pictures have a label that no other picture has: the labels may be dates, amounts with words, or
 *  numbers of pictures. A class with one picture can't be validated. `labels`: one per picture. */
export function refuseOwnClasses(
  labels: readonly (string | number)[],
  { source, instead, noun: { one, many } }: { source: string; instead: string; noun: Noun },
): void {
  const counts = new Map<string | number, number>()
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  const alone = [...counts].filter(([, count]) => count === 1).map(([label]) => label)
  if (labels.length < telling || 2 * alone.length <= labels.length) return
  const examples = alone.slice(0, 3).map(label => `"${label}"`)
  throw new DataError(
    `${source} gives ${counts.size.toLocaleString('en-US')} classes for ${plural(labels.length, one, many)}, and ${alone.length.toLocaleString('en-US')} of these classes have one ${one} each, such as ${examples.join(', ')}. This ${one} is used for training, so none is left to validate the class. ${instead}`,
  )
}
