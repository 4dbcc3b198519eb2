import { ModelError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { option } from '../base/options.ts'
import { type DType, fromArray, scope, Tensor } from '../torch/index.ts'
import type { StoredTensor } from '../weights/index.ts'
import { adaptFirstConv, firstConv } from './first-conv.ts'
import type { ImageModel } from './image-model.ts'

/** Loads a body's weights by name. The classifier's weights are loaded too if the file has them in the same shape, else
 *  they stay unchanged. Returns the names in the file that were not used. Throws if the body differs, with a list of
 *  the differences, except for two that are adapted: a first convolution for three channels (`adaptFirstConv`), and
 *  position embeddings for another size. */
export function loadPretrained(model: ImageModel, given: ReadonlyMap<string, Tensor | StoredTensor>): string[] {
  return scope(() => load(model, adapted(model, given)))
}

type State = ReadonlyMap<string, Tensor | StoredTensor>

/** The same state, with weights adapted where possible. */
function adapted(model: ImageModel, state: State): State {
  const own = model.stateDict()
  const first = firstConv(model)
  const fitted = [...state].map(([name, given]): [string, Tensor | StoredTensor] => {
    const shape = own.get(name)?.shape
    if (!shape || String(shape) === String(given.shape)) return [name, given]
    const fit =
      model.adapt[name] ?? (name === first && given.shape[1] === 3 ? t => adaptFirstConv(t, shape[1]!) : undefined)
    return [name, fit ? fit(tensorOf(given)) : given]
  })
  return new Map(fitted)
}

const tensorOf = (t: Tensor | StoredTensor): Tensor =>
  t instanceof Tensor ? t.detach() : fromArray(t.data, t.shape, { dtype: t.dtype as DType })

function load(model: ImageModel, state: State): string[] {
  const body = Object.keys(model.children).filter(name => !model.classifier.includes(name))
  const inBody = (name: string) => body.includes(name.split('.')[0]!)
  const own = model.stateDict()
  const fits = (name: string) => String(state.get(name)?.shape) === String(own.get(name)?.shape)

  // Files from before PyTorch 0.4.1 have no count of batches.
  const wanted = [...own.keys()].filter(name => inBody(name) && !name.endsWith('num_batches_tracked'))
  const missing = wanted.filter(name => !state.has(name))
  const unexpected = [...state.keys()].filter(name => inBody(name) && !own.has(name))
  const reshaped = wanted
    .filter(name => state.has(name) && !fits(name))
    .map(name => `${name} [${state.get(name)!.shape}] instead of [${own.get(name)!.shape}]`)
  if (missing.length + unexpected.length + reshaped.length > 0) {
    const strangers = missing.length === wanted.length ? [...state.keys()] : unexpected
    throw new ModelError(
      `the weights are of another architecture: ${[
        ...list(reshaped, 'of another shape'),
        ...list(missing, 'missing'),
        ...list(strangers, 'unknown'),
      ].join('; ')}. Name the model that the file was saved from (${option('model')})`,
    )
  }
  const head = [...own.keys()].filter(name => !inBody(name))
  const takesHead = head.every(fits)
  const taken = new Map([...state].filter(([name]) => own.has(name) && (takesHead || inBody(name))))
  model.loadStateDict(taken, { strict: false })
  return [...state.keys()].filter(name => !taken.has(name))
}

const list = (names: string[], what: string): string[] =>
  names.length === 0
    ? []
    : [`${plural(names.length, 'tensor')} ${what} (${names.slice(0, 4).join(', ')}${names.length > 4 ? ', …' : ''})`]
