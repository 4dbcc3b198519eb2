import { RunError } from './errors.ts'
import type { Sessions } from './session.ts'
import { Turns } from './turns.ts'
import type { Device, Host, LoadOptions, Ort, OrtSession, OrtTensor } from './types.ts'

/** What a model of a table, of texts or of sounds is made of. */
export interface Parts<Card> {
  card: Card
  device: Device
  why: string
  session: OrtSession
  ort: Ort
  turns: Turns
}

/** A model that runs on the usual device alone: of a table, of texts, of sounds. A model of pictures (`model.ts`) has its own class,
 *  so that pages of pictures load no more than they need. */
export class PlainModel<Card> {
  /** What is known of the model: classes, metrics, and how its inputs are made ready. */
  readonly card: Card
  /** Where it computes, and why there. */
  readonly device: Device
  readonly why: string
  readonly #end: () => Promise<void>

  constructor({ card, device, why, session, turns }: Parts<Card>) {
    this.card = card
    this.device = device
    this.why = why
    this.#end = () => turns.dispose(() => session.release())
  }

  /** Ends the model after the predictions that wait, and frees its memory. */
  dispose(): Promise<void> {
    return this.#end()
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }
}

/** The error where such a model is asked to run on WebGPU. `name`: what errors call the file; what: `a model of texts`; lacks: what
 *  WebGPU has none of. */
export const notOnGpu = (name: string, what: string, lacks: string): RunError =>
  new RunError('use', `${name}: ${what} does not run on WebGPU, which has no ${lacks}. Leave device out.`)

/** Makes the parts of a model on the usual device. check: throws where the session is another one than the card says; `name`:
 *  what errors call the file. */
export async function partsOf<Card>(
  { ort, plain }: Sessions,
  { card, name, check }: { card: Card; name: string; check: (session: OrtSession, card: Card, name: string) => void },
  host: Pick<Host<never>, 'device'>,
  { device = 'auto' }: LoadOptions,
): Promise<Parts<Card>> {
  const session = await plain(made => check(made, card, name))
  const why = device === 'auto' ? 'the usual device' : 'as asked'
  return { card, ort, session, device: host.device, why, turns: new Turns() }
}

/** Runs a graph, and frees the tensors. names: the outputs that are wanted, all of them float32. */
export async function outputsOf(
  session: OrtSession,
  feeds: Record<string, OrtTensor>,
  names: readonly string[],
): Promise<Float32Array[]> {
  const outputs = await session.run(feeds, names)
  const values = names.map(name => Float32Array.from(outputs[name]!.data as Float32Array))
  for (const tensor of [...Object.values(feeds), ...names.map(name => outputs[name]!)]) tensor.dispose?.()
  return values
}

/** A row of an output of `count` rows. */
export const rowOf = (all: Float32Array, row: number, count: number): Float32Array =>
  all.slice((row * all.length) / count, ((row + 1) * all.length) / count)
