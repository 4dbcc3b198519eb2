import type { ReadRow } from '../runtime/table/rows.ts'
import type { RawSound, TableRow } from '../runtime/types.ts'
import type { Answer, Pixels, ServedModel, ServedTable, Version } from './model.ts'
import type { Limits } from './options.ts'
import type { Queued } from './queue.ts'

/** What a sample in the queue has: `signal` is aborted when nobody waits for it any more; `features`: whether the pooled
 *  features are asked for; `trace`: the id of the trace that the request belongs to. */
export interface Waited {
  signal: AbortSignal
  features?: boolean
  trace?: string | undefined
}

/** A picture in the queue: the bytes of a file, or raw pixels. */
export type Picture = Queued & Waited & ({ bytes: Uint8Array } | { raw: Pixels })
/** A row in the queue: as it came, and as it was read for a model. */
export type Row = Queued & Waited & { row: TableRow; where: string; read: ReadRow; readFor: ServedTable }
/** A text in the queue. */
export type Text = Queued & Waited & { text: string }
/** A recording in the queue: the bytes of a file, or samples. */
export type Recording = Queued & Waited & { recording: Uint8Array | RawSound; maxSeconds: number }
/** A sample in the queue, and one that is ready for the model. */
export type Sample = Picture | Row | Text | Recording
export type Ready = Pixels | ReadRow | string | Float32Array

/** What a request brought: samples in order, or why one can not be answered. `many`: the client asked in a form that holds
 *  several, so it gets a list. `about`: what its answer says of each, such as the name of its file. */
export interface Given {
  samples: PromiseSettledResult<Sample>[]
  many: boolean
  about: readonly Record<string, unknown>[]
}

/** Reads the samples of a request one by one: each sample, or the reason why it can't be answered. */
export const settled = <T, S>(all: readonly T[], read: (one: T, i: number) => S): PromiseSettledResult<S>[] =>
  all.map((one, i) => {
    try {
      return { status: 'fulfilled', value: read(one, i) }
    } catch (reason) {
      return { status: 'rejected', reason }
    }
  })

/** What a request is read with. */
export interface Reading {
  model: ServedModel
  limits: Limits
  waited: Waited
}

/** One tensor of the Open Inference Protocol. */
export interface TensorAbout {
  name: string
  datatype: string
  shape: readonly number[]
}

/** What the server has to know of a kind of data. */
export interface ServedKind {
  /** `picture`, `row`, `text`, `recording`. */
  readonly noun: string
  /** A made sample: a model answers it before it takes over. */
  sample(model: ServedModel): Ready
  /** What two models must have in common so that one can be the shadow of the other: its name, and both values. */
  compared(one: ServedModel, other: ServedModel): [what: string, own: string, other: string][]
  /** Makes a sample ready for a model. */
  ready(sample: Sample, model: ServedModel): Promise<Ready | Error>
  /** What may share a batch has one key. */
  key(ready: Ready): string
  predict(model: ServedModel, samples: readonly Ready[], options: { features: boolean }): Promise<readonly Answer[]>
  /** A sample in the log. */
  said(ready: Ready): string
  /** Reads the body of `POST /predict`. Throws `Refused`. */
  given(contentType: string | null, body: Uint8Array, reading: Reading): Promise<Given>
  /** The inputs of the Open Inference Protocol. */
  inputs(model: ServedModel): TensorAbout[]
  /** Reads the inputs of an inference request. `binary`: the bytes after its JSON. Throws `Refused`. */
  tensors(inputs: readonly Record<string, unknown>[], binary: Uint8Array, reading: Reading): Promise<Sample[]>
  /** What `POST /predict` takes, for OpenAPI: bodies by type, and a sentence. */
  bodies(model: ServedModel, limits: Limits): { content: Record<string, object>; ways: string }
  /** The page to try it by hand, and what its content security policy allows. */
  page(version: Version, token: boolean): { html: string; policy: string }
  /** A request that can be pasted into a shell. `more`: further flags of curl. */
  example(model: ServedModel, address: string, more: string): string
}
