import { OptionError } from '../base/errors.ts'
import { option, setting } from '../base/options.ts'
import type { Card } from '../onnx/index.ts'
import type { RuntimeName } from './runtimes.ts'

/** What the exports of all kinds of models take. */
export interface CommonExportOptions {
  /** The file to write. Default: `model.onnx` in the run's folder, or beside the model. */
  out?: string | undefined
  /** Whether the file is checked before it gets its name: yes unless you say `false`. */
  check?: boolean | undefined
  /** Where the data of the run are now, if they have moved. */
  data?: string | undefined
  /** The runtimes of the check. Default: both. */
  runtimes?: readonly RuntimeName[] | undefined
  progress?: ((label: string, done: number, total: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/** What the exports of nets take: models of pictures, texts and sounds. */
export interface NetExportOptions extends CommonExportOptions {
  /** How the weights are stored; the file computes in float32. Default: float32. */
  weights?: 'float32' | 'float16' | 'int8' | undefined
  /** Integers instead of floats: int8 weights and uint8 values, with ranges from training samples. Layers that change the
   *  answers most stay float32, and the export throws if that is not enough. */
  quantize?: boolean | undefined
  /** The net alone: of pictures from normalised pixels on, of texts from the tokens of one window, of sounds from the spectra of a
   *  window. */
  net?: boolean | undefined
}

/** How the weights of a file are stored. Throws if both options for that are given. */
export function storedAs({ weights, quantize }: Pick<NetExportOptions, 'weights' | 'quantize'>): Card['weights'] {
  if (!quantize) return weights ?? 'float32'
  if (weights !== undefined && weights !== 'float32')
    throw new OptionError(
      `${setting('weights', weights)}: does not fit ${option('quantize')}, which stores the weights as int8. Leave one of them out.`,
    )
  return 'quantized'
}

/** How a check runs. */
export interface CheckOptions extends Pick<CommonExportOptions, 'progress' | 'signal'> {
  runtimes: readonly RuntimeName[]
}
