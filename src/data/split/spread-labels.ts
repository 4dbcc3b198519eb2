/** The parts of a split: training and validation (shares 1-valid, valid), or folds of equal shares. */
export interface Parts {
  shares: readonly number[]
  folds: boolean
}

/** A picture or a group of pictures that goes to one part as a whole. Each label occurs once in `labels`. */
export interface Unit {
  size: number
  labels: readonly number[]
}

/** How many of `n` validate: the rounded share, at least one if n ≥ 2, and never all. */
export const validCount = (n: number, valid: number): number =>
  n < 2 ? 0 : Math.min(n - 1, Math.max(1, Math.round(n * valid)))

/** The units that hold each label. */
export function holdersOf(units: readonly Pick<Unit, 'labels'>[]): number[][] {
  const holders: number[][] = []
  units.forEach(({ labels }, i) => {
    for (const label of labels) {
      while (holders.length <= label) holders.push([])
      holders[label]!.push(i)
    }
  })
  return holders
}

/** Moves units to parts that lack one of their labels, rarest labels first. A move to training is always allowed, even
 *  if validation loses labels. A move to validation (or another fold) is allowed if the other part loses no label and
 *  validation has at most half of all pictures. If no move is possible, two units are exchanged. Changes `parts` and
 *  returns it; units with -1 are not moved. */
export function spreadLabels(units: readonly Unit[], parts: Int32Array, { shares, folds }: Parts): Int32Array {
  const holders = holdersOf(units).map(held => held.filter(unit => parts[unit]! >= 0))
  const counts = shares.map(() => new Int32Array(holders.length))
  const [sizes, members] = [shares.map(() => 0), shares.map(() => 0)]
  const add = (unit: number, part: number, sign: 1 | -1) => {
    for (const label of units[unit]!.labels) counts[part]![label]! += sign
    sizes[part]! += sign * units[unit]!.size
    members[part]! += sign
  }
  for (const [unit, part] of parts.entries()) if (part >= 0) add(unit, part, 1)
  const move = (unit: number, part: number) => {
    add(unit, parts[unit]!, -1)
    add(unit, part, 1)
    parts[unit] = part
  }
  const total = sizes.reduce((sum, size) => sum + size, 0)

  const lost = (unit: number, label: number) =>
    units[unit]!.labels.filter(other => other !== label && counts[parts[unit]!]![other] === 1)
  const chosen = (label: number, part: number): number | undefined => {
    const forTraining = !folds && part === 0
    const fits = (unit: number) =>
      parts[unit] !== part &&
      members[parts[unit]!]! > 1 &&
      (forTraining ||
        (counts[parts[unit]!]![label]! > 1 &&
          lost(unit, label).length === 0 &&
          (folds || sizes[part]! + units[unit]!.size <= total / 2)))
    const cost = (unit: number) => lost(unit, label).length * (total + 1) + units[unit]!.size
    let best: number | undefined
    for (const unit of holders[label]!) if (fits(unit) && (best === undefined || cost(unit) < cost(best))) best = unit
    return best
  }
  /** A unit with the label, and a unit of `part` that has the labels which the first unit's part would lose. */
  const exchanged = (label: number, part: number): [number, number] | undefined => {
    for (const unit of holders[label]!) {
      const from = parts[unit]!
      if (from === part || counts[from]![label]! < 2) continue
      const missing = lost(unit, label)
      const others = missing.length > 0 ? holders[missing[0]!]! : parts.keys()
      for (const other of others) {
        if (parts[other] !== part || missing.some(own => !units[other]!.labels.includes(own))) continue
        const keeps = (own: number) => counts[part]![own]! > 1 || units[unit]!.labels.includes(own)
        if (units[other]!.size >= units[unit]!.size && units[other]!.labels.every(keeps)) return [unit, other]
      }
    }
    return undefined
  }
  const lacks = (label: number, part: number): boolean => {
    const n = holders[label]!.length
    if (counts[part]![label]! > 0) return false
    if (!folds) return n > part
    return counts.filter(count => count[label]! > 0).length < Math.min(n, shares.length)
  }
  const order = Array.from(holders.keys()).sort((a, b) => holders[a]!.length - holders[b]!.length || a - b)
  for (const label of order)
    for (let part = 0; part < shares.length; part++) {
      if (!lacks(label, part)) continue
      const unit = chosen(label, part)
      const [there, back] = unit === undefined ? (exchanged(label, part) ?? []) : [unit]
      if (there === undefined) continue
      const from = parts[there]!
      move(there, part)
      if (back !== undefined) move(back, from)
    }
  return parts
}
