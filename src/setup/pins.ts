import { platforms } from './platform/index.ts'
import type { LibtorchPins } from './platform/platform.ts'

export type { LibtorchPins } from './platform/platform.ts'

/** The pinned libtorch by `<platform>-<arch>`, as Node names them: `linux-x64`, `linux-arm64`, `darwin-arm64`. */
export const libtorchPins: Record<string, LibtorchPins> = Object.fromEntries(
  Object.entries(platforms).flatMap(([name, { pins }]) =>
    Object.entries(pins).map(([arch, pin]) => [`${name}-${arch}`, pin]),
  ),
)
