import { writeAtomic } from '../../base/files.ts'
import type { CalibrationPart, Interpretation, PartResult, TableBaseline } from '../../runs/index.ts'
import { balancedAccuracy, classReport, confusions, mae, r2, rmse } from '../../train/metrics.ts'
import { encodedPart } from '../encoded.ts'
import type { Targets } from '../types.ts'
import { partialDependence } from './dependence.ts'
import { type Predict, permutationImportance } from './importance.ts'
import { type Decision, decide, leadingOf, targetsAt } from './metrics.ts'
import { featuresOf, framePart, spread } from './rows.ts'
import type { RunTable, TablePart } from './run-table.ts'
import { worstSlices } from './slices.ts'

/** Rows that importance is measured on, points of a scatter, and columns with a partial dependence. */
const [mostRows, mostPoints, mostCurves] = [2000, 1500, 6]

interface Findings {
  valid: TablePart
  /** Calibrated outputs for the validation rows. */
  outputs: Float64Array
  predict: Predict
  decision: Decision
  calibration?: CalibrationPart | undefined
  baselines: TableBaseline[]
  byRows: { rows: number; value: number }[]
  test?: { part: PartResult; y: Targets; outputs: Float64Array } | undefined
  seed: number
  signal?: AbortSignal | undefined
}

/** What the model does on the validation rows, as data for the report. */
export async function interpretTable(table: RunTable, findings: Findings): Promise<Interpretation> {
  const { valid, outputs, predict, decision, calibration, test, seed, signal } = findings
  const { targets, encoding, encode } = table
  const { task } = targets
  const classes = [...targets.classes]
  const features = featuresOf(table.frame, encoding, encode)
  const few = spread(valid.x.rows, mostRows)
  const some = { frame: framePart(valid.frame, few), x: encodedPart(valid.x, few), y: targetsAt(valid.y, few) }
  const importance = await permutationImportance(some, features, { predict, decision, seed, signal })
  const top = importance.slice(0, mostCurves).map(({ column }) => column)
  const { positive, threshold } = decision
  const dependence = await partialDependence(some, features, top, {
    encoding,
    encode,
    predict,
    target: targets,
    positive,
    signal,
  })
  const names = encoding.columns.map(({ column }) => column)
  const confusionOf = (y: Targets, told: Float64Array) => {
    const n = classes.length
    return confusions(decide(told, n, decision), y.values, n)
  }
  return {
    classes,
    task,
    confusion: task === 'single' ? confusionOf(valid.y, outputs) : [],
    topLosses: [],
    mostUncertain: [],
    samples: [],
    perClass: task === 'single' ? scoresOf(valid.y, outputs, decision) : [],
    ...(task === 'single'
      ? {
          balancedAccuracy: balancedAccuracy(decide(outputs, classes.length, decision), valid.y.values, classes.length),
        }
      : { regression: { targets: fits(valid.y, outputs), worst: [] } }),
    ...(calibration ? { calibration } : {}),
    ...(test
      ? { test: { ...test.part, ...(task === 'single' ? { confusion: confusionOf(test.y, test.outputs) } : {}) } }
      : {}),
    table: {
      leading: leadingOf(targets),
      ...(positive === undefined ? {} : { positive: classes[positive]!, threshold: threshold ?? 0.5 }),
      baselines: findings.baselines,
      importance,
      dependence,
      slices: worstSlices(valid.frame, names, { targets: valid.y, outputs, decision }),
      ...(task === 'regression' ? { residuals: residualsOf(valid.y, outputs) } : {}),
      byRows: findings.byRows,
      columns: table.columns.map(({ name, kind, used, reason }) => ({ name, kind, used, reason })),
      leaks: [...table.leaks],
    },
  }
}

/** Writes `interpret.json`. */
export const writeInterpretation = (path: string, found: Interpretation): void =>
  writeAtomic(path, JSON.stringify(found))

function scoresOf({ classes, values }: Targets, outputs: Float64Array, decision: Decision) {
  const decided = decide(outputs, classes.length, decision)
  const { classes: each } = classReport(decided, values, classes.length, { zeroDivision: Number.NaN })
  return each.map((scores, c) => ({ name: classes[c]!, ...scores }))
}

/** The scores and some points of each target. */
function fits({ classes, values }: Targets, outputs: Float64Array) {
  const width = classes.length
  const [fit, absolute, root] = [r2, mae, rmse].map(of => of(outputs, values, width).targets) as [
    number[],
    number[],
    number[],
  ]
  return classes.map((name, t) => {
    const at = (row: number): [number, number] => [values[row * width + t]!, outputs[row * width + t]!]
    const points = Array.from(spread(values.length / width, mostPoints), at)
    return { name, r2: fit[t]!, mae: absolute[t]!, rmse: root[t]!, points }
  })
}

function residualsOf({ classes, values }: Targets, outputs: Float64Array) {
  const width = classes.length
  const points = Array.from(spread(values.length / width, mostPoints), (row): [number, number] => [
    outputs[row * width]!,
    values[row * width]! - outputs[row * width]!,
  ])
  return { target: classes[0]!, points }
}
