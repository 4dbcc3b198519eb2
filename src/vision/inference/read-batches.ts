import { inputName, type ReadImage, readInput } from './image-inputs.ts'

/** One input of many, read or not. */
export interface Read {
  /** Its place among all inputs, from 0. */
  index: number
  /** What errors call it. */
  name: string
  image?: ReadImage
  error?: Error
}

/** Inputs, a batch at a time. */
export interface Batches {
  /** The next inputs, read; empty where there are no more. Not to be called before the last call has ended. */
  next(): Promise<Read[]>
  /** Lets go of the inputs that were not taken. */
  end(): void
}

/** How long a batch that is not full waits for a source that is slow, in milliseconds. */
const PATIENCE = 10

/** Takes inputs `batchSize` at a time and reads those of a batch at once. Of an asynchronous source that is slower than the net
 *  as many as there are. `nameOf` says what errors call an input that has no path. */
export function readBatches(
  inputs: Iterable<unknown> | AsyncIterable<unknown>,
  {
    batchSize,
    nameOf,
    ...options
  }: { batchSize: number; nameOf: (index: number) => string; signal: AbortSignal; maxBytes?: number | undefined },
): Batches {
  const source =
    Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : (inputs as Iterable<unknown>)[Symbol.iterator]()
  const isAsync = Symbol.asyncIterator in inputs
  let taken = 0
  let pull: Promise<IteratorResult<unknown>> | undefined
  let ended = false

  const read = async (input: unknown, index: number): Promise<Read> => {
    const called = nameOf(index)
    let name = called
    try {
      const value = await input
      name = inputName(value, called)
      const image = await readInput(value, { name: called, ...options })
      return { index, name: image.name, image }
    } catch (error) {
      return { index, name, error: error as Error }
    }
  }
  /** The next of the source, or nothing where it takes longer than a batch that is begun waits. */
  const one = async (begun: boolean): Promise<IteratorResult<unknown> | undefined> => {
    if (!isAsync) return (source as Iterator<unknown>).next()
    pull ??= Promise.resolve(source.next())
    const next = begun ? await Promise.race([pull, later(PATIENCE)]) : await pull
    if (next) pull = undefined
    return next
  }

  return {
    async next() {
      const reading: Promise<Read>[] = []
      while (reading.length < batchSize && !ended) {
        const next = await one(reading.length > 0)
        if (!next) break
        if (next.done) ended = true
        else reading.push(read(next.value, taken++))
      }
      return Promise.all(reading)
    },
    end() {
      if (ended) return
      ended = true
      // An asynchronous generator that waits for its next value would answer only then.
      Promise.resolve(source.return?.()).catch(() => {})
    },
  }
}

const later = (ms: number) => new Promise<undefined>(resolve => setTimeout(resolve, ms, undefined))
