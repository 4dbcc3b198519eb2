import {
  metricInfo,
  metricText,
  orderMetrics,
  type PartResult,
  type TtaPart,
  type TtaResult,
} from '../../runs/index.ts'
import type { Outputs } from '../../train/objective.ts'
import { type TtaOptions, tta } from '../../train/tta.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'

type Part = 'valid' | 'test'

/** Compares test-time augmentation with the plain result, if the options ask for it, at the temperature and thresholds
 *  of prediction. `score` returns the metrics of a split's outputs. */
export async function compareViews(
  prepared: Prepared,
  context: Context,
  {
    temperature,
    score,
    plain,
  }: {
    temperature: number
    score(outputs: Outputs, part: Part): Record<string, number>
    plain: { valid: PartResult; test?: PartResult }
  },
): Promise<TtaResult | undefined> {
  const { session, options } = context
  if (options.tta === undefined || options.tta === false) return undefined
  const views = typeof options.tta === 'number' ? options.tta : 4
  const join = options.ttaMax ? 'max' : 'mean'
  const { task } = prepared.objective
  const compare = async (part: Part, { metrics }: PartResult): Promise<TtaPart> => {
    const augmented = score(await outputsOf(prepared, context, { part, views, join, temperature }), part)
    const list = orderMetrics(Object.keys(augmented), task).map(name => {
      const digits = metricInfo(name, task).unit === 'share' ? 2 : 4 // the difference is small
      const plain = metrics[name] ?? Number.NaN
      return `${metricText(name, augmented[name], { task, digits })} (plain ${metricInfo(name, task).say(plain, digits)})`
    })
    session.emit({ type: 'line', text: `test-time augmentation, ${part}: ${list.join(', ')}` })
    return { plain: metrics, augmented }
  }
  const valid = await compare('valid', plain.valid)
  return { views, join, valid, ...(plain.test ? { test: await compare('test', plain.test) } : {}) }
}

/** Outputs joined over the plain view and the augmented ones, [N × classes]. */
function outputsOf(
  { net, objective, source, batchSize, precision }: Prepared,
  { session: { ranks }, signal }: Context,
  { part, views, join, temperature }: { part: Part; views: number; join: TtaResult['join']; temperature: number },
): Promise<Outputs> {
  const activate: typeof objective.activate = x => objective.activate(temperature === 1 ? x : x.div(temperature))
  const how: TtaOptions = {
    objective: { names: objective.names, activate },
    views,
    batchSize: 2 * batchSize,
    precision,
    signal,
    ranks,
    ...(join === 'max' ? { plain: 'max' } : {}),
  }
  return tta(net, { plain: source(part), augmented: source(part, { augmented: true }) }, how)
}
