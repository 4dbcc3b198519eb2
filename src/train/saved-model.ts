import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type AnnealError, ModelError } from '../base/errors.ts'
import { writeAtomic } from '../base/files.ts'
import type { Task } from '../data/index.ts'
import { kernelSets, nn, type Tensor } from '../torch/index.ts'
import { readWeights, type StoredTensor, writeSafetensors } from '../weights/index.ts'
import { applyTemperature, toLogits } from './metrics.ts'
import type { Body, Network, Precision } from './network.ts'
import { type Objective, type Outputs, objective, type TargetScale } from './objective.ts'
import type { SavedComputing } from './saved-computing.ts'

/** The JSON beside the weights: all that prediction needs, without code. `P`: the preprocessing of inputs, as defined
 *  by their domain. */
export interface ModelCard<P = unknown> {
  format: 'anneal-classifier'
  version: 1
  /** The kind of data. Default: `images`. */
  domain?: string
  architecture: string
  head: { hidden: readonly number[]; dropout: number }
  /** The task. Default: single-label. */
  task?: Task
  /** Names of the classes, or of the targets. */
  classes: readonly string[]
  preprocessing: P
  /** Multi-label: the probability from which a label counts as given, [classes]. */
  thresholds?: readonly number[]
  /** Regression: mean and standard deviation of the targets over the training pictures, [targets]. */
  scale?: TargetScale
  /** The divisor of logits before softmax or sigmoid (Guo et al. 2017, arXiv:1706.04599). Default: 1. For an ensemble
   *  it applies to the mean of its members, each at its own temperature. */
  temperature?: number
  /** For an ensemble, which has no weights itself: names of the saved classifiers beside the card whose outputs are
   *  averaged. */
  members?: readonly string[]
  /** The number type of products in training and validation. Default: float32. */
  precision?: Precision
  /** How products were computed in training and validation. Default: in the usual ways of this machine. */
  computing?: SavedComputing
  /** The validation results. */
  metrics: Record<string, number>
  anneal: string
}

/** The objective of a saved net; for classes of `uneven` sizes balanced accuracy is reported too. */
export const cardObjective = ({ task = 'single', classes, scale }: ModelCard, { uneven = false } = {}): Objective =>
  objective(task, classes, { uneven, ...(scale ? { scale } : {}) })

/** The default type in which a saved net predicts: the one it was validated in if the device has instructions for it,
 *  else float32. */
export function precisionOf({ precision = 'float32' }: Pick<ModelCard, 'precision'>, device = 'cpu'): Precision {
  if (device !== 'cpu') return precision
  return precision === 'bfloat16' && kernelSets('bfloat16').length > 0 ? precision : 'float32'
}

/** Writes `PATH.safetensors` and `PATH.json`, each atomically. */
export function saveModel(path: string, net: ReadonlyMap<string, Tensor>, card: ModelCard): void {
  writeSafetensors(`${path}.safetensors`, storedTensors(net), { architecture: card.architecture, format: 'pt' })
  writeAtomic(`${path}.json`, `${JSON.stringify(card, null, 2)}\n`)
}

/** Tensors as plain bytes, row-major, by name. */
export function storedTensors(tensors: ReadonlyMap<string, Tensor>): Map<string, StoredTensor> {
  return new Map(
    Array.from(tensors, ([name, t]) => {
      const data = t.data()
      return [
        name,
        {
          dtype: t.dtype as StoredTensor['dtype'],
          shape: t.shape,
          data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
        },
      ]
    }),
  )
}

/** A saved net and its card. */
export interface Member<P = unknown, B extends Body = Body> {
  network: Network<B>
  card: ModelCard<P>
}
/** A saved classifier: one net, or the members of an ensemble. */
export interface LoadedModel<P = unknown, B extends Body = Body> {
  card: ModelCard<P>
  members: Member<P, B>[]
}

/** The stored content of one saved net. */
export interface StoredMember<P = unknown> {
  card: ModelCard<P>
  /** The file of the weights. */
  file: string
  weights: ReadonlyMap<string, StoredTensor>
}
/** The stored content of a saved classifier: plain bytes that can be sent to another thread, no tensors of libtorch. */
export interface StoredModel<P = unknown> {
  card: ModelCard<P>
  members: StoredMember<P>[]
}

/** Makes the network that a card describes, on a device; its weights are loaded afterwards. */
export type BuildNetwork<P, B extends Body> = (card: ModelCard<P>, device: string) => Network<B>

