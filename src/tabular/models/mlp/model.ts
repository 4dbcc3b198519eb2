import type { nn } from '../../../torch/index.ts'
import type { TargetInfo } from '../../types.ts'
import { type LearnedCard, type LearnedKind, LearnedModel, readLearned } from '../learned/model.ts'
import { embeddingCodes, fitMlpInputs, type MlpInputs, mlpRows } from './inputs.ts'
import { type MlpShape, mlpNet } from './net.ts'

/** What is saved beside the weights. */
export type MlpCard = LearnedCard<MlpShape, MlpInputs>

/** AutoGluon's settings of fastai's net: width of the layers, dropout. */
const hidden: readonly number[] = [200, 100]
const dropout = 0.1

/** fastai's TabularModel. */
export const mlp: LearnedKind<MlpCard> = {
  name: 'mlp',
  cardOf({ x, y }) {
    const inputs = fitMlpInputs(x)
    const codes = embeddingCodes(inputs)
    const shape = { numbers: x.numberNames.length, codes, hidden, outputs: y.classes.length, dropout }
    return { format: 'anneal-mlp', version: 1, shape, inputs }
  },
  netOf: ({ shape }) => mlpNet(shape),
  layoutOf: ({ shape: { numbers, codes }, inputs }) => ({
    width: numbers + codes.length,
    codes: numbers,
    words: inputs.categories.length,
  }),
  rowsOf: ({ inputs }, x) => mlpRows(inputs, x),
  rowsAtOnce: 4096,
}

/** A trained TabularModel. */
export class Mlp extends LearnedModel<MlpCard> {
  /** `net` is in eval mode. */
  constructor(net: nn.Module, card: MlpCard, target: TargetInfo) {
    super(mlp, net, card, target)
  }

  /** Reads what `save` wrote. */
  static load(dir: string, target: TargetInfo): Mlp {
    const { net, card } = readLearned(mlp, dir)
    return new Mlp(net, card, target)
  }
}
