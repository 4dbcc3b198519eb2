/** What went wrong, for programs:
 *  - `model`: the file is no model that this runtime can use
 *  - `picture`: a picture can't be read, or does not fit the model
 *  - `row`: a row of a table does not fit the model
 *  - `text`: a text can't be predicted
 *  - `sound`: a recording can't be read, or is too long
 *  - `backend`: onnxruntime is missing or does not start
 *  - `use`: the call itself is wrong, such as a prediction after `dispose()` */
export type ErrorKind = 'model' | 'picture' | 'row' | 'text' | 'sound' | 'backend' | 'use'

/** Every error that the runtime throws by itself. The message says what came, what was expected and what to do. */
export class RunError extends Error {
  override readonly name = 'RunError'
  readonly kind: ErrorKind

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.kind = kind
  }
}

/** The message of whatever was thrown, without a line break. */
export const reasonOf = (error: unknown): string =>
  String(error instanceof Error ? error.message : error)
    .split('\n')[0]!
    .trim()
    .slice(0, 300)
