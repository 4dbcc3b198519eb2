/** What one sample and several are called: picture, pictures. */
export interface Noun {
  one: string
  many: string
}

/** Which files of a folder are samples: what a domain tells the rooms that find and label them. Pictures are one kind
 *  (`vision/decode/formats.ts`); a domain of one's own brings another. */
export interface FileKind {
  /** What messages call samples. */
  noun: Noun
  /** Whether a name claims such a file, by its ending. */
  isNamed(name: string): boolean
  /** How many leading bytes of a file `recognises` and `describe` look at. */
  bytesNeeded: number
  /** Whether a file is of this kind by its first bytes, whatever its name. */
  recognises(head: Uint8Array): boolean
  /** What another file is, in a few words, and what to do: `it is a zip archive; unpack it first`. */
  describe(head: Uint8Array): string
}

/** How files are indexed. */
export interface Indexing {
  fileKind: FileKind
}
