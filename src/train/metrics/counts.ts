import { checkClass, checkPairs } from './check.ts'

/** How often pictures of one class were predicted as another (or the same) class. */
export type Confusion = { actual: number; predicted: number; count: number }

/** The diagonal of the confusion matrix, and the sums of its rows and columns. predicted, actual: [N]. */
export function margins(name: string, predicted: ArrayLike<number>, actual: ArrayLike<number>, classes: number) {
  checkPairs(name, predicted, actual)
  const zeros = () => new Float64Array(classes)
  const [right, actuals, predictions] = [zeros(), zeros(), zeros()]
  for (let i = 0; i < actual.length; i++) {
    checkClass(name, predicted[i]!, classes)
    checkClass(name, actual[i]!, classes)
    actuals[actual[i]!]!++
    predictions[predicted[i]!]!++
    if (predicted[i] === actual[i]) right[actual[i]!]!++
  }
  return { right, actuals, predictions }
}

/** How often each cell of a matrix occurs; cells are numbered row by row and returned in that order. */
export function cellsOf(cells: ArrayLike<number>, classes: number): Confusion[] {
  const found: Confusion[] = []
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i]!
    if (i > 0 && cell === cells[i - 1]) found.at(-1)!.count++
    else found.push({ actual: Math.floor(cell / classes), predicted: cell % classes, count: 1 })
  }
  return found
}
