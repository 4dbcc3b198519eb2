/** A number as a word of a category. */
export const wordOfNumber = (value: number): string => String(value === 0 ? 0 : value)

/** `3.0` and `3` are one number. Words with a zero in front are none. */
export const canonical = (word: string): string =>
  /^[+-]?([1-9]\d*|0)(\.\d*)?$/.test(word) ? wordOfNumber(Number(word)) : word

/** The code of each word, from 2, with the other spellings that mean the same: whole numbers, true and false. */
export function wordCodes(words: readonly string[]): ReadonlyMap<string, number> {
  const known = new Map(words.map((word, i) => [word, i + 2]))
  for (const [i, word] of words.entries()) if (!known.has(canonical(word))) known.set(canonical(word), i + 2)
  const truth = words.length <= 2 && words.every(word => /^(true|false|yes|no|t|f|y|n|on|off)$/i.test(word))
  if (truth)
    for (const [i, word] of words.entries())
      for (const other of [word.toLowerCase(), word.toUpperCase(), capital(word)])
        if (!known.has(other)) known.set(other, i + 2)
  return known
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase()
