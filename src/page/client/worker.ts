import type { Ort } from '../../runtime/browser.ts'
import type { Engine, Kind } from './engine.ts'

type ToWorker<Q> = { kind: 'start'; model: ArrayBuffer; wasm: ArrayBuffer } | { kind: 'ask'; id: number; question: Q }
type FromWorker<A> =
  | { kind: 'here' }
  | { kind: 'started' }
  | { kind: 'refused'; message: string }
  | { kind: 'answer'; id: number; answer: A }
  | { kind: 'failed'; id: number; message: string }

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** How long a worker may take to say that it is there, in milliseconds. */
const patience = 10_000

/** The worker's side: loads the model it is sent, and answers. */
export function work<Q, A>(ort: Ort, { create, taken }: Kind<Q, A>): void {
  const own = self as unknown as {
    onmessage: ((event: MessageEvent<ToWorker<Q>>) => void) | null
    postMessage(message: FromWorker<A>, transfer?: Transferable[]): void
  }
  let engine: Engine<Q, A> | undefined
  own.onmessage = async ({ data }) => {
    if (data.kind === 'start') {
      try {
        engine = await create(ort, data.model, data.wasm)
        own.postMessage({ kind: 'started' })
      } catch (error) {
        own.postMessage({ kind: 'refused', message: messageOf(error) })
      }
      return
    }
    try {
      const answer = await engine!.answer(data.question)
      own.postMessage({ kind: 'answer', id: data.id, answer }, taken(answer))
    } catch (error) {
      own.postMessage({ kind: 'failed', id: data.id, message: messageOf(error) })
    }
  }
  own.postMessage({ kind: 'here' })
}

/** The page's side: an engine in a worker, so that the page stays responsive. Without workers it is in the page. script:
 *  the address of the page's own script. */
export async function startEngine<Q, A>(
  ort: Ort,
  script: string,
  { model, wasm }: { model: ArrayBuffer; wasm: ArrayBuffer },
  { create, given }: Kind<Q, A>,
): Promise<Engine<Q, A>> {
  const worker = await begin(script)
  if (!worker) return create(ort, model, wasm)
  const waiting = new Map<number, { resolve(answer: A): void; reject(error: Error): void }>()
  let count = 0
  let dead: Error | undefined
  await new Promise<void>((resolve, reject) => {
    const end = (message: string) => {
      const error = (dead = new Error(message))
      reject(error)
      for (const one of waiting.values()) one.reject(error)
      waiting.clear()
    }
    worker.onerror = event =>
      end(`The page's worker has stopped: ${event.message || 'out of memory?'}. Reload the page.`)
    worker.onmessage = ({ data }: MessageEvent<FromWorker<A>>) => {
      if (data.kind === 'started') resolve()
      else if (data.kind === 'refused') end(data.message)
      else if (data.kind !== 'here') {
        const one = waiting.get(data.id)
        waiting.delete(data.id)
        if (data.kind === 'answer') one?.resolve(data.answer)
        else one?.reject(new Error(data.message))
      }
    }
    worker.postMessage({ kind: 'start', model, wasm } satisfies ToWorker<Q>, [model, wasm])
  })
  return {
    answer: question =>
      new Promise((resolve, reject) => {
        if (dead) return reject(dead)
        const id = count++
        waiting.set(id, { resolve, reject })
        worker.postMessage({ kind: 'ask', id, question } satisfies ToWorker<Q>, given(question))
      }),
  }
}

/** A worker that has said that it is there. */
async function begin(script: string): Promise<Worker | undefined> {
  let worker: Worker | undefined
  try {
    worker = new Worker(script, { type: 'module' })
    const own = worker
    await new Promise<void>((resolve, reject) => {
      own.onmessage = () => resolve()
      own.onerror = event => {
        event.preventDefault()
        reject(new Error(event.message))
      }
      setTimeout(() => reject(new Error('no answer')), patience)
    })
    return worker
  } catch {
    worker?.terminate()
    return undefined
  }
}
