import type { Domain } from '../domain/index.ts'
import { type ResumeHooks, resume, type TrainHooks, train } from '../recipes/index.ts'
import type { RecipeOptions } from '../recipes/options.ts'
import { type Evaluated, type EvaluateModelOptions, evaluateModel } from '../recipes/results/evaluate.ts'
import { type PredictSamplesOptions, predictSamples } from '../recipes/results/predict.ts'
import type { RunResult } from '../runs/index.ts'
import { setUpOnce } from '../setup/index.ts'
import type { Body } from '../train/network.ts'
import type { Prediction } from '../train/prediction.ts'

/** The five steps over one kind of data. */
export interface Recipe<O extends object, In, E extends object> {
  /** Trains a model, and writes the run into a folder. */
  train(path: string, options?: O & RecipeOptions & { out?: string }, hooks?: TrainHooks): Promise<RunResult>
  /** Resumes a run that was stopped or killed; the weights are the same as those of an uninterrupted run. */
  resume(run: string, hooks?: ResumeHooks): Promise<RunResult>
  /** Evaluates a saved model on labelled samples. */
  evaluate(run: string, path: string, options?: E & EvaluateModelOptions): Promise<Evaluated>
  /** Predicts inputs, in their order. */
  predict(
    run: string,
    inputs: Iterable<In> | AsyncIterable<In>,
    options?: PredictSamplesOptions,
  ): AsyncGenerator<Prediction>
}

/** The five steps over your own domain: see `Domain`. */
export function recipeFor<O extends object, B extends Body, P, In, E extends object>(
  domain: Domain<O, B, P, In, E>,
): Recipe<O, In, E> {
  return {
    async train(path, options, hooks) {
      await setUpOnce(hooks?.report)
      return train(domain, path, options ?? ({} as O & RecipeOptions), hooks)
    },
    async resume(run, hooks) {
      await setUpOnce(hooks?.report)
      return resume(domain, run, hooks)
    },
    async evaluate(run, path, options) {
      await setUpOnce(options?.report)
      return evaluateModel(domain, run, path, options ?? ({} as E & EvaluateModelOptions))
    },
    predict: (run, inputs, options) => predictSamples(domain, run, inputs, options),
  }
}
