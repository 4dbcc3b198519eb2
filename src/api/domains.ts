import { RunError } from '../base/errors.ts'
import type { Domain } from '../domain/index.ts'
import { images } from '../vision/domain/images.ts'

/** The kinds of data that this package trains on, by their names in configurations and cards. */
export const domains: Readonly<Record<string, Domain>> = { [images.name]: images }

/** The domain of a run or of a saved model. */
export function domainNamed(name: string, where: string): Domain {
  const found = domains[name]
  if (found) return found
  throw new RunError(
    `${where}: this version of Anneal does not know its kind of data, "${name}"; expected ${Object.keys(domains).join(', ')}.`,
  )
}
