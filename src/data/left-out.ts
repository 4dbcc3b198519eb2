import { AnnealError } from '../base/errors.ts'
import { percent } from '../base/format.ts'
import { setting } from '../base/options.ts'

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
