/** The five steps bound to the domains of this package: what `anneal` exports and what the command runs. */
export { type ResumeHooks, type TrainHooks, wasStopped } from '../recipes/index.ts'
export type { Evaluated } from '../recipes/results/evaluate.ts'
export { domainNamed, domains } from './domains.ts'
export { type EvaluateFolderOptions, evaluateFolder } from './evaluate.ts'
export { ImageLearner, type ImageLearnerOptions, learner } from './learner.ts'
export type { TrainOptions } from './options.ts'
export { type Recipe, recipeFor } from './recipe.ts'
export { resumeRun, trainFolder } from './train.ts'
