import type { TableInput } from './columns.ts'
import type { OpenTableModel } from './open.ts'
import type { CheckRows } from './rows.ts'

/** Up to `rows` validation rows of a run, evenly spread, if its table can still be read; else why there are none. */
export async function validationRows(
  _model: OpenTableModel,
  _inputs: readonly TableInput[],
  _options: { data?: string | undefined; rows: number; signal?: AbortSignal | undefined },
): Promise<{ rows?: CheckRows; note?: string }> {
  return {}
}
