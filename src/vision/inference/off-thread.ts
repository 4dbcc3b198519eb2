import type { Worker } from 'node:worker_threads'
import { untilAborted } from '../../base/abort.ts'
import { type AnnealError, ImageError } from '../../base/errors.ts'
import { startWorker, workerFile } from '../../base/worker.ts'
import { prepareEnvironment } from '../../setup/index.ts'
import { chosenThreads, kernelsInUse } from '../../torch/index.ts'
import type { StoredModel } from '../../train/saved-model.ts'
import type { Answer, ComputeOptions } from './answer.ts'
import type { ReadImage } from './image-inputs.ts'
import type { Engine } from './predict.ts'
import type { Preprocessing } from './saved.ts'
import { madeError, type PlainError, type Reply, type Request } from './worker-protocol.ts'

let file: string | undefined | null = null
/** Whether there is a file to start the thread from. */
export function canRunOffThread(): boolean {
  if (file === null) file = workerFile(import.meta.url, 'vision/inference', 'predict-worker')
  return file !== undefined
}

/** Two requests are taken apart by their `id`, which is added here. */
type Asked<R> = R extends { id: number } ? Omit<R, 'id'> : never

/** One thread, which all classifiers of this thread share: their nets would have to share the cores. Started by the first
 *  prediction, ended with the last classifier; while nobody waits for an answer it does not keep the process alive. */
class Thread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { done(result: unknown): void; failed(error: Error): void; held: unknown }>()
  #requests = 0
  #ended: AnnealError | undefined
  /** How many models it holds. */
  models = 0

  constructor(path: string) {
    prepareEnvironment() // OpenMP reads the process' environment, of which a worker has a copy
    this.#worker = startWorker(path, { name: 'anneal predict' })
    this.#worker.unref()
    this.#worker.on('message', (reply: Reply) => {
      const waits = this.#waiting.get(reply.id)
      this.#forget(reply.id)
      if ('failed' in reply) waits?.failed(madeError(reply.failed))
      else waits?.done(reply.result)
    })
    this.#worker.on('error', error => this.#end(error))
    this.#worker.on('exit', code => this.#end(new Error(`it ended with code ${code}`)))
  }

  /** Sends a request and waits for its reply; `held` stays alive until then. */
  ask(request: Asked<Request>, { transfer = [], held }: { transfer?: ArrayBuffer[]; held?: unknown } = {}) {
    const id = ++this.#requests
    const reply = new Promise<unknown>((done, failed) => {
      if (this.#ended) return failed(this.#ended)
      this.#worker.postMessage({ ...request, id }, transfer)
      this.#waiting.set(id, { done, failed, held })
      this.#worker.ref()
    })
    return { reply, cancel: () => this.#cancel(id) }
  }

  async terminate(): Promise<void> {
    if (thread === this) thread = undefined
    await this.#worker.terminate()
  }

  #cancel(id: number): void {
    if (!this.#waiting.has(id)) return
    this.#forget(id)
    this.#worker.postMessage({ kind: 'cancel', id } satisfies Request)
  }

  #forget(id: number): void {
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker.unref()
  }

  #end(error: Error): void {
    if (thread === this) thread = undefined
    this.#ended ??= new ImageError(
      `the thread that predicts has ended: ${error.message}. Load the classifier again, or with worker: false, which predicts in the calling thread.`,
      { cause: error },
    )
    for (const { failed } of this.#waiting.values()) failed(this.#ended)
    this.#waiting.clear()
  }
}

let thread: Thread | undefined
let numbers = 0

/** Memory of a model whose classifier was forgotten without `close`. */
const forgotten = new FinalizationRegistry<Held>(held => void drop(held))
interface Held {
  thread: Thread
  model: number
}

/** Frees a net; its thread ends with its last one. */
async function drop({ thread, model }: Held): Promise<void> {
  await thread.ask({ kind: 'drop', model }).reply.catch(() => {}) // the thread has ended: so has the net
  if (--thread.models === 0) await thread.terminate()
}

/** A saved classifier whose net lives in another thread, from its first prediction on. */
export class OffThread implements Engine {
  readonly depth = 2
  readonly #options: ComputeOptions
  #stored: StoredModel<Preprocessing> | undefined
  #loaded: Promise<Held> | undefined

  constructor(stored: StoredModel<Preprocessing>, options: ComputeOptions) {
    this.#stored = stored
    this.#options = options
  }

  /** Starts the thread and loads the net, where that has not happened. */
  async ready(): Promise<void> {
    await this.#load()
  }

  async answer(
    images: readonly ReadImage[],
    { signal, alone }: { signal: AbortSignal; alone: boolean },
  ): Promise<Answer> {
    const { thread, model } = await untilAborted(this.#load(), signal)
    signal.throwIfAborted()
    const request = { kind: 'answer', model, images, alone, threads: chosenThreads(), kernels: kernelsInUse() } as const
    const { reply, cancel } = thread.ask(request, { transfer: images.flatMap(memoryOf), held: this })
    signal.addEventListener('abort', cancel, { once: true })
    try {
      const { rows, errors } = (await untilAborted(reply, signal)) as {
        rows: Answer['rows']
        errors: (PlainError | undefined)[]
      }
      return { rows, errors: errors.map(error => error && madeError(error)) }
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  /** Frees the net once what was asked of it is answered. */
  async close(): Promise<void> {
    this.#stored = undefined
    const loaded = this.#loaded
    this.#loaded = undefined
    forgotten.unregister(this)
    const held = await loaded?.catch(() => undefined)
    if (held) await drop(held)
  }

  #load(): Promise<Held> {
    this.#loaded ??= this.#start()
    return this.#loaded
  }

  async #start(): Promise<Held> {
    const stored = this.#stored!
    this.#stored = undefined // its memory goes to the thread
    thread ??= new Thread(file!)
    const held = { thread, model: ++numbers }
    held.thread.models++
    const request = { kind: 'load', model: held.model, stored, options: this.#options } as const
    const { reply } = held.thread.ask(request, { transfer: weightsOf(stored), held: this })
    try {
      await reply
    } catch (error) {
      if (--held.thread.models === 0) await held.thread.terminate()
      throw error
    }
    forgotten.register(this, held, this)
    return held
  }
}

/** The memory of an image, which nobody else reads. */
const memoryOf = (image: ReadImage): ArrayBuffer[] =>
  'bytes' in image ? owned(image.bytes) : 'pixels' in image ? owned(image.pixels.data) : []
/** Node hands out small arrays as parts of one that can't be given away. */
const owned = ({ buffer, byteLength }: ArrayBufferView): ArrayBuffer[] =>
  buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []

/** Memory of weights, which are parts of whole files. */
function weightsOf({ members }: StoredModel): ArrayBuffer[] {
  const files = members.flatMap(({ weights }) => Array.from(weights.values(), ({ data }) => data.buffer))
  const isOwn = (buffer: ArrayBufferLike): buffer is ArrayBuffer =>
    buffer instanceof ArrayBuffer && buffer.byteLength > 1 << 16
  return [...new Set(files)].filter(isOwn)
}
