/** A stream of random numbers that is a pure function of its seed and keys (Philox 4x32-10, Salmon et al. 2011,
 *  doi:10.1145/2063384.2063405). Streams share no state, so the numbers do not depend on the number of workers, the
 *  batch size or the point where a run was resumed. */
export interface Random {
  /** In [low, high), 53 bits. */
  uniform(low?: number, high?: number): number
  /** Gaussian by Box-Muller. */
  normal(mean?: number, deviation?: number): number
  /** A whole number in [0, n). */
  integer(n: number): number
  /** True with this probability. */
  chance(probability: number): boolean
}

/** The purpose of a stream. It is the last key of `rng`, so that two parts of the program never draw the same
 *  numbers. */
export const purpose = { split: 1, order: 2, augment: 3, dropout: 4, init: 5, mix: 6, sense: 7, bootstrap: 10 } as const

/** The stream of `seed` at up to three `keys` (epoch, sample, purpose), each a whole number in [0, 2³²). */
export function rng(seed: number, ...keys: number[]): Random {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`rng: the seed must be a whole number, got ${seed}`)
  if (keys.length > 3) throw new RangeError(`rng: at most three keys, got ${keys.length}`)
  for (const key of keys)
    if (!Number.isInteger(key) || key < 0 || key >= 2 ** 32)
      throw new RangeError(`rng: a key must be a whole number in [0, 2^32), got ${key}`)
  const low = seed >>> 0
  const high = Math.floor(seed / 2 ** 32) >>> 0
  const counter = Uint32Array.of(0, keys[0] ?? 0, keys[1] ?? 0, keys[2] ?? 0)
  const words = new Uint32Array(4)
  let used = 4

  const pair = () => {
    if (used === 4) {
      philox(words, counter, low, high)
      counter[0]!++
      used = 0
    }
    const value = (words[used]! >>> 5) * 2 ** 26 + (words[used + 1]! >>> 6)
    used += 2
    return value / 2 ** 53
  }
  return {
    uniform: (low = 0, high = 1) => low + (high - low) * pair(),
    normal: (mean = 0, deviation = 1) =>
      mean + deviation * Math.sqrt(-2 * Math.log(1 - pair())) * Math.cos(2 * Math.PI * pair()),
    integer: n => Math.floor(pair() * n),
    chance: probability => pair() < probability,
  }
}

/** Shuffles `array` in place (Fisher-Yates) and returns it. */
export function shuffle<T extends { length: number; [index: number]: unknown }>(array: T, random: Random): T {
  for (let i = array.length - 1; i > 0; i--) {
    const j = random.integer(i + 1)
    const kept = array[i]
    array[i] = array[j]
    array[j] = kept
  }
  return array
}

/** One block of Philox 4x32-10: `out` from the 128-bit `counter` and the 64-bit key. */
export function philox(out: Uint32Array, counter: Uint32Array, low: number, high: number): void {
  let [c0, c1, c2, c3] = [counter[0]!, counter[1]!, counter[2]!, counter[3]!]
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0)
    const high1 = multiplyHigh(0xcd9e8d57, c2)
    const low0 = Math.imul(0xd2511f53, c0)
    const low1 = Math.imul(0xcd9e8d57, c2)
    c0 = (high1 ^ c1 ^ low) >>> 0
    c1 = low1 >>> 0
    c2 = (high0 ^ c3 ^ high) >>> 0
    c3 = low0 >>> 0
    low = (low + 0x9e3779b9) >>> 0
    high = (high + 0xbb67ae85) >>> 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
}

/** The upper 32 bits of a 32 x 32 bit product. As a double the product is off by at most 2^10. Less its lower half, which
 *  `imul` gives, it is a whole multiple of 2^32 but for that, so rounding finds the exact one. */
function multiplyHigh(a: number, b: number): number {
  return ((a * b - (Math.imul(a, b) >>> 0)) * 2 ** -32 + 0.5) >>> 0
}
