/** How time and memory grow with pictures, classes, picture size and batch size:
 *  node --import tsx bench/growth.ts [--rounds 3] [--parts pictures,head] [--quick]
 *
 *  Each point runs in its own process (bench/growth-parts.ts). It is the minimum of the rounds, which run in turn. The
 *  exponent is the slope of a straight line through the logarithms (least squares). It uses the upper half of the
 *  points, where fixed costs are small. `expected` is the exponent of linear growth: in pictures, classes, pixels (side
 *  squared), batch. Writes bench/results/growth.json, growth-time.svg and growth-memory.svg. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { axis } from '../src/report/charts/axes.ts'
import { type Drawing, hues, ink, type Kit, loadPlot } from '../src/report/charts/plot.ts'
import { type GrowthPoint, measurePart, type Part } from './growth-parts.ts'
import { measuredOn } from './machine.ts'
import { writeResult } from './rival.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    parts: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
})
const { quick } = values
const rounds = quick ? 1 : Number(values.rounds)

interface Axis {
  part: Part
  title: string
  ns: number[]
  quick: number[]
  expected: number
}
// biome-ignore format: a table
const all: Axis[] = [
  { part: 'pictures', title: 'index of pictures', ns: [100, 1000, 10_000, 100_000, 300_000, 1_000_000], quick: [100, 1000, 10_000], expected: 1 },
  { part: 'head', title: 'head over classes', ns: [2, 10, 100, 300, 1000, 3000, 10_000], quick: [2, 100], expected: 1 },
  { part: 'metrics', title: 'metrics over classes', ns: [2, 10, 100, 300, 1000, 3000, 10_000], quick: [2, 100], expected: 1 },
  { part: 'report', title: 'report over classes', ns: [2, 10, 100, 300, 1000, 3000, 10_000], quick: [2, 20], expected: 1 },
  { part: 'size', title: 'step over picture size', ns: [64, 96, 128, 160, 192, 224, 288, 384], quick: [64, 96], expected: 2 },
  { part: 'batch', title: 'step over batch size', ns: [2, 4, 8, 16, 32, 64, 128], quick: [2, 4], expected: 1 },
]
const axes = values.parts === undefined ? all : all.filter(({ part }) => values.parts!.split(',').includes(part))

/** The slope of log y over log x. */
function exponent(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.filter(([, y]) => y > 0).map(([x, y]) => [Math.log(x), Math.log(y)] as const)
  const mean = (k: 0 | 1) => logs.reduce((sum, p) => sum + p[k], 0) / logs.length
  const [mx, my] = [mean(0), mean(1)]
  const slope =
    logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0)
  return Number(slope.toFixed(2))
}

const least = (all: readonly GrowthPoint[][], i: number): GrowthPoint => {
  const of = (key: keyof GrowthPoint) => Math.min(...all.map(points => points[i]![key]))
  return {
    n: all[0]![i]!.n,
    seconds: of('seconds'),
    bytes: of('bytes'),
    residentBytes: of('residentBytes'),
    heapBytes: of('heapBytes'),
  }
}

const measured = new Map<Part, GrowthPoint[][]>(axes.map(({ part }) => [part, []]))
for (let round = 0; round < rounds; round++)
  for (const { part, ns, quick: few, title } of axes) {
    process.stdout.write(`round ${round + 1} of ${rounds}: ${title}\n`)
    measured.get(part)!.push(measurePart(part, quick ? few : ns))
  }
const results = axes.map(({ part, title, expected }) => {
  const taken = measured.get(part)!
  const points = taken[0]!.map((_, i) => least(taken, i))
  const upper = points.slice(Math.floor((points.length - 1) / 2))
  const time = exponent(upper.map(p => [p.n, p.seconds]))
  const memory = exponent(upper.map(p => [p.n, p.bytes]))
  process.stdout.write(`${title}: time n^${time}, memory n^${memory}; linear is n^${expected}\n`)
  return { part, title, expected, exponents: { time, memory }, points }
})

/** One line for each axis: growth of the cost against growth of the work. The dashed line is linear. */
function chart({ Plot, draw }: Kit, what: 'time' | 'memory') {
  const key = what === 'time' ? 'seconds' : 'bytes'
  const lines = results.map(({ title, expected, exponents, points }, i) => {
    const [first] = points as [GrowthPoint]
    const base = Math.max(first[key], what === 'time' ? 1e-6 : 1e5)
    const dots = points.map(p => ({ x: (p.n / first.n) ** expected, y: Math.max(1, p[key] / base) }))
    return { label: `${title}: ${(exponents[what] / expected).toFixed(2)}`, color: hues[i]!, dots }
  })
  const most = Math.max(...lines.flatMap(({ dots }) => dots.map(d => d.x)))
  const drawing: Drawing = {
    name: `growth-${what}`,
    title: `How ${what} grows`,
    alt: `How ${what} grows, with the exponent of each: ${lines.map(l => l.label).join(', ')}.`,
    keys: [
      ...lines.map(({ label, color }) => ({ label, color, sign: 'line' as const })),
      { label: 'linear: 1', color: ink.soft, sign: 'dash' },
    ],
    width: 720,
    height: 420,
    marginLeft: 64,
    marginRight: 36,
    x: {
      ...axis,
      type: 'log',
      label: 'times as much work',
      ticks: 5,
      tickFormat: (v: number) => v.toLocaleString('en-US'),
    },
    y: {
      ...axis,
      type: 'log',
      label: `times the ${what}`,
      ticks: 5,
      grid: true,
      tickFormat: (v: number) => v.toLocaleString('en-US'),
    },
    marks: [
      Plot.line(
        [
          [1, 1],
          [most, most],
        ],
        { stroke: ink.soft, strokeDasharray: '3 3' },
      ),
      ...lines.flatMap(({ dots, color }) => [
        Plot.line(dots, { x: 'x', y: 'y', stroke: color, strokeWidth: 1.8 }),
        Plot.dot(dots, { x: 'x', y: 'y', r: 3, fill: color }),
      ]),
    ],
  }
  return draw(drawing)
}

const kit = await loadPlot()
const charts = (['time', 'memory'] as const).map(what => chart(kit, what))
writeResult('growth', { ...measuredOn(), rounds, results }, { quick })
for (const { name, file } of quick ? [] : charts) writeFileSync(`bench/results/${name}.svg`, file)
if (quick) process.stdout.write(`${charts.map(c => `${c.name}.svg: ${c.file.length} characters`).join('\n')}\n`)
