import { type Random, shuffle } from '../../base/random.ts'
import { type Parts, spreadLabels } from './spread-labels.ts'

/** Pictures that stay together: their number, and how many have each label. */
export interface Group {
  size: number
  counts: ReadonlyMap<number, number>
}

/** The number of rounds of moves after the first placement, and the largest number of groups for which pairs are
 *  exchanged too. */
const rounds = 10
const mostPaired = 200

/** The part of each group. First each group, the largest first, goes to the part where it brings sizes and labels
 *  nearest to their shares (sum of squares; the size counts as much as all labels together). Then groups are moved and
 *  exchanged while that helps. Then groups are moved for labels that a part still lacks. No part stays empty. The
 *  method is greedy, because the best division is as hard as bin packing. */
export function balanceGroups(groups: readonly Group[], parts: Parts, random: Random): Int32Array {
  const { shares } = parts
  const totals = new Map<number, number>()
  let total = 0
  for (const { size, counts } of groups) {
    total += size
    for (const [label, n] of counts) totals.set(label, (totals.get(label) ?? 0) + n)
  }
  const held = shares.map(() => ({ size: 0, members: 0, counts: new Map<number, number>() }))
  const place = Int32Array.from(groups, () => -1)
  const put = (g: number, part: number, sign: 1 | -1) => {
    const { size, members, counts } = held[part]!
    held[part]!.size = size + sign * groups[g]!.size
    held[part]!.members = members + sign
    for (const [label, n] of groups[g]!.counts) counts.set(label, (counts.get(label) ?? 0) + sign * n)
    place[g] = sign > 0 ? part : -1
  }
  /** How much the sum of squares grows if the group goes to the part. */
  const cost = (g: number, part: number) => {
    const { size, counts } = held[part]!
    const added = (now: number, more: number, all: number) =>
      (more / all) * (2 * (now / all - shares[part]!) + more / all)
    let sum = Math.max(1, totals.size) * added(size, groups[g]!.size, total)
    for (const [label, n] of groups[g]!.counts) sum += added(counts.get(label) ?? 0, n, totals.get(label)!)
    return sum
  }
  const cheapest = (g: number) => {
    let best = 0
    for (let part = 1; part < shares.length; part++) if (cost(g, part) < cost(g, best) - 1e-12) best = part
    return best
  }
  /** Exchanges the parts of two groups if that is better. */
  const exchange = (g: number, h: number): boolean => {
    const [a, b] = [place[g]!, place[h]!]
    put(g, a, -1)
    put(h, b, -1)
    const better = cost(g, b) + cost(h, a) < cost(g, a) + cost(h, b) - 1e-12
    put(g, better ? b : a, 1)
    put(h, better ? a : b, 1)
    return better
  }
  const order = shuffle(Array.from(groups.keys()), random).sort((a, b) => groups[b]!.size - groups[a]!.size)
  for (const g of order) put(g, cheapest(g), 1)
  for (let round = 0, moved = true; moved && round < rounds; round++) {
    moved = false
    for (const g of order) {
      const from = place[g]!
      if (held[from]!.members < 2) continue
      put(g, from, -1)
      const to = cheapest(g)
      const better = cost(g, to) < cost(g, from) - 1e-12
      put(g, better ? to : from, 1)
      moved ||= better
    }
    if (groups.length <= mostPaired)
      for (const g of order) for (const h of order) if (g < h && place[g] !== place[h] && exchange(g, h)) moved = true
  }
  for (const part of shares.keys())
    if (held[part]!.members === 0) {
      const donor = held.reduce((best, { members }, i) => (members > held[best]!.members ? i : best), 0)
      const smallest = order.findLast(g => place[g] === donor)!
      put(smallest, donor, -1)
      put(smallest, part, 1)
    }
  const units = groups.map(({ size, counts }) => ({ size, labels: [...counts.keys()] }))
  return spreadLabels(units, place, parts)
}
