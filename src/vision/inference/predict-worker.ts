// The thread that predicts: it owns nets and answers one request after another. `off-thread.ts` starts and asks it.
import { parentPort } from 'node:worker_threads'
import { pinLibraries, setThreads, useKernels } from '../../torch/index.ts'
import { answer, type ComputeOptions } from './answer.ts'
import { buildStored, disposeModel, type LoadedModel } from './saved.ts'
import { plainError, type Reply, type Request } from './worker-protocol.ts'

const port = parentPort!
const models = new Map<number, { loaded: LoadedModel; options: ComputeOptions }>()
const cancelled = new Set<number>()
let isPinned = false
let threads: number | undefined
let last: Promise<void> = Promise.resolve()

port.on('message', (request: Request) => {
  if (request.kind === 'cancel') cancelled.add(request.id)
  // A turn between requests lets a cancellation come in.
  else last = last.then(() => new Promise(setImmediate)).then(() => serve(request))
})

async function serve(request: Exclude<Request, { kind: 'cancel' }>): Promise<void> {
  const { id } = request
  if (cancelled.delete(id)) return
  try {
    reply({ id, result: await resultOf(request) })
  } catch (error) {
    reply({ id, failed: plainError(error) })
  }
  cancelled.delete(id)
}

const reply = (message: Reply) => port.postMessage(message)

async function resultOf(request: Exclude<Request, { kind: 'cancel' }>): Promise<unknown> {
  const { kind, model } = request
  if (kind === 'drop') {
    const entry = models.get(model)
    models.delete(model)
    if (entry) disposeModel(entry.loaded)
    return undefined
  }
  if (kind === 'load') {
    const loaded = buildStored(request.stored, request.options.device)
    models.set(model, { loaded, options: request.options })
    if (!isPinned) pinLibraries() // OpenMP's threads outlive this one
    isPinned = true
    return undefined
  }
  const { loaded, options } = models.get(model)!
  useKernels(request.kernels)
  if (request.threads !== undefined && request.threads !== threads) setThreads(request.threads)
  threads = request.threads
  const { rows, errors } = await answer(loaded, request.images, { ...options, alone: request.alone })
  return { rows, errors: Array.from(errors, error => error && plainError(error)) }
}
