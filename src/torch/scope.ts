import { handle, idOf, setId, type TensorHandle } from './handle.ts'
import { native } from './native.ts'

/** JavaScript's garbage collector does not see tensor memory, so tensors belong to scopes: at the end of a scope the
 *  tensors that it made and did not return are freed. A module call, a training step and a validation batch are
 *  scopes. */
interface Scope {
  made: TensorHandle[]
}

type Owned = { [owner]?: Scope | undefined }
const owner = Symbol('scope')

const scopes: Scope[] = []
const debug = process.env.ANNEAL_DEBUG === '1'
const traces = new WeakMap<TensorHandle, { made: string; freed?: string }>()

// For tensors that no scope owns: freed when the garbage collector finds them; it knows their size.
const collected = new FinalizationRegistry<{ id: number; bytes: number }>(({ id, bytes }) => {
  if (native.free(id)) native.adjustMemory(-bytes)
})
const watched = new WeakMap<TensorHandle, number>()

/** Called by every new tensor. */
export function adopt(t: TensorHandle): void {
  if (debug) traces.set(t, { made: trace() })
  const scope = scopes[scopes.length - 1]
  if (scope) own(t, scope)
  else watch(t)
}

function own(t: TensorHandle, scope: Scope): void {
  ;(t as unknown as Owned)[owner] = scope
  scope.made.push(t)
}

function watch(t: TensorHandle): void {
  ;(t as unknown as Owned)[owner] = undefined
  const bytes = native.byteLength(t)
  native.adjustMemory(bytes)
  watched.set(t, bytes)
  collected.register(t, { id: idOf(t), bytes }, t)
}

/** Called by every new generator, which is freed when the garbage collector finds it. */
export function adoptGenerator(g: object): void {
  collected.register(g, { id: idOf(g), bytes: 0 })
}

/** Frees a tensor now; a second call does nothing. */
export function release(t: TensorHandle): void {
  const id = idOf(t)
  if (id === 0) return
  if (debug) traces.get(t)!.freed = trace()
  const bytes = watched.get(t)
  if (bytes !== undefined) {
    collected.unregister(t)
    native.adjustMemory(-bytes)
    watched.delete(t)
  }
  native.free(id)
  setId(t, 0)
}

/** The name of the method by which a `HoldsTensors` lists its tensors. */
export const tensors: unique symbol = Symbol('tensors')
type Holder = { [tensors](): Iterable<TensorHandle> }

const isHolder = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'

function* found(value: unknown, seen = new Set<object>()): Generator<TensorHandle> {
  if (!isHolder(value) || seen.has(value)) return
  seen.add(value)
  if (handle in value) yield value as TensorHandle
  else if (tensors in value) yield* (value as Holder)[tensors]()
  else for (const inner of inside(value)) if (isHolder(inner)) yield* found(inner, seen)
}

function inside(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value
  if (value instanceof Map) return value.values()
  return Object.getPrototypeOf(value) === Object.prototype ? Object.values(value) : []
}

/** Runs `fn`; every tensor made inside is freed at the end, unless it is returned (in arrays, plain objects, maps,
 *  modules) or kept. An exception frees them all. `fn` must not be async: a scope is a stretch of one thread. */
export function scope<T>(fn: () => T): T {
  const parent = scopes[scopes.length - 1]
  const mine: Scope = { made: [] }
  scopes.push(mine)
  try {
    const result = fn()
    refusePromise('scope', result)
    for (const t of found(result)) {
      if ((t as unknown as Owned)[owner] !== mine || idOf(t) === 0) continue
      if (parent) own(t, parent)
      else watch(t)
    }
    return result
  } finally {
    scopes.pop()
    for (const t of mine.made) if ((t as unknown as Owned)[owner] === mine) release(t)
  }
}

/** Throws if an async function was passed, of which only the part before its first await would run inside. */
export function refusePromise<T>(what: string, result: T): T {
  if (!(result instanceof Promise)) return result
  result.catch(() => undefined) // its tensors are gone, so it may fail too: this error is the one to read
  throw new TypeError(`${what}: the function must not be async; call ${what} between two awaits`)
}

/** Takes tensors out of every scope: they live until `dispose()` or until the garbage collector finds them. For
 *  parameters, optimizer state, or a running total over several steps. */
export function keep<T>(value: T): T {
  for (const t of found(value)) if ((t as unknown as Owned)[owner]) watch(t)
  return value
}

/** How many tensors are alive; if a training loop raises it, the loop leaks. */
export const liveTensors = (): number => native.live()

/** Where a freed tensor was made and freed (with ANNEAL_DEBUG=1), for the error's text. */
export function history(t: TensorHandle): string {
  const known = traces.get(t)
  return known
    ? `\nmade at:\n${known.made}\nfreed at:\n${known.freed ?? '(not freed)'}`
    : ' (ANNEAL_DEBUG=1 shows where it was made and freed)'
}

const trace = (): string => new Error().stack?.split('\n').slice(4, 12).join('\n') ?? ''
