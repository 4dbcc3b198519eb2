import type { DataKind } from './kind.ts'
import { pictures } from './pictures.ts'
import { sounds } from './sounds.ts'
import { texts } from './texts.ts'

/** The kinds of data in files. A name may fit several: the earlier one has the files beside it (`1.jpg` and `1.txt`). */
export const kinds: readonly DataKind[] = [pictures, sounds, texts]
