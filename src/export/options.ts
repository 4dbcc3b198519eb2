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
}

/** How a check runs. */
export interface CheckOptions extends Pick<CommonExportOptions, 'progress' | 'signal'> {
  runtimes: readonly RuntimeName[]
}
