import { confusionRows, writeInterpretation } from '../interpret/index.ts'
import type { RunResult } from '../runs/index.ts'
import { Learner } from '../train/learner.ts'
import type { Best } from './best.ts'
import { explain } from './explain.ts'
import type { StageResult } from './five-steps.ts'
import type { Context, Prepared } from './prepare.ts'

/** What of a result is known once the best weights are in the net. */
export type FinishedFacts = Omit<RunResult, 'run' | 'model' | 'classes' | 'epochs' | 'seconds'>

/** What follows training, with the best weights in the net: how they do on validation and test pictures, and what is to
 *  be seen of it. */
export async function finish(
  prepared: Prepared,
  { session, signal }: Context,
  _: { stages: readonly StageResult[]; best: Best },
): Promise<FinishedFacts> {
  const { classes, source } = prepared
  const learn = evaluator(prepared)
  const valid = await learn.validate(source('valid'), { signal })
  const testSource = source('test')
  if (testSource.count > 0) session.emit({ type: 'phase', phase: 'test' })
  const test = testSource.count > 0 ? await learn.validate(testSource, { signal }) : undefined
  writeInterpretation(session.run.paths.interpret, {
    ...(await explain(prepared, valid)),
    ...(test
      ? { test: { accuracy: test.accuracy, loss: test.loss, confusion: confusionRows(test, classes.length) } }
      : {}),
  })
  return {
    accuracy: valid.accuracy,
    loss: valid.loss,
    ...(test ? { test: { accuracy: test.accuracy, loss: test.loss, pictures: testSource.count } } : {}),
  }
}

function evaluator({ net, source, classes, objective, batchSize, seed, precision }: Prepared): Learner {
  return new Learner(net, { train: source('train'), classes, objective, batchSize, seed, precision })
}
