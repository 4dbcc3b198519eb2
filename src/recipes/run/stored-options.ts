import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { AnnealError } from '../../base/errors.ts'
import type { LabelOptions } from '../../data/index.ts'

/** Options that name files, or hold what no file can. */
type Files = Partial<Record<'weights' | 'labels' | 'clean', string>> & Pick<LabelOptions, 'labelOf'>

/** Options as a run's configuration keeps them: files by absolute paths, regular expressions by source and flags; that
 *  labels come from a function, not the function. */
export function storedSettings(options: object): Record<string, unknown> {
  const absolute = (path: string | undefined) => (path !== undefined && existsSync(path) ? resolve(path) : path)
  const { weights, labels, clean, labelOf, ...rest }: Files = options
  const files = { weights: absolute(weights), labels: absolute(labels), clean: absolute(clean) }
  const given = Object.entries({ ...rest, ...files, ...(labelOf && { labelOf: 'function' }) })
  return Object.fromEntries(
    given.flatMap(([name, value]: [string, unknown]) =>
      value === undefined
        ? []
        : [[name, value instanceof RegExp ? { source: value.source, flags: value.flags } : value]],
    ),
  )
}

/** The options of a run that goes on; a function that labels its samples is to be given again. */
export function restoredOptions(
  dir: string,
  settings: Record<string, unknown>,
  labelOf: LabelOptions['labelOf'],
): Record<string, unknown> {
  if (settings.labelOf !== undefined && labelOf === undefined)
    throw new AnnealError(
      `${dir}: its labels come from a function, which no file can hold. Go on in a program that has it: resumeRun("${dir}", { labelOf }).`,
    )
  if (settings.labelOf === undefined && labelOf !== undefined)
    throw new AnnealError(`${dir}: its labels do not come from a function; leave out labelOf.`)
  const options = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, isPattern(value) ? revived(value) : value]),
  )
  return labelOf ? { ...options, labelOf } : options
}

interface Pattern {
  source: string
  flags: string
}
const isPattern = (value: unknown): value is Pattern =>
  typeof value === 'object' && value !== null && 'source' in value && 'flags' in value
const revived = ({ source, flags }: Pattern) => new RegExp(source, flags)
