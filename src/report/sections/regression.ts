import { metricInfo } from '../../runs/index.ts'
import type { Material } from '../facts/material.ts'
import { card, figure, name, pair, table } from '../page/components.ts'
import type { Html } from '../page/html.ts'

/** Predicted against actual values of each target, the metric at each picture size, and the scores by target. */
export function numbers({ facts, charts }: Material): (Html | undefined | false)[] {
  const targets = facts.regression?.targets ?? []
  const drawn = [...charts.scatter, ...(charts.sizes ? [charts.sizes] : [])]
  const rows = Array.from({ length: Math.ceil(drawn.length / 2) }, (_, i) =>
    pair(...drawn.slice(2 * i, 2 * i + 2).map(c => figure(c))),
  )
  const keys = ['r2', 'mae', 'rmse'] as const
  const scores = () =>
    table(
      [{ title: 'Target' }, ...keys.map(key => ({ title: metricInfo(key).title, n: true }))],
      targets.map(t => ({ cells: [name(t.name), ...keys.map(key => metricInfo(key).say(t[key]))] })),
      20,
    )
  return [...rows, targets.length > 0 && card(`By target, validation ${facts.sample}s`, scores())]
}
