import { DataError } from '../../../base/errors.ts'
import type { nn } from '../../../torch/index.ts'
import type { TargetInfo } from '../../types.ts'
import { type LearnedCard, type LearnedKind, LearnedModel, readLearned } from '../learned/model.ts'
import { fitTabmInputs, isKept, placesOf, type TabmInputs, tabmRows } from './inputs.ts'
import { type TabmShape, tabmNet } from './net.ts'

/** What is saved beside the weights. */
export type TabmCard = LearnedCard<TabmShape, TabmInputs>

/** The package's defaults: members, width of the layers, dropout. With embeddings two layers, else three. */
const members = 32
const width = 512
const dropout = 0.1

/** TabM. */
export const tabm: LearnedKind<TabmCard> = {
  name: 'tabm',
  cardOf({ x, y }, seed) {
    const inputs = fitTabmInputs(x, seed)
    if (placesOf(inputs).width === 0)
      throw new DataError(
        `tabm: each of the columns ${x.numberNames.join(', ')} has one value in all ${x.rows} training rows, so nothing can be learned; expected a column whose values differ. Add one, or split the rows in another way`,
      )
    const edges = inputs.numbers.filter(isKept).map(number => number.edges)
    const shape = {
      edges,
      flags: inputs.numbers.filter(({ flag }) => flag).length,
      codes: inputs.categories.map(({ codes }) => codes),
      members,
      hidden: Array<number>(edges.length > 0 ? 2 : 3).fill(width),
      outputs: y.classes.length,
      dropout,
    }
    return { format: 'anneal-tabm', version: 1, shape, inputs }
  },
  netOf: ({ shape }) => tabmNet(shape),
  layoutOf({ inputs }) {
    const { codes, width } = placesOf(inputs)
    return { width, codes, words: inputs.categories.length }
  },
  rowsOf: ({ inputs }, x) => tabmRows(inputs, x),
  rowsAtOnce: 1024,
}

/** A trained TabM. */
export class Tabm extends LearnedModel<TabmCard> {
  /** `net` is in eval mode. */
  constructor(net: nn.Module, card: TabmCard, target: TargetInfo) {
    super(tabm, net, card, target)
  }

  /** Reads what `save` wrote. */
  static load(dir: string, target: TargetInfo): Tabm {
    const { net, card } = readLearned(tabm, dir)
    return new Tabm(net, card, target)
  }
}
