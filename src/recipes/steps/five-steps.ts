import { TrainingError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import type { ClassCount, Split } from '../../data/types.ts'
import { type RunResult, writeSeen } from '../../runs/index.ts'
import { saveModel } from '../../train/saved-model.ts'
import { readWeights } from '../../weights/index.ts'
import { prepare } from '../prepare/prepare.ts'
import { netTensors, type Prepared } from '../prepare/prepared.ts'
import { modelCard } from '../results/model-card.ts'
import { atTestSize, finish } from '../results/results.ts'
import { stopwatch } from '../results/stopwatch.ts'
import type { Context } from '../run/context.ts'
import { contentDifference } from '../run/moved-files.ts'
import { explainQuality } from '../run/quality.ts'
import { type Best, BestKeeper } from './best-weights.ts'
import { trainStage } from './one-size.ts'
import type { StageResult } from './types.ts'

/** The result of a run, and what it worked with. */
export interface FiveSteps {
  result: RunResult
  prepared: Prepared
}

/** The five easy steps over labelled samples: finds the learning rate; trains the head; unfreezes; lowers the rates of
 *  earlier layers; trains the whole net in cycles until it overfits or the budget is used up. With several sizes the
 *  steps run at each size, from the best weights so far. At the end the best weights by validation are in the run
 *  folder and in the net. */
export async function fiveSteps<O extends object>(path: string, context: Context<O>): Promise<FiveSteps> {
  const { domain, session } = context
  const clock = stopwatch()
  explainQuality(session, context.options, domain)
  const first: Prepared = await prepare(domain, path, { ...context, narrator: session })
  accept(first, context, path)
  clock.lap('data')

  const stem = weightsStem(session.run.paths.best)
  let prepared = first
  const keeper = new BestKeeper(best => {
    if (session.ranks.isFirst)
      saveModel(stem, prepared.net.net.stateDict(), modelCard(prepared, context.options, cardMetrics(best)))
    session.know('kept', best)
  })
  keeper.restore(session.known('kept'))
  const done: StageResult[] = []
  for (const [stage, size] of first.sizes.entries()) {
    const known = session.known(`stage ${stage}`)
    if (known) {
      done.push(known)
      continue
    }
    prepared = await first.at(size)
    if (stage > 0) beginFromBest(first, context, { stage, before: done.at(-1)! })
    const result = await trainStage(prepared, context, { stage, before: done.at(-1), keeper, clock })
    if (stage === first.sizes.length - 1) saveLast(prepared, context, { stage, result })
    else session.know(`stage ${stage}`, result)
    done.push(result)
  }
  session.stands(
    'the trained weights',
    'what follows training: results on the validation and test samples, and the report',
  )
  const best = keeper.best!
  const trained = await first.at(best.size)
  loadFromFirst(trained, session, session.run.paths.best.weights)
  const tested = await atTestSize(trained, context)
  const evaluated = tested === trained ? keeper.evaluated : undefined
  const facts = await finish(tested, context, { stages: done, best, evaluated })
  clock.lap('report')
  const result: RunResult = {
    run: session.run.dir,
    model: first.modelName,
    classes: [...first.objective.names],
    ...facts,
    epochs: done.at(-1)!.epochs,
    seconds: { ...clock.laps, total: session.run.seconds },
  }
  return { result, prepared: tested }
}

/** Loads weights that the first rank has kept, into the nets of all ranks. */
function loadFromFirst({ net }: Prepared, { ranks }: Context['session'], path: string): void {
  if (ranks.isFirst) net.net.loadStateDict(readWeights(path))
  ranks.copyFirst(net.net.stateDict().values())
}

/** Checks that there are enough data and that a resumed run has the same data as before; records them in the run. */
export function accept(prepared: Prepared, { session, domain, accepted }: Context, path: string): void {
  const { data, hash } = prepared
  if (data.of('valid').length === 0)
    throw new TrainingError(
      `${path}: no ${domain.words.one} is left for validation; give more ${domain.words.many} for each class, or a validation part.`,
    )
  checkSameData(session, prepared)
  session.ranks.compare(`${domain.words.many}, labels or split`, data.fingerprint)
  session.ranks.compareTensors('weights before the first step', prepared.net.net.stateDict())
  accepted?.()
  const hashes = (split: Split) => data.of(split).map(hash)
  writeSeen(session.run.dir, { train: hashes('train'), valid: hashes('valid') })
}

/** Puts the best weights so far into the net for the next size. */
function beginFromBest(
  first: Prepared,
  { session }: Context,
  { stage, before }: { stage: number; before: StageResult },
): void {
  if (session.known('at') === stage) return
  loadFromFirst(first, session, session.run.paths.best.weights)
  session.know('at', stage)
  session.checkpoint({ step: before.step, epoch: before.epochs, tensors: netTensors(first) })
}

/** Saves the weights of the last epoch before its size counts as done, since a run that resumes after it has other
 *  weights in its net. */
function saveLast(
  prepared: Prepared,
  { session, options }: Context,
  { stage, result }: { stage: number; result: StageResult },
): void {
  const { best, epochs, step } = result
  const card = modelCard(prepared, options, { ...cardMetrics(best), epoch: epochs })
  saveModel(weightsStem(session.run.paths.last), prepared.net.net.stateDict(), card)
  session.know(`stage ${stage}`, result)
  session.checkpoint({ step, epoch: epochs })
}

/** The path of weights without its ending. */
export const weightsStem = (path: { weights: string }) => path.weights.replace(/\.safetensors$/, '')

/** The metrics of the best weights as the card keeps them. */
const cardMetrics = ({ metrics, loss, epoch }: Best) => ({ ...metrics, loss, epoch })

/** A resumed run must see the samples that it began with. */
function checkSameData(session: Context['session'], { data, hash, domain }: Prepared): void {
  const now = { fingerprint: data.fingerprint, counts: data.counts }
  const then = session.known('data')
  const same = then?.fingerprint === now.fingerprint
  const content = same ? undefined : contentDifference(session.run.dir, data, { hash, words: domain.words })
  const counts = then && !same ? differences(then.counts, now.counts) : undefined
  if (content !== undefined || counts !== undefined)
    throw new TrainingError(
      `${data.dir}: the ${domain.words.many} are not those that the run began with (${[counts, content].filter(Boolean).join('; ')}); put them back, give their new place (${option('data')}), or start a new run.`,
    )
  session.know('data', now)
}

function differences(then: readonly ClassCount[], now: readonly ClassCount[]): string {
  const count = ({ train, valid, test }: ClassCount) =>
    `${train} train, ${valid} valid${test > 0 ? `, ${test} test` : ''}`
  const was = new Map(then.map(c => [c.name, count(c)]))
  const is = new Map(now.map(c => [c.name, count(c)]))
  const lines = [...new Set([...was.keys(), ...is.keys()])].flatMap(name =>
    was.get(name) === is.get(name)
      ? []
      : [`${name}: ${was.get(name) ?? 'no class'} then, ${is.get(name) ?? 'none'} now`],
  )
  return lines.length > 0
    ? `${lines.slice(0, 5).join('; ')}${lines.length > 5 ? `; and ${lines.length - 5} more` : ''}`
    : 'the same number in each class, but other content, another order or other labels'
}
