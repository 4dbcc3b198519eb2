import { extname } from 'node:path'
import type { FileKind, Indexing } from '../../data/index.ts'
import { bytesNeeded, notText } from './decode.ts'

const endings = new Set(['.txt', '.text', '.md', '.eml'])

/** Recognises texts among the files of a folder, by their content: news and mails often have no ending. */
export const textFiles: FileKind = {
  noun: { one: 'text', many: 'texts' },
  isNamed: name => endings.has(extname(name).toLowerCase()),
  bytesNeeded,
  recognises: head => notText(head) === undefined,
  describe: head => notText(head) ?? 'it is a text',
}

/** Where texts are listed. */
export const ofTexts: Indexing = { fileKind: textFiles }
