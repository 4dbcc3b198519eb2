/** The table of the accuracy bench, from its finished runs. */
import type { Task } from '../../src/data/types.ts'
import { mean, type Predicted, scoreOf } from './scores.ts'
import { type Mean, meanOf, middle, type Range, ranks, resampled, tInterval } from './statistics.ts'

/** One finished run, as a line of runs.jsonl has it. */
export interface Row {
  key: string
  set: string
  seed: number
  program: string
  task: Task
  /** Training, validation and test pictures. */
  pictures: [number, number, number]
  score: number
  loss: number
  ece: number | null
  seconds: number
  chosen: Record<string, unknown>
  date: string
  commit: string
}

/** A set: for each program the means over the seeds, and what the first program has more than it. */
export interface SetSummary {
  set: string
  task: Task
  score: string
  pictures: [number, number, number]
  seeds: number[]
  programs: Record<string, { score: Mean; loss: Mean; ece: Mean | null; seconds: Mean }>
  differences: Record<string, Difference>
}

/** What the first program has more in `score`. `pictures`: the 95 % interval of a bootstrap over the test pictures, paired,
 *  the same pictures for both. */
export interface Difference {
  mean: number
  pictures: Range
}

/** Over the sets that every program has finished. `sets` of a difference: the interval of Student's t over the sets. */
export interface Overall {
  sets: string[]
  programs: Record<string, { score: number; rank: number; loss: number | null; ece: number | null; seconds: number }>
  differences: Record<string, Difference & { sets: Range | null; better: number; worse: number; least: number }>
}

export interface Summary {
  programs: string[]
  sets: SetSummary[]
  overall: Overall
}

/** Summarises the runs. `load` gives the predictions of a run. Of a set, only the seeds that all its programs finished
 *  count; a set counts in the end if every program of `programs` is there. The first program is compared with each
 *  other one. */
export function summarise(
  rows: readonly Row[],
  programs: readonly string[],
  load: (row: Row) => Predicted,
  { rounds = 2000 } = {},
): Summary {
  const drawn: Record<string, Record<string, Float64Array>> = {}
  const sets = [...new Set(rows.map(({ set }) => set))].flatMap((set, key): SetSummary[] => {
    const own = rows.filter(row => row.set === set && programs.includes(row.program))
    const here = programs.filter(program => own.some(row => row.program === program))
    const at = (program: string, seed: number) => own.find(row => row.program === program && row.seed === seed)
    const seeds = [...new Set(own.map(({ seed }) => seed))]
      .filter(seed => here.every(program => at(program, seed)))
      .sort((a, b) => a - b)
    if (seeds.length === 0) return []
    const of = (program: string) => seeds.map(seed => at(program, seed)!)
    const samples = resampled(
      seeds.map(seed => here.map(program => load(at(program, seed)!))),
      { rounds, key },
    )
    drawn[set] = Object.fromEntries(here.map((program, i) => [program, samples[i]!]))
    const means = (program: string, value: (row: Row) => number) => meanOf(of(program).map(value))
    const { task, pictures } = own[0]!
    const first = here[0]!
    return [
      {
        set,
        task,
        score: scoreOf[task],
        pictures,
        seeds,
        programs: Object.fromEntries(
          here.map(program => [
            program,
            {
              score: means(program, row => row.score),
              loss: means(program, row => row.loss),
              ece: task === 'regression' ? null : means(program, row => row.ece!),
              seconds: means(program, row => row.seconds),
            },
          ]),
        ),
        differences: Object.fromEntries(
          first === programs[0]
            ? here.slice(1).map(other => [
                other,
                {
                  mean: means(first, row => row.score).mean - means(other, row => row.score).mean,
                  pictures: middle(samples[0]!.map((v, i) => v - drawn[set]![other]![i]!)),
                },
              ])
            : [],
        ),
      },
    ]
  })
  return { programs: [...programs], sets, overall: overallOf(sets, programs, drawn) }
}

