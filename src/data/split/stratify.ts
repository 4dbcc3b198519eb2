import { purpose, rng, shuffle } from '../../base/random.ts'
import { holdersOf, type Parts, spreadLabels, validCount } from './spread-labels.ts'

/** Divides items with any number of labels by iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011,
 *  doi:10.1007/978-3-642-23808-6_10): the rarest label first; each of its items goes to the part that still needs most
 *  of it. Without folds, the second part needs a whole number of each label, at least one. An item with a label that no
 *  other item has trains (part 0 without folds, -1 with folds). Then items are moved for labels that a part still
 *  lacks. */
export function iterativeParts(labels: readonly (readonly number[])[], into: Parts, seed: number): Int32Array {
  const { shares, folds } = into
  const units = labels.map(own => ({ size: 1, labels: own }))
  const holders = holdersOf(units)
  const parts = new Int32Array(labels.length).fill(-2)
  const room = shares.map(share => share * labels.length)
  const wanted = holders.map(({ length: n }) =>
    folds ? shares.map(share => share * n) : [n - validCount(n, shares[1]!), validCount(n, shares[1]!)],
  )
  const left = Uint32Array.from(holders, held => held.length)
  const rarest = rarestFirst(left)
  const put = (i: number, part: number) => {
    parts[i] = part
    for (const label of labels[i]!) {
      left[label]!--
      rarest.changed(label)
      if (part >= 0) wanted[label]![part]!--
    }
    if (part >= 0) room[part]!--
  }
  for (const held of holders) if (held.length === 1 && parts[held[0]!] === -2) put(held[0]!, folds ? -1 : 0)

  const random = rng(seed, 0, 1, purpose.split)
  const best = (wants: readonly number[]) => {
    let found = [0]
    for (let part = 1; part < shares.length; part++) {
      const more = wants[part]! - wants[found[0]!]! || room[part]! - room[found[0]!]!
      if (more > 0) found = [part]
      else if (more === 0) found.push(part)
    }
    return found.length === 1 ? found[0]! : found[random.integer(found.length)]!
  }
  for (let label = rarest.next(); label >= 0; label = rarest.next())
    for (const i of shuffle([...holders[label]!], rng(seed, label, 1, purpose.split)))
      if (parts[i] === -2) put(i, best(wanted[label]!))
  const rest = Array.from(labels.keys()).filter(i => parts[i] === -2)
  for (const i of shuffle(rest, random)) put(i, best(room))
  return spreadLabels(units, parts, into)
}

/** `next` gives the label with the fewest items left (the first of equals), or -1. A heap holds the counts at each
 *  change; outdated counts are skipped. To search all labels each time would be quadratic. */
function rarestFirst(left: Uint32Array): { changed(label: number): void; next(): number } {
  const heap: number[] = []
  const key = (label: number) => left[label]! * left.length + label
  const push = (value: number) => {
    let at = heap.push(value) - 1
    for (let up = (at - 1) >> 1; at > 0 && heap[up]! > value; at = up, up = (at - 1) >> 1) heap[at] = heap[up]!
    heap[at] = value
  }
  const pop = (): number => {
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return first
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++
      if (heap[child]! >= last) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
  const changed = (label: number) => {
    if (left[label]! > 0) push(key(label))
  }
  for (const label of left.keys()) changed(label)
  return {
    changed,
    next: () => {
      while (heap.length > 0) {
        const label = heap[0]! % left.length
        if (left[label]! > 0 && key(label) === heap[0]) return label
        pop()
      }
      return -1
    },
  }
}

/** Divides numbers so that each part has its share of small and large ones. The numbers are sorted. Without folds, one
 *  of each run of neighbours goes to the second part. With folds, each run of as many numbers as folds is dealt to all
 *  folds in random order. */
export function rankedParts(values: Float64Array, { shares, folds }: Parts, seed: number): Int32Array {
  const random = rng(seed, 0, 3, purpose.split)
  const order = shuffle(Array.from(values.keys()), random).sort((a, b) => values[a]! - values[b]!)
  const parts = new Int32Array(values.length)
  const n = order.length
  if (folds) {
    for (let start = 0; start < n; start += shares.length)
      shuffle(Array.from(shares.keys()), random).forEach((part, at) => {
        if (start + at < n) parts[order[start + at]!] = part
      })
    return parts
  }
  const count = validCount(n, shares[1]!)
  const cut = (i: number) => Math.floor((i * n) / count)
  for (let i = 0; i < count; i++) parts[order[cut(i) + random.integer(cut(i + 1) - cut(i))]!] = 1
  return parts
}
