import { didYouMean, TrainingError } from '../base/errors.ts'
import { optim } from '../torch/index.ts'

const named = { adamw: optim.adamw, adam: optim.adam, sgd: optim.sgd }
/** The name of an optimizer in `optim`. */
export type OptimizerName = keyof typeof named
/** Your own optimizer: gets parameter groups with `params`, `lr` and `weightDecay`, and has as many `groups` in the
 *  same order. Before each step the loop writes `lr` (and `momentum`, if the schedule has it) into them.
 *  `optim.optimizer` makes one from a single update rule, with its state for checkpoints. */
export type OptimizerFunction = (groups: readonly optim.GroupOptions[]) => optim.Optimizer

/** The optimizer of these groups. */
export function makeOptimizer(
  kind: OptimizerName | OptimizerFunction,
  groups: readonly optim.GroupOptions[],
): optim.Optimizer {
  if (typeof kind !== 'function') {
    if (Object.hasOwn(named, kind)) return named[kind](groups)
    const names = Object.keys(named)
    throw new TrainingError(
      `optimizer: expected ${names.join(', ')} or a function (groups) => optimizer, got "${String(kind)}".${didYouMean(String(kind), names)}`,
    )
  }
  const made = kind(groups)
  const lacking = (['step', 'zeroGrad', 'state', 'loadState'] as const).filter(
    name => typeof made?.[name] !== 'function',
  )
  if (lacking.length > 0)
    throw new TrainingError(
      `optimizer: your function returned a value without ${lacking.join(', without ')}; make it with optim.optimizer, or see optim.Optimizer`,
    )
  if (made.groups?.length !== groups.length)
    throw new TrainingError(
      `optimizer: your function got ${groups.length} groups and returned ${made.groups?.length ?? 'no'} groups; keep one for each, in the same order`,
    )
  return made
}
