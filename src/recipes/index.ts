export type { RecipeOptions } from './options.ts'
export type { Context } from './run/context.ts'
export { type ResumeHooks, resume, type TrainHooks, train, wasStopped } from './run/train.ts'
