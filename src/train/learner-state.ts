import { readFileSync } from 'node:fs'
import { fileReason, ModelError } from '../base/errors.ts'
import { writeAtomic } from '../base/files.ts'
import { type DType, fromArray, keep, type nn, noGrad, type optim, scope, Tensor } from '../torch/index.ts'
import { readWeights, type StoredTensor, writeSafetensors } from '../weights/index.ts'
import type { WeightAverage } from './ema.ts'
import { storedTensors } from './saved-model.ts'

/** The progress of a fit between two steps, as plain data. */
export interface FitProgress {
  epoch: number
  batch: number
  step: number
  totalEpochs: number
  lossSum: number
  lossCount: number
  smooth: { mean: number; count: number }
  optimizerStep: number
  epochSeconds: number
  /** For float16: how the loss is scaled. */
  scaler?: optim.ScalerState
  /** The call of `fit`, in words: a fit can only go on with the same options. */
  plan?: string
}

/** The plain data of a learner's state, suitable for JSON. */
export interface LearnerProgress {
  /** Epochs and steps so far, over all fits. */
  epoch: number
  step: number
  /** Which groups do not train, earliest first. */
  frozen: readonly boolean[]
  bnFreeze: boolean | 'body'
  dropout: boolean
  trainFrozenBn: boolean
  /** The fit in progress; absent between two fits. */
  fit?: FitProgress | undefined
}

/** All that a learner's next step depends on, between two steps: weights, their average, the optimizer, random state,
 *  counters, and the progress of the fit. `learn.state()` returns it, `learn.loadState()` restores it; `writeState` and
 *  `readState` store it in files. */
export interface LearnerState<T extends Tensor | StoredTensor = Tensor | StoredTensor> extends LearnerProgress {
  /** By name: `net.…`, `average.…` if an average is kept, `random`; during a fit `optimizer.…` and, if gradients are
   *  accumulated, `gradient.…`. */
  tensors: ReadonlyMap<string, T>
}

/** The objects that hold the tensors of a state. */
export interface StateParts {
  net: nn.Module
  average: ReadonlyMap<string, Tensor>
  optimizer: ReadonlyMap<string, Tensor>
  /** Whether gradients are kept for the next step. */
  gradients: boolean
  random: Tensor
}

/** The tensors of a state by name: the learner's own, or copies that later steps do not change. */
export function stateTensors(
  { net, average, optimizer, gradients, random }: StateParts,
  copy: boolean,
): Map<string, Tensor> {
  const parts: [prefix: string, Iterable<[string, Tensor]>][] = [
    ['net.', net.stateDict()],
    ['average.', average],
    ['optimizer.', optimizer],
    ['gradient.', gradients ? gradientsOf(net) : []],
  ]
  return noGrad(() =>
    scope(() => {
      const all = new Map<string, Tensor>()
      for (const [prefix, tensors] of parts)
        for (const [name, t] of tensors) all.set(prefix + name, copy ? t.detach().clone() : t)
      all.set('random', random)
      return copy ? keep(all) : all
    }),
  )
}

function* gradientsOf(net: nn.Module): Iterable<[string, Tensor]> {
  for (const [name, { grad }] of net.namedParameters()) if (grad) yield [name, grad]
}

/** Puts a state's weights, their average and gradients into a net; returns the tensors for the optimizer. */
export function loadTensors(
  tensors: LearnerState['tensors'],
  { net, average }: { net: nn.Module; average: WeightAverage | undefined },
): { optimizer: Map<string, Tensor>; gradients: boolean } {
  const averaged = tensorsUnder('average.', tensors)
  if (averaged.size > 0 && !average)
    throw new ModelError('loadState: the state has an average of the weights; make the learner with averageSteps too')
  net.loadStateDict(tensorsUnder('net.', tensors))
  scope(() => average?.restore(asTensors(averaged)))
  const gradients = tensorsUnder('gradient.', tensors)
  for (const [name, p] of net.namedParameters()) {
    const gradient = gradients.get(name)
    p.grad = gradient ? noGrad(() => scope(() => keep(p.detach().clone().copy_(asTensor(gradient))))) : null
  }
  return { optimizer: asTensors(tensorsUnder('optimizer.', tensors)), gradients: gradients.size > 0 }
}

/** The progress of a fit before its first step. */
export const newProgress = (totalEpochs: number, plan: string): FitProgress => ({
  epoch: 0,
  batch: 0,
  step: 0,
  totalEpochs,
  lossSum: 0,
  lossCount: 0,
  smooth: { mean: 0, count: 0 },
  optimizerStep: 0,
  epochSeconds: 0,
  plan,
})

/** Throws if a fit is to go on with other options than it began with. */
export function checkPlan({ plan: began }: FitProgress, now: string): void {
  if (began !== undefined && began !== now)
    throw new ModelError(
      `fit: the interrupted fit was called with ${began}, this one with ${now}; give the same options, or drop \`fit\` from the state to begin another`,
    )
}

/** The tensors whose names begin with `prefix`, under their names without it. */
export const tensorsUnder = (
  prefix: string,
  tensors: ReadonlyMap<string, Tensor | StoredTensor>,
): Map<string, Tensor | StoredTensor> =>
  new Map(Array.from(tensors).flatMap(([name, t]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), t]] : [])))

/** The tensor itself, or a tensor made from stored bytes. */
export const asTensor = (t: Tensor | StoredTensor): Tensor =>
  t instanceof Tensor ? t : fromArray(t.data, t.shape, { dtype: t.dtype as DType })

/** All of a map as tensors. */
export const asTensors = (stored: ReadonlyMap<string, Tensor | StoredTensor>): Map<string, Tensor> =>
  new Map(Array.from(stored, ([name, t]) => [name, asTensor(t)]))

/** Writes a state as `PATH.safetensors` and `PATH.json`, each atomically. */
export function writeState(path: string, { tensors, ...progress }: LearnerState): void {
  const stored = new Map(
    Array.from(tensors).flatMap(([name, t]) =>
      t instanceof Tensor ? [...storedTensors(new Map([[name, t]]))] : [[name, t] as const],
    ),
  )
  writeSafetensors(`${path}.safetensors`, stored)
  writeAtomic(`${path}.json`, `${JSON.stringify({ format: stateFormat, version: 1, ...progress }, null, 2)}\n`)
}
const stateFormat = 'anneal-learner-state'

/** Reads a state that `writeState` wrote. Throws if the file is missing or is not a state. */
export function readState(path: string): LearnerState {
  const file = `${path}.json`
  let found: LearnerProgress & { format?: string; version?: number }
  try {
    found = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new ModelError(
      `${file}: no learner state can be read: ${fileReason(cause)}; give the path that writeState got`,
      {
        cause,
      },
    )
  }
  const { format, version, ...progress } = found
  if (format !== stateFormat || version !== 1)
    throw new ModelError(
      `${file}: expected the format "${stateFormat}", version 1, got "${format}", version ${version}; give the path that writeState got`,
    )
  return { ...progress, tensors: readWeights(`${path}.safetensors`) }
}
