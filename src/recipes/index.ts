export { type TrainOptions, checkOptions } from './options.ts'
export { type FiveSteps, fiveSteps } from './five-steps.ts'
export { Session } from './session.ts'
