/** Words that programs write for a missing value (pandas, R, Excel, MySQL), in any case. No class has such a name. */
export const surely: ReadonlySet<string> = new Set(
  'nan,-nan,<na>,<nan>,nat,#n/a,#na,#n/a n/a,#null!,#value!,#ref!,#div/0!,#name?,#num!,\\n,1.#ind,-1.#ind,1.#qnan,-1.#qnan'.split(
    ',',
  ),
)

/** Words that mean a missing value in most tables but are a class in some: "none" beside the names of defects. */
export const mostly: ReadonlySet<string> = new Set(
  'none,null,nil,n/a,na,n.a.,(null),(none),(blank),-,--,---,–,—,?,??,???,.'.split(','),
)

/** Words that mean "not there". In a column of words that is a value of its own: no damage, no garage. Among numbers
 *  they mean a missing value. */
const nothing: ReadonlySet<string> = new Set(['none', '(none)'])

/** Which words mean a missing value. */
export interface MissingRule {
  /** The user gave the words, so nothing is guessed. */
  given: boolean
  /** Whether a word means a missing value among numbers or dates. */
  inNumbers(word: string): boolean
  /** The same in a column whose other values are words. `words`: all of them. */
  inWords(word: string, words: readonly string[]): boolean
  /** Whether a word may mean a missing value, but is taken as a value of a column of words. */
  unsure(word: string): boolean
  /** The given words that are numbers, such as -999. */
  numbers: ReadonlySet<number>
}

/** The rule for exactly the `given` words. Default: the words that pandas, R, Excel and databases write. Two signs that
 *  stand for each other's opposite, + and -, are values. */
export function missingRule(given: readonly string[] | undefined): MissingRule {
  if (given) {
    const words = new Set(given.map(word => word.trim()))
    const has = (word: string) => words.has(word)
    const numbers = new Set([...words].filter(word => word !== '').map(Number))
    return { given: true, inNumbers: has, inWords: has, unsure: () => false, numbers }
  }
  const inNumbers = (word: string) =>
    word.length < 12 && (surely.has(word.toLowerCase()) || mostly.has(word.toLowerCase()))
  return {
    given: false,
    inNumbers,
    inWords: (word, words) =>
      inNumbers(word) && !nothing.has(word.toLowerCase()) && !(word === '-' && words.includes('+')),
    unsure: word => nothing.has(word.toLowerCase()),
    numbers: new Set(),
  }
}
