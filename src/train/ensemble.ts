import { ModelError } from '../base/errors.ts'
import { keep, noGrad, scope, type Tensor } from '../torch/index.ts'
import { readWeights, type StoredTensor } from '../weights/index.ts'
import type { Trainable } from './network.ts'
import type { Outputs } from './objective.ts'

/** Weights of one member: a weight file's path, or the tensors by name. */
export type Member = string | ReadonlyMap<string, Tensor | StoredTensor>

/** The mean prediction of a net with several sets of weights (snapshot ensembles, Huang et al. 2017, arXiv:1704.00109):
 *  `predict` is called once per member with its weights in the net, and returns activated outputs. Afterwards, also
 *  after an error, the net has its own weights again. `shares`: the weights of the members. Default: equal. */
export async function ensemble(
  network: Trainable,
  members: readonly Member[],
  predict: (member: number) => Promise<Outputs>,
  { shares = members.map(() => 1) }: { shares?: readonly number[] } = {},
): Promise<Outputs> {
  const total = shares.reduce((a, b) => a + b, 0)
  if (members.length === 0 || shares.length !== members.length || shares.some(s => !(s >= 0)) || !(total > 0))
    throw new ModelError(
      `ensemble: got ${members.length} members and shares ${shares.join(', ') || 'of none'}; expected one member or more, each with a share from 0`,
    )
  const { net } = network
  const own = noGrad(() => scope(() => keep(new Map(Array.from(net.stateDict(), ([k, t]) => [k, t.detach().clone()])))))
  let sum: Float64Array | undefined
  let numbers = false
  try {
    for (const [i, member] of members.entries()) {
      try {
        net.loadStateDict(typeof member === 'string' ? readWeights(member) : member)
      } catch (cause) {
        const name = typeof member === 'string' ? member : `member ${i + 1}`
        throw new ModelError(`${name}: ${(cause as Error).message}`, { cause })
      }
      const outputs = await predict(i)
      sum ??= new Float64Array(outputs.length)
      numbers = outputs instanceof Float64Array
      if (outputs.length !== sum.length)
        throw new ModelError(`ensemble: member ${i + 1} gave ${outputs.length} outputs, the first ${sum.length}`)
      for (const [k, v] of outputs.entries()) sum[k]! += (v * shares[i]!) / total
    }
  } finally {
    net.loadStateDict(own)
    for (const t of own.values()) t.dispose()
  }
  return numbers ? sum! : Float32Array.from(sum!)
}
