import { TensorError } from '../../base/errors.ts'
import { zeros } from '../create.ts'
import { noGrad } from '../grad.ts'
import { keep, scope, tensors } from '../scope.ts'
import { aten, type HoldsTensors, Tensor } from '../tensor.ts'

/** Parameters that share a learning rate, a weight decay and a momentum; each may be changed between steps. */
export interface ParameterGroup {
  readonly params: readonly Tensor[]
  lr: number
  weightDecay: number
  /** SGD's momentum, Adam's β₁. */
  momentum: number
}
/** A group in the arguments of an optimizer; missing values are the optimizer's defaults. */
export type GroupOptions = { params: readonly Tensor[] } & Partial<Omit<ParameterGroup, 'params'>>

/** Slots of state by name: one tensor per parameter, in the order of the group. */
export type Slots = Record<string, Tensor[]>

/** The input of an update: parameters with a gradient, their gradients and state, and how many steps they have
 *  taken. */
export interface Update {
  group: ParameterGroup
  params: Tensor[]
  grads: Tensor[]
  slots: Slots
  step: number
}

/** The state of an optimizer, for a checkpoint. */
export interface OptimizerState {
  step: number
  tensors: Map<string, Tensor>
}

/** Changes parameters by their gradients; made by the functions of `optim`. */
export interface Optimizer extends HoldsTensors {
  readonly groups: readonly ParameterGroup[]
  /** Changes every parameter that has a gradient. */
  step(): void
  /** Drops the gradients. */
  zeroGrad(): void
  /** The number of steps, and the state's own tensors (no copies) by `group.slot.index`; the slot `step` counts the
   *  steps of a parameter. */
  state(): OptimizerState
  loadState(state: OptimizerState): void
}

/** An optimizer from one rule: its slots and its update, by an own kernel if there is one for it, else with libtorch's
 *  foreach operators (one call for all parameters of a group). Parameters without a gradient are skipped, as in
 *  torch. */
export function optimizer(
  params: readonly Tensor[] | readonly GroupOptions[],
  defaults: Omit<ParameterGroup, 'params'>,
  slotNames: readonly string[],
  update: (u: Update) => void,
): Optimizer {
  const given = params as readonly (Tensor | GroupOptions)[]
  const list =
    given.length && given.every(p => p instanceof Tensor) ? [{ params: given as Tensor[] }] : (given as GroupOptions[])
  const groups = list.map(group => ({ ...defaults, ...group }))
  if (groups.every(g => g.params.length === 0))
    throw new TensorError('an optimizer needs at least one parameter; is everything frozen?')
  for (const { lr } of groups)
    if (!(lr >= 0)) throw new TensorError(`the learning rate must be a number from 0, got ${lr}`)

  // State begins when a parameter first has a gradient, and counts its own steps: Adam's correction needs them.
  const states: (State | undefined)[][] = groups.map(g => g.params.map(() => undefined))
  let steps = 0

  const stateOf = (g: number, i: number, like: Tensor) =>
    (states[g]![i] ??= keep({ step: 0, slots: Object.fromEntries(slotNames.map(name => [name, zerosOf(like)])) }))

  return {
    groups,
    step() {
      steps++
      noGrad(() =>
        scope(() => {
          for (const [g, group] of groups.entries()) {
            const updates = new Map<number, Update>() // one for all parameters that have taken as many steps
            for (const [i, param] of group.params.entries()) {
              const gradient = param.grad
              if (!gradient) continue
              const own = stateOf(g, i, param)
              const step = ++own.step
              if (!updates.has(step)) updates.set(step, { group, step, params: [], grads: [], slots: lists(slotNames) })
              const u = updates.get(step)!
              u.params.push(param)
              u.grads.push(gradient)
              for (const name of slotNames) u.slots[name]!.push(own.slots[name]!)
            }
            for (const u of updates.values()) update(u)
          }
        }),
      )
    },
    zeroGrad() {
      for (const group of groups) for (const param of group.params) param.grad = null
    },
    state() {
      const found = new Map<string, Tensor>()
      for (const [g, group] of states.entries())
        for (const [i, own] of group.entries()) {
          if (!own) continue
          for (const [name, t] of Object.entries(own.slots)) found.set(`${g}.${name}.${i}`, t)
          own.count ??= keep(zeros([], { dtype: 'int64' }))
          found.set(`${g}.step.${i}`, own.count.fill_(own.step))
        }
      return { step: steps, tensors: found }
    },
    loadState(state) {
      steps = state.step
      noGrad(() =>
        scope(() => {
          for (const [key, t] of state.tensors) {
            const [g, name, i] = key.split('.') as [string, string, string]
            const param = groups[Number(g)]?.params[Number(i)]
            if (!param || !(name === 'step' || slotNames.includes(name)))
              throw new TensorError(`the optimizer's state has the unknown key "${key}"`)
            const own = stateOf(Number(g), Number(i), param)
            if (name === 'step') own.step = t.item()
            else own.slots[name]!.copy_(t)
          }
          for (const [g, group] of states.entries())
            for (const [i, own] of group.entries()) {
              if (!own || state.tensors.has(`${g}.step.${i}`)) continue
              for (const t of tensorsOf(own)) t.dispose()
              group[i] = undefined
            }
        }),
      )
    },
    *[tensors]() {
      for (const group of states) for (const own of group) if (own) yield* tensorsOf(own)
    },
  }
}

interface State {
  step: number
  slots: Record<string, Tensor>
  /** `step` as a tensor, made at its first use. */
  count?: Tensor
}

const tensorsOf = ({ slots, count }: State): Tensor[] => [...Object.values(slots), ...(count ? [count] : [])]
const lists = (names: readonly string[]): Slots => Object.fromEntries(names.map(name => [name, []]))

const zerosOf = (like: Tensor): Tensor => aten.zeros_like(like, { memory_format: 'preserve_format' })
