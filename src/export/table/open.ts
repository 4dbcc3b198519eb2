import { dirname, join } from 'node:path'
import { loadTableModel } from '../../tabular/models/index.ts'
import { cardStem, readCard, type TableCard } from '../../tabular/run/card.ts'
import { type LoadedTable, loadTable } from '../../tabular/run/load.ts'
import type { Decision } from '../../tabular/run/metrics.ts'
import { textsOf, withVectors } from '../../tabular/texts/embedder.ts'
import type { Frame, TableModel } from '../../tabular/types.ts'
import type { EmbeddingNet } from '../../text/run/embed.ts'
import { type OpenHow, textNetOf } from './text-net.ts'

/** A trained model of a table; `members`: one, or those of an average of folds. */
export interface OpenTableModel {
  stem: string
  card: TableCard
  members: readonly { stem: string; card: TableCard; model: TableModel }[]
  decision: Decision
  /** The net of its columns of texts. */
  textNet?: EmbeddingNet | undefined
  predict: LoadedTable['predict']
}

/** Reads a trained model: a run folder, or the path of its card. */
export async function openTableModel(path: string, how: OpenHow = {}): Promise<OpenTableModel> {
  const stem = cardStem(path)
  const { card, decision, predict } = await loadTable(stem)
  const stems = card.members?.map(name => join(dirname(stem), name)) ?? [stem]
  const members = await Promise.all(
    stems.map(async own => {
      const ownCard = readCard(own)
      return { stem: own, card: ownCard, model: await loadTableModel(own, ownCard) }
    }),
  )
  const textNet = await textNetOf(
    members.map(member => member.card.encoding),
    how,
  )
  return { stem, card, members, decision, predict, textNet }
}

/** The folder of the model's card. */
export const homeOf = ({ stem }: OpenTableModel): string => dirname(stem)

/** The predictions for the rows of a frame, as `predictTable` computes them: probabilities [rows × classes], or values
 *  [rows × targets]. */
export const trainedAnswers = async (
  model: OpenTableModel,
  frame: Frame,
  signal?: AbortSignal | undefined,
): Promise<Float64Array> => model.predict(await withTexts(model, frame, signal), { signal })

/** The same rows with the vectors of their texts, as training makes them. A frame that has vectors keeps them. */
export async function withTexts(
  { members, textNet }: OpenTableModel,
  frame: Frame,
  signal?: AbortSignal | undefined,
): Promise<Frame> {
  if (!textNet) return frame
  const names = new Set(members.flatMap(({ card }) => textsOf(card.encoding)))
  return withVectors(frame, [...names], { embedder: async () => textNet, signal })
}
