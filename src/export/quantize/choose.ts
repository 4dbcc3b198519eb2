import type { Layer } from './layers.ts'
import type { Verdict } from './verdict.ts'

/** How layers are judged: each call gets those that are quantised. */
export interface Judges {
  /** How far the answers on training pictures are from those of float32. */
  distance(layers: readonly Layer[]): Promise<number>
  /** What it costs on validation pictures. */
  verdict(layers: readonly Layer[]): Promise<Verdict>
  progress?(label: string, done: number, total: number): void
}

/** Chooses the layers that stay float32: none if that holds. Else layers are ordered by how much closer the answers come
 *  when one alone stays float32; the first 1, 2, 4, … of them are tried until the verdict holds, at most half of all, and
 *  then fewer by halving. If none holds, returns the best. */
export async function chosenLayers(
  all: readonly Layer[],
  { distance, verdict, progress = () => {} }: Judges,
): Promise<{ float: readonly Layer[]; verdict: Verdict }> {
  let best = { float: [] as readonly Layer[], verdict: await verdict(all) }
  if (best.verdict.holds) return best
  const ranked: { layer: Layer; left: number }[] = []
  for (const [i, layer] of all.entries()) {
    ranked.push({ layer, left: await distance(all.filter(other => other !== layer)) })
    progress('layers tried in float32', i + 1, all.length)
  }
  ranked.sort((a, b) => a.left - b.left)
  const judge = async (count: number) => {
    const float = ranked.slice(0, count).map(({ layer }) => layer)
    const found = { float, verdict: await verdict(all.filter(layer => !float.includes(layer))) }
    const isBetter = found.verdict.holds
      ? !best.verdict.holds || count < best.float.length
      : !best.verdict.holds && found.verdict.strain < best.verdict.strain
    if (isBetter) best = found
    return found.verdict.holds
  }
  const most = Math.floor(all.length / 2)
  let [bad, good] = [0, 0]
  for (let count = 1; good === 0 && count <= most; count = Math.min(2 * count, Math.max(most, count + 1)))
    if (await judge(count)) good = count
    else bad = count
  while (good - bad > 1) {
    const middle = (good + bad) >> 1
    if (await judge(middle)) good = middle
    else bad = middle
  }
  return best
}
