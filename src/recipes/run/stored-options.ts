import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { RunError } from '../../base/errors.ts'
import type { LabelOptions } from '../../data/index.ts'

/** Options that name files, or hold values that no file can hold. */
type Files = Partial<Record<'weights' | 'labels' | 'clean', string>> & Pick<LabelOptions, 'labelOf'>

/** Options as a run's configuration keeps them: files as absolute paths, regular expressions as source and flags. Of a
 *  function that gives the labels only its presence is kept. */
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

/** The options of a resumed run. A function that gives the labels must be passed again. */
export function restoredOptions(
  dir: string,
  settings: Record<string, unknown>,
  labelOf: LabelOptions['labelOf'],
): Record<string, unknown> {
  if (settings.labelOf !== undefined && labelOf === undefined)
    throw new RunError(
      `${dir}: its labels come from a function, which no file can hold. Resume in a program that has the function: resumeRun("${dir}", { labelOf }).`,
    )
  if (settings.labelOf === undefined && labelOf !== undefined)
    throw new RunError(`${dir}: its labels do not come from a function; leave out labelOf.`)
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
