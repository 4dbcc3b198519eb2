import { join } from 'node:path'
import { writeAtomic } from '../../base/files.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import { keep, noGrad, scope } from '../../torch/index.ts'
import { ensemble } from '../../train/ensemble.ts'
import { Learner } from '../../train/learner.ts'
import { labelScores, said } from '../../train/objective.ts'
import { meanByPart, onceByPart } from '../../train/pooled.ts'
import { type ModelCard, saveModel } from '../../train/saved-model.ts'
import { recomputeBatchNorm } from '../../train/swa.ts'
import { readWeights } from '../../weights/index.ts'
import { keepsStatistics } from '../options.ts'
import type { Prepared } from '../prepare/prepared.ts'
import { decideTogether } from '../results/calibrate.ts'
import { decisions, modelCard } from '../results/model-card.ts'
import type { Context } from '../run/context.ts'
import { type Best, type BestKeeper, isBetter, validated } from './best-weights.ts'
import type { WholeState } from './types.ts'

/** Keeps the weights in the net as the snapshot of a cycle's end; returns their name in the run folder. */
export function keepSnapshot(
  prepared: Prepared,
  { session, options }: Context,
  { cycle, validation }: { cycle: number; validation: Record<string, number> },
): string {
  const name = `snapshot-${prepared.size}-${cycle}`
  saveModel(place(name, session, options), prepared.net.net.stateDict(), modelCard(prepared, options, validation))
  return name
}

/** The place of a snapshot: the run's folder if the options ask for snapshots; else beside the resume state, which is
 *  deleted at the end of the run. */
const place = (name: string, { run }: Context['session'], { snapshots }: Context['options']): string =>
  snapshots ? join(run.dir, name) : join(run.paths.resume, 'snapshots', name)

/** Averages the weights from the ends of cycles. `swa`: their equal mean, with BatchNorm's statistics computed again if
 *  they were trained (Izmailov et al. 2018); it is kept as the best weights if it validates best. `snapshots`: the mean
 *  of the predictions of their nets (Huang et al. 2017), saved as `ensemble.json`. */
export async function useSnapshots(
  prepared: Prepared,
  context: Context,
  { whole, best, keeper }: { whole: WholeState; best: Best; keeper: BestKeeper },
): Promise<Best> {
  const { session, options } = context
  const { net, objective } = prepared
  const names = whole.snapshots ?? []
  const paths = names.map(name => `${place(name, session, options)}.safetensors`)
  if (names.length < 2) {
    const what = options.snapshots ? 'ensemble' : 'mean of weights'
    session.choice(
      what,
      'none',
      `only one cycle has ended, so there is nothing to average; use more ${option('epochs')} or a shorter ${option('cycleLen')}`,
    )
    return best
  }
  let kept = best
  if (options.swa) {
    const last = scope(() => keep(new Map(Array.from(net.net.stateDict(), ([k, t]) => [k, t.detach().clone()]))))
    const averaged = await averageOf(prepared, context, paths)
    const better = isBetter(averaged, best)
    session.choice(
      'mean of weights',
      said(objective.metric, averaged.score),
      `over the ends of ${plural(names.length, 'cycle')}, loss ${averaged.loss.toFixed(3)}; ${better ? 'this is the best on validation and is kept' : 'the best weights so far validate better and are kept'}`,
    )
    if (better) {
      kept = { ...averaged, epoch: whole.learner.epoch, size: prepared.size }
      keeper.offer(kept)
    }
    net.net.loadStateDict(last)
    for (const t of last.values()) t.dispose()
  }
  if (options.snapshots) await saveEnsemble(prepared, context, { names, paths })
  return kept
}

/** Puts the equal mean of saved weights into the net; returns its validation results. */
export async function averageOf(prepared: Prepared, { session, options, signal }: Context, paths: readonly string[]) {
  const { net, objective, source, batchSize, seed, precision } = prepared
  const { names: classes } = objective
  const own = net.net.stateDict()
  noGrad(() => {
    for (const [i, path] of paths.entries())
      scope(() => {
        const before = new Map(Array.from(own, ([name, t]) => [name, t.detach().clone()]))
        net.net.loadStateDict(readWeights(path))
        if (i === 0) return
        for (const [name, t] of own)
          if (t.dtype.startsWith('float'))
            t.copy_(
              before
                .get(name)!
                .mul(i / (i + 1))
                .add(t.div(i + 1)),
            )
      })
  })
  const train = source('train', { augmented: true })
  const how = { classes, objective, batchSize, seed, precision, ranks: session.ranks }
  const learn = new Learner(net, { train, valid: source('valid'), ...how })
  learn.bnFreeze = keepsStatistics(options, { samples: train.count, batchSize })
  await recomputeBatchNorm(net, train, { batchSize, precision, seed, trainMode: () => learn.trainMode(), signal })
  return validated(await learn.validate(undefined, { signal }))
}

async function saveEnsemble(
  prepared: Prepared,
  { session, options, signal }: Context,
  { names, paths }: { names: readonly string[]; paths: readonly string[] },
): Promise<void> {
  const { net, objective, source, batchSize, seed, precision } = prepared
  const { task, names: classes } = objective
  const valid = source('valid')
  const how = { classes, objective, batchSize, seed, precision, ranks: session.ranks }
  const learn = new Learner(net, { train: source('train'), ...how })
  const outputs = await ensemble(net, paths, async () => (await learn.validate(valid, { signal })).probabilities)
  // Of samples, as `predict` tells them, where rows are parts of samples.
  const held = {
    probabilities: meanByPart(outputs, valid.parts, classes.length),
    targets: onceByPart(valid.targets, valid.parts, task === 'single' ? 1 : classes.length),
  }
  const { probabilities, temperature, thresholds } = decideTogether(session, { task, classes, seed }, held, {
    metric: options.thresholdFor,
    of: 'ensemble ',
  })
  const metrics: Record<string, number> = thresholds
    ? labelScores(probabilities, held.targets, classes.length, thresholds.thresholds)
    : objective.score(probabilities, held.targets)
  const decided = decisions({ temperature, thresholds })
  const card: ModelCard = { ...modelCard(prepared, options, metrics, decided), members: names }
  writeAtomic(join(session.run.dir, 'ensemble.json'), `${JSON.stringify(card, null, 2)}\n`)
  session.choice(
    'ensemble',
    said(objective.metric, metrics[objective.metric]!),
    `averages ${plural(names.length, 'net')}, one from the end of each cycle; saved as ensemble.json`,
  )
}
