import { missingRule, mostly, surely } from '../../cells/missing.ts'
import { canonical, wordCodes } from '../../cells/words.ts'

/** A vocabulary of more words has no keys with a blank before or after a word. */
const mostWithBlanks = 1000

/** The code of each text of a category, for `LabelEncoder`: 0 missing, then the words from 2; every other text is unknown, 1.
 *  An operator compares whole texts, so each spelling is a key: whole numbers with a fraction of zeros, one blank before or
 *  after a word, and the words that mean a missing value. `missing`: those that the run was given. */
export function textCodes(words: readonly string[], missing?: readonly string[] | undefined): Map<string, number> {
  const known = wordCodes(words)
  const codes = new Map(known)
  const add = (text: string, code: number) => {
    if (!codes.has(text)) codes.set(text, code)
  }
  for (const [word, code] of known)
    for (const text of numberTexts(word)) if (known.get(canonical(text)) === code) add(text, code)
  for (const word of missingTexts(words, missing)) add(word, 0)
  if (words.length <= mostWithBlanks)
    for (const [text, code] of [...codes]) {
      add(` ${text}`, code)
      add(`${text} `, code)
    }
  return codes
}

/** Other texts of the number that a word is. */
function numberTexts(word: string): string[] {
  if (!/^-?\d+(\.\d+)?$/.test(word)) return []
  return [...(word.includes('.') ? [`${word}0`] : ['.', '.0', '.00'].map(zeros => word + zeros)), `+${word}`]
}

/** The texts that mean a missing value of a category: the empty one, and those that readers of tables take as such. */
export function missingTexts(words: readonly string[], given: readonly string[] | undefined): string[] {
  const rule = missingRule(given)
  const usual = [...surely, ...mostly].flatMap(word => [
    word,
    word.toUpperCase(),
    word.charAt(0).toUpperCase() + word.slice(1),
  ])
  const all = new Set(['NaN', 'NaT', '<NaN>', ...usual, ...(given ?? []).map(word => word.trim())])
  return ['', ...[...all].filter(word => rule.inWords(word, words))]
}
