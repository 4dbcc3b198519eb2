import type { Phase } from '../../runs/index.ts'
import { said } from '../../train/objective.ts'
import type { StoredTensor } from '../../weights/index.ts'
import { beginsFrozen } from '../options.ts'
import { netTensors, type Prepared } from '../prepare/prepared.ts'
import type { Stopwatch } from '../results/stopwatch.ts'
import type { Context } from '../run/context.ts'
import { type Best, type BestKeeper, validated } from './best-weights.ts'
import { useSnapshots } from './snapshots.ts'
import { trainHead } from './train-head.ts'
import { trainWhole } from './train-whole-net.ts'
import { tuneByPairs } from './tune-by-pairs.ts'
import type { HeadResult, StageResult } from './types.ts'

/** Where one size begins, and the keeper of the best weights. */
export interface StageOptions {
  /** Its number, from 0. */
  stage: number
  /** The size before it. */
  before?: StageResult | undefined
  keeper: BestKeeper
  clock: Stopwatch
}

/** The steps at one size: the head, then the whole net. Goes on from the session's checkpoint if that is of this
 *  stage. */
export async function trainStage(
  prepared: Prepared,
  context: Context,
  { stage, before, keeper, clock }: StageOptions,
): Promise<StageResult> {
  const { session, options } = context
  const { size, sizes } = prepared
  const phase = (name: string): Phase => (sizes.length > 1 ? { phase: name, size } : { phase: name })
  const headState = session.inner('head')
  const wholeState = session.inner('whole')
  const tensors = session.tensors({ going: headState !== undefined })
  if (tensors) loadNet(prepared, tensors)
  const place = { epoch: before?.epochs ?? 0, size }
  const headKnown = session.known(`head ${stage}`)
  // A body from random weights gets a frozen phase at the second size, when it has been trained.
  const head =
    before || beginsFrozen(options)
      ? await session.together(`head ${stage}`, () =>
          trainHead(prepared, context, {
            phase: phase('head'),
            stage,
            before,
            from: headState && tensors ? { state: headState, tensors } : undefined,
            keepBest: found => keeper.offer({ ...found, ...place }),
          }),
        )
      : undefined
  if (head && !headKnown) session.ranks.copyFirst(prepared.net.net.stateDict().values())
  clock.lap('head')
  const frozen: Best | undefined = head && { ...validated(head), ...place }
  if (head && !headKnown) endHead(prepared, context, { head, stage })

  const tuned =
    head && frozen && !before && !wholeState
      ? await tuneByPairs(prepared, context, { head, frozen, keeper })
      : (session.known('pairs') ?? {})
  clock.lap('head')

  // Pairs have trained the whole body: few samples teach it no more, unless somebody asks for it.
  const done = tuned.best !== undefined && options.epochs === undefined
  const whole =
    options.epochs === 0 || done
      ? undefined
      : await trainWhole(prepared, context, {
          phase: phase('whole'),
          head: head && tuned.best ? { ...head, ...validated(tuned.best), l2: tuned.l2 } : head,
          trained: before !== undefined || options.pretrained !== false,
          best: tuned.best ?? frozen,
          byPairs: tuned.best !== undefined,
          until: (stage + 1) / sizes.length,
          keeper,
          from: wholeState && tensors ? { state: wholeState, tensors } : undefined,
        })
  let best = (whole?.best ?? tuned.best ?? frozen)!
  if (whole?.snapshots) best = await useSnapshots(prepared, context, { whole, best, keeper })
  clock.lap('whole')
  const { epoch, step } = (whole?.learner ?? head)!
  const chose: StageResult['chose'] = [
    ...(head && !head.crossValidated ? (['head'] as const) : []),
    ...(whole ? (['weights'] as const) : []),
  ]
  return { size, best, epochs: epoch, step, chose, headLr: head?.lr, ...(whole?.path ? { path: whole.path } : {}) }
}

/** Writes the result of the frozen phase into the log, and saves the net as it is now. */
function endHead(prepared: Prepared, { session }: Context, { head, stage }: { head: HeadResult; stage: number }): void {
  const { metric } = prepared.objective
  const where = stage === 0 ? '' : ` at ${prepared.domain.words.size(prepared.size)}`
  const text = `frozen${where}: ${said(metric, head.score)}, loss ${head.loss.toFixed(4)}`
  session.emit({ type: 'line', text })
  session.know('at', stage)
  session.checkpoint({ step: head.step, epoch: head.epoch, tensors: netTensors(prepared) })
}

function loadNet({ net }: Prepared, tensors: ReadonlyMap<string, StoredTensor>): void {
  const own = new Map(
    Array.from(tensors).flatMap(([name, t]) => (name.startsWith('net.') ? [[name.slice(4), t] as const] : [])),
  )
  net.net.loadStateDict(own)
}
