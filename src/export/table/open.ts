import { dirname, join } from 'node:path'
import { encode } from '../../tabular/encode.ts'
import { loadTableModel } from '../../tabular/models/index.ts'
import { cardStem, readCard, type TableCard } from '../../tabular/run/card.ts'
import { atTemperature } from '../../tabular/run/decide.ts'
import type { Decision } from '../../tabular/run/metrics.ts'
import type { Frame, TableModel } from '../../tabular/types.ts'

/** A trained model of a table; `members`: one, or those of an average of folds. */
export interface OpenTableModel {
  stem: string
  card: TableCard
  members: readonly { stem: string; card: TableCard; model: TableModel }[]
  decision: Decision
}

/** Reads a trained model: a run folder, or the path of its card. */
export async function openTableModel(path: string): Promise<OpenTableModel> {
  const stem = cardStem(path)
  const card = readCard(stem)
  const { target, positive, threshold } = card
  const stems = card.members?.map(name => join(dirname(stem), name)) ?? [stem]
  const members = await Promise.all(
    stems.map(async own => {
      const ownCard = readCard(own)
      return { stem: own, card: ownCard, model: await loadTableModel(own, ownCard) }
    }),
  )
  const decision = {
    ...(positive === undefined ? {} : { positive: target.classes.indexOf(positive) }),
    ...(threshold === undefined ? {} : { threshold }),
  }
  return { stem, card, members, decision }
}

/** The folder of the model's card. */
export const homeOf = ({ stem }: OpenTableModel): string => dirname(stem)

/** The predictions for the rows of a frame, as `predictTable` computes them: probabilities [rows × classes], or values
 *  [rows × targets]. */
export async function trainedAnswers(
  { members }: OpenTableModel,
  frame: Frame,
  signal?: AbortSignal | undefined,
): Promise<Float64Array> {
  const all: Float64Array[] = []
  for (const { card, model } of members) {
    const { task, classes } = card.target
    const outputs = await model.predict(encode(frame, card.encoding), { signal })
    all.push(task === 'single' ? atTemperature(outputs, classes.length, card.temperature ?? 1) : outputs)
  }
  return all[0]!.map((_, i) => all.reduce((sum, values) => sum + values[i]!, 0) / all.length)
}
