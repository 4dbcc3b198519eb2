import { AnnealError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import type { ClassCount, Split } from '../../data/index.ts'
import { type RunResult, writeSeen } from '../../runs/index.ts'
import type { Evaluation } from '../../train/evaluate.ts'
import { saveModel } from '../../train/saved-model.ts'
import { readWeights } from '../../weights/index.ts'
import { netTensors, type Prepared, prepare } from '../prepare/prepare.ts'
import { modelCard } from '../results/model-card.ts'
import { atTestSize, finish } from '../results/results.ts'
import type { Context } from '../run/context.ts'
import { contentDifference } from '../run/moved-files.ts'
import { asGood, type Best } from './best-weights.ts'
import { trainStage } from './one-size.ts'

/** What a run came to, and what it worked with. */
export interface FiveSteps {
  result: RunResult
  prepared: Prepared
}

/** How one size of pictures ended. */
export interface StageResult {
  size: number
  /** The best weights of this size, by validation. */
  best: Best
  /** Epochs and steps so far, over all sizes. */
  epochs: number
  step: number
  /** The rate of the head, for the next size to begin with; none where it had no phase of its own. */
  headLr?: number | undefined
}

/** The five easy steps over labelled pictures: finds the rate; trains the last layer; unfreezes; lowers the rates of
 *  earlier layers; trains the whole net in cycles until it overfits or the budget is used. With several sizes the steps
 *  are taken at each, from the best weights so far. The best weights, as validated, are in the run folder and in the net
 *  at the end. */
export async function fiveSteps(dir: string, context: Context): Promise<FiveSteps> {
  const { session } = context
  const clock = stopwatch()
  const first = await prepare(dir, context)
  if (first.source('valid').count === 0)
    throw new AnnealError(
      `${dir}: no picture is left for validation; give more pictures a class, or a validation folder.`,
    )
  checkSameData(session, first)
  context.accepted?.()
  noteSeen(session.run.dir, first)
  clock.lap('data')

  const { best: bestPath, last: lastPath } = session.run.paths
  const stem = (path: { weights: string }) => path.weights.replace(/\.safetensors$/, '')
  const done: StageResult[] = []
  let best: Best | undefined
  let evaluated: Evaluation | undefined // how the best weights validated, where they did so in this process
  let prepared = first
  for (const [stage, size] of first.sizes.entries()) {
    const known = session.known(`stage ${stage}`) as StageResult | undefined
    if (known) {
      done.push(known)
      best = known.best.size === size ? better(best, known.best) : best
      continue
    }
    prepared = await first.at(size)
    if (stage > 0 && session.known('at') !== stage) {
      first.net.net.loadStateDict(readWeights(bestPath.weights))
      session.know('at', stage)
      session.checkpoint({ step: done.at(-1)!.step, epoch: done.at(-1)!.epochs, tensors: netTensors(first) })
    }
    const keepBest = (b: Best, how?: Evaluation) => {
      saveModel(stem(bestPath), prepared.net.net.stateDict(), modelCard(prepared, context.options, cardMetrics(b)))
      evaluated = how
    }
    const result = await trainStage(prepared, context, { stage, before: done.at(-1), best, keepBest, clock })
    // Before the size counts as done: a run that goes on behind it has other weights in its net.
    if (stage === first.sizes.length - 1)
      saveModel(
        stem(lastPath),
        prepared.net.net.stateDict(),
        modelCard(prepared, context.options, { ...cardMetrics(result.best), epoch: result.epochs }),
      )
    session.know(`stage ${stage}`, result)
    if (stage === first.sizes.length - 1) session.checkpoint({ step: result.step, epoch: result.epochs })
    done.push(result)
    best = better(best, result.best)
  }
  const last = done.at(-1)!
  session.stands(
    'the trained weights',
    'what follows training: results on validation and test pictures, and the report',
  )
  prepared = await first.at(best!.size)
  prepared.net.net.loadStateDict(readWeights(bestPath.weights))
  const tested = await atTestSize(prepared, context)
  if (tested !== prepared) evaluated = undefined
  prepared = tested
  const facts = await finish(prepared, context, { stages: done, best: best!, evaluated })
  clock.lap('report')
  const result: RunResult = {
    run: session.run.dir,
    model: first.modelName,
    classes: first.classes,
    ...facts,
    epochs: last.epochs,
    seconds: { ...clock.laps, total: session.run.seconds },
  }
  return { result, prepared }
}

/** Numbers of the best weights as the card keeps them. */
const cardMetrics = ({ metrics, loss, epoch }: Best) => ({ ...metrics, loss, epoch })

/** The later of two where it is no worse, for it saw larger pictures. */
const better = (a: Best | undefined, b: Best): Best => (a && !asGood(b, a) ? a : b)

interface KnownData {
  fingerprint: string
  counts: ClassCount[]
}

/** A resumed run must see the pictures that it began with. */
function checkSameData(session: Context['session'], { pictures: { data, hash } }: Prepared): void {
  const now: KnownData = { fingerprint: data.fingerprint, counts: data.counts }
  const then = session.known('data') as KnownData | undefined
  const content = then?.fingerprint === now.fingerprint ? undefined : contentDifference(session.run.dir, data, hash)
  const counts = then && then.fingerprint !== now.fingerprint ? differences(then.counts, now.counts) : undefined
  if (content !== undefined || counts !== undefined)
    throw new AnnealError(
      `${data.dir}: the pictures are not those that the run began with (${[counts, content].filter(Boolean).join('; ')}); put them back, say where they have moved to (${option('data')}), or start a new run.`,
    )
  session.know('data', now)
}

/** Keeps with the run which pictures it is trained and validated on, so that an evaluation knows them again. */
function noteSeen(dir: string, { pictures: { data, hash } }: Prepared): void {
  const hashes = (split: Split) => data.of(split).map(item => hash(item.picture))
  writeSeen(dir, { train: hashes('train'), valid: hashes('valid') })
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
    : 'as many in each class, but of other content, in another order or with other labels'
}

/** Seconds by name, summed. */
export type Stopwatch = ReturnType<typeof stopwatch>
function stopwatch() {
  let last = performance.now()
  const laps: Record<string, number> = {}
  return {
    laps,
    lap(name: string) {
      const now = performance.now()
      laps[name] = Math.round((laps[name] ?? 0) * 100 + (now - last) / 10) / 100
      last = now
    },
  }
}
