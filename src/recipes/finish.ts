import { confusionRows, writeInterpretation } from '../interpret/index.ts'
import type { CalibrationPart, Interpretation, PartResult, RunResult } from '../runs/index.ts'
import type { Evaluation } from '../train/evaluate.ts'
import { Learner } from '../train/learner.ts'
import {
  accuracyMulti,
  applyTemperature,
  averagePrecision,
  bestThresholds,
  bootstrap,
  fBeta,
  fitTemperature,
  r2,
  reliability,
  type ThresholdMetric,
  take,
} from '../train/metrics.ts'
import { labelScores, said } from '../train/objective.ts'
import { saveModel } from '../train/saved.ts'
import type { Best } from './best.ts'
import { modelCard } from './card.ts'
import type { Context } from './context.ts'
import { explain, type Thresholds } from './explain.ts'
import type { StageResult } from './five-steps.ts'
import type { Prepared } from './prepare.ts'
import type { Sense } from './sense.ts'
import { compareViews } from './views.ts'

/** What of a result is known once the best weights are in the net. */
export type FinishedFacts = Omit<RunResult, 'run' | 'model' | 'classes' | 'epochs' | 'seconds'>

/** Fewer validation pictures than this say too little of how sure the net may be. */
const leastToCalibrate = 100

/** What follows training, with the best weights in the net: temperature and thresholds, found on the validation pictures
 *  and saved with the model; how it does on validation and test pictures, plain and with test-time augmentation; and what
 *  is to be seen of it. */
export async function finish(
  prepared: Prepared,
  context: Context,
  { stages, best }: { stages: readonly StageResult[]; best: Best },
): Promise<FinishedFacts> {
  const { session, options, signal } = context
  const { task, classes, objective, net, source } = prepared
  const learn = evaluator(prepared)
  const plain = await learn.validate(source('valid'), { signal })
  const { temperature, calibration } = calibrate(prepared, context, plain)
  const calibrated = atTemperature(prepared, plain, temperature)
  const thresholds = task === 'multi' ? chooseThresholds(prepared, context, calibrated) : undefined
  const scored = (e: Evaluation): PartResult => {
    const metrics = thresholds
      ? { ...labelScores(e.probabilities, e.targets, classes.length, thresholds.thresholds) }
      : e.metrics
    const intervals = intervalOf(prepared, e)
    return { accuracy: metrics.accuracy ?? Number.NaN, loss: e.loss, metrics, ...(intervals ? { intervals } : {}) }
  }
  const valid = scored(calibrated)
  const card = modelCard(
    prepared,
    options,
    { ...valid.metrics, loss: valid.loss, epoch: best.epoch },
    {
      ...(temperature === 1 ? {} : { temperature }),
      ...(thresholds ? { thresholds: thresholds.thresholds } : {}),
    },
  )
  saveModel(session.run.paths.best.weights.replace(/\.safetensors$/, ''), net.net.stateDict(), card)

  const testSource = source('test')
  if (testSource.count > 0) session.emit({ type: 'phase', phase: 'test' })
  const tested = testSource.count > 0 ? await learn.validate(testSource, { signal }) : undefined
  const test = tested && scored(atTemperature(prepared, tested, temperature))
  const score = (outputs: Float32Array, part: 'valid' | 'test'): Record<string, number> => {
    const { targets } = source(part)
    return thresholds
      ? labelScores(outputs, targets, classes.length, thresholds.thresholds)
      : objective.score(outputs, targets)
  }
  const tta = await compareViews(prepared, context, { temperature, score, plain: { valid, ...(test ? { test } : {}) } })
  writeInterpretation(session.run.paths.interpret, {
    ...(await explain(prepared, calibrated, thresholds)),
    ...(session.known('doubts') as Partial<Interpretation> | undefined),
    ...augmentTrials(session.known('sense') as Sense | undefined),
    ...(calibration ? { calibration } : {}),
    ...(stages.length > 1 ? { sizes: stages.map(({ size, best }) => sizeScore(size, best)) } : {}),
    ...(tested && test
      ? { test: { ...test, ...(task === 'single' ? { confusion: confusionRows(tested, classes.length) } : {}) } }
      : {}),
  })
  const { mAP, f1, f2, r2, mae, balancedAccuracy } = valid.metrics ?? {}
  const named = { mAP, f1, f2, r2, mae, balancedAccuracy }
  return {
    ...valid,
    task,
    ...Object.fromEntries(Object.entries(named).filter(([, v]) => v !== undefined)),
    ...(thresholds ? { threshold: thresholds.threshold, thresholds: [...thresholds.thresholds] } : {}),
    ...(test ? { test: { ...test, pictures: testSource.count } } : {}),
    ...(tta ? { tta } : {}),
  }
}

/** The best weights' pictures at `testSize`, where they validate no worse there than at the size that they were trained at:
 *  objects look larger in training crops than in test ones (Touvron et al. 2019, arXiv:1906.06423). */
export async function atTestSize(prepared: Prepared, { session, options, signal }: Context): Promise<Prepared> {
  const { testSize } = options
  const { size } = prepared.preprocessing
  if (testSize === undefined || testSize === size) return prepared
  const larger = await prepared.at(testSize)
  const [then, now] = [
    await evaluator(prepared).validate(prepared.source('valid'), { signal }),
    await evaluator(larger).validate(larger.source('valid'), { signal }),
  ]
  const better = now.score > then.score || (now.score === then.score && now.loss <= then.loss)
  const { metric } = prepared.objective
  session.choice(
    'test size',
    `${better ? testSize : size} px`,
    `${said(metric, now.score)}, loss ${now.loss.toFixed(3)} at ${testSize} px; ${said(metric, then.score)}, loss ${then.loss.toFixed(3)} at ${size} px`,
  )
  return better ? larger : prepared
}

