import { dirname, join } from 'node:path'
import { loadTableModel } from '../../tabular/models/index.ts'
import { cardStem, readCard, type TableCard } from '../../tabular/run/card.ts'
import { type LoadedTable, loadTable } from '../../tabular/run/load.ts'
import type { Decision } from '../../tabular/run/metrics.ts'
import { textsOf } from '../../tabular/texts/embedder.ts'
import type { Frame, TableModel } from '../../tabular/types.ts'
import { noTexts } from './columns.ts'

/** A trained model of a table; `members`: one, or those of an average of folds. */
export interface OpenTableModel {
  stem: string
  card: TableCard
  members: readonly { stem: string; card: TableCard; model: TableModel }[]
  decision: Decision
  predict: LoadedTable['predict']
}

/** Reads a trained model: a run folder, or the path of its card. */
export async function openTableModel(path: string): Promise<OpenTableModel> {
  const stem = cardStem(path)
  const { card, decision, predict } = await loadTable(stem)
  const [text] = textsOf(card.encoding)
  if (text !== undefined) throw noTexts(text)
  const stems = card.members?.map(name => join(dirname(stem), name)) ?? [stem]
  const members = await Promise.all(
    stems.map(async own => {
      const ownCard = readCard(own)
      return { stem: own, card: ownCard, model: await loadTableModel(own, ownCard) }
    }),
  )
  return { stem, card, members, decision, predict }
}

/** The folder of the model's card. */
export const homeOf = ({ stem }: OpenTableModel): string => dirname(stem)

/** The predictions for the rows of a frame, as `predictTable` computes them: probabilities [rows × classes], or values
 *  [rows × targets]. */
export const trainedAnswers = (
  { predict }: OpenTableModel,
  frame: Frame,
  signal?: AbortSignal | undefined,
): Promise<Float64Array> => predict(frame, { signal })
