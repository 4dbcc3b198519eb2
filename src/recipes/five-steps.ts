import { AnnealError } from '../base/errors.ts'
import { percent } from '../base/format.ts'
import type { ClassCount } from '../data/index.ts'
import { confusionRows, writeInterpretation } from '../interpret/index.ts'
import type { RunResult } from '../runs/index.ts'
import { Learner } from '../train/learner.ts'
import { saveModel } from '../train/saved.ts'
import { readWeights, type StoredTensor } from '../weights/index.ts'
import type { Best } from './best.ts'
import { modelCard } from './card.ts'
import { explain } from './explain.ts'
import { type HeadResult, trainHead } from './head.ts'
import { type Context, type Prepared, prepare } from './prepare.ts'
import { trainWhole, type WholeState } from './whole.ts'

/** What a run came to, and what it worked with. */
export interface FiveSteps {
  result: RunResult
  prepared: Prepared
}

/** The five easy steps over a folder of pictures: finds the rate; trains the last layer; unfreezes; lowers the rates of
 *  earlier layers; trains the whole net in cycles until it overfits or the budget is used. The best weights, as
 *  validated, are in the run folder and in the net at the end. */
export async function fiveSteps(dir: string, context: Context): Promise<FiveSteps> {
  const { session } = context
  const clock = stopwatch()
  const prepared = await prepare(dir, context)
  const { net, modelName, classes } = prepared
  if (prepared.source('valid').count === 0)
    throw new AnnealError(
      `${dir}: no picture is left for validation; give more pictures a class, or a validation folder.`,
    )
  checkSameData(session, prepared)
  clock.lap('data')

  const card = (best: Best) => modelCard(prepared, context.options, best)
  const { best: bestPath, last: lastPath } = session.run.paths
  const stem = (path: { weights: string }) => path.weights.replace(/\.safetensors$/, '')
  const keepBest = (best: Best) => saveModel(stem(bestPath), net.net.stateDict(), card(best))

  const resumed = session.tensors()
  const head = await session.once('head', () => trainHead(prepared, context, best => keepBest({ ...best, epoch: 0 })))
  clock.lap('head')
  const frozen: Best = { accuracy: head.accuracy, loss: head.loss, epoch: 0 }
  if (!resumed) {
    session.emit({ type: 'line', text: `frozen: accuracy ${percent(head.accuracy)}, loss ${head.loss.toFixed(4)}` })
    session.checkpoint({
      step: lastStep(head),
      epoch: head.epochs.length,
      tensors: new Map(Array.from(net.net.stateDict(), ([k, t]) => [`net.${k}`, t])),
    })
  } else loadNet(prepared, resumed)

  const inner = session.inner<WholeState>()
  let best = frozen
  let whole: WholeState | undefined
  if (context.options.epochs !== 0) {
    whole = await trainWhole(prepared, context, {
      head,
      best: frozen,
      keepBest,
      from: inner && resumed ? { state: inner, tensors: resumed } : undefined,
    })
    best = whole.best
  }
  clock.lap('whole')
  saveModel(stem(lastPath), net.net.stateDict(), card({ ...best, epoch: whole?.learner.epoch ?? 0 }))
  net.net.loadStateDict(readWeights(bestPath.weights))

  const learn = evaluator(prepared)
  const valid = await learn.validate(prepared.source('valid'), { signal: context.signal })
  const testSource = prepared.source('test')
  if (testSource.count > 0) session.emit({ type: 'phase', phase: 'test' })
  const test = testSource.count > 0 ? await learn.validate(testSource, { signal: context.signal }) : undefined
  writeInterpretation(session.run.paths.interpret, {
    ...(await explain(prepared, valid)),
    ...(test
      ? { test: { accuracy: test.accuracy, loss: test.loss, confusion: confusionRows(test, classes.length) } }
      : {}),
  })
  clock.lap('report')
  const result: RunResult = {
    run: session.run.dir,
    model: modelName,
    classes,
    accuracy: valid.accuracy,
    loss: valid.loss,
    epochs: head.epochs.length + (whole?.epochsDone ?? 0),
    seconds: { ...clock.laps, total: session.run.seconds },
    ...(test ? { test: { accuracy: test.accuracy, loss: test.loss, pictures: testSource.count } } : {}),
  }
  return { result, prepared }
}

const lastStep = (head: HeadResult) => head.epochs.at(-1)?.step ?? 0

function evaluator({ net, source, classes, batchSize, seed, precision }: Prepared): Learner {
  return new Learner(net, { train: source('train'), classes, batchSize, seed, precision })
}

function loadNet({ net }: Prepared, tensors: ReadonlyMap<string, StoredTensor>): void {
  const own = new Map(
    Array.from(tensors).flatMap(([name, t]) => (name.startsWith('net.') ? [[name.slice(4), t] as const] : [])),
  )
  net.net.loadStateDict(own)
}

interface KnownData {
  fingerprint: string
  counts: ClassCount[]
}

/** A resumed run must see the pictures that it began with. */
function checkSameData(session: Context['session'], { pictures: { data } }: Prepared): void {
  const now: KnownData = { fingerprint: data.fingerprint, counts: data.counts }
  const then = session.known('data') as KnownData | undefined
  if (then && then.fingerprint !== now.fingerprint)
    throw new AnnealError(
      `${data.dir}: the pictures are not those that the run began with (${differences(then.counts, now.counts)}); put them back, or start a new run.`,
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
    : 'as many in each class, but other content or names'
}

function stopwatch() {
  let last = performance.now()
  const laps: Record<string, number> = {}
  return {
    laps,
    lap(name: string) {
      const now = performance.now()
      laps[name] = Math.round((now - last) / 10) / 100
      last = now
    },
  }
}
