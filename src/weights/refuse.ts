import { WeightsError } from '../base/errors.ts'
import { bytes } from '../base/format.ts'

/** Throws the error for a file: `FILE: reason; advice`. */
export type Refuse = (reason: string, options?: { advice?: string; cause?: unknown }) => never

/** Makes the function that refuses a file. The default advice is for a damaged download. */
export function refuser(file: string): Refuse {
  return (reason, { advice = 'download or copy the file again', cause } = {}) => {
    throw new WeightsError(`${file}: ${reason}; ${advice}.`, { cause })
  }
}

/** A name from a file, safe for a terminal: quoted, with control characters escaped, at most 80 characters. */
export function quote(name: string): string {
  const short = name.length > 80 ? `${name.slice(0, 80)}…` : name
  return JSON.stringify(short).replace(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, c => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** The memory that may be allocated beyond the file itself. Inflating and copying spend from it before they
 *  allocate. */
export interface Budget {
  spend(size: number, what: string): void
}

/** A budget of 16 times the file: transposed weights need the size of the file once, compressed weights a few times, a
 *  bomb far more. */
export function budgetFor(fileBytes: number, refuse: Refuse): Budget {
  const total = 16 * fileBytes
  let left = total
  return {
    spend(size, what) {
      if (size > left)
        refuse(`${what} needs ${bytes(size)}, but a file of ${bytes(fileBytes)} may use at most ${bytes(total)}`, {
          advice: 'it may be a decompression bomb; take the weights from a source that you trust',
        })
      left -= size
    },
  }
}
