import { amount } from '../base/format.ts'
import type { TargetTable } from '../data/targets.ts'

/** The places of up to `wanted` samples as examples, with what they are labelled with: classes take turns. targets: class numbers
 *  for one label; for several labels 0 and 1, and for regression values, [samples × classes]. */
export function examplesOf(
  { classes, task = 'single' }: { classes: readonly string[]; task?: 'single' | 'multi' | 'regression' | undefined },
  targets: TargetTable,
  { count, wanted }: { count: number; wanted: number },
): { place: number; label: string }[] {
  const labelOf = (i: number): string => {
    if (task === 'single') return classes[targets[i]!]!
    const row = Array.from(targets.subarray(i * classes.length, (i + 1) * classes.length))
    if (task === 'multi') return classes.filter((_, c) => row[c] === 1).join(', ') || 'no label'
    return row.map((value, c) => `${classes[c]} ${amount(value)}`).join(', ')
  }
  const turns = new Map<string, number>()
  return Array.from({ length: count }, (_, place) => {
    const label = labelOf(place)
    const turn = task === 'single' ? (turns.get(label) ?? 0) : 0
    turns.set(label, turn + 1)
    return { place, label, turn }
  })
    .sort((a, b) => a.turn - b.turn)
    .slice(0, wanted)
}
