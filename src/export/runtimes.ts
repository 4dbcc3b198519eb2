import { ModelError } from '../base/errors.ts'
import { importOrtNode } from '../runtime/ort-node.ts'

/** The runtimes that an exported file is checked in. */
export const runtimeNames = ['onnxruntime-node', 'onnxruntime-web'] as const
export type RuntimeName = (typeof runtimeNames)[number]

/** A tensor of a runtime: plain data and shape. */
export interface Value {
  data: Float32Array | Uint8Array | BigInt64Array | readonly string[]
  dims: readonly number[]
}

/** A model that is loaded into a runtime. */
export interface Loaded {
  /** `onnxruntime-web (wasm) 1.30.0`. */
  name: string
  run(inputs: Readonly<Record<string, Value>>): Promise<Record<string, Value>>
  release(): Promise<void>
}

/** A runtime, without the difference of its two packages. */
interface Ort {
  Tensor: new (type: string, data: never, dims: readonly number[]) => unknown
  InferenceSession: {
    create(
      file: Uint8Array,
      options?: object,
    ): Promise<{ run(feeds: object): Promise<object>; release(): Promise<void> }>
  }
  env: { versions: Record<string, string | undefined>; wasm: { numThreads?: number } }
}

/** Loads a file into a runtime, in this thread. Throws where its package is not installed. */
export async function load(runtime: RuntimeName, file: Uint8Array): Promise<Loaded> {
  const ort = await runtimeOf(runtime)
  const web = runtime === 'onnxruntime-web'
  if (web) ort.env.wasm.numThreads = 1 // its bundle can't ask for the number of processors in Node
  const threads = Number(process.env.ANNEAL_THREADS) || 0
  const session = await ort.InferenceSession.create(file, web ? {} : { intraOpNumThreads: threads })
  const version = ort.env.versions[web ? 'web' : 'node'] ?? ort.env.versions.common ?? ''
  return {
    name: `${runtime}${web ? ' (wasm)' : ''} ${version}`.trim(),
    async run(inputs) {
      const feeds = Object.entries(inputs).map(([name, { data, dims }]) => {
        return [name, new ort.Tensor(typeOf(data), data as never, dims)]
      })
      return (await session.run(Object.fromEntries(feeds))) as Record<string, Value>
    },
    release: () => session.release(),
  }
}

const typeOf = (data: Value['data']): string =>
  data instanceof Uint8Array
    ? 'uint8'
    : data instanceof Float32Array
      ? 'float32'
      : data instanceof BigInt64Array
        ? 'int64'
        : 'string'

async function runtimeOf(runtime: RuntimeName): Promise<Ort> {
  try {
    return (await (runtime === 'onnxruntime-node' ? importOrtNode() : import('onnxruntime-web/wasm'))) as unknown as Ort
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND')
      throw new ModelError(`${runtime} can not be loaded: ${(cause as Error).message}`, { cause })
    throw new ModelError(
      `the check of an exported model needs ${runtime}, which is not installed. Install both runtimes: npm install --ignore-scripts ${runtimeNames.join(' ')}. Or export without the check (--no-check).`,
      { cause },
    )
  }
}
