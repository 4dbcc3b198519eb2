import type { Body, Network } from '../../train/network.ts'
import { network } from '../../train/network.ts'
import type { ModelCard as AnyCard } from '../../train/saved-model.ts'
import type { Preprocessing } from '../features/inputs.ts'
import { buildBody } from '../models/bodies.ts'

/** The card of a net for sounds. */
export type ModelCard = AnyCard<Preprocessing>

/** The network that a card describes, with weights of any kind in it. */
export const networkOf = ({ architecture, classes, head }: ModelCard, device: string): Network<Body> =>
  network(buildBody(architecture), classes.length, { ...head, device })
