export { checkOptions, type TrainOptions } from './options.ts'
export type { Progress } from './prepare.ts'
export { resumeRun, type TrainHooks, trainFolder, wasStopped } from './train.ts'
