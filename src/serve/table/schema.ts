import { dateWord } from '../../cells/dates.ts'
import type { TableCardInput, TableFileCard } from '../../onnx/table-card.ts'
import type { TensorAbout } from '../served-kind.ts'

/** The tensor types of the columns: dates are whole seconds since 1970 in UTC. */
export const datatypes = { number: 'FP64', category: 'BYTES', date: 'INT64', text: 'BYTES' } as const

/** The inputs of the Open Inference Protocol: one for each column. */
export const columnInputs = ({ inputs }: TableFileCard): TensorAbout[] =>
  inputs.map(({ name, kind }) => ({ name, datatype: datatypes[kind], shape: [-1, 1] }))

/** With more words than that, a category's words are not listed. */
const mostWords = 100

/** A row as JSON Schema. */
export function rowSchema({ inputs, unused = [] }: TableFileCard) {
  return {
    type: 'object',
    properties: Object.fromEntries(inputs.map(input => [input.name, columnSchema(input)])),
    required: inputs.map(({ name }) => name),
    description: `null is a missing value.${unused.length > 0 ? ` These columns may be there and are not used: ${unused.slice(0, 30).join(', ')}${unused.length > 30 ? ', …' : ''}.` : ''}`,
  }
}

const within = (range: TableCardInput['range'], text: (value: number) => string): string =>
  range ? ` In training from ${text(range[0])} to ${text(range[1])}.` : ''

function columnSchema({ kind, vocabulary, usual, range }: TableCardInput): object {
  const example = usual === undefined || usual === null ? {} : { examples: [usual] }
  if (kind === 'number')
    return { type: ['number', 'string', 'null'], description: `A number.${within(range, String)}`, ...example }
  if (kind === 'date')
    return {
      type: ['string', 'number', 'null'],
      description: `A date such as 2024-07-01 or 2024-07-01T18:30:00Z.${within(range, dateWord)}`,
      ...(typeof usual === 'number' ? { examples: [dateWord(usual)] } : {}),
    }
  if (kind === 'text') return { type: ['string', 'number', 'boolean', 'null'], description: 'A text.', ...example }
  const words =
    vocabulary && vocabulary.length <= mostWords
      ? `A word: ${vocabulary.map(word => JSON.stringify(word)).join(', ')}. `
      : `A word${vocabulary ? `, one of ${vocabulary.length}` : ''}. `
  return {
    type: ['string', 'number', 'boolean', 'null'],
    description: `${words}Another one is taken as unknown, and named in the answer.`,
    ...example,
  }
}
