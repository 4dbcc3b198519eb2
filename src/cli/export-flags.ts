import { OptionError } from '../base/errors.ts'
import { flagOf } from '../base/options.ts'
import type { Target } from '../export/targets/index.ts'

/** The options of `anneal export`. */
export interface ExportFlags {
  out?: string | undefined
  net?: boolean | undefined
  weights?: 'float32' | 'float16' | 'int8' | undefined
  to?: Target | undefined
  quantize?: boolean | undefined
  /** A file to check; false: export without a check. */
  check?: string | false | undefined
  data?: string | undefined
  runtimes?: readonly ('onnxruntime-node' | 'onnxruntime-web')[] | undefined
  json?: boolean | undefined
  page?: string | undefined
  singleFile?: string | undefined
  examples?: number | undefined
}

/** Throws for options that models of pictures, texts and sounds take. `what`: what this is a model of; `why`: what leaving them out means. */
export function refuseOptions(
  flags: ExportFlags,
  names: readonly (keyof ExportFlags)[],
  { what, why = '' }: { what: string; why?: string },
): void {
  const odd = names.filter(name => flags[name] !== undefined)
  if (odd.length === 0) return
  const [are, them] = odd.length === 1 ? ['is an option', 'it'] : ['are options', 'them']
  throw new OptionError(
    `${odd.map(flagOf).join(', ')}: ${are} for models of pictures, texts and sounds, and this is a model of ${what}. Leave ${them} out${why}.`,
  )
}

/** Throws for options that do not go with `--to`. */
export function refuseBesideFolder({ to, check, net, page, singleFile, examples }: ExportFlags): void {
  const pages = page !== undefined || singleFile !== undefined || examples !== undefined
  if (to === undefined || (!check && !net && !pages)) return
  throw new OptionError(
    `--to writes a folder with the whole model; leave out ${check ? '--check FILE' : net ? '--net' : '--page and --single-file'}`,
  )
}
