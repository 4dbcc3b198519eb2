import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { calls, rivals, type TrainOptions } from '../api/options.ts'
import { fileReason, OptionError } from '../base/errors.ts'
import { checkTable, type OptionTable } from '../base/option-table.ts'
import { inFile, literal } from '../base/options.ts'
import { tableCalls } from '../tabular/options.ts'

/** What a file of options holds. */
export interface OptionsFile {
  options: TrainOptions
  /** The folder of pictures, where the file names it. */
  data?: string
}

const example = '{ "data": "photos", "epochs": 8 }'

/** Reads options of training from a JSON file: an object of options by their names in a program, beside `data`, the folder
 *  of pictures. The `config.json` of a run (or the run's folder) gives the run's settings. Paths are as on the command
 *  line. Refuses names and values as `trainFolder` does, and names the file. */
export function readOptionsFile(given: string): OptionsFile {
  const file = statSync(given, { throwIfNoEntry: false })?.isDirectory() ? join(given, 'config.json') : given
  const { $schema, data, ...own } = readJson(file)
  if (data !== undefined && (typeof data !== 'string' || data === ''))
    throw new OptionError(
      `${file}: "data": expected the path of a folder or of a table, got ${literal(data)}. Example: "data": "photos".`,
    )
  const named = data === undefined ? {} : { data }
  const { settings } = own
  // A run's configuration; an object of options has no option of this name.
  if (typeof settings === 'object' && settings !== null) return { ...named, options: ofRun(file, settings) }
  return { ...named, options: checked(file, own) }
}

/** The settings of a run, with what it found itself: the size of pictures among it, also where several were asked for. */
function ofRun(file: string, settings: object): TrainOptions {
  const { labelOf, size, ...others } = settings as Record<string, unknown>
  if (labelOf !== undefined)
    throw new OptionError(
      `${file}: the labels of this run come from a function, which no file can hold. Train in a program: trainFolder(folder, { labelOf }).`,
    )
  if (others.target !== undefined) return checked(file, others)
  return checked(file, { ...others, ...(others.sizes === undefined && size !== undefined && { size }) })
}

function checked(file: string, values: Record<string, unknown>): TrainOptions {
  const { trainFolder, ...others } = calls
  const whole: OptionTable = values.target === undefined ? trainFolder : tableCalls.trainTable
  const table: OptionTable = Object.fromEntries(Object.entries(whole).filter(([, { kind }]) => kind.schema))
  const revived = Object.entries(values).map(([name, value]) => [name, table[name]?.kind.revive?.(value) ?? value])
  const options = Object.fromEntries(revived)
  checkTable(table, options, { who: file, also: ['data'], others, by: inFile(file) })
  return options as TrainOptions
}

function readJson(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new OptionError(`${file}: ${fileReason(cause)}; expected a JSON file of options: ${example}.`, { cause })
  }
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw new OptionError(
      `${file}${placeOf(text, cause as Error)}: it is no JSON; expected options such as ${example}.`,
      {
        cause,
      },
    )
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OptionError(
      `${file}: expected a JSON object of options, got ${literal(value).slice(0, 60)}. Example: ${example}.`,
    )
  return value as Record<string, unknown>
}

/** `:3:5`, where the reader of JSON says at which character it stopped; its end where it met the end. */
function placeOf(text: string, { message }: Error): string {
  const at = /position (\d+)/.exec(message)?.[1] ?? (/end of JSON/.test(message) ? text.length : undefined)
  if (at === undefined) return ''
  const lines = text.slice(0, Number(at)).split('\n')
  return `:${lines.length}:${lines.at(-1)!.length + 1}`
}

/** Options of a file with those of the command line over them: these win, also over an option of the file that says the
 *  same thing in another way (`--sizes` over `size`). */
export function overFile(file: TrainOptions, typed: TrainOptions): TrainOptions {
  const names = Object.keys(typed) as (keyof TrainOptions)[]
  const replaced = names.flatMap(name => rivals.filter(group => group.includes(name)).flat())
  const kept = Object.entries(file).filter(([name]) => !replaced.includes(name as keyof TrainOptions))
  return { ...Object.fromEntries(kept), ...typed }
}
