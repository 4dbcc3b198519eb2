import { ModelError } from '../base/errors.ts'
import { load as loadByRuntime, RunError } from '../runtime/node.ts'
import type { ServedModel } from './model.ts'
import { loadInThread } from './net-thread.ts'

/** Loads an exported model for the server, to run by onnxruntime-node in a thread of its own, so that requests are read and
 *  pictures decoded while the net computes. `threads`: those of the net. Throws a ModelError for a file that is no exported
 *  model, and if onnxruntime-node is not installed. */
export async function load(path: string, { threads }: { threads?: number } = {}): Promise<ServedModel> {
  const model = await loadInThread(path, threads)
  if (model) return model
  try {
    return await loadByRuntime(path, { kind: 'picture', device: 'cpu', ...(threads === undefined ? {} : { threads }) })
  } catch (error) {
    if (error instanceof RunError) throw new ModelError(error.message, { cause: error })
    throw error
  }
}
