import { type Layer, type nn, noGrad, scope, type Tensor, zeros } from '../torch/index.ts'

/** How to run a net to find its layer groups. */
export interface LayerGroupOptions {
  /** The function that runs the body. Default: the net itself. */
  forward?: Layer
  /** Names of children that do not belong to the body: its classifier. */
  without?: readonly string[]
  channels?: number
  /** Side in pixels of the picture that runs through the net once. */
  size?: number
}

/** The two layer groups of any body, by the names of modules, from input to output: modules at strides up to 8 |
 *  modules at strides 16 and 32, as fastai groups resnets. A net without such strides is cut at half of its depth. One
 *  black picture runs through the body to find them, so this also works for your own network. */
export function layerGroups(
  net: nn.Module,
  { forward = net, without = [], channels = 3, size = 128 }: LayerGroupOptions = {},
): string[][] {
  const calls = trace(net, forward, { channels, size })
  const root = partsOf('', net).filter(part => !without.includes(part.name))
  const parts = root.flatMap(part => stages(part, calls))
  const orders = parts.map(({ module }) => calls.get(module)?.order)
  const first = Math.min(...parts.map((part, i) => (isLate(calls.get(part.module)) ? orders[i]! : Infinity)))
  let order = -1 // a module that is not called itself goes with the one before it
  const groups = cut(
    parts,
    orders.map(own => (order = own ?? order) < first),
  )
  return groups.length === 2 ? groups : halves(root)
}

const cut = (parts: readonly Part[], early: readonly boolean[]): string[][] =>
  [true, false]
    .map(side => parts.filter((_, i) => early[i] === side).map(({ name }) => name))
    .filter(names => names.length > 0)

/** A module with parameters, by its name in the net. */
interface Part {
  name: string
  module: nn.Module
}

/** When a module was first called, and the logarithms of the strides of its input and output; none if they are no
 *  maps. */
interface Call {
  order: number
  before: number | undefined
  after: number | undefined
}

function trace(net: nn.Module, forward: Layer, { channels, size }: { channels: number; size: number }) {
  const calls = new Map<nn.Module, Call>()
  const stride = (x: Tensor) => (x.shape.length === 4 ? Math.round(Math.log2(size / x.shape[2]!)) : undefined)
  const modules = Array.from(net.modules(), ([, m]) => m)
  const training = modules.map(m => m.training)
  const unhook = modules.map(m =>
    m.onForward((_, x, y) => {
      const { order = calls.size, before = stride(x) } = calls.get(m) ?? {}
      calls.set(m, { order, before, after: stride(y) })
      return undefined
    }),
  )
  const [{ dtype, device } = { dtype: 'float32', device: 'cpu' } as const] = net.parameters()
  try {
    net.eval()
    scope(() => {
      noGrad(() => forward(zeros([1, channels, size, size], { dtype, device })))
    })
  } finally {
    for (const off of unhook) off()
    for (const [i, m] of modules.entries()) m.training = training[i]!
  }
  return calls
}

const isLate = (call: Call | undefined): boolean => (call?.after ?? 0) > 3

/** Children with parameters. */
const partsOf = (name: string, module: nn.Module): Part[] =>
  Object.entries(module.children)
    .map(([key, child]) => ({ name: name ? `${name}.${key}` : key, module: child }))
    .filter(part => part.module.parameters().length > 0)

/** A part that goes from strides below 8 to 16 holds several stages: its children. A part that goes from 8 to 16 is a
 *  stage. */
function stages(part: Part, calls: ReadonlyMap<nn.Module, Call>): Part[] {
  const call = calls.get(part.module)
  const inner = partsOf(part.name, part.module)
  const holdsStages = call && isLate(call) && (call.before ?? 0) < 3 && inner.length > 0
  return holdsStages ? inner.flatMap(child => stages(child, calls)) : [part]
}

/** Cuts at the middle of the depth, inside the part that holds most of it. Depth counts the modules with own
 *  weights. */
function halves(root: Part[]): string[][] {
  const depth = ({ module }: Part) =>
    Array.from(module.modules()).filter(([, { own }]) => Object.keys(own.parameters).length > 0).length
  const total = root.reduce((sum, part) => sum + depth(part), 0)
  const open = (part: Part): Part[] => {
    const inner = depth(part) > total / 2 ? partsOf(part.name, part.module) : []
    return inner.length > 0 ? inner.flatMap(open) : [part]
  }
  let sum = 0
  const parts = root.flatMap(open)
  const early = parts.map(part => {
    const middle = sum + depth(part) / 2
    sum += depth(part)
    return middle < total / 2
  })
  return cut(parts, early)
}
