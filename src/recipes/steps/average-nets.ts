import { plural } from '../../base/format.ts'
import type { RunResult } from '../../runs/index.ts'
import { keep, scope } from '../../torch/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import { Learner } from '../../train/learner.ts'
import { toLogits } from '../../train/metrics.ts'
import { said } from '../../train/objective.ts'
import { meanOf, pairedDifference, sampleLosses } from '../../train/paired-losses.ts'
import { meanByPart, type Parts } from '../../train/pooled.ts'
import { saveModel } from '../../train/saved-model.ts'
import { prepare } from '../prepare/prepare.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Held } from '../results/calibrate.ts'
import { modelCard } from '../results/model-card.ts'
import { finish } from '../results/results.ts'
import type { Context } from '../run/context.ts'
import { validated } from './best-weights.ts'
import { calibratedLosses } from './calibrated-losses.ts'
import { fitHeadAgain, isLower, mostL2 } from './cycle-end.ts'
import { accept, type FiveSteps, weightsStem } from './five-steps.ts'
import { averageOf } from './snapshots.ts'

/** Averages the weights of nets that were trained from the same pretrained weights, on the same samples with other seeds,
 *  into one net that predicts in the time of one (model soup, Wortsman et al. 2022, arXiv:2203.05482), and finishes the
 *  run with it. Its last layer is also fitted again to the averaged body; what validates better is taken. Returns
 *  undefined if the mean of the nets' outputs, `held`, is better by more than a standard error. `results`, `weights`: of
 *  the nets. */
export async function averageNets<O extends object>(
  path: string,
  context: Context<O>,
  {
    results,
    weights,
    held,
  }: { results: readonly RunResult[]; weights: readonly string[]; held: Pick<Held, 'probabilities' | 'targets'> },
): Promise<FiveSteps | undefined> {
  const { domain, session } = context
  const began = performance.now()
  const options = { ...context.options, model: results[0]!.model }
  const first: Prepared = await prepare(domain, path, { ...context, options, narrator: session })
  accept(first, context, path)
  const prepared = await first.at(first.sizes.at(-1)!)
  const found = await averaged(prepared, context, weights)
  const mean = lossesOf(prepared, held)
  const { metric } = prepared.objective
  // An average that is not a number is worse than any other.
  const worse = !Number.isFinite(meanOf(found.losses)) || isLower(pairedDifference(mean, found.losses))
  const losses = `validation loss ${meanOf(found.losses).toFixed(3)}, that of the mean of their outputs ${meanOf(mean).toFixed(3)}, calibrated`
  session.choice(
    'average',
    worse ? 'of the outputs' : 'of the weights',
    `the weights of ${plural(weights.length, 'net')} averaged into one${found.refitted ? ', its last layer fitted again' : ''}: ${said(metric, found.evaluation.score)}, ${losses}; ${
      worse
        ? 'the mean of the outputs is better by more than a standard error'
        : 'the mean of the outputs is not better by more than a standard error, and one net predicts faster'
    }`,
  )
  if (worse) return undefined
  const epoch = Math.max(...results.map(({ epochs }) => epochs))
  const best = { ...validated(found.evaluation), epoch, size: prepared.size }
  const card = modelCard(prepared, options, { ...best.metrics, loss: best.loss, epoch })
  saveModel(weightsStem(session.run.paths.best), prepared.net.net.stateDict(), card)
  const stage = { size: prepared.size, best, epochs: epoch, step: 0, chose: ['weights' as const] }
  const facts = await finish(prepared, context, { stages: [stage], best, evaluated: undefined })
  const result: RunResult = {
    run: session.run.dir,
    model: prepared.modelName,
    classes: [...prepared.objective.names],
    ...facts,
    epochs: results.reduce((sum, { epochs }) => sum + epochs, 0),
    seconds: { average: (performance.now() - began) / 1000, total: session.run.seconds },
    folds: [...results],
  }
  return { result, prepared }
}

/** Puts the average of the weights into the net, with the last layer as it is or fitted again, as it validates better. */
async function averaged(prepared: Prepared, context: Context, weights: readonly string[]) {
  const { net, objective, source, batchSize, seed, precision } = prepared
  const { session, signal, progress, options } = context
  const learn = new Learner(net, {
    train: source('train'),
    valid: source('valid'),
    classes: objective.names,
    objective,
    batchSize,
    seed,
    precision,
    ranks: session.ranks,
  })
  const validate = async (refitted: boolean) => {
    const evaluation = await learn.validate(undefined, { signal })
    return { evaluation, refitted, losses: lossesOf(prepared, evaluation, learn.valid?.parts) }
  }
  await averageOf(prepared, context, weights)
  const plain = await validate(false)
  if (options.hidden?.length || options.pretrained === false) return plain
  const before = scope(() => keep(new Map(Array.from(net.net.stateDict(), ([name, t]) => [name, t.detach().clone()]))))
  try {
    await fitHeadAgain(prepared, { l2: mostL2, session, signal, progress })
    const again = await validate(true)
    if (meanOf(again.losses) < meanOf(plain.losses)) return again
    net.net.loadStateDict(before)
    return plain
  } finally {
    for (const t of before.values()) t.dispose()
  }
}

/** The loss of each sample: calibrated, or for regression squared. logits: of the outputs; default: found from them. */
function lossesOf(
  { objective }: Prepared,
  {
    probabilities,
    targets,
    logits,
    losses = new Float32Array(),
  }: Pick<Evaluation, 'probabilities' | 'targets'> & Partial<Pick<Evaluation, 'logits' | 'losses'>>,
  parts?: Parts,
): Float64Array {
  const { task, names, scale } = objective
  if (task === 'regression')
    return meanByPart(sampleLosses(probabilities, targets, names.length, { task, scale: scale?.std }), parts)
  const known = logits ?? Float32Array.from(toLogits(probabilities, { task }))
  return calibratedLosses(objective, { logits: known, losses, targets }, parts)
}
