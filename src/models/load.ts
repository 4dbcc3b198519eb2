import { AnnealError } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import type { Tensor } from '../torch/index.ts'
import type { StoredTensor } from '../weights/index.ts'
import type { ImageModel } from './image.ts'

/** Loads a body's weights by name. The classifier's come along where the file has them in the same shape, else they are
 *  left as they are; returned are the file's names that were not taken. A body that differs is an error that lists how. */
export function loadPretrained(model: ImageModel, state: ReadonlyMap<string, Tensor | StoredTensor>): string[] {
  const bodies = model.groups.flat()
  const inBody = (name: string) => bodies.some(body => name.startsWith(`${body}.`))
  const own = model.stateDict()
  const fits = (name: string) => String(state.get(name)?.shape) === String(own.get(name)?.shape)

  // Files from before PyTorch 0.4.1 count no batches.
  const wanted = [...own.keys()].filter(name => inBody(name) && !name.endsWith('num_batches_tracked'))
  const missing = wanted.filter(name => !state.has(name))
  const unexpected = [...state.keys()].filter(name => inBody(name) && !own.has(name))
  const reshaped = wanted
    .filter(name => state.has(name) && !fits(name))
    .map(name => `${name} [${state.get(name)!.shape}] instead of [${own.get(name)!.shape}]`)
  if (missing.length + unexpected.length + reshaped.length > 0) {
    const strangers = missing.length === wanted.length ? [...state.keys()] : unexpected
    throw new AnnealError(
      `the weights are of another architecture: ${[
        ...list(reshaped, 'of another shape'),
        ...list(missing, 'missing'),
        ...list(strangers, 'unknown'),
      ].join('; ')}. Name the model that the file was saved from (--model)`,
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
