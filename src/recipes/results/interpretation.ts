import { interpret } from '../../interpret/index.ts'
import { interpretLabels } from '../../interpret/multi-label.ts'
import { interpretNumbers } from '../../interpret/regression.ts'
import type { Interpretation } from '../../runs/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import { firstOfParts } from '../../train/pooled.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Thresholds } from './calibrate.ts'

/** Interprets the net's results on the validation samples: the task's findings, then those of the domain. `whole`: of
 *  samples; `rows`: of their parts, where they have several. */
export async function explain(
  prepared: Prepared,
  { whole, rows }: { whole: Evaluation; rows: Evaluation },
  thresholds: Thresholds = halves(prepared.objective.names),
): Promise<Interpretation> {
  const found = await byTask(prepared, whole, thresholds)
  const { net, precision, objective } = prepared
  const own = await prepared.interpret?.({ net, precision, classes: objective.names }, { ...whole, rows }, found)
  return { ...found, ...own }
}

async function byTask(prepared: Prepared, evaluation: Evaluation, thresholds: Thresholds): Promise<Interpretation> {
  const { source, data, objective, show } = prepared
  const { task } = objective
  const classes = [...objective.names]
  const shown = { dir: data.dir, classes, show }
  const { items, parts } = source('valid')
  const judged = { items: firstOfParts(items, parts), evaluation }
  if (task === 'single') return { ...(await interpret(judged, shown)), task, samples: [] }
  const nothing = { classes, task, confusion: [], topLosses: [], mostUncertain: [], perClass: [], samples: [] }
  if (task === 'regression')
    return { ...nothing, regression: await interpretNumbers(judged, { ...shown, scale: objective.scale }) }
  const multi = await interpretLabels(judged, { ...shown, ...thresholds })
  return { ...nothing, perClass: multi.perClass, multi }
}

const halves = (names: readonly string[]): Thresholds => ({ threshold: 0.5, thresholds: names.map(() => 0.5) })
