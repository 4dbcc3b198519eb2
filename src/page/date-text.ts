import { dateWord } from '../cells/dates.ts'
import type { TableCardInput } from '../onnx/table-card.ts'

/** Whether a column of dates has a time of day. */
export const hasTime = ({ parts = [] }: Pick<TableCardInput, 'parts'>): boolean =>
  parts.some(part => part.startsWith('hour'))

/** A date, in seconds since 1970, as the field of its column takes it: without a zone. */
export function dateText(seconds: number, input: Pick<TableCardInput, 'parts'>): string {
  if (!hasTime(input)) return dateWord(seconds).slice(0, 10)
  return new Date(seconds * 1000).toISOString().slice(0, 19)
}
