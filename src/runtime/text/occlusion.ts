/** A part of a text, and how much it adds to the score in question: the score of the whole text minus that without it. */
export type Weighed = [part: string, weight: number]

/** The most parts of a text that are weighed one by one; those of a longer text have several words each. */
const mostParts = 48

/** Cuts a text into words with the blanks and signs after them; of scripts without blanks, by the dictionary of the
 *  platform. A long text is cut into `most` parts of several words. */
export function partsOf(text: string, most = mostParts): string[] {
  const words: string[] = []
  for (const { segment, isWordLike } of new Intl.Segmenter(undefined, { granularity: 'word' }).segment(text)) {
    if (words.length === 0 || isWordLike) words.push(segment)
    else words[words.length - 1] += segment
  }
  const each = Math.max(1, Math.ceil(words.length / most))
  return Array.from({ length: Math.ceil(words.length / each) }, (_, i) =>
    words.slice(i * each, (i + 1) * each).join(''),
  )
}

/** The parts of a text, and the text without each of them. */
export function withoutEach(text: string): { parts: string[]; texts: string[] } {
  const parts = partsOf(text)
  return { parts, texts: parts.map((_, i) => parts.filter((_, other) => other !== i).join('')) }
}

/** What each part of a text contributes to a score (Zeiler & Fergus 2014, arXiv:1311.2901, of pictures): the text is
 *  scored without it. `score`: the score of each of many texts. */
export async function contributions(
  text: string,
  score: (texts: readonly string[]) => Promise<number[]> | number[],
): Promise<Weighed[]> {
  const { parts, texts } = withoutEach(text)
  const [whole = 0, ...each] = await score([text, ...texts])
  return parts.map((part, i) => [part, whole - each[i]!])
}
