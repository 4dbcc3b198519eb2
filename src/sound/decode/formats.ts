import { extname } from 'node:path'
import type { FileKind } from '../../data/index.ts'
import { bytesNeeded, describeSound, formatOf, formats } from '../../runtime/sound/formats.ts'

const endings = new Set(formats.flatMap(format => format.endings.split(' ')))

/** Recognises the recordings among the files of a folder. */
export const soundFiles: FileKind = {
  noun: { one: 'recording', many: 'recordings' },
  example: '.wav',
  isNamed: name => endings.has(extname(name).toLowerCase()),
  bytesNeeded,
  recognises: head => formatOf(head) !== undefined,
  describe: describeSound,
}
