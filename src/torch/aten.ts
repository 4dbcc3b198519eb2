import { call } from './call.ts'
import type { Aten } from './ops.generated.ts'

/** Every operator of the libtorch found, by name: `aten.conv2d(x, w, { stride: 2, padding: 1 })`. The signatures are
 *  generated from the schemas; which overload serves is decided by the arguments. */
export const aten: Aten = new Proxy({} as Record<string, unknown>, {
  get(made, name: string) {
    return (made[name] ??= (...args: unknown[]) => call(name, ...args))
  },
}) as unknown as Aten
