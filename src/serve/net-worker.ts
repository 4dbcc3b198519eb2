// The thread that runs the nets of a server. onnxruntime-node computes in the thread that calls it, so in the server's own
// thread no request would be read, decoded or answered meanwhile. `net-thread.ts` starts and asks it.
import { parentPort } from 'node:worker_threads'
import { load, type ModelOf, RunError } from '../runtime/node.ts'
import type { Reply, Request, Results } from './net-protocol.ts'

const port = parentPort!
const models = new Map<number, ModelOf>()

port.on('message', async (request: Request) => {
  const { id } = request
  try {
    reply({ id, result: await resultOf(request) })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    reply({ id, failed: { message, known: error instanceof RunError } })
  }
})

const reply = (message: Reply) => port.postMessage(message)

async function resultOf(request: Request): Promise<Results[keyof Results]> {
  if (request.kind === 'load') {
    const { id, path, threads, of } = request
    const model = await load(path, {
      device: 'cpu',
      ...(threads !== undefined && { threads }),
      ...(of && { kind: of }),
    })
    models.set(id, model)
    return { model: id, card: model.card }
  }
  const model = models.get(request.model)!
  if (request.kind === 'predict' && model.kind === 'picture')
    return model.predictPixels(request.pictures, { features: request.features })
  if (request.kind === 'rows' && model.kind === 'table') return model.predictRead(request.rows)
  if (request.kind === 'texts' && model.kind === 'text')
    return model.predict(request.texts, { features: request.features })
  if (request.kind === 'decode' && model.kind === 'sound')
    return model.decode(request.recording, { limitSeconds: request.seconds })
  if (request.kind === 'sounds' && model.kind === 'sound')
    return model.predictSamples(request.sounds, { features: request.features })
  models.delete(request.model)
  await model.dispose()
  return undefined
}
