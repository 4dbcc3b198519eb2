/** The interface between a kind of data and the five steps. */
export type {
  ChosenInputs,
  Dataset,
  Domain,
  Index,
  Inputs,
  Likeness,
  NearlySame,
  Opened,
  PairsPlan,
  Ready,
  SourceOptions,
  ToEvaluate,
  Trained,
  Usual,
  Words,
} from './domain.ts'
export type { DomainContext, ModelChoice, Narrator, Progress, SharedOptions } from './narrator.ts'
