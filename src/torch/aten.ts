import { call } from './call.ts'
import type { Aten } from './ops.generated.ts'

/** Every operator of the loaded libtorch, by name: `aten.conv2d(x, w, { stride: 2, padding: 1 })`. The signatures are
 *  generated from the schemas; the arguments select the overload. */
export const aten: Aten = new Proxy(Object.create(null) as Record<string, unknown>, {
  get(made, name: string | symbol) {
    // `then` and symbols are not operators: they are read to check for a promise, or to print.
    if (typeof name === 'symbol' || name === 'then') return undefined
    return (made[name] ??= (...args: unknown[]) => call(name, ...args))
  },
}) as unknown as Aten
