/** The name of one sample and of several: picture, pictures. */
export interface Noun {
  one: string
  many: string
}

/** The noun where a caller names none. */
export const pictures: Noun = { one: 'picture', many: 'pictures' }

/** Decides which files of a folder are samples. A domain gives it to the code that finds and labels files. Pictures are
 *  one kind (`vision/decode/formats.ts`); a user's domain has another. */
export interface FileKind {
  /** The name of the samples in messages. */
  noun: Noun
  /** The ending of such a file in an example: `.jpg`. */
  example?: string
  /** Whether a name has the extension of such a file. */
  isNamed(name: string): boolean
  /** How many leading bytes of a file `recognises` and `describe` read. */
  bytesNeeded: number
  /** Whether a file is of this kind, found from its first bytes and not from its name. */
  recognises(head: Uint8Array): boolean
  /** What another file is, in a few words, and what to do: `it is a zip archive; unpack it first`. */
  describe(head: Uint8Array): string
}

/** How files are indexed. */
export interface Indexing {
  fileKind: FileKind
}
