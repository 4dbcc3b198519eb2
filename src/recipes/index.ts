export { checkOptions, type TrainOptions } from './options.ts'
export type { Progress } from './run/context.ts'
export { type ResumeHooks, resumeRun, type TrainHooks, trainFolder, wasStopped } from './run/train.ts'
