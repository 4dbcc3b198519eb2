/** The bytes of a recording, from a file or from memory. */
export interface ByteReader {
  readonly size: number
  /** So many bytes from a position; fewer at the end. The view is valid until the next call. */
  read(from: number, length: number): Uint8Array
}

/** A recording whose samples have not been read yet. */
export interface Opened {
  /** Samples in a second, of each channel. */
  rate: number
  channels: number
  /** `PCM 16`, `MP3`. */
  encoding: string
  /** How many samples each channel has, if the header says it. */
  frames?: number
  /** What is wrong with it that does not matter much; complete once all samples are read. */
  notes?: readonly string[]
  /** The samples in pieces, one array for each channel, full scale from -1 to 1. */
  chunks(): AsyncIterable<readonly Float32Array[]>
}
