import type { Readable, Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** Text for stdout or stderr that waits for its reader: a source is paused while the reader is slow. */
export class Sink {
  readonly #out: Writable
  readonly #paused = new Set<Readable>()
  #lost = false

  constructor(out: Writable) {
    this.#out = out
    out.on('drain', () => this.#resume())
  }

  write(text: string, source?: Readable): void {
    if (this.#lost || this.#out.write(text) || source === undefined) return
    source.pause()
    this.#paused.add(source)
  }

  /** Drops all further text: nobody reads it. Without this the sources would wait for ever. */
  lose(): void {
    this.#lost = true
    this.#resume()
  }

  #resume(): void {
    for (const source of this.#paused) source.resume()
    this.#paused.clear()
  }
}

const longest = 64 * 1024

/** Calls `take` with each line of a stream, without its end. What a carriage return overwrites is left out, so that a bar
 *  which is redrawn gives its last state. A line of more than 64 KB comes in pieces. */
export function eachLine(stream: Readable, take: (line: string) => void): void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const shown = (line: string) => take(line.replace(/\r+$/, '').replace(/^.*\r/s, ''))
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop()!
    for (const line of lines) shown(line)
    if (rest.length > longest) {
      shown(rest)
      rest = ''
    }
  })
  stream.on('end', () => {
    rest += decoder.end()
    if (rest !== '') shown(rest)
    rest = ''
  })
}
