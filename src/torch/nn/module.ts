import { TensorError } from '../../base/errors.ts'
import type { StoredTensor } from '../../weights/index.ts'
import type { DType, MemoryFormat } from '../dtypes.ts'
import { noGrad } from '../grad.ts'
import { keep, scope, tensors } from '../scope.ts'
import { aten, fromArray, type HoldsTensors, type Layer, Tensor } from '../tensor.ts'

/** Modules by their names in weight files. */
export type Children = Record<string, Module>
/** A parameter or buffer, with its name as in a state dict. */
export type NamedTensor = [name: string, value: Tensor]
/** Called with a module's input and output after each call; may return another output. */
export type ForwardHook = (module: Module, input: Tensor, output: Tensor) => Tensor | undefined

/** The parts of a module beside its children and its forward function. */
export interface ModuleOptions {
  /** Its kind, by the usual name: `Conv2d`. */
  kind?: string
  parameters?: Record<string, Tensor | null>
  /** State that is saved but not trained: running statistics. */
  buffers?: Record<string, Tensor>
  fuse?: (next: Layer) => Layer | undefined
}

/** The differences that `loadStateDict` found. */
export interface StateDifferences {
  missing: string[]
  unexpected: string[]
  mismatched: string[]
}

/** A module of named children and a forward function. Call it, or walk it by the names of its weights in files. Each
 *  call is a scope: tensors that it makes and does not return are freed (libtorch keeps those that `backward`
 *  needs). */
export function module<C extends Children>(
  children: C,
  forward: (x: Tensor) => Tensor,
  { kind = 'Module', parameters = {}, buffers = {}, fuse }: ModuleOptions = {},
): Module<C> {
  const hooks = new Set<ForwardHook>()
  let training = true
  const self = ((x: Tensor) =>
    scope(() => {
      let y = forward(x)
      for (const hook of hooks) y = hook(self, x, y) ?? y
      return y
    })) as Module<C>
  Object.setPrototypeOf(self, Module.prototype)
  keep(parameters)
  keep(buffers)
  Object.assign(self, { kind, children, own: { parameters, buffers }, hooks, forward })
  Object.defineProperty(self, 'training', {
    enumerable: true,
    get: () => training,
    set(on: boolean) {
      if (on !== training) changes++
      training = on
    },
  })
  if (fuse) self.fuse = next => (hooks.size > 0 ? undefined : fuse(next))
  return self
}

let changes = 0
/** The remembered result of `make`; it is made again after any module has changed its mode, its hooks or its tensors
 *  (not their values). */
export function whileUnchanged<T>(make: () => T): () => T {
  let made: { value: T; at: number } | undefined
  return () => {
    if (made?.at !== changes) made = { value: make(), at: changes }
    return made.value
  }
}

/** A tensor that is trained. */
export const parameter = (t: Tensor): Tensor => {
  t.requiresGrad = true
  return t
}

// A module is a plain function with this prototype; the interface gives it its call signature.
export interface Module<C extends Children = Children> extends Layer {
  readonly kind: string
  readonly children: C
  readonly own: { parameters: Record<string, Tensor | null>; buffers: Record<string, Tensor> }
  /** Whether it is in training mode, which changes Dropout and BatchNorm. `train()` and `eval()` set it for the whole
   *  tree. */
  training: boolean
  readonly hooks: Set<ForwardHook>
  /** The function that it computes, without its hooks. */
  readonly forward: (x: Tensor) => Tensor
}

