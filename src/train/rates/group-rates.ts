import { TrainingError } from '../../base/errors.ts'

/** One rate per layer group, earliest first: as given, or from one rate for the head, divided by `factor` for each
 *  earlier group. */
export function groupRates(groups: readonly string[], lr: number | readonly number[], factor = 1): number[] {
  const n = groups.length
  const list = typeof lr === 'number' ? [lr] : [...lr]
  if (list.some(v => !(v > 0) || !Number.isFinite(v)))
    throw new TrainingError(`lr: rates must be numbers above 0, got ${list.join(', ')}`)
  if (list.length !== 1 && list.length !== n)
    throw new TrainingError(`lr: expected 1 or ${n} rates (the groups are ${groups.join(', ')}), got ${list.length}`)
  if (!(factor >= 1))
    throw new TrainingError(
      `factor: expected a number from 1 (3 for photos, 10 for pictures that differ from ImageNet), got ${factor}`,
    )
  return list.length === n ? list : Array.from({ length: n }, (_, i) => list[0]! / factor ** (n - 1 - i))
}
