export { findAddon } from './addon.ts'
export { type Addon, ensureAddon } from './build.ts'
export { type Cpu, type Machine, machine } from './machine.ts'
export type { Linked } from './state.ts'
