import { confusionsOf, writeInterpretation } from '../../interpret/index.ts'
import type { Interpretation, PartResult, RunResult } from '../../runs/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import { Learner } from '../../train/learner.ts'
import { averagePrecision, bootstrap, r2, take } from '../../train/metrics.ts'
import { labelScores, type Outputs, said } from '../../train/objective.ts'
import { meanByPart, onceByPart, pooled } from '../../train/pooled.ts'
import { saveModel } from '../../train/saved-model.ts'
import { turn } from '../../train/stop.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { type Best, isBetter } from '../steps/best-weights.ts'
import type { StageResult } from '../steps/types.ts'
import { atTemperature, calibrate, chooseThresholds, keepHeld } from './calibrate.ts'
import { explain } from './interpretation.ts'
import { decisions, modelCard } from './model-card.ts'
import { compareViews } from './tta.ts'

/** The part of a result that is known once the best weights are in the net. */
export type FinishedFacts = Omit<RunResult, 'run' | 'model' | 'classes' | 'epochs' | 'seconds'>

/** Finishes a run with the best weights in the net: finds temperature and thresholds on the validation samples and
 *  saves them with the model; evaluates the validation and test samples, plain and with test-time augmentation;
 *  interprets the results. */
export async function finish(
  prepared: Prepared,
  context: Context,
  { stages, best, evaluated }: { stages: readonly StageResult[]; best: Best; evaluated: Evaluation | undefined },
): Promise<FinishedFacts> {
  const { session, options, signal } = context
  const { objective, net, source } = prepared
  const { task, names: classes } = objective
  const meaning = { task, classes, seed: prepared.seed }
  const learn = evaluator(prepared, context)
  await turn(signal)
  const plain = evaluated ?? (await learn.validate(source('valid'), { signal }))
  const { temperature, calibration } = calibrate(session, meaning, plain, { parts: source('valid').parts })
  const calibrated = { ...plain, probabilities: atTemperature(meaning, plain, temperature) }
  const whole = pooled(calibrated, source('valid'), objective) // of samples, where a row is a part of one
  const thresholds =
    task === 'multi' ? chooseThresholds(session, meaning, whole, { metric: options.thresholdFor }) : undefined
  const isMember = options.folds !== undefined || context.seedShift !== undefined
  if (isMember) keepHeld(session.run.dir, whole)
  const scored = (e: Evaluation): PartResult => {
    const metrics = thresholds
      ? { ...labelScores(e.probabilities, e.targets, classes.length, thresholds.thresholds) }
      : e.metrics
    const intervals = intervalOf(prepared, e)
    return { loss: e.loss, metrics, ...(intervals ? { intervals } : {}) }
  }
  const valid = scored(whole)
  const card = modelCard(
    prepared,
    options,
    { ...valid.metrics, loss: valid.loss, epoch: best.epoch },
    decisions({ temperature, thresholds }),
  )
  saveModel(session.run.paths.best.weights.replace(/\.safetensors$/, ''), net.net.stateDict(), card)

  const testSource = source('test')
  if (testSource.count > 0) session.emit({ type: 'phase', phase: 'test' })
  const tested = testSource.count > 0 ? await learn.validate(testSource, { signal }) : undefined
  const testedAt =
    tested && pooled({ ...tested, probabilities: atTemperature(meaning, tested, temperature) }, testSource, objective)
  if (isMember && testedAt) keepHeld(session.run.dir, testedAt, 'test')
  const test = testedAt && scored(testedAt)
  const score = (outputs: Outputs, part: 'valid' | 'test'): Record<string, number> => {
    const { targets, parts } = source(part)
    const told = meanByPart(outputs, parts, classes.length)
    const answers = onceByPart(targets, parts, task === 'single' ? 1 : classes.length)
    return thresholds
      ? labelScores(told, answers, classes.length, thresholds.thresholds)
      : objective.score(told, answers)
  }
  const tta = await compareViews(prepared, context, { temperature, score, plain: { valid, ...(test ? { test } : {}) } })
  const { isFirst } = session.ranks
  if (isFirst)
    writeInterpretation(session.run.paths.interpret, {
      ...(await explain(prepared, { whole, rows: calibrated }, thresholds)),
      ...session.known('doubts'),
      ...(calibration ? { calibration } : {}),
      ...(stages.length > 1 ? { sizes: stages.map(({ size, best }) => sizeScore(size, best)) } : {}),
      ...weightPath(stages),
      ...(tested && test
        ? {
            test: {
              ...test,
              ...(task === 'single' ? { confusion: confusionsOf(testedAt ?? tested, classes.length) } : {}),
            },
          }
        : {}),
    })
  return {
    ...valid,
    task,
    choseOnValid: [
      ...new Set([
        ...stages.flatMap(({ chose }) => chose),
        ...(stages.length > 1 ? ['weights'] : []),
        ...(temperature === 1 ? [] : ['temperature']),
        ...(thresholds ? ['thresholds'] : []),
      ]),
    ],
    ...(thresholds ? { threshold: thresholds.threshold, thresholds: [...thresholds.thresholds] } : {}),
    ...(test && testedAt ? { test: { ...test, samples: testedAt.losses.length } } : {}),
    ...(tta ? { tta } : {}),
  }
}

