/** What an error is about. The codes are stable: programs may compare them. */
export type ErrorCode =
  | 'ERR_OPTION'
  | 'ERR_DATA'
  | 'ERR_IMAGE'
  | 'ERR_MODEL'
  | 'ERR_WEIGHTS'
  | 'ERR_TRAINING'
  | 'ERR_RUN'
  | 'ERR_TENSOR'
  | 'ERR_SETUP'
  | 'ERR_DOWNLOAD'
  | 'ERR_FILE'
  | 'ERR_RANKS'

/** What may stand beside the message of an error. */
export interface ErrorDetails {
  cause?: unknown
  /** How the command exits. Default: 1. */
  exitCode?: number
}

/** An error that the user can act on: one line that says what happened (with the values received), what was expected and
 *  what to do next. The CLI prints the message without a stack trace, and exits with `exitCode`. */
export abstract class AnnealError extends Error {
  abstract readonly code: ErrorCode
  readonly exitCode: number
  constructor(message: string, { cause, exitCode = 1 }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'AnnealError'
    this.exitCode = exitCode
  }
}

/** An option or argument is unknown, out of range, or contradicts another. */
export class OptionError extends AnnealError {
  readonly code = 'ERR_OPTION'
}
/** Labels, tables or splits can't be read as they are. */
export class DataError extends AnnealError {
  readonly code = 'ERR_DATA'
}
/** An image can't be found, decoded or used. */
export class ImageError extends AnnealError {
  readonly code = 'ERR_IMAGE'
}
/** A model is unknown, or a saved model can't be loaded. */
export class ModelError extends AnnealError {
  readonly code = 'ERR_MODEL'
}
/** A file of weights is damaged, unsafe or does not fit. */
export class WeightsError extends AnnealError {
  readonly code = 'ERR_WEIGHTS'
}
/** Training can't go on: the loss is not finite, or a part of the loop got what it can't use. */
export class TrainingError extends AnnealError {
  readonly code = 'ERR_TRAINING'
}
/** A run folder is missing, in use, of another version, or can't be resumed. */
export class RunError extends AnnealError {
  readonly code = 'ERR_RUN'
}
/** A tensor operation got shapes, types or devices that it can't use. */
export class TensorError extends AnnealError {
  readonly code = 'ERR_TENSOR'
}
/** libtorch, the compiler or the addon is missing or does not work. */
export class SetupError extends AnnealError {
  readonly code = 'ERR_SETUP'
}
/** A download failed, or its digest or archive is wrong. */
export class DownloadError extends AnnealError {
  readonly code = 'ERR_DOWNLOAD'
}
/** A file or folder can't be read, written or locked. */
export class FileError extends AnnealError {
  readonly code = 'ERR_FILE'
}

/** The processes that train one net together can't meet, differ, or lost one of them. */
export class RanksError extends AnnealError {
  readonly code = 'ERR_RANKS'
}

/** The names nearest to `name` by edit distance: at most `most`, and only names that the user may have meant. */
export function nearest(name: string, names: Iterable<string>, most = 3): string[] {
  const limit = Math.max(2, Math.floor(name.length / 3))
  return [...names]
    .map(candidate => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= limit || candidate.toLowerCase().startsWith(name.toLowerCase()))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ candidate }) => candidate)
}

/** ` Did you mean "resnet34"?`, or the empty text if no name is near. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const near = nearest(name, names, 1)[0]
  return near === undefined ? '' : ` Did you mean "${near}"?`
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length]!
}

/** The reason why a file could not be opened or decoded, in a few words. */
export function fileReason(error: unknown): string {
  const { code } = error as { code?: string }
  if (code === 'ENOENT') return 'it does not exist'
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied'
  if (code === 'EISDIR') return 'it is a folder'
  return error instanceof Error ? error.message : String(error)
}
