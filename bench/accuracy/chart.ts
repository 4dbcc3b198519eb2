import { axis } from '../../src/report/charts/axes.ts'
import { hues, ink, loadPlot, textWidth } from '../../src/report/charts/plot.ts'
import type { Summary } from './summary.ts'

/** A plot of dots: a row for each set, in it a line for each program, one below the other. The line spans the standard error over the seeds. */
export async function scoreChart({ programs, sets }: Summary): Promise<string> {
  const { Plot, draw } = await loadPlot()
  const color = (program: string) => hues[programs.indexOf(program) % hues.length]!
  const dots = sets.flatMap(({ set, programs: own }) =>
    Object.entries(own).map(([program, { score }]) => ({
      set,
      program,
      x: 100 * score.mean,
      low: 100 * (score.mean - (score.error ?? 0)),
      high: 100 * (score.mean + (score.error ?? 0)),
    })),
  )
  const rowHeight = 16 + 5 * programs.length
  const shift = (program: string) => 5 * (programs.indexOf(program) - (programs.length - 1) / 2)
  // Programs of one colour (there are more programs than colours) differ by their sign.
  const sign = (program: string) => (programs.indexOf(program) < hues.length ? 'dot' : 'ring')
  return draw({
    name: 'accuracy',
    title: 'Score on test, by set',
    alt: `Score on test for each set: ${sets
      .map(
        ({ set, score, programs: own }) =>
          `${set} (${score}): ${Object.entries(own)
            .map(([program, p]) => `${program} ${(100 * p.score.mean).toFixed(1)}`)
            .join(', ')}`,
      )
      .join('; ')}.`,
    keys: programs.map(program => ({ label: program, color: color(program), sign: sign(program) })),
    width: 760,
    height: 60 + rowHeight * sets.length,
    marginLeft: 16 + Math.max(...sets.map(({ set }) => textWidth(set))),
    x: { ...axis, label: 'test: accuracy, mAP or R², × 100', grid: true },
    y: { type: 'band', domain: sets.map(({ set }) => set), label: null, tickSize: 0 },
    marks: [
      Plot.ruleY(sets.slice(1), { y: 'set', dy: -rowHeight / 2, stroke: ink.line }),
      ...programs.flatMap(program => {
        const own = dots.filter(dot => dot.program === program)
        const [stroke, dy] = [color(program), shift(program)]
        return [
          Plot.ruleY(own, { y: 'set', x1: 'low', x2: 'high', dy, stroke, strokeWidth: 1.4 }),
          Plot.dot(own, { y: 'set', x: 'x', dy, r: 3.5, stroke, fill: sign(program) === 'dot' ? stroke : ink.paper }),
        ]
      }),
    ],
  }).file
}
