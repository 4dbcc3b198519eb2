import type { Worker } from 'node:worker_threads'
import { ModelError } from '../base/errors.ts'
import { startWorker, workerFile } from '../base/worker.ts'
import type { Card } from '../onnx/card.ts'
import type { SoundFileCard } from '../onnx/sound-card.ts'
import type { TableFileCard } from '../onnx/table-card.ts'
import type { TextFileCard } from '../onnx/text-card.ts'
import { withoutTelemetry } from '../runtime/ort-node.ts'
import type { ReadRow } from '../runtime/table/rows.ts'
import type { ModelKind, RawSound } from '../runtime/types.ts'
import type { Answer, Pixels, ServedModel, ServedPictures, ServedSounds, ServedTable, ServedTexts } from './model.ts'
import type { Asked, Reply, Results } from './net-protocol.ts'
import { decodePicture } from './pictures/decode.ts'

interface Waiting {
  done(result: unknown): void
  failed(error: Error): void
}

/** The thread of the nets. All models share it: each net uses all threads of onnxruntime. It does not keep the process alive
 *  while nobody waits for it. */
class NetThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #requests = 0
  #ended: ModelError | undefined

  constructor(path: string) {
    withoutTelemetry()
    this.#worker = startWorker(path, { name: 'anneal serve' })
    this.#worker.unref()
    this.#worker.on('message', (reply: Reply) => this.#take(reply))
    this.#worker.on('error', error => this.#end(error))
    this.#worker.on('exit', code => this.#end(new Error(`it ended with code ${code}`)))
  }

  /** `moved`: memory of the request that the thread gets as it is, not a copy. */
  ask<K extends keyof Results>(
    request: Extract<Asked, { kind: K }>,
    moved: readonly ArrayBuffer[] = [],
  ): Promise<Results[K]> {
    return new Promise((done, failed) => {
      if (this.#ended) return failed(this.#ended)
      const id = ++this.#requests
      this.#waiting.set(id, { done: result => done(result as Results[K]), failed })
      this.#worker.ref()
      this.#worker.postMessage({ ...request, id }, moved)
    })
  }

  #take(reply: Reply): void {
    const waits = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('result' in reply) waits?.done(reply.result)
    else waits?.failed(reply.failed.known ? new ModelError(reply.failed.message) : new Error(reply.failed.message))
  }

  #end(error: Error): void {
    if (thread === this) thread = undefined
    this.#ended ??= new ModelError(
      `the thread that runs the net has ended: ${error.message}. Load the model again: send SIGHUP, or start the server anew.`,
      { cause: error },
    )
    for (const { failed } of this.#waiting.values()) failed(this.#ended)
    this.#waiting.clear()
  }
}

let thread: NetThread | undefined

/** Loads a model in the thread of the nets; undefined where there is no file to start that thread from (a program that
 *  bundles this package alone). Pictures are decoded by the calling thread and by threads of Node and libvips;
 *  texts are cut into tokens, and recordings decoded, in the thread of the nets. */
export async function loadInThread(
  path: string,
  { threads, kind }: { threads?: number | undefined; kind?: ModelKind | undefined },
): Promise<ServedModel | undefined> {
  const file = workerFile(import.meta.url, 'serve', 'net-worker')
  if (file === undefined) return undefined
  thread ??= new NetThread(file)
  const own = thread
  const { model, card } = await own.ask({ kind: 'load', path, threads, of: kind })
  if (card.format === 'anneal-model') return new ThreadedPictures(own, model, card)
  if (card.format === 'anneal-text-model') return new ThreadedTexts(own, model, card)
  if (card.format === 'anneal-sound-model') return new ThreadedSounds(own, model, card)
  return new ThreadedTable(own, model, card)
}

/** As many pixels as the runtime takes; the server has its own limit, which is checked before. */
const mostPixels = 0x3fff * 0x3fff

/** A model in the thread of the nets. */
class Threaded<C> {
  readonly card: C
  readonly #thread: NetThread
  readonly #model: number
  #disposed: Promise<void> | undefined

  constructor(thread: NetThread, model: number, card: C) {
    this.#thread = thread
    this.#model = model
    this.card = card
  }

  protected ask<K extends 'predict' | 'rows' | 'texts' | 'sounds' | 'decode'>(
    make: (model: number) => Extract<Asked, { kind: K }>,
    moved?: readonly ArrayBuffer[],
  ): Promise<Results[K]> {
    if (this.#disposed) return Promise.reject(new ModelError('the model was disposed of; load it again'))
    return this.#thread.ask(make(this.#model), moved)
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#thread.ask({ kind: 'dispose', model: this.#model })
    return this.#disposed
  }
}

class ThreadedPictures extends Threaded<Card> implements ServedPictures {
  readonly kind = 'picture'
  decode(bytes: Uint8Array): Promise<Pixels> {
    return decodePicture(bytes, this.card, mostPixels)
  }
  predictPixels(
    given: readonly Pixels[],
    { features = false }: { features?: boolean } = {},
  ): Promise<readonly Answer[]> {
    // Others may use the pixels again. A message copies large pictures in twice the time of this.
    const pictures = given.map(pixels => ({ ...pixels, data: new Uint8Array(pixels.data) }))
    const moved = pictures.map(({ data }) => data.buffer)
    return this.ask<'predict'>(model => ({ kind: 'predict', model, pictures, features }), moved)
  }
}

class ThreadedTable extends Threaded<TableFileCard> implements ServedTable {
  readonly kind = 'table'
  predictRead(rows: readonly ReadRow[]): Promise<readonly Answer[]> {
    return this.ask<'rows'>(model => ({ kind: 'rows', model, rows }))
  }
}

class ThreadedTexts extends Threaded<TextFileCard> implements ServedTexts {
  readonly kind = 'text'
  predict(texts: readonly string[], { features = false }: { features?: boolean } = {}): Promise<readonly Answer[]> {
    return this.ask<'texts'>(model => ({ kind: 'texts', model, texts, features }))
  }
}

class ThreadedSounds extends Threaded<SoundFileCard> implements ServedSounds {
  readonly kind = 'sound'
  decode(recording: Uint8Array | RawSound, { limitSeconds }: { limitSeconds: number }): Promise<Float32Array> {
    // A message copies the whole memory that bytes lie in, which may hold a request of many files.
    const own = recording instanceof Uint8Array ? new Uint8Array(recording) : recording
    return this.ask<'decode'>(model => ({ kind: 'decode', model, recording: own, seconds: limitSeconds }))
  }
  predictSamples(
    sounds: readonly Float32Array[],
    { features = false }: { features?: boolean } = {},
  ): Promise<readonly Answer[]> {
    return this.ask<'sounds'>(model => ({ kind: 'sounds', model, sounds, features }))
  }
}
