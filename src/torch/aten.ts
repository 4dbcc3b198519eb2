import { call } from './call.ts'
import type { Aten } from './ops.generated.ts'

/** Every operator of the libtorch found, by name: `aten.conv2d(x, w, { stride: 2, padding: 1 })`. The signatures are
 *  generated from the schemas; which overload serves is decided by the arguments. */
export const aten: Aten = new Proxy(Object.create(null) as Record<string, unknown>, {
  get(made, name: string | symbol) {
    // Whatever asks whether this is a promise or how to print it is no operator.
    if (typeof name === 'symbol' || name === 'then') return undefined
    return (made[name] ??= (...args: unknown[]) => call(name, ...args))
  },
}) as unknown as Aten