/** A layer with named parameters, buffers and children; made by `module` and the functions of `nn`. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: a callable object has no other spelling
// biome-ignore lint/correctness/noUnusedVariables: the interface of the same name takes it
export class Module<C extends Children = Children> extends Function implements HoldsTensors {
  /** This module and all below it, with dotted names; itself first, named ''. */
  *modules(prefix = ''): Generator<[name: string, module: Module]> {
    yield [prefix, this as unknown as Module]
    for (const [name, child] of Object.entries(this.children)) yield* child.modules(join(prefix, name))
  }
  *namedParameters(prefix = ''): Generator<NamedTensor> {
    for (const [name, m] of this.modules(prefix))
      for (const [key, t] of Object.entries(m.own.parameters)) if (t) yield [join(name, key), t]
  }
  *namedBuffers(prefix = ''): Generator<NamedTensor> {
    for (const [name, m] of this.modules(prefix))
      for (const [key, t] of Object.entries(m.own.buffers)) yield [join(name, key), t]
  }
  parameters(): Tensor[] {
    return [...new Set(Array.from(this.namedParameters(), ([, t]) => t))]
  }

  train(on = true): this {
    this.training = on
    for (const child of Object.values(this.children)) child.train(on)
    return this
  }
  eval(): this {
    return this.train(false)
  }
  requiresGrad(on: boolean): this {
    for (const t of this.parameters()) t.requiresGrad = on
    return this
  }
  zeroGrad(): void {
    for (const t of this.parameters()) t.grad = null
  }

  /** Parameters and buffers by name, in the field's order, as the tensors themselves. */
  stateDict(prefix = ''): Map<string, Tensor> {
    const state = new Map<string, Tensor>()
    for (const [name, m] of this.modules(prefix))
      for (const [key, t] of [...Object.entries(m.own.parameters), ...Object.entries(m.own.buffers)])
        if (t) state.set(join(name, key), t)
    return state
  }
  /** Copies values in by name. Strict: throws if there are differences, and lists them; otherwise returns them. */
  loadStateDict(state: ReadonlyMap<string, Tensor | StoredTensor>, { strict = true } = {}): StateDifferences {
    return loadStateDict(this.stateDict(), state, strict)
  }

  /** Converts parameters and buffers to new tensors; only floating-point ones change their type. */
  to(like: { dtype?: DType; device?: string; memoryFormat?: MemoryFormat }): this {
    changes++
    const done = new Map<Tensor, Tensor>() // a tensor that modules share stays shared
    for (const m of new Set(Array.from(this.modules(), ([, m]) => m)))
      for (const table of [m.own.parameters, m.own.buffers])
        for (const [key, t] of Object.entries(table)) {
          if (!t) continue
          if (!done.has(t)) done.set(t, converted(t, like))
          table[key] = done.get(t)!
        }
    return this
  }

  /** Calls `hook` after each call of this module, until the returned function is called. */
  onForward(hook: ForwardHook): () => void {
    changes++
    this.hooks.add(hook)
    return () => {
      changes++
      return this.hooks.delete(hook)
    }
  }
  *[tensors](): Generator<Tensor> {
    for (const [, t] of this.namedParameters()) yield t
    for (const [, t] of this.namedBuffers()) yield t
  }
}

const join = (prefix: string, name: string) => (prefix && name ? `${prefix}.${name}` : prefix || name)

function converted(
  t: Tensor,
  { dtype, device, memoryFormat }: { dtype?: DType; device?: string; memoryFormat?: MemoryFormat },
): Tensor {
  const floating = t.dtype.includes('float')
  const now = noGrad(() =>
    scope(() => {
      let out = t.detach()
      if ((dtype && floating) || device) out = out.to(dtype && floating ? dtype : t.dtype, device ? { device } : {})
      if (memoryFormat && t.shape.length === 4) out = out.contiguous(memoryFormat)
      return keep(aten.alias(out))
    }),
  )
  now.requiresGrad = t.requiresGrad
  t.dispose()
  return now
}

function loadStateDict(
  own: Map<string, Tensor>,
  state: ReadonlyMap<string, Tensor | StoredTensor>,
  strict: boolean,
): StateDifferences {
  // Files from before PyTorch 0.4.1 have no count of batches; nothing is lost.
  const missing = [...own.keys()].filter(name => !state.has(name) && !name.endsWith('num_batches_tracked'))
  const unexpected = [...state.keys()].filter(name => !own.has(name))
  const mismatched: string[] = []
  for (const [name, t] of own) {
    const given = state.get(name)
    if (given && String(given.shape) !== String(t.shape))
      mismatched.push(`${name} [${given.shape}], expected [${t.shape}]`)
  }
  if (strict && missing.length + unexpected.length + mismatched.length > 0)
    throw new TensorError(differences({ missing, unexpected, mismatched }))
  noGrad(() =>
    scope(() => {
      for (const [name, t] of own) {
        const given = state.get(name)
        if (!given || String(given.shape) !== String(t.shape)) continue
        t.copy_(given instanceof Tensor ? given : fromArray(given.data, given.shape, { dtype: given.dtype as DType }))
      }
    }),
  )
  return { missing, unexpected, mismatched }
}

function differences({ missing, unexpected, mismatched }: StateDifferences): string {
  const list = (label: string, names: string[]) =>
    names.length ? [`${names.length} ${label}: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`] : []
  return `the weights are not of this architecture. ${[...list('of another shape', mismatched), ...list('missing', missing), ...list('unexpected', unexpected)].join('; ')}. Is it the right model for the file?`
}
