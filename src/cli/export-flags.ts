import type { Target } from '../export/targets/index.ts'
import type { PageFlags } from './export-page.ts'

/** The options of `anneal export`. */
export interface ExportFlags extends PageFlags {
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
}

/** A difference in a table of checks. */
export const small = (value: number): string =>
  value > 0 && value < 1e-3 ? value.toExponential(1) : value.toPrecision(2)
