import { naming, typed } from '../../base/options.ts'
import type { ColumnKind } from '../types.ts'

/** The option that sets the kind of a column, as it is typed: `--as zip=category`, or `as: { "zip": "category" }`. */
export const asSetting = (column: string, kind: ColumnKind): string =>
  naming().typed ? typed('as', `${column}=${kind}`) : `as: { ${JSON.stringify(column)}: ${JSON.stringify(kind)} }`
