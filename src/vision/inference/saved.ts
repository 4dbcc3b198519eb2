import { ModelError } from '../../base/errors.ts'
import { type ImageModel, model as modelInfo } from '../../models/index.ts'
import { domainOf } from '../../runs/index.ts'
import { type Network, network } from '../../train/network.ts'
import {
  type ModelCard as AnyCard,
  type Member as AnyMember,
  buildModel,
  type LoadedModel as Loaded,
  readCard,
  readModel,
  type StoredModel,
  stemOf,
} from '../../train/saved-model.ts'
import type { ChannelMode } from '../decode/decode.ts'

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

/** The card of a net for pictures. */
export type ModelCard = AnyCard<Preprocessing>
/** A saved net for pictures. */
export type Member = AnyMember<Preprocessing, ImageModel>
/** A saved classifier of pictures: one net, or the members of an ensemble. */
export type LoadedModel = Loaded<Preprocessing, ImageModel>

/** Whether a card's preprocessing is one of pictures. */
export const isPreprocessing = (p: unknown): p is Preprocessing => {
  const { size, short, mean, std } = (p ?? {}) as Partial<Preprocessing>
  return typeof size === 'number' && typeof short === 'number' && Array.isArray(mean) && Array.isArray(std)
}

/** The network that a card describes, with weights of any kind in it. */
export function networkOf(
  { architecture, classes, head, preprocessing: { channels, size } }: ModelCard,
  device: string,
): Network<ImageModel> {
  const body = modelInfo(architecture).build({ classes: 0, channels, size })
  return network(body, classes.length, { ...head, device })
}

/** Reads a saved classifier of pictures: a run folder (its best weights), or the path of its weights or its JSON. */
export const loadModel = (path: string, { device = 'cpu' } = {}): LoadedModel => buildStored(readStored(path), device)

/** Its files alone, without libtorch. Throws where it is a model of another kind of data, or a net of that name is not
 *  known. */
export function readStored(path: string): StoredModel<Preprocessing> {
  const domain = domainOf(readCard(`${stemOf(path)}.json`))
  if (domain !== 'images')
    throw new ModelError(
      `${path}: is a model of ${domain}, and a model of pictures is expected here. \`npx anneal predict RUN FILE\` and \`npx anneal evaluate RUN FOLDER\` take it; \`npx anneal export RUN\` writes it as one file${
        domain === 'texts' ? ' (`exportText` in a program)' : domain === 'sounds' ? ' (`exportSound` in a program)' : ''
      }.`,
    )
  const stored = readModel(path, isPreprocessing)
  for (const { card } of stored.members) modelInfo(card.architecture)
  return stored
}

/** Makes its nets. */
export const buildStored = (stored: StoredModel<Preprocessing>, device = 'cpu'): LoadedModel =>
  buildModel(stored, { build: networkOf, device })

/** Frees the memory of its nets. */
export function disposeModel({ members }: LoadedModel): void {
  for (const { network } of members) for (const t of network.net.stateDict().values()) t.dispose()
}
