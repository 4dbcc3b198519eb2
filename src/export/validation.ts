import type { CardValidation, FileCard } from '../onnx/index.ts'
import { type Interpretation, readObject, runPaths } from '../runs/index.ts'

/** What the best weights of a run predicted on its validation samples, from the run's `interpret.json`: a server compares its
 *  own answers with it. noun: how the card calls the number of samples, `pictures`. Undefined if the file is missing, cannot be
 *  read, or is of other classes. */
export function validationOf<Noun extends string>(
  run: string,
  { task, classes }: Pick<FileCard, 'task' | 'classes'>,
  noun: Noun,
): (CardValidation & Record<Noun, number>) | undefined {
  const found = predictedIn(run, task, classes)
  if (!found) return undefined
  const { samples, ...predicted } = found
  return { [noun]: samples, ...predicted } as CardValidation & Record<Noun, number>
}

interface Predicted extends CardValidation {
  samples: number
}

function predictedIn(run: string, task: FileCard['task'], classes: readonly string[]): Predicted | undefined {
  let found: Interpretation | undefined
  try {
    found = readObject<Interpretation>(runPaths(run).interpret)
    if (!found || (found.task ?? 'single') !== task) return undefined
    if (task === 'regression') return ofValues(found, classes)
    return task === 'multi' ? ofDecisions(found, classes) : ofLabels(found, classes)
  } catch {
    return undefined // a file that a person changed
  }
}

/** The mean probability in the bins of the calibration: of the predicted label, for several labels of every label. */
function confidenceOf({ calibration }: Interpretation): { confidence?: number } {
  const { bins } = calibration?.after ?? calibration?.before ?? { bins: [] }
  const count = bins.reduce((sum, bin) => sum + bin.count, 0)
  return count > 0 ? { confidence: bins.reduce((sum, bin) => sum + bin.count * bin.confidence, 0) / count } : {}
}

function ofLabels(found: Interpretation, classes: readonly string[]): Predicted | undefined {
  const counts = classes.map(() => 0)
  // The first runs have all cells as rows of numbers.
  const cells = (found.confusion as unknown as (number[] | Interpretation['confusion'][number])[]).flatMap(row =>
    Array.isArray(row) ? row.map((count, predicted) => ({ predicted, count })) : [row],
  )
  for (const { predicted, count } of cells) counts[classes.indexOf(found.classes[predicted]!)]! += count
  return shares(
    counts,
    cells.reduce((sum, { count }) => sum + count, 0),
    found,
  )
}

function ofDecisions(found: Interpretation, classes: readonly string[]): Predicted | undefined {
  const scores = classes.map(name => found.multi!.perClass.find(one => one.name === name)!)
  const [{ tp, fp, tn, fn }] = scores as [(typeof scores)[number]]
  return shares(
    scores.map(one => one.tp + one.fp),
    tp + fp + tn + fn,
    found,
  )
}

function shares(counts: readonly number[], samples: number, found: Interpretation): Predicted | undefined {
  const labels = counts.map(count => count / samples)
  if (!labels.every(Number.isFinite)) return undefined
  return { samples, labels, ...confidenceOf(found) }
}

function ofValues(found: Interpretation, classes: readonly string[]): Predicted | undefined {
  const each = classes.map(name =>
    found.regression!.targets.find(one => one.name === name)!.points.map(([, predicted]) => predicted),
  )
  const samples = Math.min(...each.map(values => values.length))
  const mean = each.map(values => values.reduce((sum, x) => sum + x, 0) / values.length)
  const std = each.map((values, t) =>
    Math.sqrt(values.reduce((sum, x) => sum + (x - mean[t]!) ** 2, 0) / (values.length - 1)),
  )
  return [...mean, ...std].every(Number.isFinite) ? { samples, values: { mean, std } } : undefined
}
