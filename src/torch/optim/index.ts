export { adam, adamw } from './adam.ts'
export type { GroupOptions, Optimizer, OptimizerState, ParameterGroup } from './optimizer.ts'
export { sgd } from './sgd.ts'
