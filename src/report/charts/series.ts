import type { EpochEvent } from '../../runs/index.ts'

/** Consecutive steps (or epochs) of one phase, both ends included. */
export type Stretch = { phase: string; from: number; to: number }

/** The phases in the order in which they ran; one that came again counts again. */
export function stretches(points: readonly { step: number; phase: string }[]): Stretch[] {
  const found: Stretch[] = []
  for (const { step, phase } of points) {
    const last = found.at(-1)
    if (last?.phase === phase) last.to = step
    else found.push({ phase, from: step, to: step })
  }
  return found
}

/** About `most` of the points, evenly taken, with the first, the last and those at the steps in `keep`. */
export function thin<T extends { step: number }>(
  points: readonly T[],
  most: number,
  keep: readonly number[] = [],
): T[] {
  const every = Math.ceil(points.length / most)
  if (every <= 1) return [...points]
  const wanted = new Set(keep.flatMap(step => [step, step + 1]))
  return points.filter(({ step }, i) => i % every === 0 || i === points.length - 1 || wanted.has(step))
}

/** The epoch whose weights were kept: the last that became the best. */
export const bestEpoch = (epochs: readonly EpochEvent[]): EpochEvent | undefined => epochs.findLast(e => e.best)

/** The 95 % interval of a share that was measured on `n` pictures (Wilson 1927). */
export function interval(share: number, n: number): [number, number] {
  const z2 = 1.959964 ** 2
  const middle = (share + z2 / (2 * n)) / (1 + z2 / n)
  const half = (Math.sqrt(z2) * Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n))) / (1 + z2 / n)
  return [Math.max(0, middle - half), Math.min(1, middle + half)]
}
