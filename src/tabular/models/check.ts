import { DataError, OptionError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import type { Encoded, FitTableOptions, LabelledRows } from '../types.ts'

/** Throws if a model can't be trained on these rows with these options. */
export function checkFit({ train, valid, epochs, members, lr, minutes, device = 'cpu' }: FitTableOptions): void {
  checkPart('training', train)
  checkPart('validation', valid)
  if (train.x.rows < 2) throw new DataError(`training needs at least 2 rows, got ${train.x.rows}`)
  if (valid.x.rows < 1)
    throw new DataError('there are no validation rows; they decide when to stop. Give a part of the rows to validation')
  const wrong = (property: string, value: unknown, expected: string) => {
    throw new OptionError(`${setting(property, value)}: expected ${expected}`)
  }
  if (epochs !== undefined && !(Number.isInteger(epochs) && epochs >= 1))
    wrong('epochs', epochs, 'a whole number from 1')
  if (members !== undefined && !(Number.isInteger(members) && members >= 1))
    wrong('members', members, 'a whole number from 1')
  if (lr !== undefined && !(lr > 0 && Number.isFinite(lr))) wrong('lr', lr, 'a number above 0')
  if (device !== 'cpu') wrong('device', device, 'cpu: models of tables train on the CPU')
  if (minutes !== undefined && !(minutes > 0)) wrong('minutes', minutes, 'a number above 0')
}

function checkPart(part: string, { x, y }: LabelledRows): void {
  checkEncoded(x, `the ${part} rows`)
  const width = y.task === 'single' ? 1 : y.classes.length
  if (y.values.length !== x.rows * width)
    throw new DataError(
      `the ${part} rows: ${x.rows} rows have ${y.values.length} target values, expected ${x.rows * width}`,
    )
  if (y.task === 'single' && y.classes.length < 2)
    throw new DataError(`the target ${y.columns.join(', ')} has ${y.classes.length} class; expected at least 2`)
}

/** Throws if rows are not as an encoding makes them. */
export function checkEncoded(x: Encoded, what = 'the rows'): void {
  const [a, b] = [x.numberNames.length, x.categoryNames.length]
  if (a + b === 0) throw new DataError(`${what}: no feature column is left; expected at least one`)
  if (x.blocks) return // they are right by the way they are made
  if (x.numbers.length !== x.rows * a || x.categories.length !== x.rows * b)
    throw new DataError(
      `${what}: ${x.rows} rows of ${a} numbers and ${b} categories have ${x.numbers.length} numbers and ${x.categories.length} codes`,
    )
  const infinite = x.numbers.findIndex(
    value => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY,
  )
  if (infinite >= 0)
    throw new DataError(
      `${what}: row ${Math.floor(infinite / a)} has ${x.numbers[infinite]} in ${x.numberNames[infinite % a]}; expected a finite number, or an empty cell for a missing value`,
    )
}

/** Why a fit ended before its last epoch or tree. */
export const timeIsOver = (minutes: number): string => `the time of ${Number(minutes.toPrecision(2))} minutes is over`
