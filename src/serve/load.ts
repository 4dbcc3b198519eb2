import { ModelError } from '../base/errors.ts'
import { load as loadByRuntime, RunError } from '../runtime/node.ts'
import type { ModelKind } from '../runtime/types.ts'
import type { ServedOf } from './model.ts'
import { loadInThread } from './net-thread.ts'

/** Loads an exported model for the server, to run by onnxruntime-node in a thread of its own, so that requests are read and
 *  pictures decoded while the net computes. `threads`: those of the net. `kind`: that of the model, if only one will do.
 *  Throws a ModelError for a file that is no exported model, and if onnxruntime-node is not installed. */
export async function load<K extends ModelKind = ModelKind>(
  path: string,
  { threads, kind }: { threads?: number; kind?: K } = {},
): Promise<ServedOf<K>> {
  const model = await loadInThread(path, { threads, kind })
  if (model) return model as ServedOf<K>
  try {
    const how = { device: 'cpu', ...(threads !== undefined && { threads }), ...(kind && { kind }) } as const
    return (await loadByRuntime<K>(path, how)) as ServedOf<K>
  } catch (error) {
    if (error instanceof RunError) throw new ModelError(error.message, { cause: error })
    throw error
  }
}
