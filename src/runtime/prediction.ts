import type { Card } from '../onnx/card.ts'
import type { Prediction } from './types.ts'

/** Makes a prediction from the scores of one picture, by the task of the card. */
export function predictionOf(
  { task, classes, thresholds }: Pick<Card, 'task' | 'classes' | 'thresholds'>,
  scores: Float32Array,
  others: Pick<Prediction, 'features' | 'heat'> = {},
): Prediction {
  // Entries, not assignments, since a class may be named __proto__.
  const named = Object.fromEntries(classes.map((name, i) => [name, scores[i]!]))
  const found = { scores, ...others }
  if (task === 'regression') return { task, values: named, ...found }
  const ranked = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b)
  if (task === 'multi') {
    const labels = ranked.filter(c => scores[c]! >= (thresholds?.[c] ?? 0.5)).map(c => classes[c]!)
    return { task, labels, probabilities: named, ...found }
  }
  const best = ranked[0]!
  return { task, label: classes[best]!, probability: scores[best]!, probabilities: named, ...found }
}
