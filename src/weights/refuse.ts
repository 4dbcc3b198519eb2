import { AnnealError } from '../base/errors.ts'
import { bytes } from '../base/format.ts'

/** Says no to a file, once and with its reason: `FILE: reason; advice`. */
export type Refuse = (reason: string, options?: { advice?: string; cause?: unknown }) => never

/** The refusal of one file. The advice, unless given, is that of a damaged download. */
export function refuser(file: string): Refuse {
  return (reason, { advice = 'download or copy the file again', cause } = {}) => {
    throw new AnnealError(`${file}: ${reason}; ${advice}.`, { cause })
  }
}

/** A name out of a file, fit for a terminal: quoted, control characters escaped, at most 80 characters. */
export function quote(name: string): string {
  const short = name.length > 80 ? `${name.slice(0, 80)}…` : name
  return JSON.stringify(short).replace(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, c => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** How much memory may be spent beyond the file itself. Inflating and copying draw on it before they allocate. */
export interface Budget {
  spend(size: number, what: string): void
}

/** A budget of 16 times the file: transposed weights cost one file, compressed ones some more, a bomb far more. */
export function budgetFor(fileBytes: number, refuse: Refuse): Budget {
  const total = 16 * fileBytes
  let left = total
  return {
    spend(size, what) {
      if (size > left)
        refuse(`${what} needs ${bytes(size)}, a file of ${bytes(fileBytes)} may unfold to ${bytes(total)} in all`, {
          advice: 'this is how a decompression bomb looks; take the weights from a source that you trust',
        })
      left -= size
    },
  }
}
