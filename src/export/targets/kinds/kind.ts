import type { AnyCard } from '../../../runtime/card.ts'
import type { Files } from '../files.ts'

/** A request that a folder's test sends: a file of the folder, or JSON; and the answer that is expected. */
export type Probe = ({ file: string; type: string } | { body: object }) & { outputs: Record<string, number> }

/** What the test of a folder sends. */
export interface Probes {
  /** How far an answer may be from the expected one: a probability, or a share of a value above 1. */
  tolerance: number
  probes: readonly Probe[]
  /** The files that the probes name. */
  files: Files
}

/** What a folder for Cloudflare Workers has of a kind of data, beside what all have. */
export interface WorkerParts {
  /** `input.mjs`, which reads the body of a request, and what it needs. `input.mjs` exports `kind`, `takes` (words for errors),
   *  `maxBytes`, `options` for `load`, and `inputOf(bytes, { type, url, card, refuse })`: what `model.predict` takes. */
  files: Files
  /** Packages by their versions, beside @anneal/run and onnxruntime-web. */
  packages: Record<string, string>
  /** The ways in which `POST /predict` takes samples there, as lines of a comment. */
  ways: readonly string[]
  /** What the README says of memory, time and files: a list in Markdown. */
  limits: string
}

/** What the folders have to know of a kind of data. */
export interface TargetKind<C extends AnyCard = AnyCard> {
  /** Samples in sentences: `pictures`. */
  nouns: string
  /** The flags of curl by which a sample is sent. */
  curl(card: C): string
  /** Without requests where the card has no probe. */
  probes(card: C): Promise<Probes>
  /** Packages of a server beside anneal and onnxruntime-node. */
  packages: readonly string[]
  /** What the README of a server says of the kind: lines of a list in Markdown. */
  notes: readonly string[]
  /** What a request to AWS Lambda, of 6 MB, holds. */
  lambdaLimit: string
  worker(card: C): WorkerParts
}

/** The answers of a probe by the names of classes or targets. outputs: [samples × classes]. */
export const named = ({ classes }: Pick<AnyCard, 'classes'>, outputs: readonly number[], sample = 0) =>
  Object.fromEntries(classes.map((name, c) => [name, outputs[sample * classes.length + c]!]))
