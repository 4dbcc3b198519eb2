import { darwin } from './darwin.ts'
import { linux } from './linux.ts'
import type { Platform } from './platform.ts'

export type { LibtorchPins, Platform } from './platform.ts'

/** The systems that set-up knows, as Node names them. */
export const platforms: Record<string, Platform> = { linux, darwin }

/** What set-up knows of a system; of one that it does not know, what holds for Linux. */
export const platformOf = (name: string): Platform => platforms[name] ?? linux

/** The system of this process. */
export const here: Platform = platformOf(process.platform)