/** The prepared run at `testSize`, if the best weights validate no worse there than at their training size: objects
 *  look larger in training crops than in test crops (Touvron et al. 2019, arXiv:1906.06423). */
export async function atTestSize(prepared: Prepared, context: Context): Promise<Prepared> {
  const { session, signal } = context
  const { size, testSize, domain } = prepared
  if (testSize === undefined || testSize === size) return prepared
  const larger = await prepared.at(testSize)
  const [then, now] = [
    await evaluator(prepared, context).validate(prepared.source('valid'), { signal }),
    await evaluator(larger, context).validate(larger.source('valid'), { signal }),
  ]
  const better = !isBetter(then, now)
  const { metric } = prepared.objective
  session.choice(
    'test size',
    domain.words.size(better ? testSize : size),
    `${said(metric, now.score)}, loss ${now.loss.toFixed(3)} at ${domain.words.size(testSize)}; ${said(metric, then.score)}, loss ${then.loss.toFixed(3)} at ${domain.words.size(size)}`,
  )
  return better ? larger : prepared
}

/** The nets between frozen phase and whole net at the last size. */
function weightPath(stages: readonly StageResult[]): Pick<Interpretation, 'weightPath'> {
  const path = stages.at(-1)?.path
  if (!path) return {}
  return {
    weightPath: path.map(({ share, calibrated: loss, metrics, kept = false }) => ({ share, loss, metrics, kept })),
  }
}

const sizeScore = (size: number, { metrics, loss }: Best) => ({
  size,
  accuracy: metrics.accuracy ?? Number.NaN,
  loss,
  metrics,
})

/** The 95 % interval of mAP or R² by 200 bootstrap draws of the samples. Undefined for accuracy, whose interval follows
 *  from the number of samples, and if it would take long. */
function intervalOf(
  { objective, seed }: Prepared,
  { probabilities, targets }: Evaluation,
): Record<string, [low: number, high: number]> | undefined {
  const { task, names: classes } = objective
  const n = probabilities.length / classes.length
  if (task === 'single' || n < 10 || probabilities.length > 200_000) return undefined
  const metric = (rows: ArrayLike<number>) => {
    const [p, y] = [take(probabilities, rows, classes.length), take(targets, rows, classes.length)]
    return task === 'multi' ? averagePrecision(p, y, classes.length).mean : r2(p, y, classes.length).mean
  }
  const { value, low, high } = bootstrap(metric, n, { seed, rounds: 200 })
  return [value, low, high].every(Number.isFinite) ? { [objective.metric]: [low, high] } : undefined
}

function evaluator(
  { net, source, objective, batchSize, seed, precision }: Prepared,
  { session: { ranks } }: Pick<Context, 'session'>,
): Learner {
  const how = { objective, batchSize, seed, precision, ranks }
  return new Learner(net, { train: source('train'), classes: objective.names, ...how })
}
