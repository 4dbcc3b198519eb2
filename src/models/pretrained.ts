import { AnnealError, ModelError } from '../base/errors.ts'
import { option, setting } from '../base/options.ts'
import { lacksPip } from '../base/packages.ts'
import { type Report, silent } from '../base/progress.ts'
import { readWeights, type StoredTensor } from '../weights/index.ts'
import { readGivenWeights } from './given-weights.ts'
import { model, models } from './registry.ts'

/** The pretrained weights of a model by our names: from `file` (a file of weights, or the folder of a run), else from the cache, else fetched and checked against
 *  the pinned digest. If they are not available, the error says what is. `signal` stops a download; the bytes so far
 *  are kept. */
export async function pretrainedState(
  name: string,
  {
    file,
    report = silent,
    signal,
  }: { file?: string | undefined; report?: Report; signal?: AbortSignal | undefined } = {},
): Promise<Map<string, StoredTensor>> {
  const { weights, rename = own => own } = model(name)
  const named = (state: Map<string, StoredTensor>) => new Map(Array.from(state, ([key, t]) => [rename(key), t]))
  if (file !== undefined) return named(readGivenWeights(file))
  const path = await weights.fetch(report, signal).catch(cause => {
    throw cause instanceof AnnealError ? cannotHave(name, cause) : cause
  })
  return named(readWeights(path))
}

function cannotHave(name: string, cause: AnnealError): AnnealError {
  const others = Object.entries(models).flatMap(([other, { weights }]) =>
    other === name
      ? []
      : weights.cached()
        ? [`${other} (fetched before)`]
        : weights.packaged && !lacksPip(cause.message)
          ? [`${other} (through ${weights.name})`]
          : [],
  )
  const instead = others.length ? `take ${option('model')} ${others.join(' or ')}, ` : ''
  return new ModelError(
    `the pretrained weights of ${name} are not available: ${cause.message}. Instead ${instead}give a file (${setting('weights', 'FILE')}) or begin without (${setting('pretrained', false)})`,
    { cause },
  )
}

/** Whether a model's pretrained weights are cached or can be fetched; the answer takes at most about three seconds. */
export const canHave = (name: string): Promise<boolean> => model(name).weights.available()

const first = 'resnet34'
const second = 'tf_efficientnet_lite0'

/** The model for `auto`: resnet34 if its weights are available, else the model whose weights a package registry has;
 *  the report says which and why. Any other name is checked and returned. */
export async function chooseModel(
  name: string,
  { report = silent, pretrained = true }: { report?: Report; pretrained?: boolean } = {},
): Promise<string> {
  if (name !== 'auto') {
    model(name)
    return name
  }
  if (!pretrained || (await canHave(first))) return first
  report({
    line: `model ${second}: the weights of ${first} are not here and ${model(first).weights.name} does not answer`,
  })
  return second
}
