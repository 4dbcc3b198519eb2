import { extname } from 'node:path'
import type { FileKind, Indexing } from '../../data/index.ts'
import { bytesNeeded, notText } from './decode.ts'

const endings = new Set(['.txt', '.text', '.eml'])

/** Texts about a folder, beside samples of any kind. */
const about =
  /^(readme|read_me|licen[cs]e|notice|copying|authors?|changelog|changes|citation|classes|class_?names|labels?|names|index|urls?|sources?|credits|requirements|robots|train|valid|val|test|splits?|metadata|annotations?)\b/i

/** Recognises texts among the files of a folder, by their content: news and mails often have no ending. */
export const textFiles: FileKind = {
  noun: { one: 'text', many: 'texts' },
  example: '.txt',
  isNamed: name => endings.has(extname(name).toLowerCase()) && !about.test(name),
  bytesNeeded,
  recognises: head => notText(head) === undefined,
  describe: head => notText(head) ?? 'it is a text',
}

/** Where texts are listed. */
export const ofTexts: Indexing = { fileKind: textFiles }
