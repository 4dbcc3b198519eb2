export type { Progress } from './context.ts'
export { checkOptions, type TrainOptions } from './options.ts'
export { type ResumeHooks, resumeRun, type TrainHooks, trainFolder, wasStopped } from './train.ts'