function overallOf(
  sets: readonly SetSummary[],
  programs: readonly string[],
  drawn: Readonly<Record<string, Record<string, Float64Array>>>,
): Overall {
  const whole = sets.filter(set => programs.every(program => set.programs[program]))
  const places = whole.map(set => ranks(programs.map(program => set.programs[program]!.score.mean)))
  const labelled = whole.filter(({ task }) => task !== 'regression')
  const orNull = (values: number[]) => (values.length === 0 ? null : mean(values))
  const [first, ...others] = programs
  return {
    sets: whole.map(({ set }) => set),
    programs: Object.fromEntries(
      whole.length === 0
        ? []
        : programs.map((program, i) => {
            const own = whole.map(set => set.programs[program]!)
            return [
              program,
              {
                score: mean(own.map(({ score }) => score.mean)),
                rank: mean(places.map(place => place[i]!)),
                // The mean squared errors of regression have other units than log loss.
                loss: orNull(labelled.map(set => set.programs[program]!.loss.mean)),
                ece: orNull(labelled.map(set => set.programs[program]!.ece!.mean)),
                seconds: mean(own.map(({ seconds }) => seconds.mean)),
              },
            ]
          }),
    ),
    differences: Object.fromEntries(
      whole.length === 0
        ? []
        : others.map(other => {
            const each = whole.map(({ differences }) => differences[other]!.mean)
            const rounds = drawn[whole[0]!.set]![first!]!.map((_, i) =>
              mean(whole.map(({ set }) => drawn[set]![first!]![i]! - drawn[set]![other]![i]!)),
            )
            return [
              other,
              {
                mean: mean(each),
                pictures: middle(rounds),
                sets: tInterval(each),
                better: each.filter(d => d > 0).length,
                worse: each.filter(d => d < 0).length,
                least: Math.min(...each),
              },
            ]
          }),
    ),
  }
}

const points = (v: number, digits = 1) => (100 * v).toFixed(digits)
const signed = (v: number) => `${v < 0 ? '−' : '+'}${Math.abs(100 * v).toFixed(1)}`
const range = (r: Range | null) => (r ? `${signed(r[0])} to ${signed(r[1])}` : '-')

/** The summary as tables in Markdown: scores in points of 100, with the standard error over the seeds. */
export function asText({ programs, sets, overall }: Summary): string {
  const table = (head: string[], rows: string[][]) =>
    [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
  const within = ({ mean, error }: Mean, digits = 1) =>
    `${points(mean, digits)}${error === null ? '' : ` ± ${points(error, digits)}`}`
  const cells = (set: SetSummary, cell: (p: SetSummary['programs'][string]) => string) =>
    programs.map(program => (set.programs[program] ? cell(set.programs[program]) : '-'))
  const head = ['set', 'score', 'training / validation / test', 'seeds']
  const label = (set: SetSummary) => [set.set, set.score, set.pictures.join(' / '), String(set.seeds.length)]
  const [first, ...others] = programs
  const each = (cell: (p: Overall['programs'][string]) => string) =>
    programs.map(program => (overall.programs[program] ? cell(overall.programs[program]) : '-'))
  const perSet = (title: string, cell: (p: SetSummary['programs'][string]) => string, last: string[]) =>
    `${title}\n\n${table(['set', ...programs], [...sets.map(set => [set.set, ...cells(set, cell)]), ['mean', ...last]])}`
  return [
    `Score on test, ± standard error over the seeds:\n\n${table(
      [...head, ...programs],
      [
        ...sets.map(set => [...label(set), ...cells(set, p => within(p.score))]),
        ['mean', '', '', `${overall.sets.length} sets`, ...each(p => points(p.score))],
        ['mean rank', '', '', '', ...each(p => p.rank.toFixed(2))],
      ],
    )}`,
    ...(others.length === 0
      ? []
      : [
          `${first} less the other, points; intervals of 95 %:\n\n${table(
            ['set', ...others],
            [
              ...sets.map(set => [
                set.set,
                ...others.map(other => {
                  const d = set.differences[other]
                  return d ? `${signed(d.mean)} (${range(d.pictures)})` : '-'
                }),
              ]),
              ...(['mean, over pictures', 'mean, over sets', 'better / worse', 'worst'] as const).map(what => [
                what,
                ...others.map(other => {
                  const d = overall.differences[other]
                  if (!d) return '-'
                  if (what === 'better / worse') return `${d.better} / ${d.worse}`
                  if (what === 'worst') return signed(d.least)
                  return `${signed(d.mean)} (${range(what === 'mean, over sets' ? d.sets : d.pictures)})`
                }),
              ]),
            ],
          )}`,
        ]),
    perSet(
      'Log loss (regression: mean squared error, not in the mean):',
      p => p.loss.mean.toFixed(3),
      each(p => p.loss?.toFixed(3) ?? '-'),
    ),
    perSet(
      'Expected calibration error, points:',
      p => (p.ece ? points(p.ece.mean) : '-'),
      each(p => (p.ece === null ? '-' : points(p.ece))),
    ),
    perSet(
      'Seconds, the whole command:',
      p => p.seconds.mean.toFixed(0),
      each(p => p.seconds.toFixed(0)),
    ),
  ].join('\n\n')
}
