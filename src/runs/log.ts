import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { formatEvent, parseEvent, type RunEvent } from './events.ts'

/** The events of a file in order, the bytes of its whole lines, and the number of whole lines that are no known
 *  event. */
export type EventLog = { events: RunEvent[]; ends: number[]; bytes: number; unknown: number }

const newline = 10

/** Reads an events file, also after its writer was killed: an incomplete last line is ignored, a line that is no known
 *  event is counted. `ends[i]` is the offset in bytes after event i. A missing file has no events. */
export function readEvents(path: string): EventLog {
  const log: EventLog = { events: [], ends: [], bytes: 0, unknown: 0 }
  if (!existsSync(path)) return log
  const data = readFileSync(path)
  for (let end = data.indexOf(newline); end >= 0; end = data.indexOf(newline, log.bytes)) {
    const event = parseEvent(data.toString('utf8', log.bytes, end))
    log.bytes = end + 1
    if (event) {
      log.events.push(event)
      log.ends.push(log.bytes)
    } else log.unknown++
  }
  return log
}

/** How many bytes belong to the checkpoint of `step` with this `number`: up to the end of its own event, else up to the
 *  first event of a later step. */
export function cutAfter(log: EventLog, { step, number }: { step: number; number?: number | undefined }): number {
  const checkpoint = log.events.findLastIndex(
    e => e.type === 'checkpoint' && e.step === step && (number === undefined || e.number === number),
  )
  if (checkpoint >= 0) return log.ends[checkpoint]!
  const later = log.events.findIndex(e => 'step' in e && e.step > step)
  return later < 0 ? log.bytes : (log.ends[later - 1] ?? 0)
}

const flushEveryMs = 1000
const flushAt = 1 << 16 // characters
const keepAtMost = 8 << 20 // characters held while the disk is full

/** Appends events to a file. Lines are collected and written at least every second; `flush` writes them now. A full
 *  disk does not stop training: unwritten lines are kept and tried again, and `problem` holds the reason. */
export class EventWriter {
  problem: Error | undefined
  readonly path: string
  #fd: number
  #size: number
  #pending: string[] = []
  #pendingLength = 0
  #flushed = performance.now()
  #timer: NodeJS.Timeout | undefined

  /** Opens `path` and cuts it to `bytes`, the end of its last whole line. */
  constructor(path: string, bytes: number) {
    this.path = path
    this.#fd = openSync(path, 'a+')
    if (fstatSync(this.#fd).size > bytes) ftruncateSync(this.#fd, bytes)
    this.#size = bytes
  }

  append(event: RunEvent): void {
    const line = formatEvent(event)
    if (this.#pendingLength + line.length > keepAtMost && event.type === 'batch') return
    this.#pending.push(line)
    this.#pendingLength += line.length
    // In a busy loop no timer fires, and an idle one has no further event, so both ways of flushing are needed.
    const full = this.#pendingLength > flushAt && !this.problem
    if (full || performance.now() - this.#flushed >= flushEveryMs) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), flushEveryMs).unref()
  }

  /** Writes pending lines; with `sync` also to the disk itself. Returns whether all of them are written. */
  flush({ sync = false } = {}): boolean {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#flushed = performance.now()
    try {
      const data = Buffer.from(this.#pending.join(''))
      try {
        for (let offset = 0; offset < data.byteLength; ) offset += writeSync(this.#fd, data, offset)
      } catch (error) {
        ftruncateSync(this.#fd, this.#size) // no half line before the next attempt
        throw error
      }
      this.#size += data.byteLength
      this.#pending = []
      this.#pendingLength = 0
      if (sync) fsyncSync(this.#fd)
      this.problem = undefined
    } catch (error) {
      this.problem = error as Error
    }
    return this.problem === undefined
  }

  /** Drops everything after `bytes`. */
  truncate(bytes: number): void {
    this.#pending = []
    this.#pendingLength = 0
    ftruncateSync(this.#fd, bytes)
    fsyncSync(this.#fd)
    this.#size = bytes
  }

  close(): boolean {
    const whole = this.flush({ sync: true })
    clearTimeout(this.#timer)
    closeSync(this.#fd)
    return whole
  }
}
