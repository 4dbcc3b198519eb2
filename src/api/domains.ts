import { RunError } from '../base/errors.ts'
import type { Domain } from '../domain/index.ts'
import { domainOf } from '../runs/index.ts'
import { readCard, stemOf } from '../train/saved-model.ts'
import type { DataKind } from './kinds/kind.ts'
import { kinds } from './kinds/list.ts'

/** The kind of data of a run or of a saved model, by the name of its domain. */
export function kindNamed(name: string, where: string): DataKind {
  const found = kinds.find(kind => kind.name === name)
  if (found) return found
  throw new RunError(
    `${where}: this version of Anneal does not know its kind of data, "${name}"; expected ${kinds.map(kind => kind.name).join(', ')}.`,
  )
}

/** The domain of that name. */
export const domainNamed = async (name: string, where: string): Promise<Domain> => kindNamed(name, where).domain()

/** The kind of data that a saved model was trained on: its run folder, or the path of its weights or card. */
export const kindOfModel = (run: string): DataKind => kindNamed(domainOf(readCard(`${stemOf(run)}.json`)), run)