const augmentTrials = (sense: Sense | undefined): Pick<Interpretation, 'augmentAuto'> =>
  sense
    ? {
        augmentAuto: sense.rows.map(({ change, changed, drop, chosen }) => ({
          change,
          accuracy: changed,
          drop,
          chosen,
        })),
      }
    : {}

const sizeScore = (size: number, { metrics, loss }: Best) => ({
  size,
  accuracy: metrics.accuracy ?? Number.NaN,
  loss,
  metrics,
})

/** The 95 % interval of mAP or R² by 200 draws of the pictures; none of accuracy, whose interval follows from its number
 *  of pictures, nor where it would take long. */
function intervalOf(
  { task, classes, objective, seed }: Prepared,
  { probabilities, targets }: Evaluation,
): Record<string, [low: number, high: number]> | undefined {
  const n = probabilities.length / classes.length
  if (task === 'single' || n < 10 || probabilities.length > 200_000) return undefined
  const metric = (rows: ArrayLike<number>) => {
    const [p, y] = [take(probabilities, rows, classes.length), take(targets, rows, classes.length)]
    return task === 'multi' ? averagePrecision(p, y, classes.length).mean : r2(p, y, classes.length).mean
  }
  const { low, high } = bootstrap(metric, n, { seed, rounds: 200 })
  return { [objective.metric]: [low, high] }
}

/** One temperature for softmax or sigmoids, fitted on the validation pictures; 1 for numbers and for few pictures. */
function calibrate(
  { task, classes, source }: Prepared,
  { session }: Context,
  { logits, probabilities, targets }: Evaluation,
): { temperature: number; calibration?: CalibrationPart } {
  if (task === 'regression') return { temperature: 1 }
  const curve = (p: Float32Array) => {
    const { bins, ece } = reliability(p, targets, classes.length, { task })
    return { bins, ece }
  }
  const before = curve(probabilities)
  if (source('valid').count < leastToCalibrate) return { temperature: 1, calibration: { before } }
  const [least, most] = [0.1, 10]
  const { temperature } = fitTemperature(logits, targets, classes.length, { task, least, most })
  // At a bound there was no mistake to learn from, or no temperature helps.
  if (temperature < least * 1.01 || temperature > most / 1.01) return { temperature: 1, calibration: { before } }
  const after = curve(applyTemperature(logits, classes.length, temperature, { task }))
  session.choice(
    'temperature',
    temperature.toFixed(3),
    `the validation pictures are likeliest so; expected calibration error ${before.ece.toFixed(3)} before, ${after.ece.toFixed(3)} after`,
  )
  return { temperature, calibration: { before, after, temperature } }
}

function atTemperature({ task, classes }: Prepared, evaluation: Evaluation, temperature: number): Evaluation {
  if (task === 'regression' || temperature === 1) return evaluation
  return { ...evaluation, probabilities: applyTemperature(evaluation.logits, classes.length, temperature, { task }) }
}

/** From which probability each label counts: found on the validation pictures for the metric chosen. */
function chooseThresholds(
  { classes, seed }: Prepared,
  { session, options }: Context,
  { probabilities, targets }: Evaluation,
): Thresholds {
  const metric: ThresholdMetric = options.thresholdFor ?? 'f1'
  const found = bestThresholds(probabilities, targets, classes.length, { metric, average: 'macro' })
  const { half, value, valueEach } = found
  // Few pictures make any threshold look good: one for all must beat 0.5 by more than chance.
  const threshold = beatsHalf(found.threshold, metric, { probabilities, targets, classes: classes.length, seed })
    ? found.threshold
    : 0.5
  const thresholds = found.thresholds.map((t, c) => (found.classes[c]!.own ? t : threshold))
  const text = thresholds.slice(0, 20).map((t, c) => `${classes[c]} ${t.toFixed(2)}`)
  session.choice(
    'thresholds',
    text.join(', '),
    `macro ${metric} on the validation pictures: one a label ${valueEach.toFixed(3)}, one for all (${found.threshold.toFixed(2)}) ${value.toFixed(3)}, 0.5 ${half.toFixed(3)}; those that beat 0.5 by more than chance are taken`,
  )
  return { threshold, thresholds }
}

/** Whether a threshold for all labels beats 0.5 in nine of ten sets drawn anew from these pictures. */
function beatsHalf(
  threshold: number,
  metric: ThresholdMetric,
  {
    probabilities,
    targets,
    classes,
    seed,
  }: { probabilities: Float32Array; targets: ArrayLike<number>; classes: number; seed: number },
): boolean {
  if (probabilities.length > 200_000) return true
  const gain = (rows: ArrayLike<number>) => {
    const [p, y] = [take(probabilities, rows, classes), take(targets, rows, classes)]
    const at = (t: number) =>
      metric === 'accuracy'
        ? accuracyMulti(p, y, classes, { thresholds: t })
        : fBeta(p, y, classes, { beta: Number(metric.slice(1)), average: 'macro', thresholds: t })
    return at(threshold) - at(0.5)
  }
  return bootstrap(gain, probabilities.length / classes, { seed, rounds: 100, level: 0.8 }).low > 0
}

function evaluator({ net, source, classes, objective, batchSize, seed, precision }: Prepared): Learner {
  return new Learner(net, { train: source('train'), classes, objective, batchSize, seed, precision })
}
