export type { Progress } from './context.ts'
export { checkOptions, type TrainOptions } from './options.ts'
export { resumeRun, type TrainHooks, trainFolder, wasStopped } from './train.ts'
