export { adam, adamw } from './adam.ts'
export type { GroupOptions, Optimizer, OptimizerState, ParameterGroup } from './optimizer.ts'
export { GradScaler, type ScalerState } from './scaler.ts'
export { sgd } from './sgd.ts'
