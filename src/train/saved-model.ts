import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { AnnealError } from '../base/errors.ts'
import { writeAtomic } from '../base/files.ts'
import type { ChannelMode, Task } from '../data/index.ts'
import { kernelSets, nn, type Tensor } from '../torch/index.ts'
import { model as modelInfo } from '../vision/models/index.ts'
import { readWeights, type StoredTensor, writeSafetensors } from '../weights/index.ts'
import { type Network, network, type Precision } from './network.ts'
import { type Objective, objective, type TargetScale } from './objective.ts'

/** How a picture becomes the net's input: short side to `short`, centre crop of `size`, [0, 1], minus mean, over std. */
export interface Preprocessing {
  size: number
  short: number
  interpolation: 'bilinear' | 'bicubic'
  mean: readonly number[]
  std: readonly number[]
  /** Channels that the net takes. */
  channels: number
  /** How the channels of a file are read; `rgb` unless given. */
  mode?: ChannelMode
  /** With `copy`: what is black and white in pictures of 16 bits and floats. */
  range?: readonly [low: number, high: number]
  /** Endings of the names of a picture's files, where each channel has a file of its own. */
  bands?: readonly string[]
}

/** Pictures for equal ones are decoded alike. */
export const decodedAs = ({ short, interpolation, mode = 'rgb', range, bands }: Preprocessing): string =>
  JSON.stringify([short, interpolation, mode, range, bands])

/** The JSON beside the weights: all that prediction needs, and no code. */
export interface ModelCard {
  format: 'anneal-classifier'
  version: 1
  architecture: string
  head: { hidden: readonly number[]; dropout: number }
  /** What is told of a picture; its one class where it is absent. */
  task?: Task
  /** Names of the classes, or of the targets. */
  classes: readonly string[]
  preprocessing: Preprocessing
  /** For several labels: the probability from which a label counts, [classes]. */
  thresholds?: readonly number[]
  /** For numbers: their mean and deviation over the training pictures, [targets]. */
  scale?: TargetScale
  /** What logits are divided by before softmax or sigmoid (Guo et al. 2017, arXiv:1706.04599); 1 where it is absent. Of an
   *  ensemble: those of the mean of its members, each at its own temperature. */
  temperature?: number
  /** An ensemble: names of saved classifiers beside the card whose outputs are averaged, instead of weights of its own. */
  members?: readonly string[]
  /** The type of the products that it was trained and validated in; float32 where it is absent. */
  precision?: Precision
  /** How it validated. */
  metrics: Record<string, number>
  anneal: string
}

/** What the outputs of a saved net mean; on classes of `uneven` sizes balanced accuracy is told too. */
export const cardObjective = ({ task = 'single', classes, scale }: ModelCard, { uneven = false } = {}): Objective =>
  objective(task, classes, { uneven, ...(scale ? { scale } : {}) })

/** The type that a saved net predicts in unless told otherwise: the one it was validated in where the device has
 *  instructions for it, else float32. */
export function precisionOf({ precision = 'float32' }: Pick<ModelCard, 'precision'>, device = 'cpu'): Precision {
  if (device !== 'cpu') return precision
  return precision === 'bfloat16' && kernelSets('bfloat16').length > 0 ? precision : 'float32'
}

/** Writes `PATH.safetensors` and `PATH.json`, each whole or not at all. */
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

/** A saved net with what is known of it. */
export interface Member {
  network: Network
  card: ModelCard
}
/** A saved classifier: one net, or the members of an ensemble. */
export interface LoadedModel {
  card: ModelCard
  members: Member[]
}

/** Reads a saved classifier: a run folder (its best weights), or the path of its weights or its JSON. */
export function loadModel(path: string, { device = 'cpu' } = {}): LoadedModel {
  const stem = stemOf(path)
  const card = readCard(`${stem}.json`)
  if (!card.members) return { card, members: [{ network: loadNetwork(stem, card, device), card }] }
  const members = memberStems(stem, card.members).map(member => {
    const own = readCard(`${member}.json`)
    return { network: loadNetwork(member, own, device), card: own }
  })
  return { card, members }
}

function loadNetwork(stem: string, { architecture, classes, head, preprocessing }: ModelCard, device: string): Network {
  const { channels, size } = preprocessing
  const build = () => modelInfo(architecture).build({ classes: 0, channels, size })
  const net = nn.init.undrawn(() => network(build(), classes.length, { ...head, device }))
  try {
    net.net.loadStateDict(readWeights(`${stem}.safetensors`))
  } catch (cause) {
    throw new AnnealError(`${stem}.safetensors: ${(cause as Error).message}`, { cause })
  }
  net.net.eval()
  return net
}

/** The paths of the classifiers that a card lists, beside it. */
function memberStems(stem: string, names: readonly string[]): string[] {
  return names.map(name => {
    if (name !== basename(name) || !/^[\w.@-]+$/.test(name))
      throw new AnnealError(
        `${stem}.json: "${name}" is no member of this model; expected the name of a classifier beside the card`,
      )
    return join(dirname(stem), name)
  })
}

function stemOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory()) return join(path, 'best')
  if (!stat && existsSync(`${path}.json`)) return path // as `save` took it
  if (!stat) throw new AnnealError(`${path}: no such run or model. \`npx anneal runs\` lists the runs.`)
  return path.replace(/\.(safetensors|json)$/, '')
}

function readCard(path: string): ModelCard {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new AnnealError(`${path}: there is no saved model here (the run may have ended before its first epoch).`, {
      cause,
    })
  }
  let card: Partial<ModelCard>
  try {
    card = JSON.parse(text)
  } catch (cause) {
    throw new AnnealError(`${path}: is not valid JSON.`, { cause })
  }
  const { preprocessing: p, classes, head } = card
  const whole =
    card.format === 'anneal-classifier' &&
    card.version === 1 &&
    typeof card.architecture === 'string' &&
    Array.isArray(classes) &&
    classes.length > (card.task === undefined || card.task === 'single' ? 1 : 0) &&
    ['single', 'multi', 'regression'].includes(card.task ?? 'single') &&
    classes.every(c => typeof c === 'string') &&
    Array.isArray(head?.hidden) &&
    typeof p?.size === 'number' &&
    typeof p.short === 'number' &&
    Array.isArray(p.mean) &&
    Array.isArray(p.std)
  if (!whole)
    throw new AnnealError(
      `${path}: does not describe a classifier of this version of Anneal (format anneal-classifier, version 1).`,
    )
  return card as ModelCard
}
