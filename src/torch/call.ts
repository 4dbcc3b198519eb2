import { isTensor, type TensorHandle } from './handle.ts'
import { native } from './native.ts'
import { history } from './scope.ts'

/** An error of libtorch: the operator, the tensors it got, and what it expected. */
export class TorchError extends Error {
  readonly code = 'ERR_TENSOR'
  readonly op: string
  readonly shapes: number[][]
  readonly dtypes: string[]
  readonly devices: string[]
  constructor(op: string, reason: string, received: readonly TensorHandle[], cause?: unknown) {
    const list = received.slice(0, 8).map(t => `${t.dtype} [${t.shape}]${t.device === 'cpu' ? '' : ` on ${t.device}`}`)
    if (received.length > 8) list.push(`${received.length - 8} more`)
    super(`${op}: ${reason}${list.length ? ` (got ${list.join(', ')})` : ''}`, { cause })
    this.name = 'TorchError'
    this.op = op
    this.shapes = received.map(t => t.shape)
    this.dtypes = received.map(t => t.dtype)
    this.devices = received.map(t => t.device)
  }
}

const numbers = new Map<string, number>()

/** The addon's number of an operator: `add` (all overloads), `add.Tensor` (one), `anneal::name` (our own). */
function resolve(name: string): number {
  let found = numbers.get(name)
  if (found === undefined) {
    try {
      found = native.resolve(name)
    } catch (error) {
      throw new TorchError(name, `${(error as Error).message} (libtorch ${native.version()})`, [], error)
    }
    numbers.set(name, found)
  }
  return found
}

/** Whether a call's last argument is its options. */
export const isOptions = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** What looks on while operators are called, for `trace`. */
export interface Observer {
  /** Runs an operator, and sees its arguments and result. */
  called(name: string, args: readonly unknown[], run: () => unknown): unknown
  /** Sees that something is read from tensors: their shape, their elements. */
  asked(what: string, tensors: readonly unknown[]): void
}
let observer: Observer | undefined
/** Sets what looks on from now on; returns what did before. */
export function observe(next: Observer | undefined): Observer | undefined {
  const before = observer
  observer = next
  return before
}

/** Calls an ATen operator by name through the dispatcher: positional arguments, then an optional plain object with the
 *  other arguments by their schema names. */
// biome-ignore lint/suspicious/noExplicitAny: the generated signatures give the type
export function call(name: string, ...args: unknown[]): any {
  if (observer) return observer.called(name, args, () => run(name, args))
  return run(name, args)
}

// biome-ignore lint/suspicious/noExplicitAny: as `call`
function run(name: string, args: readonly unknown[]): any {
  const op = resolve(name)
  const last = args[args.length - 1]
  try {
    return isOptions(last) ? native.call(op, last, ...args.slice(0, -1)) : native.call(op, undefined, ...args)
  } catch (error) {
    throw refused(name, args, error)
  }
}

/** The schemas of the overloads of an operator, in the order in which a call tries them. */
export const schemasOf = (name: string): string[] => native.schemasOf(resolve(name))

const methods: Record<string, unknown> = Object.create(null)

/** Every operator of the loaded libtorch as a function: `operators.conv2d(x, w, { stride: 2, padding: 1 })` is
 *  `call('conv2d', x, w, { stride: 2, padding: 1 })`. Each function is made at its first use. */
export const operators: object = new Proxy(methods, {
  get(made, name: string | symbol) {
    // `then` and symbols are not operators: they are read to check for a promise, or to print.
    if (typeof name === 'symbol' || name === 'then') return undefined
    return (made[name] ??= (...args: unknown[]) => call(name, ...args))
  },
})

/** Runs a function of the addon that is not an operator; its errors become a TorchError too. */
export function ask<T>(what: string, tensors: readonly unknown[], fn: () => T): T {
  observer?.asked(what, tensors)
  try {
    return fn()
  } catch (error) {
    throw refused(what, tensors, error)
  }
}

function refused(op: string, args: readonly unknown[], error: unknown): Error {
  const options = args.findLast(isOptions)
  const given = [...args, ...(options ? Object.values(options) : [])].flat().filter(isTensor)
  const freed = given.find(t => t.disposed)
  if (freed)
    return new TorchError(
      op,
      `a tensor was used after it was freed${history(freed)}`,
      given.filter(t => !t.disposed),
      error,
    )
  // The text after these markers lists C++ frames, or every backend.
  const message = (error as Error).message.split(/\nException raised from|\. This could be because the operator/)[0]!
  return new TorchError(op, message, given, error)
}
