import { numberColumn } from '../../cells/numbers.ts'

const plain = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** Whether a text is a number: plain, or with a unit, a currency, thousands or a decimal comma. */
export const isNumberWord = (word: string): boolean =>
  plain.test(word) || numberColumn([word], { name: '', decimal: ',' }).numbers === 1