/** Reads a saved classifier: a run folder (its best weights), or the path of its weights or its JSON. */
export function loadModel<P, B extends Body>(
  path: string,
  {
    build,
    isPreprocessing,
    device = 'cpu',
  }: { build: BuildNetwork<P, B>; isPreprocessing(p: unknown): p is P; device?: string },
): LoadedModel<P, B> {
  return buildModel(readModel(path, isPreprocessing), { build, device })
}

/** Reads the files of a saved classifier without libtorch; see `loadModel`. */
export function readModel<P>(path: string, isPreprocessing: (p: unknown) => p is P): StoredModel<P> {
  const stem = stemOf(path)
  const read = (file: string): ModelCard<P> => {
    const card = readCard(file)
    if (!isPreprocessing(card.preprocessing)) throw notOurs(file)
    return card as ModelCard<P>
  }
  const member = (at: string, card: ModelCard<P>): StoredMember<P> => {
    const file = `${at}.safetensors`
    try {
      return { card, file, weights: readWeights(file) }
    } catch (cause) {
      throw new ModelError(`${file}: ${(cause as Error).message}`, { cause })
    }
  }
  const card = read(`${stem}.json`)
  if (!card.members) return { card, members: [member(stem, card)] }
  return { card, members: memberStems(stem, card.members).map(at => member(at, read(`${at}.json`))) }
}

/** Makes the nets of a saved classifier. Throws if weights and architecture do not fit. */
export function buildModel<P, B extends Body>(
  { card, members }: StoredModel<P>,
  { build, device = 'cpu' }: { build: BuildNetwork<P, B>; device?: string },
): LoadedModel<P, B> {
  return { card, members: members.map(member => ({ card: member.card, network: builtNetwork(member, build, device) })) }
}

function builtNetwork<P, B extends Body>(
  { card, file, weights }: StoredMember<P>,
  build: BuildNetwork<P, B>,
  device: string,
): Network<B> {
  const net = nn.init.undrawn(() => build(card, device))
  try {
    net.net.loadStateDict(weights)
  } catch (cause) {
    throw new ModelError(`${file}: ${(cause as Error).message}`, { cause })
  }
  net.net.eval()
  return net
}

/** The paths of the classifiers that a card lists, beside it. */
function memberStems(stem: string, names: readonly string[]): string[] {
  return names.map(name => {
    if (name !== basename(name) || !/^[\w.@-]+$/.test(name))
      throw new ModelError(
        `${stem}.json: "${name}" is no member of this model; expected the name of a classifier beside the card`,
      )
    return join(dirname(stem), name)
  })
}

/** The path of a saved classifier without its ending. */
export function stemOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory()) return join(path, 'best')
  if (!stat && existsSync(`${path}.json`)) return path // as `save` took it
  if (!stat) throw new ModelError(`${path}: no such run or model. \`npx anneal runs\` lists the runs.`)
  return path.replace(/\.(safetensors|json)$/, '')
}

/** Reads a card of any domain; throws if the file is not a card. */
export function readCard(path: string): ModelCard {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ModelError(`${path}: there is no saved model here (the run may have ended before its first epoch).`, {
      cause,
    })
  }
  let card: Partial<ModelCard>
  try {
    card = JSON.parse(text)
  } catch (cause) {
    throw new ModelError(`${path}: is not valid JSON.`, { cause })
  }
  const { classes, head } = card
  const whole =
    card.format === 'anneal-classifier' &&
    card.version === 1 &&
    typeof card.architecture === 'string' &&
    Array.isArray(classes) &&
    classes.length > (card.task === undefined || card.task === 'single' ? 1 : 0) &&
    ['single', 'multi', 'regression'].includes(card.task ?? 'single') &&
    classes.every(c => typeof c === 'string') &&
    Array.isArray(head?.hidden)
  if (whole) return card as ModelCard
  if ((card as { format?: string }).format === 'anneal-table')
    throw new ModelError(
      `${path}: is a model of a table, and a model of pictures is expected here. \`npx anneal predict RUN TABLE\` predicts the rows of a table, \`npx anneal export RUN\` writes the model as one file (\`exportTable\` in a program).`,
    )
  throw notOurs(path)
}

const notOurs = (path: string): AnnealError =>
  new ModelError(
    `${path}: does not describe a classifier of this version of Anneal (format anneal-classifier, version 1).`,
  )

/** Applies the temperature of an ensemble's card to the mean outputs of its members. The outputs of a single net are
 *  unchanged, since its temperature is applied already. outputs: [N × classes]. */
export function together({ task = 'single', classes, members, temperature = 1 }: ModelCard, outputs: Outputs): Outputs {
  if (!members || task === 'regression' || temperature === 1) return outputs
  return applyTemperature(toLogits(outputs, { task }), classes.length, temperature, { task })
}
