/** Words and pairs of words as features: term frequency (its logarithm) by inverse document frequency, rows of length 1
 *  (Salton & Buckley 1988). */
export interface Tfidf {
  /** Words and pairs, in the order of the features. */
  terms: string[]
  idf: Float32Array
}

/** The words of a text, in lower case; of scripts without blanks between words each letter. */
export const wordsOf = (text: string): string[] =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .match(
      /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Thai}|[\p{L}\p{N}][\p{L}\p{M}\p{N}'’]*/gu,
    ) ?? []

function termsOf(text: string): Map<string, number> {
  const words = wordsOf(text)
  const counts = new Map<string, number>()
  const add = (term: string) => counts.set(term, (counts.get(term) ?? 0) + 1)
  for (const [i, word] of words.entries()) {
    add(word)
    if (i > 0) add(`${words[i - 1]} ${word}`)
  }
  return counts
}

/** The terms of these texts that are in two of them at least, the most frequent ones where there are more than `most`. */
export function fitTfidf(texts: readonly string[], most: number): Tfidf {
  const inTexts = new Map<string, number>()
  for (const text of texts) for (const term of termsOf(text).keys()) inTexts.set(term, (inTexts.get(term) ?? 0) + 1)
  const frequent = [...inTexts].filter(([, count]) => count > 1).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  const kept = (frequent.length > 0 ? frequent : [...inTexts]).slice(0, most)
  const idf = Float32Array.from(kept, ([, count]) => Math.log((1 + texts.length) / (1 + count)) + 1)
  return { terms: kept.map(([term]) => term), idf }
}

/** The features of texts, row-major [texts × terms]. */
export function tfidfRows(texts: readonly string[], { terms, idf }: Tfidf): Float32Array {
  const at = new Map(terms.map((term, i) => [term, i]))
  const rows = new Float32Array(texts.length * terms.length)
  for (const [n, text] of texts.entries()) {
    const row = rows.subarray(n * terms.length, (n + 1) * terms.length)
    let sum = 0
    for (const [term, count] of termsOf(text)) {
      const i = at.get(term)
      if (i === undefined) continue
      row[i] = (1 + Math.log(count)) * idf[i]!
      sum += row[i]! ** 2
    }
    if (sum > 0) for (let i = 0; i < row.length; i++) row[i]! /= Math.sqrt(sum)
  }
  return rows
}
