import { percent, plural } from '../../base/format.ts'
import { samples } from '../../base/samples.ts'
import type { ConfusionCell } from '../../runs/index.ts'
import { short } from '../page/html.ts'
import { type Chart, hues, ink, type Kit, textWidth } from './plot.ts'

/** Pictures of the class `actual` that were taken for `predicted`; `share` is of all pictures of `actual`. */
export type Mistake = { actual: string; predicted: string; count: number; share: number }

/** The largest number of classes whose matrix can still be read. */
export const mostInMatrix = 50

/** The largest number of classes whose matrix fits beside another chart; a larger one takes the page's whole width. */
export const mostInColumn = 14

const narrowest = 430 // px, the width of the other charts
const widest = 1000 // px, the width of the page

/** Pairs of actual and wrongly predicted classes, most pictures first. */
export function mistakes(classes: readonly string[], cells: readonly ConfusionCell[]): Mistake[] {
  const totals = rowTotals(classes, cells)
  return cells
    .filter(({ actual, predicted }) => actual !== predicted)
    .map(({ actual: i, predicted: j, count }) => ({
      actual: classes[i]!,
      predicted: classes[j]!,
      count,
      share: count / totals[i]!,
    }))
    .sort((a, b) => b.count - a.count || b.share - a.share)
}

/** Pictures of each class. */
function rowTotals(classes: readonly string[], cells: readonly ConfusionCell[]): Float64Array {
  const totals = new Float64Array(classes.length)
  for (const { actual, count } of cells) totals[actual]! += count
  return totals
}

/** The pictures on the diagonal, and all of them. */
export function accuracyOf(cells: readonly ConfusionCell[]): { right: number; total: number } {
  const sum = (some: readonly ConfusionCell[]) => some.reduce((all, { count }) => all + count, 0)
  return { right: sum(cells.filter(c => c.actual === c.predicted)), total: sum(cells) }
}

/** Actual classes by rows, predicted ones by columns, each cell as strong as its share of the row; undefined where there
 *  are no samples or too many classes to be read. `part`: `validation` or `test`; `sample`: what a sample is called. */
export function confusionChart(
  { Plot, draw }: Kit,
  classes: readonly string[],
  counted: readonly ConfusionCell[],
  part: string,
  sample = samples.one,
): Chart | undefined {
  const { right, total } = accuracyOf(counted)
  const n = classes.length
  if (total === 0 || n > mostInMatrix) return undefined
  const labels = classes.map(name => short(name, n > 20 ? 16 : 14))
  const longest = Math.max(...labels.map(textWidth))
  const marginLeft = longest + 44
  const room = (n > mostInColumn ? widest : narrowest) - marginLeft - 24
  const cell = Math.floor(Math.max(16, Math.min(n > mostInColumn ? 26 : 110, room / n)))
  const turned = longest > cell - 4
  // Aslant, names of narrow columns run into each other.
  const angle = !turned ? 0 : n > mostInColumn ? -90 : -45
  const digits = String(Math.max(...counted.map(c => c.count))).length
  const fontSize = Math.min(11, (cell - 3) / (0.6 * digits))
  const numbers = cell >= 18 && fontSize >= 8
  const cells = classes.flatMap((_, i) => classes.map((_, j) => ({ i, j, count: 0, share: 0 })))
  const totals = rowTotals(classes, counted)
  for (const { actual: i, predicted: j, count } of counted)
    Object.assign(cells[i * n + j]!, { count, share: count / totals[i]! })
  // A few mistakes among many right ones must be seen too, hence the root.
  const strength = ({ share }: { share: number }) => Math.sqrt(share)
  const filled = cells.filter(c => c.count > 0)
  const worst = mistakes(classes, counted)[0]
  const scale = { type: 'band' as const, domain: classes.map((_, i) => i), padding: n > 20 ? 0.04 : 0.06 }
  const tick = {
    tickFormat: (i: number) => labels[i]!,
    tickSize: 0,
    labelAnchor: 'center' as const,
    labelArrow: 'none' as const,
  }
  const side = cell * n
  const width = Math.max(narrowest, Math.ceil(marginLeft + side + 24))
  const marginBottom = (angle === -90 ? longest : angle === -45 ? longest * 0.75 : 12) + 40
  return draw({
    name: `confusion-${part}`,
    title: `Confusion matrix, ${part} ${sample}s`,
    alt:
      `Confusion matrix of ${plural(n, 'class', 'classes')}: ${right} of ${plural(total, `${part} ${sample}`)} right (${percent(right / total)}).` +
      (worst
        ? ` Most frequent mistake: ${worst.actual} taken for ${worst.predicted}, ${worst.count} times.`
        : ' No mistake.'),
    note: 'A stronger colour means a larger share of the actual class.',
    width,
    height: Math.ceil(8 + side + marginBottom),
    marginTop: 8,
    marginLeft,
    marginRight: width - marginLeft - side,
    marginBottom,
    x: {
      ...scale,
      ...tick,
      label: 'predicted class',
      labelOffset: marginBottom - 8,
      tickRotate: angle,
    },
    y: { ...scale, ...tick, label: 'actual class', labelOffset: marginLeft - 6 },
    marks: [
      Plot.cell(cells, { x: 'j', y: 'i', fill: ink.line, fillOpacity: 0.35 }),
      Plot.cell(
        filled.filter(c => c.i === c.j),
        { x: 'j', y: 'i', fill: hues[0]!, fillOpacity: strength },
      ),
      Plot.cell(
        filled.filter(c => c.i !== c.j),
        {
          x: 'j',
          y: 'i',
          fill: hues[1]!,
          fillOpacity: strength,
          title: c => `${classes[c.i]} predicted as ${classes[c.j]}: ${c.count}`,
        },
      ),
      ...(numbers ? [true, false] : []).map(dark =>
        Plot.text(
          filled.filter(c => strength(c) > 0.68 === dark),
          {
            x: 'j',
            y: 'i',
            text: c => String(c.count),
            fill: dark ? ink.on : ink.text,
            fontSize,
            fontVariant: 'tabular-nums',
          },
        ),
      ),
    ],
  })
}
