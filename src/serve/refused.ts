/** Why a request was refused: the label of `anneal_rejected_total`. */
export type Reason =
  | 'bytes'
  | 'pixels'
  | 'pictures'
  | 'type'
  | 'encoding'
  | 'picture'
  | 'row'
  | 'rows'
  | 'text'
  | 'texts'
  | 'recording'
  | 'recordings'
  | 'seconds'
  | 'request'
  | 'queue'
  | 'memory'
  | 'time'
  | 'slow'
  | 'gone'
  | 'token'
  | 'host'
  | 'origin'
  | 'connections'

/** A request, or one picture or row of it, that is not answered: with the status and the message that the client gets. */
export class Refused extends Error {
  readonly status: number
  readonly reason: Reason
  /** After how many seconds it is worth to try again. */
  readonly retryAfter: number | undefined
  constructor(status: number, reason: Reason, message: string, { retryAfter }: { retryAfter?: number } = {}) {
    super(message)
    this.name = 'Refused'
    this.status = status
    this.reason = reason
    this.retryAfter = retryAfter
  }
}
