import { ModelError } from '../base/errors.ts'
import { domainOf } from '../runs/index.ts'
import type { Body } from '../train/network.ts'
import { type BuildNetwork, type LoadedModel, loadModel, readCard, stemOf } from '../train/saved-model.ts'

/** Reads a trained model of a kind of data: a run folder (its best weights), or a saved model. */
export function openNet<P, B extends Body>(
  run: string,
  domain: string,
  how: { build: BuildNetwork<P, B>; isPreprocessing(p: unknown): p is P },
): LoadedModel<P, B> {
  const kind = domainOf(readCard(`${stemOf(run)}.json`))
  if (kind !== domain) throw new ModelError(`${run}: is a model of ${kind}, and a model of ${domain} is expected here.`)
  return loadModel(run, how)
}

/** Frees the memory of its nets. */
export function disposeNet({ members }: LoadedModel): void {
  for (const { network } of members) for (const t of network.net.stateDict().values()) t.dispose()
}
