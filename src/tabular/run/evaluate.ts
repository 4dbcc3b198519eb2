import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { isRun, type PartResult } from '../../runs/index.ts'
import { type Confusion, classificationReport, confusions, regressionText } from '../../train/metrics.ts'
import type { TableReadOptions } from '../options.ts'
import { targetOf, targetsOf } from '../target.ts'
import { cardStem } from './card.ts'
import { loadTable } from './load.ts'
import { decide, leadingOf, scored } from './metrics.ts'
import { type ReadingHooks, readFor } from './read-for.ts'
import { framePart } from './rows.ts'
import { digestOf } from './session.ts'

/** How a trained model does on a table with targets. */
export interface EvaluatedTable extends PartResult {
  model: string
  data: string
  /** Rows with a target. */
  samples: number
  /** The metric that the model is judged by. */
  leading: string
  /** scikit-learn's classification report, or the scores of each target. */
  report: string
  /** Classes: how often each was decided as each other one, by class number; pairs that do not occur are left out. */
  confusion?: Confusion[]
  choices: readonly { what: string; value: string; reason: string }[]
  /** How many of the rows equal a row that the model was trained on. */
  seen: number
  /** How often this model was evaluated on the same rows before. */
  before: number
  warnings: string[]
}

/** Evaluates a trained model on the rows of a table that have a target, with its saved encoding, temperature and threshold.
 *  Each evaluation is noted in the run's folder, since rows that are looked at again and again are no fair test. */
export async function evaluateTable(
  run: string,
  source: string,
  options: TableReadOptions & ReadingHooks = {},
): Promise<EvaluatedTable> {
  const { card, decision, predict, seen } = await loadTable(run)
  const choices: EvaluatedTable['choices'][number][] = []
  const frame = await readFor(source, card, { ...options, onChoice: choice => choices.push(choice) })
  const { target } = card
  const lacking = target.columns.filter(name => !frame.columns.some(column => column.name === name))
  if (lacking.length > 0)
    throw new DataError(
      `${source} has no column ${lacking.map(name => `"${name}"`).join(', ')}, which the model predicts; an evaluation needs the actual values. Predict without them: npx anneal predict ${run} ${source}. Its columns: ${frame.columns.map(({ name }) => name).join(', ')}.`,
    )
  const found = targetOf(frame, target.columns, {
    task: target.task,
    ...(target.task === 'single' ? { classes: target.classes } : {}),
  })
  choices.push(...found.choices.filter(({ what }) => what === 'missing targets'))
  const y = { ...targetsOf(found, found.rows), ...target }
  const rows = framePart(frame, found.rows)
  const again = seen(rows) ?? 0
  const outputs = await predict(rows, options)
  const result = scored(y, outputs, { decision, seed: 0 })
  const decided = target.task === 'single' ? decide(outputs, target.classes.length, decision) : undefined
  const before = note(run, { fingerprint: digestOf(frame), metrics: result.metrics })
  const warnings = [
    ...(again > 0
      ? [
          `${plural(again, 'row')} of ${found.rows.length.toLocaleString('en-US')} ${again === 1 ? 'equals' : 'equal'} rows that the model was trained on, in all columns that it uses: the figures are better than they will be on new rows`,
        ]
      : []),
    ...(before > 0
      ? [
          `this model was evaluated on these rows ${plural(before, 'time')} before; what is changed after a look at the result makes it better than it will be on new rows`,
        ]
      : []),
  ]
  return {
    ...result,
    model: card.model,
    data: source,
    samples: found.rows.length,
    leading: leadingOf(target),
    report: decided
      ? classificationReport(decided, y.values, target.classes, { terminal: true })
      : regressionText(outputs, y.values, target.classes),
    ...(decided ? { confusion: confusions(decided, y.values, target.classes.length) } : {}),
    choices,
    seen: again,
    before,
    warnings,
  }
}

/** Notes an evaluation in the run's folder; returns how often the same rows were evaluated before. */
function note(run: string, entry: { fingerprint: string; metrics: Record<string, number> }): number {
  const folder = isRun(run) ? run : dirname(cardStem(run))
  if (!isRun(folder)) return 0
  const path = join(folder, 'evaluations.jsonl')
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  const before = lines.filter(line => line.includes(`"fingerprint":"${entry.fingerprint}"`)).length
  try {
    appendFileSync(path, `${JSON.stringify({ at: new Date().toISOString(), ...entry })}\n`)
  } catch {
    // A run in a read-only folder is evaluated too.
  }
  return before
}
