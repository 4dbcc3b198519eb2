export * as init from './init.ts'
export * from './layers.ts'
export type { Children, ForwardHook, StateDifferences } from './module.ts'
export { Module, module } from './module.ts'
