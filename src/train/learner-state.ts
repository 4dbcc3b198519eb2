import { readFileSync } from 'node:fs'
import { AnnealError, fileReason } from '../base/errors.ts'
import { writeAtomic } from '../base/files.ts'
import { type DType, fromArray, keep, type nn, noGrad, type optim, scope, Tensor } from '../torch/index.ts'
import { readWeights, type StoredTensor, writeSafetensors } from '../weights/index.ts'
import { storedTensors } from './saved-model.ts'

/** Where a fit stands, between two steps: plain data. */
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
  /** Of float16: how the loss is scaled. */
  scaler?: optim.ScalerState
  /** How `fit` was called, in words: a fit goes on with the same options only. */
  plan?: string
}

/** What of a learner's state is plain data, fit for JSON. */
export interface LearnerProgress {
  /** Epochs and steps so far, over all fits. */
  epoch: number
  step: number
  /** Which groups do not train, earliest first. */
  frozen: readonly boolean[]
  bnFreeze: boolean | 'body'
  dropout: boolean
  trainFrozenBn: boolean
  /** The fit in progress; absent between two. */
  fit?: FitProgress | undefined
}

/** All that a learner's next step depends on, between two steps: weights, their average, the optimizer, random state,
 *  counters, and where the fit stands. `learn.state()` gives it, `learn.loadState()` puts it back; `writeState` and
 *  `readState` keep it in files. */
export interface LearnerState<T extends Tensor | StoredTensor = Tensor | StoredTensor> extends LearnerProgress {
  /** By name: `net.…`, `average.…` where an average is kept, `random`; within a fit `optimizer.…` and, where gradients
   *  are accumulated, `gradient.…`. */
  tensors: ReadonlyMap<string, T>
}

/** Where the tensors of a state are. */
export interface StateParts {
  net: nn.Module
  average: ReadonlyMap<string, Tensor>
  optimizer: ReadonlyMap<string, Tensor>
  random: Tensor
}

/** The tensors of a state by name: those of the learner themselves, or copies that later steps leave alone. */
export function stateTensors({ net, average, optimizer, random }: StateParts, copy: boolean): Map<string, Tensor> {
  const parts: [prefix: string, Iterable<[string, Tensor]>][] = [
    ['net.', net.stateDict()],
    ['average.', average],
    ['optimizer.', optimizer],
    ['gradient.', gradientsOf(net)],
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

/** The tensors whose names begin with `prefix`, without it. */
export const tensorsUnder = (
  prefix: string,
  tensors: ReadonlyMap<string, Tensor | StoredTensor>,
): Map<string, Tensor | StoredTensor> =>
  new Map(Array.from(tensors).flatMap(([name, t]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), t]] : [])))

/** A tensor as it is, or made of its bytes. */
export const asTensor = (t: Tensor | StoredTensor): Tensor =>
  t instanceof Tensor ? t : fromArray(t.data, t.shape, { dtype: t.dtype as DType })

/** All of a map as tensors. */
export const asTensors = (stored: ReadonlyMap<string, Tensor | StoredTensor>): Map<string, Tensor> =>
  new Map(Array.from(stored, ([name, t]) => [name, asTensor(t)]))

/** Writes a state as `PATH.safetensors` and `PATH.json`, each whole or not at all. */
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

/** Reads what `writeState` wrote. An error where the file is missing or is something else. */
export function readState(path: string): LearnerState {
  const file = `${path}.json`
  let found: LearnerProgress & { format?: string; version?: number }
  try {
    found = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new AnnealError(`${file}: no learner state can be read: ${fileReason(cause)}; give the path of writeState`, {
      cause,
    })
  }
  const { format, version, ...progress } = found
  if (format !== stateFormat || version !== 1)
    throw new AnnealError(
      `${file}: expected the format "${stateFormat}", version 1, got "${format}", version ${version}; give the path of writeState`,
    )
  return { ...progress, tensors: readWeights(`${path}.safetensors`) }
}
