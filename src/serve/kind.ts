import type { ServedModel } from './model.ts'
import { pictures } from './pictures/kind.ts'
import type { ServedKind } from './served-kind.ts'
import { sounds } from './sound/kind.ts'
import { table } from './table/kind.ts'
import { texts } from './text/kind.ts'

/** The kind of a model. */
export const kindOf = (model: ServedModel): ServedKind =>
  model.kind === 'table' ? table : model.kind === 'text' ? texts : model.kind === 'sound' ? sounds : pictures
