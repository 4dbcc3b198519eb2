import type { TableFileCard } from '../onnx/table-card.ts'

/** The first names of a list. */
const listed = (names: readonly string[]): string => `${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}`

/** What a model of a table does, in a sentence or two. */
export function aboutRows({ task, target, classes, positive, threshold }: TableFileCard): string {
  const what = task === 'regression' ? classes.join(', ') : `${target.join(', ')}: ${listed(classes)}`
  const decided =
    positive === undefined || threshold === undefined || threshold === 0.5
      ? ''
      : ` “${positive}” is decided from a probability of ${Number(threshold.toPrecision(3))} on.`
  return `Predicts ${what}.${decided}`
}

/** What the script of a page knows of a model of a table: its answers, and how a pasted row is read. The words of a column stand in
 *  its field. */
export function rowSetup(card: TableFileCard) {
  const { task, target, classes, units, inputs, missing, unused = [], positive, threshold } = card
  const of = positive === undefined ? -1 : classes.indexOf(positive)
  return {
    task,
    classes,
    ...(task === 'single' && { target: target.join(', ') }),
    ...(units && { units }),
    ...(of < 0 ? {} : { decided: { of, from: threshold ?? 0.5 } }),
    inputs: inputs.map(({ name, kind, type, parts, reading }) => ({
      name,
      kind,
      type,
      ...(parts && { parts }),
      ...(reading && { reading }),
    })),
    ...(missing && { missing }),
    unused,
  }
}
